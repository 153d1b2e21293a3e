"""galvae sample: draw generated galaxies from a run."""

import logging

import numpy as np

from galvae import figures
from galvae.data.catalogue import galaxy_table, write_table
from galvae.data.dataset import evenly
from galvae.runs import trained_run
from galvae.system.atomic import Blocks, save_arrays

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
    run, model, state = trained_run.load(config.run, config.backend)
    from galvae.latent.codes import (  # after load: Keras takes its backend on import
        decode_codes,
        decoded_batches,
    )

    # First, so that nothing is left behind if it has moved.
    others = model.condition_dim and (config.redshift is None or model.condition_dim > 1)
    dataset = run.load_dataset(config.dataset) if config.nearest or others else None
    style = figures.Style.of(config)
    redshifts = config.redshift or [None]
    # The same codes in every block: one galaxy at several redshifts.
    codes = model.draw_codes(config.n, seed=config.seed, temperature=config.temperature)
    codes = np.tile(codes, (len(redshifts), 1))
    condition = sampled_condition(run, model, state, config, dataset)
    arrays = {"codes": codes}
    if condition is not None:
        arrays["condition"] = condition
    shape, batches = (len(codes), *model.image_shape), decoded_batches(model, codes, condition)
    save_arrays(output_dir / "samples.npz", **arrays, images=Blocks(shape, np.float32, batches))

    each = max(1, min(config.n, DRAWN // len(redshifts)))
    if each < config.n:
        log.info("the picture shows the first %d of %d galaxies of each block", each, config.n)
    shown = (np.arange(len(redshifts))[:, None] * config.n + np.arange(each)).ravel()
    images = decode_codes(model, codes[shown], None if condition is None else condition[shown])
    blocks = images.reshape(len(redshifts), each, *model.image_shape)
    picture = drawn(blocks, redshifts, state["condition_names"], style)
    figures.save(picture, output_dir / "samples", style)
    if config.nearest:
        some = evenly(len(shown), COMPARED)
        columns = {"sample": shown[some]}
        if condition is not None:
            for column, name in enumerate(state["condition_names"]):
                columns[f"sample_{name}"] = condition[shown[some], column]
        draw_nearest(run, dataset, images[some], columns, output_dir, style)


def drawn(blocks, redshifts, condition_names, style):
    """The picture of a block of galaxies for each redshift, (blocks, n, H, W, C)."""
    if len(blocks) == 1:
        return figures.grid(blocks[0], style=style)
    titles = [f"{trained_run.short_name(condition_names[0])} = {redshift:g}" for redshift in redshifts]
    if blocks.shape[1] <= WIDEST:  # a row for each redshift, so that one galaxy stands under itself
        return figures.rows(blocks, titles, style=style)
    return figures.panels(blocks, titles, style=style)


def sampled_condition(run, model, state, config, dataset):
    """Condition of every generated galaxy, (blocks x n, K) in physical units, or None.

    Raises:
        GalvaeError: if a redshift is asked of a model that takes none.
    """
    if config.redshift is None and not model.condition_dim:
        return None
    others = None
    if config.redshift is None or model.condition_dim > 1:
        chosen = np.random.default_rng(config.seed).choice(dataset.split("train"), config.n)
        others = dataset.condition[chosen]
        if config.redshift is None:
            return others
        others = np.tile(others, (len(config.redshift), 1))
    return trained_run.redshift_conditions(run, model, state, np.repeat(config.redshift, config.n), others)


def draw_nearest(run, dataset, images, columns, output_dir, style):
    """Draws and lists the training galaxy that is nearest to each image.

    Args:
        run: RunDirectory.
        dataset: GalaxyDataset.
        images: (n, H, W, C).
        columns: what the table says of the images besides, name -> (n,).
        output_dir: where nearest and its table go.
        style: Style.
    """
    from galvae.analysis.memorisation import nearest_real

    found, difference, real = nearest_real(
        images, dataset, dataset.split("train"), turned=run.config.dataset.augment
    )
    labels = ("generated", "nearest\nreal")
    captions = [f"rms {value:.3f}" for value in difference]
    figure = figures.compared(images, real, labels, 10, captions, style)
    figures.save(figure, output_dir / "nearest", style)
    table = galaxy_table(dataset, found, {**columns, "rms_difference": difference})
    write_table(table, output_dir / "nearest")
