"""galvae sample: draw generated galaxies from a run."""

import logging

import numpy as np

from galvae import devices, figures
from galvae.atomic import save_arrays
from galvae.errors import GalvaeError
from galvae.run import Run

DRAWN = 400  # galaxies in the picture; the array holds them all
WIDEST = 20  # galaxies in a row of one redshift

log = logging.getLogger(__name__)


def main(config, output_dir):
    """Decodes random codes into samples.png and samples.npz (images in [0, 1], codes, conditions).

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
    blocks = len(config.redshift or [None])
    # The same codes in every block: one galaxy at several redshifts.
    codes = model.draw_codes(config.n, seed=config.seed, temperature=config.temperature)
    codes = np.tile(codes, (blocks, 1))
    condition = sampled_condition(run, model, state, config)
    images = decode_codes(model, codes, condition)
    arrays = {"images": images, "codes": codes}
    if condition is not None:
        arrays["condition"] = condition
    save_arrays(output_dir / "samples.npz", **arrays)
    if len(images) > DRAWN:
        log.info("the picture shows the first %d of %d galaxies", DRAWN, len(images))
    # Several redshifts: a row for each, so that one galaxy stands under itself.
    columns = config.n if blocks > 1 and config.n <= WIDEST else None
    figures.save(figures.grid(images[:DRAWN], columns), output_dir / "samples.png")


def sampled_condition(run, model, state, config):
    """Condition of every generated galaxy, (blocks x n, K) in physical units, or None.

    Args:
        run: Run.
        model: its model.
        state: of its checkpoint.
        config: SampleConfig.

    Raises:
        GalvaeError: if a redshift is asked of a model that takes none, or whose condition has more columns.
    """
    if config.redshift is None:
        if not model.condition_dim:
            return None
        dataset = run.load_dataset()
        chosen = np.random.default_rng(config.seed).choice(dataset.split("train"), config.n)
        return dataset.condition[chosen]
    if model.condition_dim != 1:
        taken = ", ".join(state["condition_names"]) if model.condition_dim else "no condition"
        raise GalvaeError(
            f"redshift: expected none, because {run.config.model.name} takes {taken}, received {config.redshift}"
        )
    return np.repeat(np.array(config.redshift, np.float32), config.n)[:, None]
