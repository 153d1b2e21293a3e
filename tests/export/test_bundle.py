"""Bundles of trained runs: the same numbers without the training data, and nothing about their maker."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from builders.configs import SMALL

from galvae.data.galaxies import StoredGalaxies
from galvae.data.splits import read_splits
from galvae.errors import GalvaeError
from galvae.export.bundle import _blanked, _without_paths, export_bundle, without_folders
from galvae.runs.axis_names import kept_axis_names
from galvae.runs.bundles import manifest, verify
from galvae.runs.directory import RunDirectory
from galvae.runs.find import MANIFEST
from galvae.runs.noise import learn_noise
from galvae.runs.prior_fits import fit_priors
from galvae.runs.reference import keep_reference
from galvae.runs.stored_run import StoredRun
from galvae.runs.trained_run import TrainedRun
from galvae.system.citation import citation

ABOUT = {"name": "shared", "licence": None, "description": None}


@pytest.fixture
def made(trained, tmp_path):
    """A function that opens a copy of a trained run, whose path names its maker."""

    def make(model):
        folder = tmp_path / "home" / "somebody" / model
        shutil.copytree(
            trained(model), folder, ignore=shutil.ignore_patterns("evaluate*", "sample*", "umap*")
        )
        return TrainedRun.open(folder)

    return make


@pytest.fixture
def bundled(made, tmp_path):
    """A function that makes a bundle of a trained run; returns its path."""

    def bundle(model, about=ABOUT, **options):
        (tmp_path / "given").mkdir(exist_ok=True)
        return export_bundle(made(model), tmp_path / "given", about["name"], about, **options)

    return bundle


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A machine without the training data: another cache, and another working directory."""

    def go():
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        monkeypatch.setenv("GALVAE_CACHE", str(tmp_path / "elsewhere" / "cache"))

    return go


def same(first, second):
    """Whether two runs encode, decode and generate alike."""
    for numbers in ({"seed": 3}, {"seed": 4, "prior": "normal"}):
        np.testing.assert_array_equal(first.sample(5, **numbers), second.sample(5, **numbers))
    rows = first.galaxies.split("test")
    np.testing.assert_array_equal(first.codes_at(rows).mean, second.codes_at(rows).mean)
    images = np.zeros((2, *first.model.image_shape))
    condition = first.condition(rows[:2])
    np.testing.assert_array_equal(first.encode(images, condition)[0], second.encode(images, condition)[0])


def test_without_its_data_a_bundle_gives_the_same_galaxies(made, tmp_path, elsewhere):
    """Those of a prior and with noise that were learned; packed ones of a conditional model below."""
    run = made("vae")
    learn_noise(run)
    fit_priors(run, ["gaussian"], 0)
    bundle = export_bundle(run, tmp_path, "shared", ABOUT)
    elsewhere()
    copy = TrainedRun.open(bundle)
    same(run, copy)
    assert copy.noise is not None and copy.prior().label == run.prior().label != "N(0, I)"
    assert list(copy.galaxies.ids[:2]) == list(run.galaxies.ids[:2])
    with pytest.raises(GalvaeError, match=r"survey\.h5: does not exist"):
        _ = copy.dataset
    verify(bundle)  # nothing has been written into it


def test_a_packed_bundle_gives_the_same_galaxies(made, tmp_path, elsewhere):
    run = made("cvae2")
    path = export_bundle(run, tmp_path, "shared", ABOUT, packed=True)
    assert path.name == "shared.zip"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["home", "shared.zip"]
    elsewhere()
    same(run, TrainedRun.open(path))


def test_no_file_says_who_made_it_where(bundled, tmp_path):
    folder = tmp_path / "home" / "somebody"
    path = bundled("vae")
    words = [b"somebody", str(folder).encode(), b"command_line", b"platform", b"/tmp"]
    words.append(re.escape(str(tmp_path.parent)).encode())
    for file in path.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert not [word for word in words if word in content], file
    assert RunDirectory.open(path).config.dataset.path == str(Path.cwd() / "survey.h5")
    assert yaml.safe_load((path / "config.yaml").read_text())["dataset"]["path"] == "survey.h5"


def test_folders_go_from_texts_and_all_else_stays(made):
    run = made("vae")
    text = (
        f"read from {Path(run.config.dataset.path).parent}/survey.h5, km/s, 1/2, https://a.b/c/d (~/x/y.csv)"
    )
    expected = "read from survey.h5, km/s, 1/2, https://a.b/c/d (y.csv)"
    assert without_folders({"/a/b": [text, 3, None]}, run) == {"b": [expected, 3, None]}


def test_without_galaxies_no_id_goes_along_but_conditions(bundled, tmp_path, made, elsewhere):
    path = bundled("cvae2", galaxies=False)
    assert not [file for file in path.rglob("*") if file.is_file() and b"G01" in file.read_bytes()]
    assert not (path / "codes").exists()
    elsewhere()
    copy = TrainedRun.open(path)
    run = TrainedRun.open(tmp_path / "home" / "somebody" / "cvae2")
    np.testing.assert_array_equal(run.sample(5, seed=3), copy.sample(5, seed=3))
    assert copy.galaxies.labels is None
    assert list(copy.galaxies.catalogue) == ["id"] and copy.galaxies.ids[3] == 3


def test_without_galaxies_of_a_model_without_conditions_not_even_these_go_along(bundled):
    galaxies = TrainedRun.open(bundled("vae", galaxies=False)).galaxies
    assert galaxies.condition is None or np.isnan(galaxies.condition).all()


@pytest.mark.parametrize("everything", [True, False])
def test_of_galaxies_in_no_split_nothing_goes_along(everything, made, tmp_path, elsewhere):
    """As of those that dataset.select leaves out; the others keep their rows and their values."""
    run = made("cvae2")
    galaxies = run.galaxies
    left = np.setdiff1d(np.arange(len(galaxies)), galaxies.split("all"))
    left = np.append(left, galaxies.splits["test"][0])
    galaxies.splits["test"] = galaxies.splits["test"][1:]
    names, kept = galaxies.ids[left], galaxies.split("all")
    path = export_bundle(run, tmp_path, "shared", ABOUT, galaxies=everything)
    elsewhere()
    copy = TrainedRun.open(path).galaxies
    assert np.isnan(copy.condition[left]).all()
    np.testing.assert_array_equal(copy.condition[kept], galaxies.condition[kept])
    if everything:
        for name in names:
            with pytest.raises(GalvaeError, match="received none"):
                copy.find(name)
        assert [copy.find(galaxies.ids[row]) for row in kept] == kept.tolist()


def test_blank_rows_cannot_be_taken_for_others():
    """Numbers count as unknown, and the id of no galaxy is 0, which may be that of another."""
    blank = _blanked(
        StoredGalaxies(
            name="files",
            image_shape=(4, 4, 1),
            count=3,
            pixel_range=(0, 1),
            labels=np.array([0, 1, 0]),
            catalogue={"id": np.array([0, 7, 8]), "z": np.array([1.0, 2, 3]), "n": np.array([4, 5, 6])},
            splits={"train": np.array([0]), "val": np.array([2]), "test": np.array([], int)},
        )
    )
    assert blank.ids.tolist() == ["0", "", "8"] and blank.find(0) == 0
    assert blank.labels.tolist() == [0, -1, 0] and blank.catalogue["n"].tolist() == [4, 0, 6]
    np.testing.assert_array_equal(blank.catalogue["z"], [1, np.nan, 3])


def test_no_text_of_a_catalogue_names_a_folder(made):
    texts = [
        "see /home/secret/f.fits",
        "/a b/c d/e.fits",
        "file:///x/y.fits",
        "at:/x/y.fits",
        "https://a.b/c",
    ]
    reduced = _without_paths({"file": np.array(texts), "n": np.arange(5)}, made("vae"))
    assert reduced["file"].tolist() == ["see f.fits", "e.fits", "y.fits", "at:y.fits", "https://a.b/c"]
    assert reduced["n"].tolist() == [0, 1, 2, 3, 4]


def test_what_a_link_leads_to_is_not_given_away(made, tmp_path, caplog):
    run = made("vae")
    keep_reference(run)
    file = run.path / "reference" / "reference.safetensors"
    file.rename(tmp_path / "private")
    file.symlink_to(tmp_path / "private")
    path = export_bundle(run, tmp_path, "shared", ABOUT)
    assert "the bundle goes without the reference" in caplog.text and "received a link" in caplog.text
    assert not (path / "reference").exists()


def test_a_prior_of_other_weights_is_left_out(made, tmp_path, caplog):
    run = made("vae")
    fit_priors(run, ["gaussian"], 0)
    run.weights_digest = "others"
    export_bundle(run, tmp_path, "shared", ABOUT)
    assert "the bundle goes without the prior gaussian" in caplog.text
    assert not (tmp_path / "shared" / "priors").exists()


def test_a_failed_export_leaves_nothing(made, tmp_path, monkeypatch):
    monkeypatch.setattr("galvae.export.bundle.model_card", lambda *_: 1 / 0)
    (tmp_path / "given").mkdir()
    with pytest.raises(ZeroDivisionError):
        export_bundle(made("vae"), tmp_path / "given", "shared", ABOUT)
    assert list((tmp_path / "given").iterdir()) == []


def front(path):
    """The front matter and the text of a card."""
    _, head, text = (path / "card.md").read_text().split("---\n", 2)
    return yaml.safe_load(head), text


def test_the_card_of_a_run_that_was_not_evaluated_says_so(bundled, trained):
    head, text = front(bundled("cvae2"))
    assert head["license"] == "unknown" and head["library_name"] == "galvae" and head["datasets"] == ["files"]
    assert "model-index" not in head
    assert "Not evaluated: `galvae evaluate run=...`" in text
    assert "| licence of the data | not stated |" in text
    assert "redshift 0.1644 to 2. Beyond them the model extrapolates" in text
    assert f"{citation()}.\n" in text and "@software{galvae," in text
    splits = RunDirectory.open(trained("cvae2")).path / "split.npz"
    sizes = ", ".join(f"{name} {len(rows)}" for name, rows in read_splits(splits).items())
    assert f"| 58 ({sizes}) |" in text
    assert '\nrun = galvae.open_run("shared")' in text


def test_the_card_has_the_numbers_of_the_present_weights(made, tmp_path):
    run = made("vae")
    for name, digest, w1 in (("evaluate", run.weights_digest, 0.25), ("evaluate-2", "old", 9.0)):
        (run.path / name).mkdir()
        card = {"w1": w1, "w1_error": 0.5, "n": 40, "floor": {"w1": 0.125}}
        results = {"epoch": 2, "weights_sha256": digest, "split": "test", "galaxies": 6, "card": card}
        results |= {"run": str(run.path), "scores": {"mse": {"mean": 0.5, "low": 0.4, "high": 0.6}}}
        (run.path / name / "metrics.json").write_text(json.dumps(results))
    about = {"name": "mine", "licence": "mit", "description": "Galaxies of mine."}
    path = export_bundle(run, tmp_path, "mine", about)
    head, text = front(path)
    assert head["license"] == "mit"
    ((result,),) = [[entry["results"][0] for entry in head["model-index"]]]
    values = {metric["type"]: metric["value"] for metric in result["metrics"]}
    assert values == {"w1": 0.25, "w1_floor": 0.125, "mse": 0.5}
    assert "# mine\n\nGalaxies of mine.\n" in text
    assert "mean W1 of 0.250 ± 0.500, other real galaxies by 0.125" in text
    assert "| mse | 0.5 | 0.4 to 0.6 |" in text
    assert json.loads((path / "evaluate" / "metrics.json").read_text())["run"] == "mine"


def test_commands_read_a_bundle_and_leave_it_as_it_is(bundled, galvae, tmp_path):
    path = bundled("vae")
    status, out, err = galvae("sample", f"run={path}", "n=2")
    assert status == 0, err
    assert re.fullmatch(rf"{tmp_path}/outputs/sample/[-_\d]+_shared", out.splitlines()[-1])
    status, _, err = galvae("prior", f"run={path}")
    assert status == 2 and "expected a run to keep priors in, received a bundle" in err
    status, _, err = galvae("train", f"resume={path}", "epochs=4")
    assert status == 2 and "received a bundle" in err and f"init={path} begins a new run" in err
    status, _, err = galvae("train", f"resume={path}.zip", "epochs=4")
    assert status == 2 and "received no directory" in err
    verify(path)


@pytest.mark.slow
def test_a_bundle_is_explored_with_the_names_of_its_axes_and_without_keras(trained, galvae, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained("vae"), run)
    words = ("umap=false", "thumbnails=0", "measures=false")
    assert galvae("explore", f"run={run}", *words)[0] == 0
    status, out, _ = galvae("info", f"run={run}")
    assert status == 0 and "names of the latent axes" in out and "explore" in out
    assert galvae("export", f"run={run}", "zip=true", "name=shared")[0] == 0
    (bundle,) = run.glob("export/*.zip")
    status, out, err = galvae("explore", f"run={bundle}", *words)
    assert status == 0 and "measuring" not in err, err
    page = Path(out.splitlines()[-1]) / "explorer.html"
    names = kept_axis_names(StoredRun.open(run))
    assert any(name in page.read_text(encoding="utf-8") for name in names)


def test_export_writes_a_bundle_that_info_describes(trained, galvae, tmp_path):
    folder = tmp_path / "out"
    status, out, err = galvae("export", f"run={trained('vae')}", "zip=true", f"hydra.run.dir={folder}")
    assert status == 0, err
    assert out.splitlines()[-1] == str(folder)
    assert [path.name for path in folder.glob("*.zip")] == ["files_vae_z3.zip"]
    status, out, err = galvae("info", f"run={folder}/files_vae_z3.zip")
    assert status == 0, err
    assert "a bundle as .zip file of galvae" in out and "codes of all; " in out
    assert "; survey.h5, not part of it" in out
    status, _, err = galvae("export", f"run={trained('vae')}", "name=a/b")
    assert status == 2 and "name: expected letters" in err


@pytest.mark.slow
def test_a_bundle_of_a_bundle_can_do_without_its_galaxies(bundled, tmp_path, elsewhere):
    path = bundled("cvae2")
    elsewhere()
    again = export_bundle(TrainedRun.open(path), tmp_path, "again", ABOUT, galaxies=False)
    assert manifest(again)["galaxies"] is False
    same_seed = {"seed": 2}
    first, second = (TrainedRun.open(folder).sample(3, **same_seed) for folder in (path, again))
    np.testing.assert_array_equal(first, second)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["ae", "cvae"])
def test_a_fresh_process_without_the_data_gives_the_same_galaxies(model, small_files, galvae, tmp_path):
    """The whole of it: trained, given away, its data deleted, opened by another process with another cache."""
    conditions = np.linspace(0.1, 2, 60)
    (tmp_path / "t.csv").write_text("redshift\n" + "".join(f"{value}\n" for value in conditions))
    more = [f"dataset.table={tmp_path / 't.csv'}", "dataset.join=order", "dataset.condition=[redshift]"]
    words = [*small_files, *more, *SMALL, f"model={model}", "prior=auto", "latent_dim=2"]
    assert galvae("train", *words, "hydra.run.dir=run")[0] == 0
    assert galvae("export", "run=run", "name=given")[0] == 0
    program = (
        "import sys, numpy, galvae; run = galvae.open_run(sys.argv[1])\n"
        "numpy.savez(sys.argv[2], run.sample(6, seed=1), run.codes('test').mean)"
    )
    subprocess.run([sys.executable, "-c", program, "run", "a.npz"], check=True, capture_output=True)
    bundle = tmp_path / "run" / "export" / "given"
    bundle.rename(tmp_path / "given")
    shutil.rmtree(tmp_path / "run")
    for name in ("galaxies.npy", "t.csv"):
        (tmp_path / name).unlink()
    (tmp_path / "other").mkdir()
    subprocess.run(
        [sys.executable, "-c", program, "../given", "../b.npz"],
        cwd=tmp_path / "other",
        env={"GALVAE_CACHE": str(tmp_path / "other" / "cache"), "HOME": str(tmp_path / "other")},
        check=True,
        capture_output=True,
    )
    with np.load("a.npz", allow_pickle=False) as first, np.load("b.npz", allow_pickle=False) as second:
        for name in first.files:
            np.testing.assert_array_equal(first[name], second[name])
    assert (tmp_path / "given" / MANIFEST).exists()
