"""The object that commands and notebooks work with: encode, decode, sample, and cached codes."""

import dataclasses
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from builders.configs import train_config
from builders.galaxies import dataset
from builders.processes import child_environment

import galvae as package
from galvae.config.model import ConditionalConfig
from galvae.errors import GalvaeError
from galvae.latent import inference
from galvae.latent.codes import Codes
from galvae.runs.stored_run import _exists
from galvae.runs.trained_run import TrainedRun


@pytest.fixture
def copied(trained, tmp_path):
    """Copies the run of a model, without the codes that other tests have cached there."""

    def copy(model):
        ignored = shutil.ignore_patterns("codes")
        return shutil.copytree(trained(model), tmp_path / model, ignore=ignored)

    return copy


@pytest.mark.parametrize("model", ["ae", "vae", "cvae2"])
def test_images_go_through_the_model(model, copied):
    run = package.open_run(copied(model))
    assert isinstance(run, TrainedRun) and run.state.epoch == 2 and run.config.model.name == model
    indices = np.array([30, 5])
    condition = run.condition(indices)
    assert (condition is None) == (model != "cvae2")
    mean, log_variance = run.encode(run.dataset.images[indices], condition)
    expected = run.model.encode(run.dataset.images[indices], condition)[0]
    np.testing.assert_allclose(mean, expected, atol=1e-5)
    assert (log_variance is None) == (model == "ae")
    np.testing.assert_allclose(run.codes_at(indices).mean, mean, atol=1e-5)
    images = run.decode(mean, condition)
    np.testing.assert_allclose(images, run.model.decode(mean, condition), atol=1e-5)
    samples = run.sample(4, seed=1)
    assert samples.shape == (4, 16, 16, 3) and samples.min() >= 0 and samples.max() <= 1
    np.testing.assert_array_equal(samples, run.sample(4, seed=1))
    drawn = run.prior().sample(4, seed=1)
    given = run.random_condition(4, 1) if model == "cvae2" else None
    np.testing.assert_allclose(samples, run.decode(drawn, given), atol=1e-6)


def test_codes_are_encoded_once_and_cached(copied, monkeypatch):
    path, calls, encode = copied("vae"), [], inference.encode_dataset
    monkeypatch.setattr(inference, "encode_dataset", lambda *a: calls.append(len(a[2])) or encode(*a))
    run = TrainedRun.open(path)
    whole = run.codes("all")
    assert calls == [60] and (path / "codes" / "all.npz").is_file()
    np.testing.assert_array_equal(whole.indices, run.dataset.split("all"))
    again = TrainedRun.open(path)
    np.testing.assert_array_equal(again.codes("all").mean, whole.mean)
    some = again.codes_at(np.array([50, 7]))
    np.testing.assert_array_equal(some.mean, whole.mean[np.searchsorted(whole.indices, [50, 7])])
    assert calls == [60]
    np.testing.assert_array_equal(again.codes("val").mean, whole.at(again.dataset.split("val")).mean)
    assert calls == [60]
    shutil.rmtree(path / "codes")
    only = TrainedRun.open(path).codes("val")
    np.testing.assert_allclose(only.mean, whole.at(only.indices).mean, atol=1e-5)
    assert calls == [60, 6]


def test_codes_of_other_weights_are_encoded_anew(copied, trained, monkeypatch):
    path = copied("vae")
    run = TrainedRun.open(path)
    monkeypatch.setattr(TrainedRun, "weights_digest", "of another epoch")
    run.codes("all")
    monkeypatch.undo()
    calls, encode = [], inference.encode_dataset
    monkeypatch.setattr(inference, "encode_dataset", lambda *a: calls.append(1) or encode(*a))
    TrainedRun.open(path).codes("all")
    assert calls == [1]


def test_codes_that_cannot_be_cached_are_still_returned(copied, monkeypatch, caplog):
    run = TrainedRun.open(copied("vae"))

    def fail(*_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Codes, "save", fail)
    with caplog.at_level("INFO"):
        assert len(run.codes("all").mean) == 60
    assert "the codes cannot be cached in" in caplog.text


@pytest.fixture
def untrained():
    """A run without a directory, of 25 galaxies with two conditions; what its model would do is written down."""
    run, calls = TrainedRun.__new__(TrainedRun), []
    condition = np.stack([np.arange(25), np.arange(25.0) ** 2], axis=1).astype(np.float32)
    run.model = SimpleNamespace(condition_dim=2)
    model = ConditionalConfig(name="cvae2", condition_scaling="standard")
    run.config = SimpleNamespace(seed=0, model=model)
    run.state = SimpleNamespace(condition_names=["redshift", "mass"], condition_ranges=[[0, 25], [0, 600]])
    run.dataset = run.galaxies = dataset(condition=condition, condition_names=["redshift", "mass"])
    run.decode = lambda codes, condition: calls.append((codes, condition))
    run.condition = lambda indices: run.dataset.condition[indices]
    run._codes = {}
    run.calls = calls
    return run


def test_conditions_that_are_not_given_are_those_of_training_galaxies(untrained, caplog):
    train, condition = untrained.dataset.split("train"), untrained.dataset.condition
    given = untrained.at_condition([3, 25])
    np.testing.assert_allclose(given, [[3, np.mean(train**2)], [25, np.mean(train**2)]])
    np.testing.assert_allclose(untrained.at_condition([3], like=condition[4]), [[3, 16]])
    assert not caplog.records
    untrained.at_condition([3, 25.5])
    untrained.at_condition([-0.5])
    assert "redshift 3 to 25.5 is outside of the dataset's range, 0 to 25: the model extra" in caplog.text
    assert "redshift -0.5 is outside" in caplog.text
    drawn = untrained.random_condition(500, 0)
    assert sorted({*map(tuple, drawn.tolist())}) == sorted({*map(tuple, condition[train].tolist())})


def test_galaxies_are_sampled_at_the_temperature_and_the_conditions_that_are_given(untrained):
    def sample(n, condition, seed, temperature):
        return n, condition, seed, temperature

    prior = SimpleNamespace(sample=sample)
    untrained.sample(2, prior, condition=[[1, 2], [3, 4]], seed=5, temperature=0.7, noise="none")
    untrained.sample(1, prior, seed=5, noise="none")
    (first, condition), (second, drawn) = untrained.calls
    assert first == (2, condition, 5, 0.7) and condition == [[1, 2], [3, 4]]
    assert second[::2] == (1, 5) and second[3] == 1
    np.testing.assert_array_equal(drawn, untrained.random_condition(1, 5))


def test_galaxies_without_a_condition_have_no_random_one(untrained):
    untrained.galaxies = dataset()
    with pytest.raises(GalvaeError, match="condition: expected a run whose galaxies have one"):
        untrained.random_condition(1, 0)


def test_cached_codes_are_those_of_the_galaxies_that_are_asked_for(untrained):
    order = np.random.default_rng(0).permutation(25)
    untrained._codes["all"] = Codes(order, order[:, None] + [0.25, 0.5], order[:, None] * 2.0)
    found = untrained.codes_at([7, 20, 3])
    assert (found.indices.tolist(), found.mean.tolist()) == (
        [7, 20, 3],
        [[7.25, 7.5], [20.25, 20.5], [3.25, 3.5]],
    )
    assert found.log_variance.tolist() == [[14], [40], [6]]


def test_conditions_are_set_by_value(copied, caplog):
    run = TrainedRun.open(copied("cvae2"))
    condition = run.at_condition([0.5, 0.7])
    np.testing.assert_allclose(condition, [[0.5], [0.7]])
    assert not caplog.records
    run.at_condition([0.5, 9.0])
    assert "redshift 0.5 to 9 is outside of the dataset's range, 0.16" in caplog.text
    assert run.condition_symbol == "z"
    with pytest.raises(GalvaeError, match="condition: expected none, because vae takes no condition"):
        TrainedRun.open(copied("vae")).at_condition([0.5])


def test_a_notebook_opens_a_run_before_keras_is_imported(copied):
    program = (
        "import sys, galvae; assert 'keras' not in sys.modules and 'numpy' not in sys.modules\n"
        f"run = galvae.open_run({str(copied('vae'))!r}, dataset={{'cache_dir': None}})\n"
        "print(run.sample(2, seed=0).shape, run.codes('val').mean.shape)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=child_environment(), check=False
    )
    assert done.stdout == "(2, 16, 16, 3) (6, 3)\n", done.stderr


def test_latest_is_the_newest_finished_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(GalvaeError, match="run=latest: expected a finished run, received none in"):
        package.open_run()


@pytest.mark.parametrize(
    ("moved", "key"),
    [
        ({"path": "gone/healpix=*/*.hdf5"}, "dataset.path"),
        ({"table": "gone.csv"}, "dataset.table"),
        ({"ids": "gone.npy"}, "dataset.ids"),
    ],
)
def test_what_has_moved_is_named_by_its_key(moved, key, trained, tmp_path):
    section = train_config("dataset=files", f"dataset.path={tmp_path}").dataset
    run = TrainedRun.open(trained("vae"), dataset=moved)
    run.config = dataclasses.replace(run.config, dataset=section)
    with pytest.raises(GalvaeError, match=f"^{key}: gone.* does not exist; .* give its new path as {key}="):
        _ = run.dataset


def test_a_pattern_that_fits_a_file_has_not_moved(tmp_path):
    (tmp_path / "healpix=1").mkdir()
    (tmp_path / "healpix=1" / "a.hdf5").touch()
    found = ["healpix=*/*.hdf5", "healpix=[0-9]/a.hdf5", "healpix=1", "**/a.hdf5"]
    assert [_exists(str(tmp_path / pattern)) for pattern in [*found, "healpix=*/*.h5"]] == [True] * 4 + [
        False
    ]
