"""The noise that a run learns with its network is that of the simulation."""

import numpy as np
import pytest
from builders.command_line import run_command

from galvae.runs.trained_run import TrainedRun

NOISE = 0.08  # of full scale: more than the decoder's own error


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["scalar", "brightness"])
def test_the_noise_of_simulated_galaxies_is_recovered_within_two_percent(kind, tmp_path):
    data = ("dataset=simulated", "dataset.count=1500", "dataset.image_size=32", "dataset.bands=1")
    settings = ("recipe=recommended", "model=vae", "latent_dim=8", "epochs=40", "prior=none")
    overrides = (*data, f"dataset.noise={NOISE}", *settings, f"reconstruction.noise={kind}")
    assert run_command("train", *overrides, f"hydra.run.dir={tmp_path / 'run'}") == 0
    model = TrainedRun.open(tmp_path / "run").model
    sky = np.full((1, 1, 1, 1), 0.01, np.float32)
    learned = float(np.sqrt(np.asarray(model.likelihood.variance(sky)).ravel()[0]))
    assert learned == pytest.approx(NOISE, rel=0.02)
