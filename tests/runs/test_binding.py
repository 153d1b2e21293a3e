"""What binds a checkpoint to its run, without training one: configuration, identity, weights, who may go on with it."""

import dataclasses
import hashlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from builders.configs import train_config
from builders.galaxies import dataset
from builders.states import checkpoint_state

from galvae.backend.setup import Device
from galvae.errors import GalvaeError
from galvae.runs import checkpoints, resume
from galvae.runs.directory import RunDirectory, config_digest
from galvae.runs.provenance import differences, environment

MADE = Path(__file__).parents[1] / "regression" / "made_by_0_1"
DEVICE = Device("tensorflow", "cpu", "a processor", 1, "float32", 2)
WEIGHTS = {"a/kernel": np.arange(6, dtype=np.float32)}


def save(folder, epoch, **state):
    last = {name: array + epoch for name, array in WEIGHTS.items()}
    return checkpoints.save(folder, epoch, WEIGHTS, last, checkpoint_state(epoch, **state))


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The directory of a run, and the state with which it writes its checkpoint."""
    monkeypatch.setattr("galvae.runs.directory.environment", lambda *_: {})  # which takes half a second
    created = RunDirectory.create(tmp_path / "run", train_config("epochs=7"), dataset(), DEVICE)
    return created, checkpoint_state(
        1, **created.identity, dataset_sha256=dataset().digest, image_shape=[8, 8, 3]
    )


def changed(config, key, value):
    """A configuration with another value of one key."""
    section, _, name = key.rpartition(".")
    if not section:
        return dataclasses.replace(config, **{name: value})
    return dataclasses.replace(
        config, **{section: dataclasses.replace(getattr(config, section), **{name: value})}
    )


def test_a_configurations_digest_is_that_of_what_changes_the_result():
    config = train_config()
    own = config_digest(config)
    free = {"epochs": 7, "dataset.verify": "always", "dataset.cache_dir": "elsewhere"}
    assert {config_digest(changed(config, *item)) for item in free.items()} == {own}
    bound = {
        "seed": 1,
        "latent_dim": 9,
        "batch": 64,
        "dataset.split_seed": 1,
        "beta.value": 2.0,
        "dataset.nan": "drop",
    }
    assert len({own, *(config_digest(changed(config, *item)) for item in bound.items())}) == 1 + len(bound)


def test_runs_of_0_1_have_the_digest_that_they_recorded():
    path, state = RunDirectory.open(MADE / "vae").checkpoint()
    assert state.config_sha256 == config_digest(RunDirectory.open(MADE / "vae").config)
    assert path.parent == MADE / "vae" / "checkpoints"


def test_a_checkpoint_is_opened_with_its_own_run_and_configuration_only(run):
    run, state = run
    run.save_checkpoint(state, WEIGHTS, WEIGHTS)
    path, found = run.checkpoint()
    assert (path.name, found) == ("epoch-0001", state)
    other = RunDirectory(run.path, dataclasses.replace(run.config, batch=64))
    with pytest.raises(
        GalvaeError, match=r"config\.yaml: expected the configuration that the run was trained with"
    ):
        other.checkpoint()
    longer = RunDirectory(run.path, dataclasses.replace(run.config, epochs=8))  # which nobody asked for
    with pytest.raises(
        GalvaeError, match=r"config\.yaml: expected the configuration that the run was trained with"
    ):
        longer.checkpoint()
    run.save_checkpoint(dataclasses.replace(state, run_id="b"), WEIGHTS, WEIGHTS)
    with pytest.raises(GalvaeError, match="received one of run b; the files of two runs are mixed"):
        run.checkpoint()


def test_a_checkpoint_is_of_its_own_images_conditions_and_split(run):
    run, state = run
    run.check_same(dataset(), state)
    splits = {"train": np.arange(15), "val": np.arange(15, 20), "test": np.arange(20, 25)}
    for other in (dataset(splits=splits), dataset(pixel_range=(0, 254)), dataset(content="other images")):
        with pytest.raises(GalvaeError, match="expected the images and the split that .* was trained on"):
            run.check_same(other, state)


def test_a_status_is_one_that_training_writes(run):
    run, _ = run
    for status in ("running", "finished", "stopped", "diverged", "failed"):
        run.write_json("metrics.json", {"status": status})
        assert (run.status, run.finished) == (status, status == "finished")
        run.write_json("metrics.json", {"status": f"{status} twice"})
        assert (run.status, run.finished) == ("unfinished", False)


def test_a_checkpoints_digest_is_that_of_its_best_weights(tmp_path):
    first, second = save(tmp_path, 1), save(tmp_path, 2)
    best = hashlib.sha256((second / "best.safetensors").read_bytes()).hexdigest()
    assert checkpoints.weights_digest(second) == checkpoints.weights_digest(first) == best
    assert (first / "last.safetensors").read_bytes() != (second / "last.safetensors").read_bytes()
    np.testing.assert_array_equal(checkpoints.read_arrays(second, "best")["a/kernel"], np.arange(6))
    np.testing.assert_array_equal(checkpoints.read_arrays(second, "last")["a/kernel"], np.arange(6) + 2)


def test_older_checkpoints_stay_while_the_new_one_cannot_be_read(tmp_path, monkeypatch):
    for epoch in (1, 2):
        save(tmp_path, epoch)
    write = checkpoints._write_synced

    def torn(path, content):
        write(path, content[:-5] if path.name == "last.safetensors" else content)

    monkeypatch.setattr(checkpoints, "_write_synced", torn)
    save(tmp_path, 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["epoch-0001", "epoch-0002", "epoch-0003"]
    assert checkpoints.newest(tmp_path).name == "epoch-0002"
    checkpoints.clean(tmp_path, checkpoints.newest(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["epoch-0001", "epoch-0002"]


@pytest.mark.parametrize("kind", [np.float16, np.float64, np.int32])
def test_weights_of_another_type_are_not_those_of_the_model(kind, tmp_path):
    checkpoint = save(tmp_path, 1)
    checkpoints.check_shapes(checkpoint, "best", {"a/kernel": ((6,), np.float32)})
    with pytest.raises(GalvaeError, match="the weights are not of this configuration"):
        checkpoints.check_shapes(checkpoint, "best", {"a/kernel": ((6,), kind)})


def test_the_same_command_resumes_with_as_many_epochs_or_more():
    config = train_config("epochs=7")
    run = SimpleNamespace(path="run", config=config, finished=False)
    for key, value in (("epochs", 7), ("epochs", 9), ("dataset.verify", "always")):
        resume.check_same(run, changed(config, key, value))
    fewer = changed(config, "epochs", 6)
    with pytest.raises(GalvaeError, match=r"received epochs=6 \(there 7\)$"):
        resume.check_same(run, fewer)
    resume.check_same(SimpleNamespace(path="run", config=config, finished=True), fewer)  # it has trained more
    for finished in (False, True):
        run.finished = finished
        with pytest.raises(GalvaeError, match=r"received batch=64 \(there 128\)$"):
            resume.check_same(run, changed(changed(config, "epochs", 9), "batch", 64))


def test_a_run_is_abandoned_if_it_was_of_this_machine_or_of_the_same_job(monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    here = resume.lock_owner()["host"]
    assert resume.is_stale({"host": here}) and not resume.is_stale({"host": "node17", "job": "42"})
    assert not resume.is_stale({"host": "node17", "job": None})
    monkeypatch.setenv("SLURM_JOB_ID", "42")
    assert resume.is_stale({"host": "node17", "job": "42"}) and not resume.is_stale(
        {"host": "node17", "job": "43"}
    )


def test_what_arithmetic_depends_on_is_compared():
    then = environment(SimpleNamespace(seed=0), DEVICE)
    assert differences(then, then) == []
    assert differences(then, {**then, "python": "other", "command_line": ["other"]}) == []
    for key in ("galvae", "git_commit", "backend", "kind", "name", "count", "precision", "threads"):
        assert differences(then, {**then, key: "other"}) == [f"{key} {then[key]} -> other"]
