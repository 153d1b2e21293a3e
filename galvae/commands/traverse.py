"""galvae traverse: walk through the latent space."""

import numpy as np

from galvae import figures
from galvae.analysis.traversal import Traversal
from galvae.runs.trained_run import TrainedRun
from galvae.system.atomic import save_arrays


def main(config, output_dir):
    """Draws walks along the latent dimensions and, if requested, over a plane, along a condition, between galaxies.

    Args:
        config: TraverseConfig.
        output_dir: directory of the results.
    """
    run = TrainedRun.open(config.run, config.backend, vars(config.dataset), config.force)
    traversal = Traversal(run, config)
    colour = run.dataset.column(config.colour, traversal.indices)
    style = figures.Style.of(config, run.config.dataset)

    draw_axes(traversal, output_dir, style)
    if len(traversal.axes) == 2:
        draw_plane(traversal, colour, output_dir, style)
    if run.model.condition_dim:
        draw_condition(traversal, output_dir, style)
    if traversal.ends is not None:
        draw_path(traversal, output_dir, style)


def draw_axes(traversal, output_dir, style):
    """Draws the walks along single dimensions; a galaxy at the origin is placed below them."""
    walk, config = traversal.along_axes(), traversal.config
    axes, *numbers = (walk.arrays[name] for name in ("axes", "offsets", "information"))
    save(walk, output_dir, style, config.gif, [figures.latent_name(axis, short=True) for axis in axes])
    galaxy = None if traversal.at is None else (f"id {config.at}", traversal.original_and_decoded())
    figure = figures.latent_walks(walk.images, axes, *numbers, traversal.unit, galaxy, style)
    figures.save(figure, output_dir / "traverse", style)


def draw_plane(traversal, colour, output_dir, style):
    """Draws the plane of two latent dimensions, alone and beside a scatter plot of the galaxies' codes."""
    walk, axes = traversal.over_plane(*traversal.axes), traversal.axes
    save(walk, output_dir, style)
    names = [figures.axis_label(axis, traversal.information[axis], traversal.unit) for axis in axes]
    grid = walk.images, walk.arrays["x"], walk.arrays["y"], names
    figures.save(figures.plane(*grid, style=style), output_dir / "plane", style)
    points = traversal.mean[:, axes]
    figures.save(figures.plane_and_scatter(*grid, points, colour, style), output_dir / "plane_scatter", style)
    save_arrays(output_dir / "plane_scatter.npz", indices=traversal.indices, codes=points)


def draw_condition(traversal, output_dir, style):
    """Draws galaxies decoded over a range of conditions, in a row each."""
    walk, config = traversal.along_condition(), traversal.config
    count, symbol = len(walk.images), traversal.run.condition_symbol
    values = [f"{symbol} {value:.2f}" for value in walk.arrays["condition"][0, :, 0]]
    save(walk, output_dir, style, config.gif, [[text] * count for text in values])
    labels = [f"galaxy {row + 1}" for row in range(count)] if traversal.at is None else [f"id {config.at}"]
    figures.save(figures.rows(walk.images, labels, values, style=style), output_dir / "condition", style)


def draw_path(traversal, output_dir, style):
    """Draws the path between two galaxies, with the galaxies themselves at its ends."""
    walk, dataset, config = traversal.between_galaxies(), traversal.run.dataset, traversal.config
    fractions = [f"{value:.2f}" for value in np.linspace(0, 1, config.steps)]
    save(walk, output_dir, style, config.gif, [[text] for text in fractions])
    first, last = dataset.to_unit(dataset.images[traversal.ends])
    images = np.stack([first, *walk.images[0], last])
    captions = [f"id {config.from_}", *fractions, f"id {config.to}"]
    figures.save(figures.grid(images, len(images), captions, style), output_dir / "between", style)


def save(walk, output_dir, style, gif=False, captions=None):
    """Writes the arrays of a walk and, if requested, its animation: a frame for each step."""
    save_arrays(output_dir / f"{walk.name}.npz", images=walk.images, codes=walk.codes, **walk.arrays)
    if gif:
        frames = walk.images.swapaxes(0, 1)
        figures.animate(frames, output_dir / f"{walk.name}.gif", captions=captions, style=style)
