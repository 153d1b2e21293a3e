"""galvae sample: generate galaxies with a trained run."""

import logging

import numpy as np

from galvae import figures
from galvae.analysis.mock_catalogue import Mocks, write_fits
from galvae.analysis.samples import compare_with_training, draw_samples
from galvae.data.catalogue import galaxy_table, write_table
from galvae.data.summary import galaxies_of
from galvae.runs.trained_run import TrainedRun
from galvae.system.atomic import Blocks, save_arrays

NOISE_NOTES = {
    "none": "no noise",
    "model": "noise of the likelihood",
    "full": "noise learned from residuals",
}
MAX_DRAWN = 400  # maximum number of galaxies in the figure; samples.npz holds all

log = logging.getLogger(__name__)


def main(config, output_dir):
    """Generates galaxies and writes them to a figure and samples.npz (images in [0, 1], codes, conditions).

    Args:
        config: SampleConfig.
        output_dir: directory of the results.

    Raises:
        GalvaeError: if a condition, a prior or noise is requested that the run does not have.
    """
    run = TrainedRun.open(config.run, config.backend, vars(config.dataset), config.force)
    if config.nearest:
        _ = run.dataset  # opened first, so that a missing dataset leaves nothing behind
    samples = draw_samples(run, config)
    count = max(1, min(config.n, MAX_DRAWN // len(samples.values)))
    mocks = Mocks(run, samples, config, count)
    path = output_dir / "samples.npz"
    save_arrays(path, **samples.arrays, images=Blocks(mocks.shape, np.float32, mocks.batches()))
    if config.fits:
        write_fits(output_dir / "samples.fits", path, run, samples, config, mocks.noise)

    style = figures.Style.of(config, run.config.dataset, run.directory.display_range)
    if count < config.n:
        log.info("the figure shows the first %d of %d galaxies of each block", count, config.n)
    titles = [run.conditions.title(value) for value in samples.values]
    note = (
        f"generated, prior {run.prior(config.prior).label}, temperature {config.temperature:g}, "
        f"{NOISE_NOTES[mocks.noise]}{', field galaxies added' if config.neighbours else ''}"
    )
    figures.save(figures.blocks(mocks.shown, titles, style), output_dir / "samples", style, note)
    if config.nearest:
        note += f"; nearest of {galaxies_of(run.dataset, run.dataset.split('train'))}"
        images = mocks.shown.reshape(-1, *run.model.image_shape)
        draw_nearest(run, samples, samples.first(count), images, output_dir, style, note)


def draw_nearest(run, samples, positions, images, output_dir, style, note):
    """Draws and lists the training galaxy that is nearest to each of the generated galaxies in the figure.

    Args:
        run: TrainedRun.
        samples: Samples.
        positions: (n,) positions in `samples.codes` of the galaxies in the figure.
        images: (n, H, W, C) these galaxies.
        output_dir: directory of the results.
        style: Style.
        note: of which galaxies the figure is.
    """
    generated, real, indices, columns = compare_with_training(run, samples, positions, images)
    captions = [f"rms {value:.3f}" for value in columns["rms_difference"]]
    figure = figures.compared(generated, real, ("generated", "nearest\nreal"), 10, captions, style)
    figures.save(figure, output_dir / "nearest", style, note)
    write_table(galaxy_table(run.dataset, indices, columns), output_dir / "nearest")
