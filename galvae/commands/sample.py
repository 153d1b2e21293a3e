"""galvae sample: draw generated galaxies from a run."""

import logging

import numpy as np

from galvae import devices, figures
from galvae.run import Run

DRAWN = 400  # galaxies in the picture; the array holds them all

log = logging.getLogger(__name__)


def main(config, output_dir):
    """Decodes random codes into samples.png and samples.npz (images in [0, 1] and their codes).

    Args:
        config: SampleConfig.
        output_dir: where the files go.
    """
    run = Run.open(config.run)
    devices.setup(config.backend or run.config.backend)
    from galvae.latent import decode_codes  # after setup: Keras takes its backend when it is imported

    model, state = run.load_model()
    if run.status != "finished":
        log.warning("this run is %s: sampling from its best epoch of %d so far", run.status, state["epoch"])
    codes = model.draw_codes(config.n, seed=config.seed, temperature=config.temperature)
    images = decode_codes(model, codes)
    np.savez(output_dir / "samples.npz", images=images, codes=codes)
    if config.n > DRAWN:
        log.info("the picture shows the first %d of %d galaxies", DRAWN, config.n)
    figures.save(figures.grid(images[:DRAWN]), output_dir / "samples.png")
