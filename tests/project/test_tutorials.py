"""The quickstart and the tutorials: their commands and their Python run in order, and make what the pages promise.

So that this takes minutes and not hours, `SMALLER` has words that replace or follow those of the pages.
"""

import json
import re
import shlex

import h5py
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from builders.command_line import run_command
from builders.source_tree import ROOT

from galvae.data.readers import simulated

DOCS = ROOT / "docs"
PAGES = ("quickstart", "tutorials/blog", "tutorials/redshifts", "tutorials/survey")
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LEFT_OUT = ("experiment=galaxy10_blog", "experiment=galaxy10_blog_sweep")  # a download, and hours
SMALLER = {
    "train": ("epochs=2",),
    "evaluate": ("samples=60", "bootstrap=100"),
    "umap": ("n_epochs=20", "grid=5"),
    "compare": ("n=9",),
}
FEW = "dataset.count=120"  # of 3,000 simulated galaxies


def blocks(page):
    """All (language, text) of a page, in order."""
    return BLOCK.findall((DOCS / f"{page}.md").read_text(encoding="utf-8"))


def smaller(words, found):
    """The words of a galvae command after `galvae`, changed so that it is quick and opens no browser."""
    command, *rest = words
    rest = [word for word in rest if word != "open=true" and not word.startswith("epochs=")]
    if "box" in found:  # what the page asks its reader to put in place of the example
        x0, x1, y0, y1 = found["box"]
        points = np.linspace((x0, y0), (x1, y1), 3).tolist()
        rest = [f"box={[x0, x1, y0, y1]}" if word.startswith("box=") else word for word in rest]
        rest = [f"points={points}" if word.startswith("points=") else word for word in rest]
    few = {"dataset=simulated", "experiment=simulated_recommended"} & set(rest)
    return [command, *rest, *SMALLER.get(command, ()), *([FEW] if few else ())]


def follow(page, folder, monkeypatch):
    """Runs a page in an empty folder; returns the names that its Python has defined."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(simulated, "cores", lambda: 1)
    found = {}
    for language, text in blocks(page):
        if language == "python":
            exec(text, found)
            continue
        for line in text.splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["galvae"] and not set(LEFT_OUT) & set(words):
                assert run_command(*smaller(words[1:], found)) == 0, line
    return found


def promised(page):
    """Names of files of results that a page speaks of."""
    text = BLOCK.sub("", (DOCS / f"{page}.md").read_text(encoding="utf-8"))
    return set(re.findall(r"`(?:[\w./-]*/)?([\w-]+\.(?:png|ecsv|npz|fits|md|html|json))`", text))


def test_every_line_of_a_shell_block_is_one_command():
    for page in PAGES:
        lines = [line for language, text in blocks(page) if language == "sh" for line in text.splitlines()]
        others = [line for line in lines if not line.startswith("galvae ")]
        assert len(others) < len(lines) and not any(line.endswith("\\") for line in lines)
        assert all(re.match(r"(python3 -m venv|source|pip install) ", line) for line in others), others


@pytest.fixture
def followed(tmp_path, monkeypatch):
    """Runs a page and checks that every file of which it speaks has been made."""

    def run(page):
        found = follow(page, tmp_path, monkeypatch)
        written = {path.name for path in tmp_path.rglob("*") if path.is_file()}
        assert promised(page) <= written, sorted(promised(page) - written)
        return found

    return run


@pytest.mark.slow
def test_the_quickstart(followed, tmp_path):
    followed("quickstart")
    files = sorted((tmp_path / "my_galaxies").iterdir())
    images = np.stack([fits.getdata(path) for path in files])
    assert images.shape == (300, 48, 48)
    hdf, own = sorted((tmp_path / "outputs/train").glob("2*"))
    assert {path.name for path in (hdf / "figures").glob("*.png")} == {
        *("loss.png", "reconstructions.png", "samples.png", "latent.png")
    }
    assert np.load(hdf / "sample/samples.npz")["images"].shape == (100, 32, 32, 3)
    assert {"evaluate/card.png", "evaluate/galaxies.ecsv"} <= relative(hdf)
    assert {"evaluate/card.png", "umap/mosaic.png", "umap/umap.ecsv"} <= relative(own)
    table = Table.read(own / "umap/umap.ecsv")
    assert set(table["id"]) == {path.name for path in files}
    assert (tmp_path / "outputs/train/latest").resolve() == own


@pytest.mark.slow
def test_a_map_of_morphology(followed, tmp_path):
    found = followed("tutorials/blog")
    ae, vae = sorted((tmp_path / "outputs/train").glob("2*"))
    assert ae.name.endswith("_hdf_ae_z2") and vae.name.endswith("_hdf_vae_z2")
    for run in (ae, vae):
        assert {"traverse/plane.png", "traverse/plane_scatter.png"} <= relative(run)
    sweep = tmp_path / "outputs/multirun/latest"
    assert {"compare/samples.png", "compare/loss.png", "compare/runs.md"} <= relative(sweep)
    for name, dimensions in (("1_hdf_vae_z4", 4), ("2_hdf_vae_z8", 8)):
        assert np.load(sweep / name / "traverse/traverse.npz")["codes"].shape[-1] == dimensions
    run = sweep / "2_hdf_vae_z8"
    figures = {"umap/umap.png", "umap/mosaic.png", "umap/montage.png", "umap/umap.ecsv"}
    assert figures | {"umap-2/montage.png", "umap-2/box.ecsv", "umap-3/montage.png"} <= relative(run)
    table, inside = Table.read(run / "umap/umap.ecsv"), Table.read(run / "umap-2/box.ecsv")
    x0, x1, y0, y1 = found["box"]
    expected = table[
        (x0 <= table["umap_x"]) & (table["umap_x"] <= x1) & (y0 <= table["umap_y"]) & (table["umap_y"] <= y1)
    ]
    assert len(table) == 820 and 0 < len(expected) < 820 and set(inside["id"]) == set(expected["id"])


@pytest.mark.slow
def test_galaxies_at_a_chosen_redshift(followed, tmp_path):
    followed("tutorials/redshifts")
    (run,) = (tmp_path / "outputs/train").glob("2*")
    for folder in ("sample", "sample-2"):
        images = np.load(run / folder / "samples.npz")["images"]
        assert images.reshape(-1, 64, 64, 3).shape[0] == 24  # 8 galaxies at each of three redshifts
    assert {"sample/samples.png", "sample-2/samples.fits", "sample-2/samples.png"} <= relative(run)
    assert {"traverse/condition.png", "traverse/traverse.png"} <= relative(run)
    assert {"evaluate/condition_audit.png", "evaluate/metrics.json"} <= relative(run)
    assert "conditions" in json.loads((run / "evaluate/metrics.json").read_text())


@pytest.mark.slow
def test_a_survey(followed, tmp_path):
    found = followed("tutorials/survey")
    with h5py.File(tmp_path / "survey.h5") as file:
        images, ids = file["images"][:], file["id"][:].astype(str)
        assert images.shape == (600, 32, 32, 3) and len(set(ids)) == 600
        assert file["companion"][:].sum() == 12 and {"ra", "dec"} <= set(file)
    galaxy = found["draw"](np.random.default_rng(0))
    rotated = [np.rot90(flipped, turns) for flipped in (galaxy, galaxy[::-1]) for turns in range(4)]
    assert not any(np.allclose(galaxy, other, rtol=0.1) for other in rotated[1:])
    (run,) = (tmp_path / "outputs/train").glob("2*")
    near = Table.read(run / "neighbors/neighbors.ecsv")
    assert len(near) == 10 and "GV00017" not in near["id"] and {"ra", "dec"} <= set(near.colnames)
    assert len(found["table"]) == 600 and 0 <= found["found"] <= 12
    field = found["field"]
    assert list(field["id"]) == [f"GV{number:05d}" for number in range(600, 700)]
    columns = {"ra", "dec", "code_0", "code_15", "r50", "mse", "neighbor_1", "score_error", "p_code"}
    assert columns <= set(field.colnames)
    assert (run / "explore/explorer.html").stat().st_size > 100_000


def relative(folder):
    """Names of all files below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
