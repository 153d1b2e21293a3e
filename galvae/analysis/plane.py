"""Real and decoded galaxies over the plane of a UMAP embedding."""

import dataclasses
import functools
import hashlib
import logging

import numpy as np

from galvae.config.defaults import command_config
from galvae.data.catalogue import code_columns
from galvae.errors import GalvaeError
from galvae.latent import umap_embedding
from galvae.latent.neighbours import nearest_codes
from galvae.latent.plane_grid import inside
from galvae.latent.umap_storage import find_stored, newest_stored, stored_paths

# Keys of UmapConfig that determine the layout.
LAYOUT_KEYS = ("n_neighbors", "min_dist", "metric", "n_epochs", "fitted", "seed")
BLOCK = 1024  # images in memory at full size

log = logging.getLogger(__name__)


class Plane:
    """Addition of `galvae encode`: the place of each galaxy in the newest UMAP embedding of the run's weights.

    Galaxies that were embedded have their own places; others are placed among them, and do not move them.

    Args:
        run: TrainedRun.
        config: EncodeConfig.

    Raises:
        GalvaeError: if the run holds no embedding of its present weights.
    """

    needs = frozenset()

    def __init__(self, run, config):
        self.embedding, path = newest_stored(stored_paths(run.path), run.weights_digest)
        if self.embedding is None:
            raise GalvaeError(
                f"add: plane: expected a UMAP embedding of the run's galaxies, received none of its present weights; "
                f"galvae umap run={run.path} makes one"
            )
        self.own = config.dataset is None
        self.identity = hashlib.sha256(np.ascontiguousarray(self.embedding.plane)).hexdigest()
        log.info("places are those of the embedding %s", path)

    def columns(self, batch):
        embedding = self.embedding
        known = np.isin(batch.indices, embedding.indices) if self.own else np.zeros(len(batch.indices), bool)
        places = np.empty((len(known), 2), np.float32)
        order = np.argsort(embedding.indices)
        found = order[np.searchsorted(embedding.indices, batch.indices[known], sorter=order)]
        places[known] = embedding.plane[found]
        if not known.all():
            places[~known] = self._place(batch.mean[~known])
        return {f"umap_{axis}": places[:, column] for column, axis in enumerate("xy")}

    @functools.cached_property
    def _place(self):
        """Function of codes, made when the first one is to be placed, since it takes seconds."""
        return umap_embedding.placing(self.embedding)


def embed(run, indices, config, call):
    """The embedding of a run's galaxies: a stored one of the same weights and settings, else one fitted now.

    Args:
        run: TrainedRun.
        indices: (n,) row indices of the galaxies.
        config: UmapConfig.
        call: see `galvae.latent.umap_embedding.fit`.

    Returns:
        (Embedding, path): path of the file from which a stored one was read, None for a new one.

    Raises:
        GalvaeError: if there are too few galaxies, or their codes are all equal.
    """
    settings = {name: getattr(config, name) for name in LAYOUT_KEYS}
    umap_embedding.check_enough(len(indices), settings)
    identity = umap_embedding.identity(run.weights_digest, settings)
    embedding, path = find_stored(stored_paths(run.path), identity, indices)
    if embedding is not None:
        log.info("reusing the embedding %s", path)
        return embedding, path
    return umap_embedding.fit(run.weights_digest, indices, run.codes_at(indices).mean, settings, call), None


def newest_embedding(run, codes, call):
    """The newest stored embedding of all of a run's galaxies by its present weights, else one fitted by the defaults.

    Args:
        run: StoredRun.
        codes: Codes of all its galaxies.
        call: see `galvae.latent.umap_embedding.fit`.

    Returns:
        (Embedding, path): path of the file from which a stored one was read, None for a new one.

    Raises:
        GalvaeError: if there are too few galaxies, or their codes are all equal.
    """
    embedding, path = newest_stored(stored_paths(run.path), run.weights_digest, codes.indices)
    if embedding is not None:
        log.info("the plane is that of %s", path)
        return embedding, path
    config = command_config("umap", run.path, {})
    settings = {name: getattr(config, name) for name in LAYOUT_KEYS}
    return umap_embedding.fit(run.weights_digest, codes.indices, codes.mean, settings, call), None


def embedding_columns(embedding, dataset):
    """Columns of a table of embedded galaxies: position in the plane, nearest galaxies and codes.

    Args:
        embedding: Embedding.
        dataset: GalaxyDataset.

    Returns:
        dict of name -> (n,) values.
    """
    columns = {f"umap_{axis}": embedding.plane[:, column] for column, axis in enumerate("xy")}
    ids = dataset.ids[embedding.indices]
    for rank in range(embedding.nearest.shape[1]):
        columns[f"nearest_{rank + 1}"] = ids[embedding.nearest[:, rank]]
    columns["nearest_distance"] = embedding.nearest_distances[:, 0]
    return columns | code_columns(embedding.codes)


def column_names(latent_dim):
    """Names of the columns that `embedding_columns` returns, for codes of a number of dimensions."""
    nearest = [f"nearest_{rank + 1}" for rank in range(umap_embedding.NEAREST)]
    return ["umap_x", "umap_y", *nearest, "nearest_distance", *code_columns(np.zeros((0, latent_dim)))]


def galaxies_in_box(embedding, box):
    """Which galaxies lie in a box of the plane, as (n,) booleans; None without a box.

    Args:
        embedding: Embedding.
        box: [x0, x1, y0, y1], or None.

    Raises:
        GalvaeError: if none does.
    """
    if box is None:
        return None
    boxed = inside(embedding.plane, box)
    if not boxed.any():
        region = np.round(embedding.region, 2).tolist()
        raise GalvaeError(f"box: expected a region with galaxies, which lie in {region}, received {box}")
    log.info("%d of %d galaxies lie in the box", boxed.sum(), len(boxed))
    return boxed


def mosaic(dataset, embedding, cells, shrink):
    """The real galaxy closest to the centre of each cell of the plane.

    Args:
        dataset: GalaxyDataset.
        embedding: Embedding.
        cells: Cells.
        shrink: function of images (n, H, W, C) and of their number in a row, which averages pixels if the
            figure would be too large.

    Returns:
        dict of arrays: indices (rows, columns), the row indices of the galaxies in the dataset, -1 for empty cells;
        x and y of the cells' centres; and images (k, H, W, C) of the occupied cells, row by row.
    """
    positions = cells.most_central(embedding.plane)
    indices = embedding.indices[positions[positions >= 0]]
    images = _in_blocks(
        lambda part: shrink(dataset.to_unit(dataset.images[indices[part]]), max(cells.shape)), len(indices)
    )
    grid = np.where(positions >= 0, embedding.indices[positions], -1)
    return {"indices": grid, "x": cells.x, "y": cells.y, "images": images}


def montage(run, embedding, cells, points, metric, shrink, call):
    """Galaxies decoded from positions in the plane.

    A conditional model decodes each with the condition of the galaxy whose code is nearest.

    Args:
        run: TrainedRun.
        embedding: Embedding.
        cells: Cells; those that contain or adjoin a galaxy are decoded if no points are given.
        points: list of positions [x, y], or None.
        metric: distance between latent codes, see `galvae.latent.neighbours.nearest_codes`.
        shrink: see `mosaic`.
        call: see `galvae.latent.umap_embedding.fit`.

    Returns:
        (arrays, decoded): dict with points (n, 2), codes (n, latent_dim), images (n, H, W, C), faded, (n,) booleans
        of positions without a real galaxy nearby, condition (n, K) for a conditional model, distance and
        distance_in_plane (n,) to the nearest galaxy, and their thresholds; and (rows, columns) booleans of the cells
        whose centres were decoded, None if points are given.
    """
    decoded = None if points else cells.near(embedding.plane)
    positions = np.array(points, float) if points else cells.centres[decoded]
    codes, distance_in_plane = umap_embedding.inverse(embedding, positions, call)
    nearest, distance = nearest_codes(embedding.codes, 1, metric, codes)
    condition = run.condition(embedding.indices[nearest[:, 0]])

    def decode(part):
        images = run.decode(codes[part], None if condition is None else condition[part])
        return shrink(images, max(cells.shape))

    images = _in_blocks(decode, len(codes))
    # A galaxy anywhere in a cell counts as near the cell's centre.
    reach = embedding.reach if points else max(embedding.reach, cells.side / np.sqrt(2))
    faded = (distance[:, 0] > embedding.far) | (distance_in_plane > reach)
    if faded.any():
        log.info("%d of %d positions have no real galaxy nearby and are faded", faded.sum(), len(faded))
    arrays = {"points": positions, "codes": codes, "images": images, "faded": faded}
    if condition is not None:
        arrays["condition"] = condition
    arrays |= {"distance": distance[:, 0], "distance_in_plane": distance_in_plane}
    return arrays | {"threshold": embedding.far, "threshold_in_plane": float(reach)}, decoded


def summary(config, embedding, reused, boxed, arrays):
    """Configuration and results of an embedding, for umap.json.

    Args:
        config: UmapConfig.
        embedding: Embedding.
        reused: path of the file from which the embedding was read, or None.
        boxed: (n,) booleans, see `galaxies_in_box`, or None.
        arrays: dict of arrays, see `montage`.

    Returns:
        dict, JSON-able.
    """
    return {
        **dataclasses.asdict(config),
        "galaxies": len(embedding.indices),
        "galaxies_fitted": len(embedding.fitted),
        "galaxies_in_box": None if boxed is None else int(boxed.sum()),
        "reused": None if reused is None else str(reused),
        "region": embedding.region,
        "places": len(arrays["points"]),
        "faded": int(arrays["faded"].sum()),
        "quantile": umap_embedding.FAR,
        "threshold": arrays["threshold"],
        "threshold_in_plane": arrays["threshold_in_plane"],
    }


def _in_blocks(images_of, count):
    """Images of `count` galaxies, computed one block at a time.

    Args:
        images_of: function of a slice of positions, which returns their images.
        count: number of galaxies.
    """
    return np.concatenate([images_of(slice(start, start + BLOCK)) for start in range(0, count, BLOCK)])
