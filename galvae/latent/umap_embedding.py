"""Two-dimensional UMAP embedding of latent codes: fit, storage and inverse."""

import contextlib
import json
import logging
import time
import warnings
from dataclasses import dataclass

import numpy as np

from galvae.errors import GalvaeError
from galvae.latent.neighbours import blocks, nearest_codes
from galvae.system.atomic import save_arrays

FORMAT = 1
NEAREST = 5  # neighbours of each galaxy in the latent space that are stored
# Quantile of nearest-neighbour distances; a position farther than this from every galaxy has none nearby.
FAR = 0.99
ARRAYS = {  # name -> kind and number of dimensions
    "identity": ("U", 0),
    "indices": ("i", 1),
    "codes": ("f", 2),
    "plane": ("f", 2),
    "fitted": ("i", 1),
    "neighbours": ("i", 2),
    "distances": ("f", 2),
    "nearest": ("i", 2),
    "nearest_distances": ("f", 2),
}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Embedding:
    """Latent codes and their positions in a plane.

    Attributes:
        identity: JSON text that identifies what the arrays depend on besides the galaxies: weights and settings.
        indices: (n,) row indices of the galaxies in their dataset.
        codes: (n, latent_dim) float32 posterior means.
        plane: (n, 2) float32 positions.
        fitted: (m,) positions in `codes` of those for which the layout was optimised; the others were added to it.
        neighbours, distances: (m, k) nearest neighbours among the fitted codes (divided by `scale`), as positions in
            `fitted`, and the distances to them; each code itself first, as UMAP expects.
        nearest, nearest_distances: (n, NEAREST or fewer) exact nearest other codes, as positions in `codes`, and the
            distances to them.
    """

    identity: str
    indices: np.ndarray
    codes: np.ndarray
    plane: np.ndarray
    fitted: np.ndarray
    neighbours: np.ndarray
    distances: np.ndarray
    nearest: np.ndarray
    nearest_distances: np.ndarray

    @property
    def settings(self):
        """Settings of the fit as a dict, see `fit`."""
        return json.loads(self.identity)["settings"]

    @property
    def scale(self):
        """Power of two closest to the codes' standard deviation, by which they are divided before UMAP.

        The layout does not depend on it, but umap-learn's inverse transform takes steps of a fixed length, which
        are too coarse for codes that are much smaller. Division by a power of two is exact.
        """
        return scale_of(self.codes)

    @property
    def far(self):
        """FAR quantile of the galaxies' nearest-neighbour distances in the latent space."""
        return float(np.quantile(self.nearest_distances[:, 0], FAR))

    @property
    def reach(self):
        """FAR quantile of the galaxies' nearest-neighbour distances in the plane."""
        distances, _ = _spatial().cKDTree(self.plane).query(self.plane, 2)
        return float(np.quantile(distances[:, 1], FAR))

    @property
    def region(self):
        """Bounding box of all galaxies in the plane, [x0, x1, y0, y1]."""
        low, high = self.plane.min(axis=0).tolist(), self.plane.max(axis=0).tolist()
        return [low[0], high[0], low[1], high[1]]

    def save(self, path):
        """Writes the arrays as .npz.

        Args:
            path: path of the file.
        """
        save_arrays(path, **{name: np.asarray(getattr(self, name)) for name in ARRAYS})


def identity(weights, settings):
    """JSON text that identifies what an embedding depends on besides its galaxies.

    Args:
        weights: SHA-256 of the model's weights.
        settings: see `fit`.
    """
    return json.dumps({"format": FORMAT, "weights": weights, "settings": settings}, sort_keys=True)


def scale_of(codes):
    """Power of two closest to the standard deviation of codes over all dimensions.

    Args:
        codes: (n, latent_dim).
    """
    return np.float32(2.0 ** np.round(np.log2(np.sqrt(codes.var(axis=0, dtype=float).mean()))))


def check_enough(count, settings):
    """Checks that there are enough galaxies for UMAP's neighbour graph.

    Args:
        count: number of galaxies.
        settings: see `fit`.

    Raises:
        GalvaeError: if there are not more galaxies than `n_neighbors`.
    """
    count = min(count, settings["fitted"])
    if count <= settings["n_neighbors"]:
        raise GalvaeError(
            f"n_neighbors: expected fewer than the {count} galaxies that are fitted, received "
            f"{settings['n_neighbors']}; a smaller n_neighbors, or split=all, helps"
        )


def here(function, *arguments):
    """Calls a function in this process, where `galvae.system.child.Child.call` does so in another one."""
    return function(*arguments)


def fit(weights, indices, codes, settings, call=here):
    """Fits a UMAP embedding of codes in the plane.

    The neighbour search is exact. Below 4096 codes, where that of umap-learn is exact too, the layout is that of
    `umap.UMAP(...).fit(codes)` to the last bit; above, umap-learn's approximate search depends on random numbers.

    Args:
        weights: SHA-256 of the model's weights.
        indices: (n,) row indices of the galaxies.
        codes: (n, latent_dim) float32 posterior means.
        settings: dict with UMAP's n_neighbors, min_dist, metric and n_epochs, the seed, and `fitted`, the largest
            number of codes for which the layout is optimised (a random subset, if there are more).
        call: calls the functions that take long, `here` or in a process that leaves this one free to answer signals.

    Returns:
        Embedding.

    Raises:
        GalvaeError: if there are too few codes, or they are all equal.

    Reference:
        McInnes, Healy & Melville 2018 (arXiv:1802.03426).
    """
    check_enough(len(codes), settings)
    if not np.ptp(codes, axis=0).any():
        raise GalvaeError(
            f"codes: expected galaxies with different latent codes, received {len(codes)} equal ones; the posterior "
            "has collapsed, and the model does not distinguish galaxies"
        )
    started = time.perf_counter()
    fitted = np.arange(len(codes))
    if len(codes) > settings["fitted"]:
        chosen = np.random.default_rng(settings["seed"]).choice(len(codes), settings["fitted"], replace=False)
        fitted = np.sort(chosen)
    arrays = call(_lay_out, codes, fitted, settings)
    log.info(
        "fitted UMAP to %d codes of %d dimensions in %.1f s",
        *codes[fitted].shape,
        time.perf_counter() - started,
    )
    return Embedding(identity(weights, settings), indices, codes, fitted=fitted, **arrays)


def _lay_out(codes, fitted, settings):
    """The arrays of an Embedding that are computed from its codes, by name; arguments as its attributes."""
    scaled = codes / scale_of(codes)
    with _quiet():
        neighbours, distances = _graph(scaled[fitted], settings)
        search = _Search(scaled[fitted], settings["metric"])
        reducer = _umap(settings, precomputed_knn=(neighbours, distances, search)).fit(scaled[fitted])
        plane = np.empty((len(codes), 2), np.float32)
        plane[fitted] = reducer.embedding_
        rest = np.setdiff1d(np.arange(len(codes)), fitted)
        for part in blocks(len(rest), "transforming"):
            plane[rest[part]] = reducer.transform(scaled[rest[part]])
    nearest, nearest_distances = nearest_codes(codes, min(NEAREST, len(codes) - 1), settings["metric"])
    return {
        "plane": plane,
        "neighbours": neighbours,
        "distances": distances,
        "nearest": nearest,
        "nearest_distances": nearest_distances,
    }


def inverse(embedding, positions, call=here):
    """Latent codes of positions in the plane, by UMAP's inverse transform.

    umap-learn has no inverse outside the embedding's convex hull, where it takes an arbitrary triangle: positions
    there are first moved to the nearest fitted galaxy.

    Args:
        embedding: Embedding.
        positions: (n, 2).
        call: see `fit`.

    Returns:
        (codes, distances): (n, latent_dim) float32, and the distance (n,) in the plane from each position to the
        nearest galaxy.
    """
    plane, positions = embedding.plane[embedding.fitted], np.asarray(positions, np.float32)
    distances, _ = _spatial().cKDTree(embedding.plane).query(positions)
    inside = _spatial().Delaunay(plane, qhull_options="QJ").find_simplex(positions) >= 0
    if not inside.all():
        _, nearest = _spatial().cKDTree(plane).query(positions[~inside])
        positions = positions.copy()
        # Slightly towards the centre, because the triangulation is of slightly perturbed points (QJ).
        positions[~inside] = plane[nearest] + 1e-4 * (plane.mean(axis=0) - plane[nearest])
    return call(_invert, embedding, positions), distances


def _spatial():
    """scipy's searches among points."""
    from scipy import spatial  # late: it is a third of the time in which galvae explore is imported

    return spatial


def _invert(embedding, positions):
    """`inverse` of positions within the convex hull, (n, latent_dim)."""
    with _quiet():
        return _restored(embedding).inverse_transform(positions) * embedding.scale


def placing(embedding):
    """Prepares to place new codes in the plane of an embedding, whose galaxies do not move.

    Args:
        embedding: Embedding.

    Returns:
        Function of (n, latent_dim) float32 posterior means that returns (n, 2) float32 positions. They depend a little
        on which codes are placed together.

    Reference:
        McInnes, Healy & Melville 2018 (arXiv:1802.03426); umap-learn's `transform`.
    """
    search = _Search(embedding.codes[embedding.fitted] / embedding.scale, embedding.settings["metric"])
    with _quiet():
        reducer = _restored(embedding, search)

    def place(codes):
        with _quiet():
            return np.asarray(reducer.transform(codes / embedding.scale), np.float32)

    return place


def _restored(embedding, search=None):
    """umap-learn's UMAP with a stored layout.

    Args:
        embedding: Embedding.
        search: _Search among its fitted codes, where new ones will be placed.
    """
    settings, plane = embedding.settings, embedding.plane[embedding.fitted]
    # Zero epochs starting from the stored layout: rebuilds the graph and leaves the layout unchanged.
    neighbours = (embedding.neighbours, embedding.distances, *([] if search is None else [search]))
    reducer = _umap({**settings, "n_epochs": 0}, init=plane, precomputed_knn=neighbours)
    reducer.fit(embedding.codes[embedding.fitted] / embedding.scale)
    reducer.embedding_, reducer.n_epochs = plane, settings["n_epochs"]
    return reducer


class _Search:
    """Exact search for neighbours of new codes, in the form that umap-learn expects of its approximate one."""

    _angular_trees = False

    def __init__(self, codes, metric):
        self.codes, self.metric = codes, metric

    def query(self, codes, count, epsilon):
        return nearest_codes(self.codes, count, self.metric, codes)


def _graph(codes, settings):
    """Positions of each code and its nearest others, (n, n_neighbors), and umap-learn's own distances to them."""
    from umap.distances import named_distances  # late: umap-learn takes seconds to import

    distance = named_distances[settings["metric"]]
    others, _ = nearest_codes(codes, settings["n_neighbors"] - 1, settings["metric"])
    neighbours = np.column_stack([np.arange(len(codes)), others]).astype(np.int32)
    distances = np.empty(neighbours.shape, np.float32)
    for row, code in enumerate(codes):
        distances[row] = [distance(code, codes[other]) for other in neighbours[row]]
    return neighbours, distances


def _umap(settings, **more):
    import umap  # late: it takes seconds

    chosen = {name: settings[name] for name in ("n_neighbors", "min_dist", "metric", "n_epochs")}
    # umap-learn uses one job when a seed is given, and warns unless n_jobs=1 is passed.
    return umap.UMAP(**chosen, random_state=settings["seed"], n_jobs=1, **more)


@contextlib.contextmanager
def _quiet():
    """Silences warnings of umap-learn that do not apply here."""
    with warnings.catch_warnings():
        # transform() uses our search object; the inverse needs none.
        warnings.filterwarnings("ignore", message=r"precomputed_knn\[2\]", category=UserWarning)
        # Its networks, which are not used, need it.
        warnings.filterwarnings("ignore", message="Tensorflow not installed", category=ImportWarning)
        yield
