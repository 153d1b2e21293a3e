"""galvae traverse: walk through the latent space."""

import numpy as np

from galvae import figures
from galvae.analysis.measured import column
from galvae.analysis.traversal import PERCENTILES, Traversal
from galvae.data.summary import galaxies_of
from galvae.runs.trained_run import TrainedRun
from galvae.system.atomic import save_arrays

CLASSES_IN_ROW = 5  # images of one galaxy under each class


def main(config, output_dir):
    """Draws walks along the latent dimensions and, if requested, over a plane, along a condition, between galaxies.

    Args:
        config: TraverseConfig.
        output_dir: directory of the results.
    """
    run = TrainedRun.open(config.run, config.backend, vars(config.dataset), config.force)
    traversal = Traversal(run, config)
    colour = column(run, config.colour, traversal.codes.indices)
    style = figures.Style.of(config, run.config.dataset, run.directory.display_range)

    draw_axes(traversal, output_dir, style)
    if len(traversal.axes) == 2:
        draw_plane(traversal, colour, output_dir, style)
    if run.model.condition_dim:
        draw_condition(traversal, output_dir, style)
    if traversal.ends is not None:
        draw_path(traversal, output_dir, style)


def draw_axes(traversal, output_dir, style):
    """Draws the walks along single dimensions, with their names; a galaxy at the origin is placed below them."""
    walk, config = traversal.along_axes(), traversal.config
    axes, names, offsets, values, information = (
        walk.arrays[name] for name in ("axes", "names", "offsets", "values", "information")
    )
    captions = [
        f"{figures.latent_name(axis, short=True)}\n{figures.with_minus(name)}"
        for axis, name in zip(axes, names, strict=True)
    ]
    save(walk, output_dir, style, config.gif, captions)
    galaxy = None if traversal.at is None else (f"id {config.at}", traversal.original_and_decoded())
    ends = [f"{percentile:g} %" for percentile in PERCENTILES]
    positions = (offsets, None) if config.span is not None else (ends, values)
    figure = figures.latent_walks(
        walk.images, axes, *positions, information, traversal.unit, names, galaxy, style=style
    )
    figures.save(figure, output_dir / "traverse", style, note(traversal))


def draw_plane(traversal, colour, output_dir, style):
    """Draws the plane of two latent dimensions, alone and beside a scatter plot of the galaxies' codes."""
    walk, axes, codes = traversal.over_plane(*traversal.axes), traversal.axes, traversal.codes
    save(walk, output_dir, style)
    labels = [
        figures.axis_label(axis, traversal.information[axis], traversal.unit, traversal.names[axis])
        for axis in axes
    ]
    grid = walk.images, walk.arrays["x"], walk.arrays["y"], labels
    figures.save(figures.plane(*grid, style=style), output_dir / "plane", style, note(traversal))
    points = codes.mean[:, axes]
    figure = figures.plane_and_scatter(*grid, points, colour, style)
    figures.save(
        figure, output_dir / "plane_scatter", style, galaxies_of(traversal.run.galaxies, codes.indices)
    )
    save_arrays(output_dir / "plane_scatter.npz", indices=codes.indices, codes=points)


def draw_condition(traversal, output_dir, style):
    """Draws galaxies decoded over a range of conditions, in a row each, or in a row for each class."""
    walk = traversal.along_condition()
    captions = [[text] * len(walk.images) for text in walk.column_labels]
    save(walk, output_dir, style, traversal.config.gif, captions)
    if len(walk.column_labels) == 1:  # one galaxy of each class
        columns = min(len(walk.images), CLASSES_IN_ROW)
        figure = figures.grid(walk.images[:, 0], columns, walk.row_labels, style)
    else:
        figure = figures.rows(walk.images, walk.row_labels, walk.column_labels, style=style)
    figures.save(figure, output_dir / "condition", style, note(traversal, walk.around))


def draw_path(traversal, output_dir, style):
    """Draws the path between two galaxies, with the galaxies themselves at its ends."""
    walk, config = traversal.between_galaxies(), traversal.config
    fractions = [f"{value:.2f}" for value in np.linspace(0, 1, config.steps)]
    save(walk, output_dir, style, config.gif, [[text] for text in fractions])
    ends = traversal.originals(traversal.ends)
    images = np.concatenate([ends[:1], walk.images[0], ends[1:]])
    captions = [f"id {config.from_}", *fractions, f"id {config.to}"] if len(ends) else fractions
    figure = figures.grid(images, len(images), captions, style)
    figures.save(figure, output_dir / "between", style, galaxies_of(traversal.run.galaxies, traversal.ends))


def note(traversal, around=None):
    """Of which galaxies a figure is: around which code they are decoded, unless around a galaxy's."""
    config, galaxies = traversal.config, traversal.run.galaxies
    if traversal.at is not None:
        around = f"the code of id {config.at}"
    elif around is None:
        around = "the median code" if config.span is None else "the mean of the prior"
    return f"decoded around {around}; {galaxies_of(galaxies, traversal.codes.indices)}"


def save(walk, output_dir, style, gif=False, captions=None):
    """Writes the arrays of a walk and, if requested, its animation: a frame for each step."""
    save_arrays(output_dir / f"{walk.name}.npz", images=walk.images, codes=walk.codes, **walk.arrays)
    if gif:
        frames = walk.images.swapaxes(0, 1)
        figures.animate(frames, output_dir / f"{walk.name}.gif", captions=captions, style=style)
