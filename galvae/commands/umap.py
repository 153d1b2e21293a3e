"""galvae umap: the latent space as a plane, and galaxies of any region of it."""

import dataclasses
import json
import logging

import numpy as np

from galvae import figures
from galvae.data.catalogue import code_columns, galaxy_table, write_table
from galvae.errors import GalvaeError
from galvae.latent import umap_embedding
from galvae.latent.plane_grid import Cells, inside
from galvae.runs import trained_run
from galvae.system.atomic import save_arrays, save_json

NAMES = ("UMAP 1", "UMAP 2")
# Keys that determine the layout.
FITTING = ("n_neighbors", "min_dist", "metric", "n_epochs", "fitted", "seed")
BLOCK = 1024  # images held in full size

log = logging.getLogger(__name__)


def main(config, output_dir):
    """Finds or fits the embedding of a run's codes, draws it, and decodes places of it.

    A conditional model decodes a place with the condition of the galaxy whose code is nearest to the place's.

    Args:
        config: UmapConfig.
        output_dir: where the files go.

    Raises:
        GalvaeError: if there are too few galaxies, their codes are all equal, or none lies in the box.
    """
    run, model, _ = trained_run.load(config.run, config.backend)
    dataset = run.load_dataset(config.dataset)
    indices = dataset.split(config.split)
    column = dataset.column(config.colour, indices)
    laid_out, reused = embed(run, model, dataset, indices, config)
    if reused is None:  # kept at once: it took time, and a mistaken box does not change it
        laid_out.save(output_dir / "embedding.npz")

    table = galaxy_table(dataset, indices, found_columns(laid_out, dataset))
    boxed = None
    if config.box is not None:
        boxed = inside(laid_out.plane, config.box)
        if not boxed.any():
            span = np.round(laid_out.region, 2).tolist()
            raise GalvaeError(
                f"box: expected a region with galaxies, which lie in {span}, received {config.box}"
            )
        write_table(table[boxed], output_dir / "box")
        log.info("%d of %d galaxies lie in the box", boxed.sum(), len(boxed))
    if reused is not None:
        laid_out.save(output_dir / "embedding.npz")
    write_table(table, output_dir / "umap")
    style = figures.Style.of(config)
    figure = figures.scatter(*laid_out.plane.T, NAMES, column, style, marked=config.box, equal=True)
    figures.save(figure, output_dir / "umap", style)
    cells = Cells.over(config.box or laid_out.region, config.grid)
    draw_mosaic(dataset, laid_out, cells, output_dir, style)
    faded = draw_montage(model, dataset, laid_out, cells, config, output_dir, style)
    summary = {
        **dataclasses.asdict(config),
        "galaxies": len(indices),
        "galaxies_fitted": len(laid_out.fitted),
        "galaxies_in_box": None if boxed is None else int(boxed.sum()),
        "reused": None if reused is None else str(reused),
        "region": laid_out.region,
        **faded,
    }
    save_json(output_dir / "umap.json", summary)


def embed(run, model, dataset, indices, config):
    """The embedding of galaxies, and the file it was found in; None for one that is fitted now."""
    from galvae.latent.codes import (
        encode_dataset,  # late, because Keras takes its backend when it is imported
    )

    settings = {name: getattr(config, name) for name in FITTING}
    checkpoint, _ = run.checkpoint()
    manifest = json.loads((checkpoint / "manifest.json").read_bytes())
    weights = manifest["best.safetensors"]["sha256"]
    umap_embedding.check_enough(len(indices), settings)
    kept = sorted(run.path.glob("umap*/**/embedding.npz"))
    found, path = umap_embedding.find(kept, umap_embedding.identity(weights, settings), indices)
    if found is not None:
        log.info("the embedding is that of %s", path)
        return found, path
    codes, _ = encode_dataset(model, dataset, indices)
    return umap_embedding.fit(weights, indices, codes, settings), None


def found_columns(laid_out, dataset):
    """Columns of the table: place, nearest galaxies and codes."""
    names = {f"umap_{axis}": laid_out.plane[:, column] for column, axis in enumerate("xy")}
    ids = dataset.ids[laid_out.indices]
    for rank in range(laid_out.nearest.shape[1]):
        names[f"nearest_{rank + 1}"] = ids[laid_out.nearest[:, rank]]
    return {**names, "nearest_distance": laid_out.nearest_distances[:, 0], **code_columns(laid_out.codes)}


def draw_mosaic(dataset, laid_out, cells, output_dir, style):
    """Draws in each cell the real galaxy that is nearest to its centre."""
    rows = cells.most_central(laid_out.plane)
    shown = laid_out.indices[rows[rows >= 0]]
    images = gather(lambda part: dataset.to_unit(dataset.images[shown[part]]), len(shown), cells)
    figure = figures.plane(fill(images, rows >= 0), cells.x, cells.y, NAMES, style=style)
    figures.save(figure, output_dir / "mosaic", style)
    arrays = {"x": cells.x, "y": cells.y, "images": images}
    save_arrays(output_dir / "mosaic.npz", indices=np.where(rows >= 0, laid_out.indices[rows], -1), **arrays)


def draw_montage(model, dataset, laid_out, cells, config, output_dir, style):
    """Decodes places of the plane, and draws them where they are; returns what is to be said of them."""
    from galvae.latent.codes import decode_codes  # late, because Keras takes its backend when it is imported

    decoded = cells.near(laid_out.plane)
    points = np.array(config.points, float) if config.points else cells.centres[decoded]
    codes, apart = umap_embedding.inverse(laid_out, points)
    nearest, distance = umap_embedding.nearest_codes(laid_out.codes, 1, config.metric, codes)
    condition = trained_run.condition_of(model, dataset, laid_out.indices[nearest[:, 0]])
    images = gather(
        lambda part: decode_codes(model, codes[part], None if condition is None else condition[part]),
        len(codes),
        cells,
    )
    # A galaxy anywhere in a cell counts as near to the cell's centre.
    reach = laid_out.reach if config.points else max(laid_out.reach, cells.side / np.sqrt(2))
    faded = (distance[:, 0] > laid_out.far) | (apart > reach)
    if config.points:
        figure, covered = figures.montage(images, points, NAMES, faded, laid_out.plane, style)
        if covered:
            log.warning("the points lie so close together that some images cover others")
    else:
        shown = np.zeros(cells.shape, bool)
        shown[decoded] = faded
        figure = figures.plane(fill(images, decoded), cells.x, cells.y, NAMES, shown, style)
    figures.save(figure, output_dir / "montage", style)
    if faded.any():
        log.info("%d of %d places have no real galaxy near: faded", faded.sum(), len(faded))
    arrays = {"points": points, "codes": codes, "images": images, "faded": faded}
    if condition is not None:
        arrays["condition"] = condition
    arrays |= {"distance": distance[:, 0], "distance_in_plane": apart}
    thresholds = {"threshold": laid_out.far, "threshold_in_plane": float(reach)}
    save_arrays(output_dir / "montage.npz", **arrays, **thresholds)
    return {"places": len(points), "faded": int(faded.sum()), "quantile": umap_embedding.FAR, **thresholds}


def gather(images_of, count, cells):
    """Images of `count` galaxies, a block at a time; averaged over pixels where a grid would grow too large.

    Args:
        images_of: slice -> images (n, H, W, C) in [0, 1].
        count: number of images.
        cells: Cells, whose number along a side decides.
    """
    parts = [
        figures.shrunk(images_of(slice(start, start + BLOCK)), max(cells.shape))
        for start in range(0, count, BLOCK)
    ]
    return np.concatenate(parts)


def fill(images, shown):
    """Images laid out in cells, (rows, columns, H, W, C), NaN in cells without one.

    Args:
        images: (n, H, W, C).
        shown: (rows, columns) booleans, n of them true.
    """
    filled = np.full((*shown.shape, *images.shape[1:]), np.nan, np.float32)
    filled[shown] = images
    return filled
