"""galvae compare end to end, on a sweep of small models that is trained once."""

import csv
import json
import os
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from builders.command_line import run_command
from builders.configs import SMALL
from builders.drawn import image_at, places, rendered
from builders.galaxies import ellipses

from galvae.analysis.compared_runs import ComparedRuns
from galvae.commands import compare
from galvae.figures.canvas import rgb
from galvae.figures.style import Style
from galvae.latent.priors.of_model import prior_of
from galvae.runs.trained_run import TrainedRun

FILES = {"runs.csv", "runs.md", "samples.png", "samples.npz", "loss.png", "rate_distortion.png"}
JOBS = ["0_files_ae_z2", "1_files_ae_z4", "2_files_vae_z2", "3_files_vae_z4"]


def train(folder, *overrides):
    """Trains in a folder, outside of any test's capture."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert run_command("train", *overrides, "epochs=1") == 0


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A sweep over two models and two numbers of latent dimensions."""
    folder = tmp_path_factory.mktemp("compare")
    np.save(folder / "galaxies.npy", ellipses(60, 16))
    small = [word for word in SMALL if not word.startswith("latent_dim=")]  # whose place would order the jobs
    data = ("dataset=files", "dataset.axes=NHWC", f"dataset.path={folder / 'galaxies.npy'}", *small)
    train(folder, *data, "-m", "model=ae,vae", "latent_dim=2,4", f"hydra.sweep.dir={folder / 'sweep'}")
    return folder / "sweep"


@pytest.fixture
def sweep(trained, tmp_path):
    """A copy of the sweep that a test may change."""
    return shutil.copytree(trained, tmp_path / "sweep")


def table(folder):
    """The rows of runs.csv."""
    with open(folder / "runs.csv", newline="") as file:
        return list(csv.DictReader(file))


def warnings(err):
    return [line for line in err.splitlines() if not line.startswith("val_loss cannot be compared")]


def assert_rounded(text, rows):
    """The Markdown table is that of the CSV with fewer digits."""
    header, rule, *lines = ([cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines())
    assert all(re.fullmatch(r"-+:?", cell) for cell in rule)
    assert header == list(rows[0])
    for row, cells in zip(rows, lines, strict=True):
        for name, cell in zip(header, cells, strict=True):
            if name in ("run", "status") or cell == "":
                assert cell == row[name]
            elif name.startswith("val_") or name in ("seconds", "images_per_second"):
                assert float(cell) == pytest.approx(float(row[name]), rel=6e-4)


@pytest.mark.slow
def test_a_sweep_is_compared_in_its_own_folder(galvae, sweep, drawn):
    status, out, err = galvae("compare", f"runs={sweep}", "n=10", "seed=5")
    assert status == 0, err
    assert err == (
        "val_loss cannot be compared between runs that differ in model.name; val_reconstruction and val_kl can\n"
    )
    folder = sweep / "compare"
    assert out.splitlines()[-1] == str(folder)
    assert {file.name for file in folder.iterdir()} == FILES | {"compare.log"}

    rows = table(folder)
    assert [row["run"] for row in rows] == JOBS
    assert list(rows[0])[:4] == ["run", "latent_dim", "model.name", "beta.name"]
    assert list(rows[0])[4] == "status"  # nothing else differs
    for row in rows:
        run = TrainedRun.open(sweep / row["run"])
        metrics = json.loads((run.path / "metrics.json").read_text())
        assert int(row["latent_dim"]) == run.config.latent_dim
        assert (row["model.name"], row["beta.name"]) == (run.config.model.name, run.config.beta.name)
        assert row["status"] == "finished"
        unused, active = metrics.pop("dead_dimensions"), metrics.pop("active_units")
        assert [metrics.pop(name) for name in ("devices", "processes", "nodes")] == [
            1,
            1,
            1,
        ]  # of the machine
        assert {name: row[name] for name in metrics} == {name: str(value) for name, value in metrics.items()}
        assert (row["val_kl"] == "") == (run.config.model.name == "ae")
        model = run.model
        assert int(row["parameters"]) == model.count_params()
        if run.config.model.name == "ae":  # whose codes have no scale of their own
            assert (unused, active, row["active_units"]) == (None, None, "")
            continue
        data = run.dataset
        mean, _ = model.encode(data.images[data.split("val")])
        assert active == int(row["active_units"]) == (np.var(mean, axis=0) > 0.01).sum()
        assert active == run.config.latent_dim - len(unused)

    text = (folder / "runs.md").read_text()
    assert out == text + f"{folder}\n"
    assert_rounded(text, rows)

    # In the figure, the first sample of each run stands on the left under the run's title.
    texts = {
        text.get_text().replace("\n", " "): text.get_position() for text in drawn["samples"].axes[0].texts
    }
    dots, zoom = rendered(drawn["samples"]), 15  # 1050 dots for four images of 16 pixels
    with np.load(folder / "samples.npz") as stored:
        first = [np.round(255 * stored[f"images_{index}"][0]).astype(int) for index in range(4)]
    titles = [f"{model}, latent_dim {latent_dim}" for model in ("ae", "vae") for latent_dim in (2, 4)]
    width = (4 * 16 + 3) * zoom
    for title, image in zip(titles, first, strict=True):
        x, y = texts[title]
        middle = x - width / 2 + 8 * zoom, y + 0.4 * 26 * 2 * width / 1400 + 8 * zoom
        np.testing.assert_allclose(image_at(dots, middle, (16, 16), zoom), image, atol=1)

    with np.load(folder / "samples.npz") as stored:
        assert stored["runs"].tolist() == JOBS
        noise = np.random.default_rng(5).standard_normal((10, 4))
        np.testing.assert_array_equal(stored["noise"], noise)
        np.testing.assert_allclose(stored["codes_3"], noise, rtol=1e-6)
        for index, name in enumerate(JOBS):
            model = TrainedRun.open(sweep / name).model
            np.testing.assert_allclose(stored[f"codes_{index}"], prior_of(model).sample(10, seed=5))
            np.testing.assert_allclose(
                stored[f"images_{index}"], model.decode(stored[f"codes_{index}"]), atol=1e-5
            )


def test_samples_of_each_run_are_drawn_in_its_own_bands_and_stretch(tmp_path, drawn):
    images = ellipses(2, 8).astype(np.float32) / 255
    common = {"latent_dim": 2, "dataset.stretch": "none"}
    settings = {
        "a": {**common, "seed": 0, "dataset.rgb": [2, 1, 0]},
        "b": {**common, "seed": 1, "dataset.rgb": None},
    }
    samples = {name: {"images": images[[index]]} for index, name in enumerate("ab")}
    runs = ComparedRuns(settings, ["seed"], [], samples, np.zeros((1, 2)), {"a": None, "b": (0.1, 0.6)})
    compare.draw_samples(runs, SimpleNamespace(prior=None, temperature=0.5), tmp_path, Style())
    texts = {text.get_text(): text.get_position()[0] for text in drawn["samples"].axes[0].texts}
    dots, zoom = rendered(drawn["samples"]), 124  # 1050 dots for one image
    for title, style, image in (
        ("seed 0", Style(rgb=(2, 1, 0)), images[:1]),
        ("seed 1", Style(display=(0.1, 0.6)), images[1:]),
    ):
        ((x, _),) = places(dots, rgb(image, style)[0], zoom)
        assert x == texts[title]


@pytest.mark.slow
def test_an_old_evaluation_is_marked(galvae, sweep):
    for job, (digest, epoch) in {
        2: ("another", 3),
        3: (TrainedRun.open(sweep / JOBS[3]).weights_digest, 1),
    }.items():
        (sweep / JOBS[job] / "evaluate").mkdir()
        results = {"epoch": epoch, "weights_sha256": digest}
        (sweep / JOBS[job] / "evaluate" / "metrics.json").write_text(json.dumps(results))
    runs = f"runs=[{','.join(str(sweep / job) for job in JOBS[1:])}]"
    status, out, err = galvae("compare", runs, "n=1")
    assert status == 0, err
    assert f"{JOBS[2]}: its evaluation is old, of epoch 3; its weights are now of epoch 1" in err.splitlines()
    rows = table(Path(out.splitlines()[-1]))
    assert [row["evaluated"] for row in rows] == ["", "epoch 3 (old)", "epoch 1"]


def test_a_list_and_a_single_run(galvae, sweep, tmp_path):
    status, out, err = galvae("compare", f"runs=[{sweep / JOBS[3]},{sweep / JOBS[2]}]", "n=2", "format=pdf")
    assert (status, err) == (0, "")
    folder = tmp_path / out.splitlines()[-1]
    assert folder.parent == tmp_path / "outputs" / "compare"
    assert {file.name for file in folder.iterdir()} == {name.replace("png", "pdf") for name in FILES}
    assert [row["run"] for row in table(folder)] == [JOBS[3], JOBS[2]]

    status, out, err = galvae("compare", f"runs={sweep / JOBS[0]}", "n=2")
    assert status == 0
    assert err == "no rate-distortion curve: none of the runs has a KL divergence\n"
    folder = sweep / JOBS[0] / "compare"
    assert {file.name for file in folder.iterdir()} == (FILES | {"compare.log"}) - {"rate_distortion.png"}
    assert list(table(folder)[0])[:3] == ["run", "latent_dim", "status"]


def test_runs_that_failed_are_listed_and_drawn_if_they_have_a_checkpoint(galvae, sweep):
    (sweep / JOBS[0] / "config.yaml").write_text("latent_dim: nix")
    shutil.rmtree(sweep / JOBS[1] / "checkpoints")
    (sweep / JOBS[1] / "metrics.json").write_text('{"status": "failed"}')
    (sweep / JOBS[2] / "metrics.json").write_text('{"status": "diverged"}')
    (sweep / JOBS[3] / "metrics.json").write_text("{")
    status, _, err = galvae("compare", f"runs={sweep}", "n=2")
    assert status == 0, err
    unreadable, failed, diverged, unfinished = warnings(err)
    assert unreadable.startswith(f"a run is left out: {sweep / JOBS[0]}/config.yaml: ")
    assert failed.startswith(f"{JOBS[1]} (failed) is not drawn: run: ")
    for job, status, line in ((2, "diverged", diverged), (3, "unfinished", unfinished)):
        message = f"has not finished (status {status}); using its best epoch so far, 1 of 1"
        assert line == f"{sweep / JOBS[job]} {message}"
    rows = table(sweep / "compare")
    assert [row["status"] for row in rows] == ["unreadable", "failed", "diverged", "unfinished"]
    assert [row["epochs"] for row in rows] == ["", "", "1", "1"]
    assert [row["latent_dim"] for row in rows] == ["", "4", "2", "4"]
    (history,) = csv.DictReader((sweep / JOBS[3] / "history.csv").read_text().splitlines())
    assert rows[3]["val_loss"] == history["val_loss"]
    with np.load(sweep / "compare" / "samples.npz") as stored:
        assert stored["runs"].tolist() == JOBS[2:]


def test_without_any_checkpoint_the_table_remains(galvae, sweep):
    for job in JOBS:
        shutil.rmtree(sweep / job / "checkpoints")
        (sweep / job / "metrics.json").write_text('{"status": "failed"}')
    status, _, err = galvae("compare", f"runs={sweep}")
    assert status == 0
    assert {file.name for file in (sweep / "compare").iterdir()} == {"runs.csv", "runs.md", "compare.log"}


def test_a_figure_that_would_be_too_large_shows_fewer_samples(galvae, sweep, monkeypatch):
    monkeypatch.setattr(compare, "MAX_PIXELS", 2 * 16 * 16 * 6)
    runs = f"runs=[{sweep / JOBS[3]},{sweep / JOBS[2]}]"
    status, out, err = galvae("compare", runs, "n=9")
    assert (status, err) == (0, "the figure shows the first 4 of 9 samples of each run\n")
    with np.load(f"{out.splitlines()[-1]}/samples.npz") as stored:
        assert len(stored["images_1"]) == 9


@pytest.mark.parametrize("name", ["it's a (sweep) [x], =ü $y"])
def test_a_sweep_may_have_an_odd_name(name, galvae, sweep, tmp_path):
    for job in JOBS[:3]:
        shutil.rmtree(sweep / job)
    sweep.rename(tmp_path / name)
    status, out, err = galvae("compare", f"runs={name}", "n=1")
    assert status == 0, err
    assert out.splitlines()[-1] == str(tmp_path / name / "compare")


BAD_RUNS = {
    "nothing": ("nix", "nix: expected a run's or a sweep's directory; received no directory"),
    "a file": ("file", "file: expected a run's or a sweep's directory; received no directory"),
    "no runs": ("empty", "empty: expected a run's or a sweep's directory; received a directory without runs"),
    "no runs, oddly named": ("it's (empty)", "received a directory without runs"),
    "an empty list": ("[]", "runs: expected a sweep's directory or a list of runs, received an empty list"),
    "a list with a bad run": ("[sweep/3_files_vae_z4,nix]", "nix: expected a run's or a sweep's directory"),
    "the same run twice": ("[sweep/3_files_vae_z4,sweep]", "expected each run once, received"),
    "an unreadable run": (
        "broken/0_run",
        "broken/0_run/config.yaml: configuration: expected keys and values",
    ),
    "only unreadable runs": ("broken", "none of 2 runs can be read: "),
    "no latest": ("latest", "runs=latest: expected a sweep, as galvae train -m makes it, received none in"),
}


@pytest.mark.parametrize("case", BAD_RUNS)
def test_bad_runs_are_one_line_and_leave_nothing(case, galvae, sweep, tmp_path):
    for name in ("empty", "it's (empty)", "broken/0_run", "broken/1_run"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "file").touch()
    for job in ("0_run", "1_run"):
        (tmp_path / "broken" / job / "config.yaml").write_text("nix")
    before = sorted(tmp_path.rglob("*"))
    runs, message = BAD_RUNS[case]
    status, _, err = galvae("compare", f"runs={runs}")
    assert status == 2
    assert len(err.splitlines()) == 1
    assert message in err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.slow
def test_a_dataset_that_has_moved_is_one_line(galvae, sweep, trained, tmp_path):
    data = trained.parent / "galaxies.npy"
    moved = tmp_path / "moved.npy"
    # As an earlier version left it: without its galaxies and their codes, which need no images.
    old = shutil.copytree(
        sweep / JOBS[2], tmp_path / "old", ignore=shutil.ignore_patterns("codes", "galaxies*")
    )
    data.rename(moved)
    try:
        before = sorted(tmp_path.rglob("*"))
        status, _, err = galvae("compare", f"runs=[{old}]")
        assert status == 2
        assert "give its new path as dataset.path=" in err
        assert len(err.splitlines()) == 1
        assert sorted(tmp_path.rglob("*")) == before
        # Among others that keep what they need, it is left out.
        status, out, err = galvae("compare", f"runs=[{old},{sweep / JOBS[3]}]", "n=1", "hydra.run.dir=both")
        assert status == 0, err
        assert f"old is not drawn: dataset.path: {data}: does not exist" in err
        with np.load(tmp_path / "both" / "samples.npz") as stored:
            assert list(stored["runs"]) == [JOBS[3]]
        assert galvae("compare", f"runs=[{old}]", f"dataset.path={moved}", "n=1")[0] == 0
    finally:
        moved.rename(data)


@pytest.mark.slow
def test_sweeps_of_comparisons(galvae, sweep, tmp_path):
    run = sweep / JOBS[3]
    status, _, err = galvae("compare", "-m", f"runs={run}", "n=1,2")
    assert status == 0, err
    for job in ("0", "1"):
        assert (run / "compare" / job / "runs.md").is_file()
    status, _, err = galvae("compare", "-m", f"runs={run},{sweep / JOBS[2]}", "n=1")
    assert status == 0, err
    (folder,) = (tmp_path / "outputs" / "multirun").iterdir()
    assert [table(folder / job)[0]["run"] for job in ("0", "1")] == [JOBS[3], JOBS[2]]
    before = sorted(os.listdir(tmp_path))
    status, _, err = galvae("compare", "-m", "runs=nix", "n=1,2")
    assert status == 2
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.slow
def test_conditional_runs_get_the_conditions_of_the_same_galaxies(galvae, tmp_path):
    with h5py.File(tmp_path / "cosmos.h5", "w") as file:
        file["images"] = (ellipses(60, 18, bands=1)[..., 0] / 255).astype(np.float32)
        file["redshifts"] = np.linspace(0.1, 2, 60)
    data = ("dataset=cosmos", f"dataset.path={tmp_path / 'cosmos.h5'}", *SMALL)
    where = f"hydra.sweep.dir={tmp_path / 'sweep'}"
    train(tmp_path, *data, "-m", "model=cvae2", "latent_dim=2", "dataset.image_size=16,18", where)
    status, _, err = galvae("compare", "runs=sweep", "n=4", "seed=2")
    assert status == 0, err
    assert err == "losses cannot be compared between runs that differ in dataset.image_size\n"
    run = TrainedRun.open(tmp_path / "sweep" / "1_cosmos_cvae2_z2")
    model = run.model
    data = run.dataset
    with np.load(tmp_path / "sweep" / "compare" / "samples.npz") as stored:
        np.testing.assert_array_equal(stored["condition_0"], stored["condition_1"])
        drawn_galaxies = np.random.default_rng(2).choice(data.split("train"), 4)
        np.testing.assert_array_equal(stored["condition_1"], data.condition[drawn_galaxies])
        assert stored["images_0"].shape == (4, 16, 16, 1)
        images = model.decode(stored["codes_1"], stored["condition_1"])
        np.testing.assert_allclose(stored["images_1"], images, atol=1e-5)
