"""The commands end to end: what each leaves on disk and prints."""

import json
import os
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest
from astropy.table import Table
from builders.configs import SMALL
from builders.galaxies import ellipses
from builders.surveys import SAMPLES, write_galaxy10, write_mnist, write_stamps

from galvae.backend.hardware import processor_flags
from galvae.backend.precision import BFLOAT16_FLAGS
from galvae.cli.overrides import hydra_arguments
from galvae.config.defaults import CONF
from galvae.config.registry import GROUPS
from galvae.data.readers import galaxy10
from galvae.data.store import download
from galvae.runs import checkpoints
from galvae.runs.directory import RunDirectory
from galvae.runs.trained_run import TrainedRun

RUN_FILES = {
    "config.yaml",
    "environment.json",
    "split.npz",
    "data_report.json",
    "history.csv",
    "metrics.json",
    "galaxies.safetensors",
    "checkpoints",
    "codes",
    "reference",
    "figures",
    "train.log",
}
FIGURES = {
    "loss.png",
    "latent.png",
    "latent.npz",
    "reconstructions.png",
    "reconstructions.npz",
    "samples.png",
    "samples.npz",
}


def check_run(folder, epochs=2, learned=()):
    """A complete run directory, with the folders of what it has learned to generate galaxies."""
    assert {file.name for file in folder.iterdir()} == RUN_FILES | set(learned)
    assert {file.name for file in (folder / "figures").iterdir()} == FIGURES
    assert json.loads((folder / "metrics.json").read_text())["status"] == "finished"
    assert checkpoints.newest(folder / "checkpoints").name == f"epoch-{epochs:04d}"
    assert len((folder / "history.csv").read_text().splitlines()) == epochs + 1


def test_train_then_sample_from_latest(galvae, small_files, tmp_path):
    status, out, err = galvae("train", *small_files)
    assert status == 0, err
    folder = tmp_path / out.splitlines()[-1]
    assert folder.parent == tmp_path / "outputs" / "train"
    assert folder.name.endswith("_files_vae_z8")
    check_run(folder)
    assert (tmp_path / "outputs/train/latest").resolve() == folder

    before = sorted(path for path in folder.rglob("*"))
    status, out, err = galvae("sample", "run=latest", "n=5", "seed=3")
    assert (status, err) == (0, "")
    assert out.splitlines()[-1] == str(folder / "sample")
    with np.load(folder / "sample" / "samples.npz") as stored:
        codes, images = stored["codes"], stored["images"]
    np.testing.assert_allclose(codes, np.random.default_rng(3).standard_normal((5, 8)), rtol=1e-6)
    assert images.shape == (5, 16, 16, 3)
    model = TrainedRun.open(folder).model
    np.testing.assert_allclose(images, model.decode(codes), atol=1e-5)
    assert (folder / "sample" / "samples.png").stat().st_size > 1000

    galvae("sample", f"run={folder}", "n=5", "seed=3", "temperature=0")
    with np.load(folder / "sample-2" / "samples.npz") as stored:
        assert not stored["codes"].any()
        assert np.ptp(stored["images"], axis=0).max() < 1e-6
    assert before == sorted(path for path in before if path.exists())


def test_figures_carry_their_numbers(galvae, small_files, tmp_path):
    galvae("train", *small_files, "precision=float32", f"hydra.run.dir={tmp_path / 'run'}")
    run = TrainedRun.open(tmp_path / "run")
    data = run.dataset
    figures = tmp_path / "run" / "figures"
    mean = np.asarray(run.model.encode(data.images[:])[0])
    assert np.ptp(mean, axis=0).max() > 0.01  # by which galaxies can be told from each other
    with np.load(figures / "latent.npz") as latent:
        assert latent["mean"].shape == (54, 8)  # validation, then training
        np.testing.assert_array_equal(latent["indices"][:6], data.split("val"))
        assert set(latent["indices"][6:]) == set(data.split("train"))
        np.testing.assert_allclose(latent["mean"], mean[latent["indices"]], atol=1e-3)
    with np.load(figures / "reconstructions.npz") as shown:
        np.testing.assert_array_equal(shown["indices"], data.split("val"))
        np.testing.assert_allclose(shown["originals"], data.to_unit(data.images[shown["indices"]]))
        np.testing.assert_allclose(shown["decoded"], run.model.decode(mean[shown["indices"]]), atol=1e-3)
    with np.load(figures / "samples.npz") as samples:
        assert samples["images"].shape == (64, 16, 16, 3)


@pytest.fixture
def small_cosmos(tmp_path):
    """Overrides of a quick run on 60 stamps with redshifts, three of them unknown, in vae-project's layout."""
    path = tmp_path / "cosmos.h5"
    redshift = np.linspace(0.1, 2, 60)
    redshift[:3] = -1
    with h5py.File(path, "w") as file:
        file["images"] = (ellipses(60, 18, bands=1)[..., 0] / 255).astype(np.float32) - 0.01
        file["redshifts"] = redshift
    return ("dataset=cosmos", f"dataset.path={path}", *SMALL)


MODELS = [  # those whose code is another one's stay with the slow tests
    pytest.param(name, marks=[pytest.mark.slow] if name not in ("vae", "cvae2") else [])
    for name in GROUPS["model"]
]


@pytest.mark.parametrize("model", MODELS)
def test_every_model_trains_and_samples(model, galvae, small_cosmos, tmp_path):
    where = f"hydra.run.dir={tmp_path / 'r'}"
    status, _, err = galvae("train", *small_cosmos, f"model={model}", "latent_dim=1", where)
    assert status == 0, err
    check_run(tmp_path / "r")
    conditional = "cvae" in model
    assert ("3 of 60 images have no known redshift and are left out" in err) == conditional
    assert galvae("sample", f"run={tmp_path / 'r'}", "n=3")[0] == 0
    status, _, err = galvae("sample", f"run={tmp_path / 'r'}", "n=3", "redshift=[0.5,1.5]")
    if not conditional:
        assert status == 2
        assert err.startswith(f"galvae: condition: expected none, because {model} takes no condition")
        return
    assert status == 0, err
    with np.load(tmp_path / "r" / "sample-2" / "samples.npz") as stored:
        np.testing.assert_allclose(stored["condition"][:, 0], [0.5] * 3 + [1.5] * 3)
        np.testing.assert_array_equal(stored["codes"][:3], stored["codes"][3:])
        assert np.abs(stored["images"][:3] - stored["images"][3:]).max() > 0
    galvae("sample", f"run={tmp_path / 'r'}", "n=50")
    with np.load(tmp_path / "r" / "sample-3" / "samples.npz") as stored:
        known = np.linspace(0.1, 2, 60, dtype=np.float32)[3:]
        assert np.isin(stored["condition"], known).all()


def test_a_conditional_model_needs_a_condition(galvae, small_files, tmp_path):
    before = os.listdir(tmp_path)
    status, _, err = galvae("train", *small_files, "model=cvae2")
    assert status == 2
    assert len(err.splitlines()) == 1
    assert "dataset files: a conditional model expects a condition" in err
    assert os.listdir(tmp_path) == before


def test_missing_conditions_can_be_refused(galvae, small_cosmos):
    status, _, err = galvae("train", *small_cosmos, "model=cvae", "dataset.missing_condition=error")
    assert status == 2
    assert "expected a known redshift for every image, received 3 of 60 without" in err


@pytest.mark.parametrize("stretch", [pytest.param("linear", marks=pytest.mark.slow), "asinh"])
def test_a_stretch_goes_with_the_run(stretch, galvae, small_cosmos, tmp_path):
    where = f"hydra.run.dir={tmp_path / 'r'}"
    overrides = [f"dataset.stretch={stretch}", "reconstruction.loss=bce", "network=slim", "prior=none"]
    status, _, err = galvae("train", *small_cosmos[:2], "epochs=1", "batch=32", *overrides, where)
    assert status == 0, err
    run = TrainedRun.open(tmp_path / "r")
    model, state = run.model, run.state
    data = run.dataset
    assert (model.stretch, state.stretch, data.stretch) == (stretch,) * 3
    assert model.pixel_range == data.pixel_range
    np.testing.assert_allclose(model.scaling(data.images[:5]), data.to_unit(data.images[:5]), atol=1e-5)


@pytest.mark.slow
def test_a_sweep_leaves_a_complete_run_for_each_job(galvae, small_files, tmp_path):
    status, out, err = galvae("train", *small_files, "-m", "model=ae,beta_vae", "latent_dim=2,4", "epochs=1")
    assert status == 0, err
    sweep = (tmp_path / "outputs" / "multirun" / "latest").resolve()
    jobs = sorted(folder.name for folder in sweep.iterdir() if folder.is_dir())
    assert jobs == ["0_files_ae_z2", "1_files_beta_vae_z2", "2_files_ae_z4", "3_files_beta_vae_z4"]
    for job in jobs:
        check_run(sweep / job, epochs=1)
    assert not (tmp_path / "outputs" / "train").exists()
    assert RunDirectory.open(sweep / jobs[2]).config.latent_dim == 4


@pytest.mark.slow
def test_sweeps_of_sample_and_prepare(galvae, small_files, tmp_path):
    galvae("train", *small_files, f"hydra.run.dir={tmp_path / 'it is a run'}", "epochs=1")
    status, _, err = galvae("sample", "-m", "run=latest", "n=2", "seed=1,2")
    assert status == 0, err
    for job in ("0", "1"):
        assert (tmp_path / "it is a run" / "sample" / job / "samples.png").is_file()
    status, _, err = galvae("prepare", *small_files[:3], "-m", "dataset.image_size=8,16")
    assert status == 0, err
    (sweep,) = (tmp_path / "outputs" / "multirun").iterdir()
    assert sorted(folder.name for folder in sweep.iterdir() if folder.is_dir()) == ["0_files", "1_files"]


@pytest.mark.slow
def test_one_bad_job_does_not_stop_a_sweep(galvae, small_files, tmp_path):
    status, _, err = galvae("train", *small_files, "-m", "latent_dim=0,2", "epochs=1")
    assert status == 2
    assert [line for line in err.splitlines() if line.startswith("galvae: ")] == [
        "galvae: latent_dim: expected integer, at least 1 and at most 65536, received 0"
    ]
    sweep = (tmp_path / "outputs" / "multirun" / "latest").resolve()
    assert [folder.name for folder in sweep.iterdir() if folder.is_dir()] == ["1_files_vae_z2"]


def test_an_output_directory_that_holds_a_run_is_left_alone(galvae, small_files, tmp_path):
    where = f"hydra.run.dir={tmp_path / 'run'}"
    assert galvae("train", *small_files, where)[0] == 0
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    status, _, err = galvae("train", *small_files, where, "latent_dim=2")
    assert status == 2
    assert len(err.splitlines()) == 1
    assert "already holds a run" in err
    assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()} == before


@pytest.mark.slow
def test_an_unfinished_run_is_sampled_and_says_its_epoch(galvae, small_files, tmp_path):
    galvae("train", *small_files, f"hydra.run.dir={tmp_path / 'run'}")
    (tmp_path / "run" / "metrics.json").write_text('{"status": "running"}')
    status, _, err = galvae("sample", f"run={tmp_path / 'run'}", "n=2")
    assert status == 0
    best = json.loads(next((tmp_path / "run").glob("checkpoints/*2/state.json")).read_text())["best_epoch"]
    message = f"has not finished (status running); using its best epoch so far, {best} of 2"
    assert err == f"{tmp_path / 'run'} {message}\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        ("no checkpoint", "no checkpoint yet; expected a run that has finished an epoch or more"),
        ("broken checkpoints", "expected a whole checkpoint, received damaged ones only"),
    ],
)
def test_a_run_that_cannot_be_sampled_is_one_line(damage, expected, galvae, small_files, tmp_path):
    galvae("train", *small_files, f"hydra.run.dir={tmp_path / 'run'}")
    if damage == "no checkpoint":
        shutil.rmtree(tmp_path / "run" / "checkpoints")
    else:
        for file in (tmp_path / "run" / "checkpoints").glob("*/best.safetensors"):
            file.write_bytes(file.read_bytes()[:-1])
    status, _, err = galvae("sample", f"run={tmp_path / 'run'}")
    assert status == 2
    lines = err.splitlines()
    assert expected in lines[-1]
    assert not (tmp_path / "run" / "sample").exists()


def test_weights_of_another_configuration_are_refused(galvae, small_files, tmp_path):
    galvae("train", *small_files, f"hydra.run.dir={tmp_path / 'run'}")
    config = tmp_path / "run" / "config.yaml"
    config.write_text(config.read_text().replace("latent_dim: 8", "latent_dim: 7"))
    status, _, err = galvae("sample", f"run={tmp_path / 'run'}")
    assert status == 2
    assert "expected the configuration that the run was trained with, received another" in err


BAD_DATA = {
    "truncated HDF5": ("galaxy10", lambda path: path.write_bytes(path.read_bytes()[:5000]), "truncated"),
    "wrong HDF5": ("galaxy10", lambda path: path.write_bytes(b"not HDF5"), "not an HDF5 file"),
    "missing HDF5": ("galaxy10", lambda path: path.unlink(), "expected an existing file"),
    "labels of another length": (
        "galaxy10",
        lambda path: write_galaxy10(path, side=16, ans=np.zeros(7, np.uint8)),
        "one entry per image",
    ),
    "NaN pixels": (
        "files",
        lambda path: np.save(path, np.full((40, 16, 16, 1), np.nan)),
        "NaN or infinity in row 0 of data.npy",
    ),
    "too few images": ("files", lambda path: np.save(path, ellipses(3, 16)), "split is empty"),
    "too small images": (
        "files",
        lambda path: np.save(path, ellipses(40, 6)),
        "sides of at least 8 pixels, received 6x6",
    ),
}


@pytest.mark.parametrize("case", BAD_DATA)
@pytest.mark.parametrize("command", ["train", "prepare"])
def test_bad_data_is_one_line_and_leaves_nothing(case, command, galvae, tmp_path):
    dataset, spoil, message = BAD_DATA[case]
    path = tmp_path / ("data.h5" if dataset == "galaxy10" else "data.npy")
    write_galaxy10(path, side=16)
    spoil(path)
    before = sorted(os.listdir(tmp_path))
    overrides = [f"dataset={dataset}", f"dataset.path={path}", "dataset.image_size=null"]
    overrides += ["dataset.axes=NHWC"] if dataset == "files" else []
    status, _, err = galvae(command, *overrides, *(SMALL if command == "train" else []))
    if command == "prepare" and case == "too small images":
        assert status == 0  # nothing is wrong with them but the network
        return
    assert status == 2
    assert len([line for line in err.splitlines() if not line.startswith("data: ")]) == 1
    assert message in err
    assert sorted(os.listdir(tmp_path)) == before


def test_no_network_is_one_line_with_status_1(galvae, tmp_path, monkeypatch):
    def unreachable(config):
        return download.download("http://127.0.0.1:9/none.h5", tmp_path / "cache" / "none.h5")

    monkeypatch.setattr(download, "PAUSES", (0,))
    monkeypatch.setattr(galaxy10, "locate", unreachable)
    status, _, err = galvae("train", "dataset=galaxy10")
    assert status == 1
    lines = [line for line in err.splitlines() if line.startswith("galvae: ")]
    assert len(lines) == 1
    assert "127.0.0.1" in lines[0]
    assert "dataset.path=" in lines[0]
    assert not (tmp_path / "outputs").exists()


def test_what_is_odd_about_the_data_stands_in_the_run(galvae, tmp_path):
    images = ellipses(60, 16)
    images[[7, 9]], images[[20, 30, 40]] = 9, images[3]
    np.save(tmp_path / "odd.npy", images)
    data = (
        "dataset=files",
        "dataset.axes=NHWC",
        f"dataset.path={tmp_path / 'odd.npy'}",
        f"hydra.run.dir={tmp_path / 'run'}",
    )
    status, _, err = galvae("train", *data, *SMALL, "epochs=1", "reconstruction.loss=bce")
    assert status == 0, err
    found = json.loads((tmp_path / "run" / "data_report.json").read_text())["findings"]
    assert {name: finding["ids"] for name, finding in found.items()} == {
        "blank images": [7, 9],
        "duplicates": [20, 30, 40],
    }
    log = (tmp_path / "run" / "train.log").read_text()
    assert log.count("data: 2 blank images, 3 duplicates") == 1
    np.save(tmp_path / "odd.npy", images / 200.0)  # above 1
    status, _, err = galvae(
        "train", *data[:3], f"hydra.run.dir={tmp_path / 'other'}", "reconstruction.loss=bce"
    )
    assert status == 2 and "expected intensities in [0, 1] for bce" in err
    assert not (tmp_path / "other").exists()


@pytest.mark.slow
def test_the_default_dataset_trains(galvae, tmp_path):
    status, out, err = galvae("train", "epochs=2", "precision=float32")
    assert status == 0, err
    check_run(tmp_path / out.splitlines()[-1], learned=["codes", "noise", "priors"])


@pytest.mark.slow
def test_mnist_network_trains_on_28_pixels(galvae, tmp_path):
    np.save(tmp_path / "digits.npy", ellipses(60, 28, bands=1))
    overrides = ["dataset=files", f"dataset.path={tmp_path / 'digits.npy'}", "network=mnist", "latent_dim=2"]
    status, out, err = galvae("train", *overrides, "epochs=1", "model=ae", "reconstruction.loss=bce")
    assert status == 0, err
    check_run(tmp_path / out.splitlines()[-1], epochs=1, learned=["priors"])


@pytest.mark.real_reader
def test_real_galaxies_in_galaxy10s_layout_are_trained_on_and_evaluated(galvae, tmp_path):
    overrides = ["dataset=galaxy10", f"dataset.path={SAMPLES / 'galaxy10.h5'}", "dataset.image_size=32"]
    cache = tmp_path / "cache"
    status, out, err = galvae("train", *overrides, *SMALL, "epochs=1", f"dataset.cache_dir={cache}")
    assert status == 0, err
    run = tmp_path / out.splitlines()[-1]
    check_run(run, epochs=1)
    shutil.rmtree(cache)  # so that evaluation reads the file, too
    status, out, err = galvae(
        "evaluate", f"run={run}", "split=all", "bootstrap=100", "cards=[scores,information]"
    )
    assert status == 0, err
    assert len(Table.read(tmp_path / out.splitlines()[-1] / "galaxies.ecsv")) == 12


@pytest.mark.slow
def test_jax_trains_and_tensorflow_samples_from_it(small_files, tmp_path):
    def run(*arguments):
        command = [sys.executable, "-m", "galvae", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)

    done = run("train", *small_files, "backend=jax", f"hydra.run.dir={tmp_path / 'run'}")
    assert done.returncode == 0, done.stderr
    check_run(tmp_path / "run")
    assert json.loads((tmp_path / "run" / "environment.json").read_text())["backend"] == "jax"
    images = []
    for backend in ("jax", "tensorflow"):
        done = run("sample", f"run={tmp_path / 'run'}", "n=4", f"backend={backend}")
        assert done.returncode == 0, done.stderr
        with np.load(tmp_path / done.stdout.splitlines()[-1] / "samples.npz") as stored:
            images.append(stored["images"])
    np.testing.assert_allclose(images[0], images[1], atol=1e-4)


@pytest.mark.slow
def test_a_used_output_directory_is_refused_before_anything_is_written(galvae, small_files, tmp_path):
    where = f"hydra.run.dir={tmp_path / 'run'}"
    galvae("train", *small_files, where)
    (tmp_path / "batch").mkdir()
    (tmp_path / "batch" / "slurm.out").write_text("a batch system's log is no obstacle")
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    for arguments in (["sample", f"run={tmp_path / 'run'}"], ["prepare", *small_files[:3]]):
        status, _, err = galvae(*arguments, where)
        assert status == 2
        assert "already holds a run; expected a new or empty directory" in err
        assert galvae(*arguments, f"hydra.run.dir={tmp_path / 'batch'}")[0] == 0
        status, _, err = galvae(*arguments, f"hydra.run.dir={tmp_path / 'batch'}")
        assert status == 2
        assert "expected a new or empty directory" in err
        for file in (tmp_path / "batch").iterdir():
            file.unlink()
    assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()} == before


@pytest.mark.slow
def test_a_latest_that_cannot_be_set_costs_no_run(galvae, small_files, tmp_path):
    (tmp_path / "outputs" / "train" / "latest").mkdir(parents=True)
    status, out, err = galvae("train", *small_files, f"hydra.run.dir={tmp_path / 'run'}")
    assert status == 0
    assert f"latest does not point to {tmp_path / 'run'}" in err
    assert out.splitlines()[-1] == str(tmp_path / "run")
    check_run(tmp_path / "run")


def test_losses_are_those_of_float32_under_bfloat16_on_a_cpu(galvae, small_files, tmp_path):
    if not BFLOAT16_FLAGS & processor_flags():
        pytest.skip("this processor does not multiply in bfloat16")
    found = {}
    for precision in ("float32", "bfloat16"):
        where = tmp_path / precision
        overrides = [
            "model=ae",
            "epochs=1",
            "learning_rate=1e-30",
            "dataset.augment=false",
            f"precision={precision}",
        ]
        assert galvae("train", *small_files, *overrides, f"hydra.run.dir={where}")[0] == 0
        found[precision] = json.loads((where / "metrics.json").read_text())
    exact, rounded = found["float32"]["val_loss"], found["bfloat16"]["val_loss"]
    # Rounded products move the loss a little; sums in bfloat16 would put it on a grid of one part in 256.
    assert rounded == pytest.approx(exact, rel=2e-3)
    assert rounded != exact
    grid = 2.0 ** (np.floor(np.log2(rounded)) - 7)
    assert abs(rounded / grid - round(rounded / grid)) > 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("experiment", sorted(file.stem for file in (CONF / "experiment").glob("*.yaml")))
def test_every_experiment_runs_on_a_small_dataset(experiment, galvae, tmp_path):
    name = experiment.partition("_")[0]
    writers = {"galaxy10": write_galaxy10, "mnist": write_mnist, "hst": write_stamps, "cosmos": write_stamps}
    overrides = ["epochs=1", f"hydra.sweep.dir={tmp_path / 'sweep'}"]
    if name == "simulated":
        overrides += ["dataset.count=60", "dataset.image_size=32", "dataset.workers=1"]
    elif name != "hdf":
        path = tmp_path / ("mnist.npz" if name == "mnist" else "data.h5")
        writers[name](path, **({} if name == "mnist" else {"side": 32, "count": 60}))
        overrides += [f"dataset.path={path}", "dataset.image_size=null"]
    if not experiment.endswith("_sweep"):
        overrides[1] = f"hydra.run.dir={tmp_path / 'run'}"
    status, _, err = galvae("train", f"experiment={experiment}", *overrides)
    assert status == 0, err
    folders = [tmp_path / "run"]
    if experiment.endswith("_sweep"):
        folders = sorted(path for path in (tmp_path / "sweep").iterdir() if path.is_dir())
        assert [RunDirectory.open(folder).config.latent_dim for folder in folders] == [2, 4, 8, 16]
    config = RunDirectory.open(folders[0]).config
    learned = ["priors"] * (config.prior == "auto")
    learned += ["codes", "noise"] * (config.reconstruction.loss == "gaussian")
    for folder in folders:
        check_run(folder, epochs=1, learned=learned)


@pytest.mark.slow
def test_images_that_do_not_fit_into_memory_are_one_line(galvae, small_files, tmp_path, monkeypatch):
    galvae("train", *small_files, f"hydra.run.dir={tmp_path / 'run'}")

    def refuse(*arguments):
        raise MemoryError("Unable to allocate 229. GiB")

    monkeypatch.setattr("galvae.analysis.mock_catalogue.decoded_batches", refuse)
    status, _, err = galvae("sample", f"run={tmp_path / 'run'}")
    assert status == 1
    assert err.splitlines()[-1].startswith("galvae: not enough memory: Unable to allocate 229. GiB; expected")
    assert not (tmp_path / "run" / "sample").exists()


@pytest.mark.slow
def test_calls_that_start_at_once_get_a_directory_each(galvae, small_files, tmp_path):
    galvae("train", *small_files, "hydra.run.dir=run")
    first, second = (hydra_arguments("sample", [f"run={tmp_path / 'run'}"])[-1] for _ in range(2))
    assert first == f"hydra.run.dir='{tmp_path / 'run' / 'sample'}'"
    assert second == f"hydra.run.dir='{tmp_path / 'run' / 'sample-2'}'"
    assert galvae("sample", f"run={tmp_path / 'run'}", "no_such_key=1")[0] == 2
    assert not list((tmp_path / "run").glob("sample*")), "what stayed empty is removed"
