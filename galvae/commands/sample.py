"""galvae sample: draw generated galaxies from a run."""

import logging

import numpy as np

from galvae import figures, trained
from galvae.atomic import save_arrays
from galvae.table import galaxy_table, write_table

DRAWN = 400  # galaxies in the picture; the array holds them all
WIDEST = 20  # galaxies in a row of one redshift
COMPARED = 100  # galaxies whose nearest real one is looked for

log = logging.getLogger(__name__)


def main(config, output_dir):
    """Decodes random codes into a picture and samples.npz (images in [0, 1], codes, conditions).

    Args:
        config: SampleConfig.
        output_dir: where the files go.
    """
    run, model, state = trained.load(config.run, config.backend)
    from galvae.latent import decode_codes  # after load: Keras takes its backend on import

    style = figures.Style.of(config)
    redshifts = config.redshift or [None]
    # The same codes in every block: one galaxy at several redshifts.
    codes = model.draw_codes(config.n, seed=config.seed, temperature=config.temperature)
    codes = np.tile(codes, (len(redshifts), 1))
    condition = sampled_condition(run, model, state, config)
    images = decode_codes(model, codes, condition)
    arrays = {"images": images, "codes": codes}
    if condition is not None:
        arrays["condition"] = condition
    save_arrays(output_dir / "samples.npz", **arrays)
    figures.save(drawn(images, redshifts, config.n, style), output_dir / "samples", style)
    if config.nearest:
        draw_nearest(run.load_dataset(config.dataset), images[:COMPARED], run, output_dir, style)


def drawn(images, redshifts, n, style):
    """The picture: a block of n galaxies for each redshift, or one grid."""
    if len(redshifts) == 1:
        if n > DRAWN:
            log.info("the picture shows the first %d of %d galaxies", DRAWN, n)
        return figures.grid(images[:DRAWN], style=style)
    blocks = images.reshape(len(redshifts), n, *images.shape[1:])
    titles = [f"z = {redshift:g}" for redshift in redshifts]
    if n <= WIDEST:  # a row for each redshift, so that one galaxy stands under itself
        return figures.rows(blocks, titles, style=style)
    shown = max(1, min(n, DRAWN // len(redshifts)))
    if shown < n:
        log.info("the picture shows the first %d of %d galaxies at each redshift", shown, n)
    return figures.panels(blocks[:, :shown], titles, style=style)


def sampled_condition(run, model, state, config):
    """Condition of every generated galaxy, (blocks x n, K) in physical units, or None.

    Raises:
        GalvaeError: if a redshift is asked of a model that takes none.
    """
    if config.redshift is None and not model.condition_dim:
        return None
    others = None
    if config.redshift is None or model.condition_dim > 1:
        dataset = run.load_dataset(config.dataset)
        chosen = np.random.default_rng(config.seed).choice(dataset.split("train"), config.n)
        others = dataset.condition[chosen]
        if config.redshift is None:
            return others
        others = np.tile(others, (len(config.redshift), 1))
    return trained.redshift_conditions(run, model, state, np.repeat(config.redshift, config.n), others)


def draw_nearest(dataset, images, run, output_dir, style):
    """Draws and lists the training galaxy that is nearest to each image."""
    from galvae.nearest import nearest_real

    found, difference, real = nearest_real(
        images, dataset, dataset.split("train"), turned=run.config.dataset.augment
    )
    labels = ("generated", "nearest\nreal")
    captions = [f"{value:.3f}" for value in difference]
    figure = figures.compared(images, real, labels, 10, captions, style)
    figures.save(figure, output_dir / "nearest", style)
    columns = {"sample": np.arange(len(images)), "rms_difference": difference}
    write_table(galaxy_table(dataset, found, columns), output_dir / "nearest")
