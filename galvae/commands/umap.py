"""galvae umap: embed the latent space in a plane with UMAP, and draw galaxies of any region."""

import logging

import numpy as np

from galvae import figures
from galvae.analysis import measured, plane
from galvae.data.catalogue import galaxy_table, write_table
from galvae.data.selection import Selection, check_selection, write_selected
from galvae.data.summary import galaxies_of
from galvae.latent.plane_grid import Cells
from galvae.runs.trained_run import TrainedRun
from galvae.system.atomic import save_arrays, save_json
from galvae.system.child import Child

AXIS_NAMES = ("UMAP 1", "UMAP 2")

log = logging.getLogger(__name__)


def main(config, output_dir):
    """Fits or reuses a UMAP embedding of a run's codes, draws it, and decodes positions in it.

    Args:
        config: UmapConfig.
        output_dir: directory of the results.

    Raises:
        GalvaeError: if there are too few galaxies, their codes are all equal, or none lies in the box.
    """
    run = TrainedRun.open(config.run, config.backend, vars(config.dataset), config.force)
    # Without TensorFlow, which umap-learn imports for what is not used here.
    with Child("computes the UMAP layout", without=("tensorflow",)) as child:
        embed(run, config, output_dir, child.call)


def embed(run, config, output_dir, call):
    """Fits or reuses the embedding, and draws everything; see `main`.

    Args:
        run: TrainedRun.
        config, output_dir: see `main`.
        call: calls the functions that take long, see `galvae.latent.umap_embedding.fit`.
    """
    indices = run.galaxies.split(config.split)
    colour = measured.column(run, config.colour, indices)
    known = measured.measured_names(run.galaxies)
    check_selection(config.select, run.galaxies, [*plane.column_names(run.model.latent_dim), *known])
    embedding, reused = plane.embed(run, indices, config, call)
    if reused is None:  # stored first, because it is expensive and does not depend on the box
        embedding.save(output_dir / "embedding.npz")
    columns = plane.embedding_columns(embedding, run.galaxies)
    if config.select is not None and set(Selection(config.select).names) & set(known):
        galaxies = measured.measure_galaxies(run.dataset, indices)
        columns |= measured.measured_columns(run.dataset, galaxies)
    table = galaxy_table(run.galaxies, indices, columns)
    boxed = plane.galaxies_in_box(embedding, config.box)
    if boxed is not None:
        write_table(table[boxed], output_dir / "box")
    write_selected(table, config.select, output_dir)
    if reused is not None:
        embedding.save(output_dir / "embedding.npz")
    write_table(table, output_dir / "umap")

    style = figures.Style.of(config, run.config.dataset, run.directory.display_range)
    note = galaxies_of(run.galaxies, indices)
    marked = {"box": config.box, "points": config.points}
    scatter = figures.scatter(*embedding.plane.T, AXIS_NAMES, colour, style, **marked, equal=True)
    figures.save(scatter, output_dir / "umap", style, note)
    cells = Cells.over(config.box or embedding.region, config.grid)
    if run.images_missing:
        log.info("the mosaic of real galaxies is not drawn")
    else:
        draw_mosaic(run, embedding, cells, output_dir, style)
    options = config.points, config.metric, figures.shrunk, call
    montage, decoded = plane.montage(run, embedding, cells, *options)
    save_arrays(output_dir / "montage.npz", **montage)
    figure = draw_montage(montage, decoded, cells, embedding, style)
    figures.save(figure, output_dir / "montage", style, f"decoded; plane of {note}")
    save_json(output_dir / "umap.json", plane.summary(config, embedding, reused, boxed, montage))


def draw_mosaic(run, embedding, cells, output_dir, style):
    """Draws the real galaxy closest to the centre of each cell, and writes mosaic.npz.

    Args:
        run: TrainedRun.
        embedding: Embedding.
        cells: Cells.
        output_dir: directory of the results.
        style: Style.
    """
    mosaic = plane.mosaic(run.dataset, embedding, cells, figures.shrunk)
    save_arrays(output_dir / "mosaic.npz", **mosaic)
    occupied = mosaic["indices"] >= 0
    images = figures.fill_cells(mosaic["images"], occupied)
    figure = figures.plane(images, cells.x, cells.y, AXIS_NAMES, style=style)
    note = galaxies_of(run.dataset, mosaic["indices"][occupied])
    figures.save(figure, output_dir / "mosaic", style, note)


def draw_montage(arrays, decoded, cells, embedding, style):
    """Draws decoded galaxies in the cells whose centres were decoded, or else at the requested points.

    Args:
        arrays, decoded: see `galvae.analysis.plane.montage`.
        cells: Cells.
        embedding: Embedding.
        style: Style.
    """
    images, faded = arrays["images"], arrays["faded"]
    if decoded is not None:
        faded_cells = np.zeros(cells.shape, bool)
        faded_cells[decoded] = faded
        images = figures.fill_cells(images, decoded)
        return figures.plane(images, cells.x, cells.y, AXIS_NAMES, faded_cells, style)
    points, background = arrays["points"], embedding.plane
    figure, overlapping = figures.montage(images, points, AXIS_NAMES, faded, background, style)
    if overlapping:
        log.warning("points: some images overlap, because their positions are close together")
    return figure
