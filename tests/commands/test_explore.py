"""The command that writes the explorer's page: what it needs, says and leaves."""

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from builders.processes import child_environment

from galvae.analysis import plane
from galvae.commands import explore
from galvae.runs.axis_names import kept_axis_names
from galvae.runs.stored_run import StoredRun


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained("vae"), tmp_path / "run")


def manifest(page):
    """What a page says of itself."""
    text = (page / "explorer.html").read_text(encoding="utf-8")
    return json.loads(re.search(r'id="manifest">(.*?)</script>', text)[1])


def test_the_page_is_a_file_of_every_galaxy_with_names_colours_and_thumbnails(run, galvae, monkeypatch):
    opened = []
    monkeypatch.setattr(explore.webbrowser, "open", opened.append)
    status, out, err = galvae("explore", f"run={run}", "umap=false", "thumbnails=9", "open=true")
    assert status == 0, err
    page = run / "explore"
    assert out.splitlines()[0].startswith("explorer.html: 60 galaxies, 0.") and out.splitlines()[-1] == str(
        page
    )
    assert {path.name for path in page.iterdir()} - {"explore.log"} == {"explorer.html"}
    assert opened == [(page / "explorer.html").as_uri()]
    shown = manifest(page)
    assert shown["count"] == 60 and shown["run"] == "run" and shown["planes"][0]["name"] != "UMAP"
    assert shown["arrays"]["thumbnails"]["shape"] == [9] and shown["arrays"]["palette.values"]["shape"] == [
        256,
        3,
    ]
    assert {"r50", "flux"} <= {column["name"] for column in shown["columns"]}
    names = kept_axis_names(StoredRun.open(run))
    assert len(names) == 3  # measured by this call if not before, and kept
    assert [one["name"] or "no measured property" for one in shown["latents"]] == [
        names[one["axis"]] for one in shown["latents"]
    ]


@pytest.mark.slow
def test_a_run_that_keeps_codes_and_names_is_shown_without_keras(run, tmp_path):
    program = (
        "import sys; from galvae.cli.main import main\n"
        f"try: main(['explore', 'run={run}', 'umap=false', *sys.argv[1:]])\n"
        "except SystemExit as stop: status = stop.code\n"
        "print(status, sorted({'tensorflow', 'keras', 'jax', 'sklearn'} & set(sys.modules)))"
    )

    def loaded():
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=child_environment(),
            check=True,
        )
        return done.stdout.splitlines()[-1]

    shutil.rmtree(
        run / "axes", ignore_errors=True
    )  # kept where another test of the same training evaluated it
    assert "keras" in loaded()  # which measures the names
    assert loaded() == "0 []"
    first, second = ((run / name / "explorer.html").read_bytes() for name in ("explore", "explore-2"))
    assert first == second


@pytest.mark.slow
def test_the_plane_is_fitted_once_and_few_galaxies_have_none(run, galvae, monkeypatch):
    status, _, err = galvae("explore", f"run={run}", "thumbnails=0")
    assert status == 0 and "fitted UMAP to 60 codes" in err
    assert manifest(run / "explore")["planes"][0] == {"name": "UMAP", "x": "umap_x", "y": "umap_y"}
    status, _, err = galvae("explore", f"run={run}", "thumbnails=0")
    assert status == 0 and f"the plane is that of {run / 'explore' / 'embedding.npz'}" in err
    monkeypatch.setattr(plane, "newest_stored", lambda *_: (None, None))
    monkeypatch.setattr(plane.umap_embedding, "check_enough", few)
    status, _, err = galvae("explore", f"run={run}", "thumbnails=0")
    assert status == 0 and "the page has no UMAP plane: n_neighbors: expected fewer" in err


def few(count, settings):
    raise explore.GalvaeError("n_neighbors: expected fewer")


def test_measures_are_left_out_where_they_would_take_long(run, galvae, monkeypatch):
    quick = ("explore", f"run={run}", "umap=false", "thumbnails=0")
    monkeypatch.setattr(explore.measured, "not_measured", lambda dataset, indices: explore.MOST_MEASURED + 1)
    status, _, err = galvae(*quick)
    assert status == 0 and "5001 of 60 galaxies are not measured yet; measures=true measures them" in err
    assert "r50" not in {column["name"] for column in manifest(run / "explore")["columns"]}
    assert galvae(*quick, "measures=true")[0] == 0
    assert "r50" in {column["name"] for column in manifest(run / "explore-2")["columns"]}


def test_more_galaxies_than_fit_into_a_file_make_a_folder(run, galvae):
    status, out, err = galvae("explore", f"run={run}", "umap=false", "thumbnails=9", "inline=59")
    assert status == 0, err
    assert re.match(r"explorer.html: 60 galaxies, \d.\d MB in \d+ files; a web server hands it out", out)
    page = run / "explore"
    (data,) = page.glob("data-*")
    assert manifest(page)["data"] == data.name
    assert all(path.stat().st_size <= 2e6 for path in data.iterdir())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["columns=[mass]"], "columns: expected "),
        (["columns=[ra,ra]"], "columns: expected different names"),
        (["colour=mass"], "colour: expected "),
        (["thumbnails=-1"], "thumbnails: expected"),
    ],
)
def test_what_cannot_be_shown_is_refused_and_nothing_is_left(words, message, run, galvae):
    status, _, err = galvae("explore", f"run={run}", "umap=false", "thumbnails=0", "measures=false", *words)
    assert status == 2 and err.splitlines()[-1].startswith(f"galvae: {message}")
    assert not (run / "explore").exists()


def test_codes_of_another_checkpoint_are_not_shown(run, galvae):
    path = run / "codes" / "all.npz"
    with np.load(path) as file:
        arrays = dict(file)
    np.savez(path, **{**arrays, "identity": np.array("{}")})
    status, _, err = galvae("explore", f"run={run}", "umap=false", "thumbnails=0")
    assert status == 0, err
    with np.load(path) as file:  # encoded again
        np.testing.assert_allclose(file["mean"], arrays["mean"], atol=1e-5)
