"""The object that commands and notebooks work with: encode, decode, sample, and cached codes."""

import dataclasses
import shutil
import subprocess
import sys

import numpy as np
import pytest
from builders.configs import train_config
from builders.processes import child_environment

import galvae as package
from galvae.errors import GalvaeError
from galvae.latent import codes as latent_codes
from galvae.latent.priors.normal import NormalPrior
from galvae.runs.trained_run import TrainedRun, _exists


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
    path, calls, encode = copied("vae"), [], latent_codes.encode_dataset
    monkeypatch.setattr(latent_codes, "encode_dataset", lambda *a: calls.append(len(a[2])) or encode(*a))
    run = TrainedRun.open(path)
    whole = run.codes("all")
    assert calls == [60] and (path / "codes" / "all.npz").is_file()
    np.testing.assert_array_equal(whole.indices, run.dataset.split("all"))
    again = TrainedRun.open(path)
    np.testing.assert_array_equal(again.codes("all").mean, whole.mean)
    some = again.codes_at(np.array([50, 7]))
    np.testing.assert_array_equal(some.mean, whole.mean[np.searchsorted(whole.indices, [50, 7])])
    assert calls == [60]
    np.testing.assert_allclose(again.codes("val").mean, whole.at(again.dataset.split("val")).mean, atol=1e-5)
    assert calls == [60, 6]


def test_codes_of_other_weights_are_encoded_anew(copied, trained, monkeypatch):
    path = copied("vae")
    run = TrainedRun.open(path)
    monkeypatch.setattr(TrainedRun, "weights_digest", "of another epoch")
    run.codes("all")
    monkeypatch.undo()
    calls, encode = [], latent_codes.encode_dataset
    monkeypatch.setattr(latent_codes, "encode_dataset", lambda *a: calls.append(1) or encode(*a))
    TrainedRun.open(path).codes("all")
    assert calls == [1]


def test_codes_that_cannot_be_cached_are_still_returned(copied, monkeypatch, caplog):
    run = TrainedRun.open(copied("vae"))

    def fail(*_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(latent_codes.Codes, "save", fail)
    with caplog.at_level("INFO"):
        assert len(run.codes("all").mean) == 60
    assert "the codes cannot be cached in" in caplog.text


def test_priors_by_name(copied):
    run = TrainedRun.open(copied("vae"))
    assert isinstance(run.prior(), NormalPrior) and isinstance(run.prior("normal"), NormalPrior)
    gaussian, codes = run.prior("gaussian"), run.codes("train")
    # The aggregate posterior: the variance of the means and the mean of the variances.
    np.testing.assert_allclose(gaussian.mean, codes.mean.mean(axis=0), atol=0.6)
    expected = codes.mean.var(axis=0) + (codes.std**2).mean(axis=0)
    np.testing.assert_allclose(gaussian.std**2, expected, rtol=0.6)
    assert (run.sample(2, "gaussian", seed=0) != run.sample(2, seed=0)).any()
    with pytest.raises(GalvaeError, match="prior: expected normal or gaussian, received 'flow'"):
        run.prior("flow")


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
