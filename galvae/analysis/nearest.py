"""The galaxies whose codes are nearest to those of a galaxy of the run, or of any image."""

import contextlib
import dataclasses
import os
import tempfile
from pathlib import Path

import numpy as np

from galvae.data.catalogue import galaxy_table
from galvae.data.formats.folder_listing import ENDINGS
from galvae.errors import GalvaeError
from galvae.latent.aggregate import Aggregate
from galvae.latent.neighbours import CodeSearch
from galvae.latent.orientations import orient, orientations_of
from galvae.runs.alignment import aligned_dataset

METRICS = ("cosine", "mahalanobis")
MANY = 10_000  # queries for which an index pays off
ADDED = 5  # neighbours of each galaxy that `galvae encode` adds


def neighbors(
    run,
    id=None,
    images=None,
    n=10,
    metric="cosine",
    invariant=False,
    split="all",
    condition=None,
    names=None,
):
    """The galaxies of a run whose codes are nearest to those of some of its galaxies, or of any images.

    A galaxy is not among its own neighbours. Distances are between posterior means: with "mahalanobis" under the
    aggregate posterior of the training galaxies, in its standard deviations, so that latent dimensions that are not
    used do not count; with "cosine" 1 - cos of the angle between codes about its mean, from 0 to 2.

    Args:
        run: TrainedRun.
        id: id of a galaxy of the run, or a list of ids; None: images are given.
        images: (m, H, W, C) pixel values on the scale on which the run's dataset stores them, or (H, W, C); or None.
        n: number of neighbours of each.
        metric: "cosine" or "mahalanobis".
        invariant: whether each query is encoded in all flips and 90-degree rotations, of which the smallest distance
            counts: neighbours then do not depend on the orientation in which the query was observed.
        split: split whose galaxies are searched.
        condition: (m, K) conditions of the images in physical units, for conditional models.
        names: m texts that name the images in the table; None: they are counted from 0.

    Returns:
        astropy Table with n rows for each query, nearest first: `query` (the id, or the name), `rank` from 1,
        `distance`, and of the neighbour its index, split, id and the catalogue.

    Raises:
        GalvaeError: if an id is not one of the run's, there are too few galaxies, or invariant queries by id need
            images that have gone.
    """
    galaxies = run.galaxies
    if (id is None) == (images is None):
        raise GalvaeError(
            "id, path: expected one of them, the id of a galaxy or images, received both or none"
        )
    if metric not in METRICS:
        raise GalvaeError(f"metric: expected {' or '.join(METRICS)}, received {metric!r}")
    candidates, own = galaxies.split(split), None
    if id is not None:
        own = np.array([galaxies.find(one) for one in np.ravel(np.asarray(id, object))])
        names = galaxies.ids[own]
        condition = run.condition(own)
    elif np.ndim(images) == 3:
        images = np.asarray(images)[None]
    most = len(candidates) - (own is not None)
    if not 1 <= n <= most:
        raise GalvaeError(
            f"n: expected 1 to {most}, as many as there are other galaxies in {split}, received {n}"
        )
    if own is not None and not invariant:
        queries = run.codes_at(own).mean[None]
    else:
        if own is not None:
            images = run.dataset.images[own]
        queries = _oriented_codes(run, images, condition, invariant)
    space = CodeSpace(run, metric)
    count, total = queries.shape[1], min(n + (own is not None), len(candidates))
    with CodeSearch(space(run.codes_at(candidates).mean), queries.shape[0] * count > MANY) as search:
        positions, distances = search.nearest(space(queries.reshape(-1, queries.shape[2])), total)
    # Of the neighbours in all orientations of a query: each once, at its smallest distance, and not the query itself.
    positions = positions.reshape(len(queries), count, total).swapaxes(0, 1).reshape(count, -1)
    distances = (
        space.distance(distances).reshape(len(queries), count, total).swapaxes(0, 1).reshape(count, -1)
    )
    rows, away = np.empty((2, count, n))
    for query in range(count):
        order = np.argsort(distances[query], kind="stable")
        found, first = np.unique(candidates[positions[query]][order], return_index=True)
        closest = np.sort(first if own is None else first[found != own[query]])[:n]
        rows[query], away[query] = (
            candidates[positions[query]][order][closest],
            distances[query][order][closest],
        )
    names = np.arange(count) if names is None else np.asarray(names)
    columns = {
        "query": np.repeat(names, n),
        "rank": np.tile(np.arange(1, n + 1), count),
        "distance": away.ravel(),
    }
    table = galaxy_table(galaxies, rows.ravel().astype(int), columns)
    added = table.colnames[-len(columns) :]
    return table[added + table.colnames[: -len(columns)]]


def read_images(run, path, section):
    """Images of the user's own as a run's model takes them, see `galvae.runs.alignment`.

    Args:
        run: TrainedRun.
        path: an image, or what `dataset.path` of dataset=files may be.
        section: FilesConfig that says how it is read; its own path does not count.

    Returns:
        (images, condition, names): (m, H, W, C) on the scale of the run's dataset, (m, K) or None, and m ids.

    Raises:
        GalvaeError: if they cannot be read, do not suit the run, or are more than MANY.
    """
    with contextlib.ExitStack() as stack:
        section = dataclasses.replace(section, path=path)
        if os.path.isfile(path) and path.lower().endswith(ENDINGS):  # a folder of one image
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            below = Path(folder, "images")
            below.mkdir()
            (below / Path(path).name).symlink_to(path)
            section = dataclasses.replace(section, path=str(below), cache_dir=str(Path(folder, "cache")))
        try:
            dataset = aligned_dataset(run, section)
        except GalvaeError as error:  # which names the keys of a dataset
            text = str(error).replace(section.path, path)
            text = text.replace("dataset.path", "path").replace("dataset.", "images.")
            raise GalvaeError(text) from error
        rows = dataset.split("all")
        if len(rows) > MANY:
            raise GalvaeError(
                f"path: expected at most {MANY:,} images, received {len(rows):,}; galvae encode add=[neighbors] takes "
                "any number"
            )
        condition = None if dataset.condition is None else dataset.condition[rows]
        return np.array(dataset.images[rows]), condition, dataset.ids[rows].astype(str)


class CodeSpace:
    """Codes in coordinates in which the Euclidean distance is that of a metric.

    Args:
        run: TrainedRun.
        metric: "cosine" or "mahalanobis", see `neighbors`.
    """

    def __init__(self, run, metric):
        self.metric = metric
        self._aggregate = Aggregate.of(run.codes("train"))

    def __call__(self, codes):
        """Coordinates (n, latent_dim) of codes (n, latent_dim)."""
        if self.metric == "mahalanobis":
            return self._aggregate.whitened(codes)
        centred = np.asarray(codes, np.float64) - self._aggregate.mean
        lengths = np.linalg.norm(centred, axis=1, keepdims=True)
        return centred / np.maximum(lengths, np.finfo(np.float32).tiny)

    def distance(self, euclidean):
        """Distances of the metric from Euclidean ones; of unit vectors, 1 - cos is half the square."""
        return euclidean if self.metric == "mahalanobis" else euclidean**2 / 2


def _oriented_codes(run, images, condition, invariant):
    """Posterior means (orientations, m, latent_dim) of images in all their orientations, or as they are."""
    return np.stack(
        [
            run.encode(orient(np.asarray(images), *pair), condition)[0]
            for pair in orientations_of(run.model.image_shape, invariant)
        ]
    )


class Neighbors:
    """Addition to `galvae encode`: ids of the nearest other training galaxies and the cosine distances to them.

    Among more than 100,000 training galaxies they are found by an index, see `galvae.latent.neighbours.CodeSearch`.

    Args:
        run: TrainedRun.
        config: EncodeConfig.
    """

    needs = frozenset()

    def __init__(self, run, config):
        rows = run.galaxies.split("train")
        self._rows = rows if config.dataset is None else None  # of the run's own galaxies
        self._ids, self._space = run.galaxies.ids[rows], CodeSpace(run, "cosine")
        self._search = CodeSearch(self._space(run.codes("train").mean), many=True)

    def columns(self, batch):
        own = self._rows is not None
        count = min(ADDED, len(self._ids) - own)
        positions, distances = self._search.nearest(self._space(batch.mean), count + own)
        if own:  # a training galaxy is not its own neighbour
            others = self._rows[positions] != batch.indices[:, None]
            others[others.all(axis=1), -1] = False
            positions, distances = (array[others].reshape(-1, count) for array in (positions, distances))
        distances = self._space.distance(distances)
        ids = {f"neighbor_{place + 1}": self._ids[positions[:, place]] for place in range(count)}
        return ids | {f"neighbor_distance_{place + 1}": distances[:, place] for place in range(count)}
