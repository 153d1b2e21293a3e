"""Runs that declare more memory than their own data need: opened after a question only."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from builders.configs import conv, train_config
from builders.states import checkpoint_state

from galvae.config.check import write_config
from galvae.errors import GalvaeError
from galvae.latent import inference
from galvae.models.autoencoder import Autoencoder
from galvae.models.build import layer_bytes, outline
from galvae.runs import checkpoints, memory, trained_run
from galvae.runs.directory import config_digest
from galvae.runs.trained_run import TrainedRun
from galvae.system.atomic import save_json
from galvae.training import session

NARROW = (
    "dataset=files",
    "dataset.path=nowhere.npy",
    "network.filters=[1]",
    "network.dense=4",
    "latent_dim=2",
)


def forge(path, shape, config):
    """Writes a run of a few kB, narrow in all layers, that declares images of a shape and a configuration."""
    write_config(config, path / "config.yaml")
    save_json(path / "environment.json", {"run_id": "a", "resumed": []})
    variables = outline(train_config(*NARROW), shape, 0).variables
    arrays = {name: np.zeros(size, dtype) for name, (size, dtype) in variables.items()}
    declared = {"image_shape": list(shape), "epochs": config.epochs, "config_sha256": config_digest(config)}
    state = checkpoint_state(1, **declared, condition_names=[], condition_ranges=[])
    checkpoints.save(path / "checkpoints", 1, arrays, arrays, state)
    assert sum(file.stat().st_size for file in path.rglob("*")) < 100_000


def test_images_of_4096_pixels_are_asked_about_before_a_model_is_built(tmp_path, monkeypatch):
    forge(tmp_path, (4096, 4096, 3), train_config(*NARROW))
    built = []
    monkeypatch.setattr(trained_run, "build_model", lambda *_: built.append(1) or 1 / 0)
    expected = (
        rf"^run: {tmp_path}: declares images of 4096x4096x3, for which commands need about 20\.\d GB, and its dataset "
        r"is not at hand to show that they are so large \(dataset\.path: .*nowhere\.npy: does not exist; .*\); "
        r"expected at most 1\.0 GB, or its dataset, as dataset\.path=\.\.\., or force=true if you trust the run$"
    )
    with pytest.raises(GalvaeError, match=expected):
        TrainedRun.open(tmp_path)
    assert not built
    with pytest.raises(ZeroDivisionError):
        TrainedRun.open(tmp_path, force=True)


@pytest.mark.parametrize(
    ("shape", "layer", "name", "refused"),
    [
        ((900, 900, 3), 10**7, None, False),  # 1.0 GB: whatever it is, it does no harm
        ((1000, 1000, 3), 10**7, None, True),
        ((424, 424, 3), 10**8, None, False),
        ((64, 64, 1), 10**9, None, True),
        ((4096, 4096, 3), 740 * 10**6, "files", False),  # a user's own, at their usual widths
        ((4096, 4096, 3), 740 * 10**6, "simulated", True),
        ((128, 128, 3), 10**9, "files", False),
        ((128, 128, 3), 2 * 10**9, "files", True),  # 10,000 times as many values as in an image
    ],
)
def test_a_run_is_bounded_by_its_data_and_a_large_one_is_not_asked_about(shape, layer, name, refused):
    class Run:
        path = "r"
        state = SimpleNamespace(image_shape=list(shape))
        config = SimpleNamespace(dataset=SimpleNamespace(name=name))

        @property
        def dataset(self):
            if name is None:
                raise GalvaeError("moved")

    if not refused:
        memory.check_memory(Run(), layer)
        return
    with pytest.raises(GalvaeError, match="^run: r: declares images of ") as error:
        memory.check_memory(Run(), layer)
    assert ("not at hand" in str(error.value)) == (name != "files")


def test_a_command_asks_unless_the_data_are_at_hand_or_it_is_forced(galvae, trained, tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "UNASKED", 1000)
    at_hand = TrainedRun.open(trained("vae"))
    run = Path(shutil.copytree(trained("vae"), tmp_path / "run"))
    text = (run / "config.yaml").read_text().replace(at_hand.config.dataset.path, "/gone.h5")
    (run / "config.yaml").write_text(text)
    status, _, err = galvae("sample", f"run={run}", "n=1")
    assert (status, err.count("\n")) == (2, 1)
    assert "declares images of 16x16x3, for which commands need about 0.0 GB" in err
    status, _, err = galvae("sample", f"run={run}", "n=1", "force=true")
    assert status == 0, err


def test_layers_are_measured_and_as_many_images_decoded_at_a_time_as_fit(monkeypatch):
    model = Autoencoder((16, 12, 3), 2, conv())
    model.build_all()
    # The image, 16x12x3, and the 8x6x4 values from which the last layer draws it.
    assert layer_bytes(model) == 4 * (576 + 192)
    assert inference.batch_size(model) == 256
    latents = np.random.default_rng(0).standard_normal((7, 2)).astype(np.float32)
    whole = inference.decode_codes(model, latents)
    monkeypatch.setattr(inference, "LARGEST_BATCH", 3 * 4 * 768 + 1)
    assert [len(batch) for batch in inference.decoded_batches(model, latents)] == [3, 3, 1]
    np.testing.assert_allclose(inference.decode_codes(model, latents), whole, atol=1e-6)
    monkeypatch.setattr(inference, "LARGEST_BATCH", 1)
    assert inference.batch_size(model) == 1
    images = np.random.default_rng(1).integers(0, 255, (2, 16, 12, 3), np.uint8)
    mean, _ = inference.encode_images(model, images)
    np.testing.assert_allclose(mean, model.encode(images)[0], atol=1e-5)


def test_a_forged_configuration_is_resumed_by_no_larger_model_than_its_weights(tmp_path, monkeypatch):
    config = train_config(*NARROW, "network.dense=65536")
    forge(tmp_path, (64, 64, 3), config)
    monkeypatch.setattr(session, "setup", lambda *_: 1 / 0)
    with pytest.raises(GalvaeError, match="expected .*65536.*; the weights are not of this configuration"):
        session.train(SimpleNamespace(devices=1), config, config, tmp_path)


def test_steps_that_no_memory_holds_are_asked_about(galvae, trained, tmp_path, monkeypatch):
    run = Path(shutil.copytree(trained("vae"), tmp_path / "run"))
    monkeypatch.setattr(memory, "available_memory", lambda: 100_000)
    status, _, err = galvae("train", f"resume={run}", "epochs=3")
    assert status == 2
    # 32 images of 16x16x3 values, and the 8x8x4 from which they are drawn.
    lines = [line for line in err.splitlines() if line.startswith("galvae: ")]
    assert lines == [
        f"galvae: resume: {run}: a step of 32 images takes 0.0 GB and more, of 0.0 GB that are free; expected a run "
        "that fits, or force=true"
    ]
    assert TrainedRun.open(run).state.epochs == 2
    monkeypatch.setattr(memory, "available_memory", lambda: 0)  # unknown
    memory.check_step(run, 32, 10**15)
