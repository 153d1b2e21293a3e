"""The latent space laid out in a plane by UMAP: fitted once, kept as arrays, and inverted."""

import contextlib
import json
import logging
import time
import warnings
from dataclasses import dataclass

import numpy as np

from galvae.errors import GalvaeError, line_of
from galvae.system.atomic import save_arrays
from galvae.system.safe_read import read_npz

FORMAT = 1
NEAREST = 5  # galaxies that are named as nearest to each in code space
BLOCK = 10_000  # galaxies placed at once
FAR = 0.99  # quantile of the distances between nearest galaxies, beyond which a place has none near
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
    """Codes and their places in a plane.

    Attributes:
        identity: JSON text of all that determines the arrays besides the galaxies: weights and settings.
        indices: (n,) galaxies.
        codes: (n, latent_dim) float32 posterior means.
        plane: (n, 2) float32 places.
        fitted: (m,) rows that the layout was optimised for; the others were placed in it.
        neighbours, distances: (m, k) of the fitted codes over `scale`, as UMAP takes them: the code itself first.
        nearest, nearest_distances: (n, NEAREST or fewer) rows of the nearest other codes, exact.
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
        """The settings of `fit`."""
        return json.loads(self.identity)["settings"]

    @property
    def scale(self):
        """What codes are divided by for UMAP: their standard deviation, rounded to a power of two.

        The layout does not depend on it, but the steps of umap-learn's inverse transform have a fixed length, and
        are lost in codes that are much smaller. A power of two changes no digit.
        """
        return scale_of(self.codes)

    @property
    def far(self):
        """Distance between codes that FAR of the galaxies have another galaxy within."""
        return float(np.quantile(self.nearest_distances[:, 0], FAR))

    @property
    def reach(self):
        """Distance in the plane that FAR of the galaxies have another galaxy within."""
        from scipy.spatial import cKDTree

        distances, _ = cKDTree(self.plane).query(self.plane, 2)
        return float(np.quantile(distances[:, 1], FAR))

    @property
    def region(self):
        """[x0, x1, y0, y1] of the galaxies."""
        low, high = self.plane.min(axis=0).tolist(), self.plane.max(axis=0).tolist()
        return [low[0], high[0], low[1], high[1]]

    def save(self, path):
        """Writes the arrays as .npz."""
        save_arrays(path, **{name: np.asarray(getattr(self, name)) for name in ARRAYS})


def identity(weights, settings):
    """JSON text of what determines an embedding besides its galaxies.

    Args:
        weights: SHA-256 of the model's weights.
        settings: as of `fit`.
    """
    return json.dumps({"format": FORMAT, "weights": weights, "settings": settings}, sort_keys=True)


def find(paths, wanted, indices):
    """The first kept embedding of these weights, settings and galaxies.

    Args:
        paths: files that `Embedding.save` wrote.
        wanted: identity.
        indices: (n,) galaxies.

    Returns:
        (Embedding, path), or (None, None). Damaged files are passed over with a warning.
    """
    for path in paths:
        try:
            arrays = read_npz(path, ARRAYS)
            if str(arrays["identity"]) != wanted or not np.array_equal(arrays["indices"], indices):
                continue
            _check(arrays)
        except (GalvaeError, ValueError) as error:
            log.warning("%s is damaged and is passed over (%s)", path, line_of(error))
            continue
        return Embedding(**{**arrays, "identity": wanted}), path
    return None, None


def scale_of(codes):
    """The power of two nearest to the standard deviation of codes (n, latent_dim), over all dimensions."""
    return np.float32(2.0 ** np.round(np.log2(np.sqrt(codes.var(axis=0, dtype=float).mean()))))


def check_enough(count, settings):
    """Refuses fewer galaxies than UMAP's graph needs.

    Raises:
        GalvaeError: if no galaxy has so many neighbours.
    """
    count = min(count, settings["fitted"])
    if count <= settings["n_neighbors"]:
        raise GalvaeError(
            f"n_neighbors: expected fewer than the {count} galaxies that are fitted, received "
            f"{settings['n_neighbors']}"
        )


def fit(weights, indices, codes, settings):
    """Lays codes out in a plane.

    Neighbours are searched exactly. Below 4096 codes, where umap-learn searches exactly too, the layout is that of
    `umap.UMAP(...).fit(codes)` to the last bit; above, its own approximate search draws random numbers.

    Args:
        weights: SHA-256 of the model's weights.
        indices: (n,) galaxies.
        codes: (n, latent_dim) float32 posterior means.
        settings: n_neighbors, min_dist, metric, n_epochs and seed as of UMAP; fitted: codes that the layout is
            optimised for, at most; a random subset of so many.

    Raises:
        GalvaeError: if there are too few codes, or they are all equal.

    Reference:
        McInnes, Healy & Melville 2018 (arXiv:1802.03426).
    """
    check_enough(len(codes), settings)
    if not np.ptp(codes, axis=0).any():
        raise GalvaeError(
            f"codes: expected galaxies with different ones, received {len(codes)} equal ones; the model has "
            "collapsed and tells no galaxies apart"
        )
    started = time.perf_counter()
    fitted = np.arange(len(codes))
    if len(codes) > settings["fitted"]:
        chosen = np.random.default_rng(settings["seed"]).choice(len(codes), settings["fitted"], replace=False)
        fitted = np.sort(chosen)
    scaled = codes / scale_of(codes)
    neighbours, distances = _graph(scaled[fitted], settings)
    with _quiet():
        search = _Search(scaled[fitted], settings["metric"])
        reducer = _umap(settings, precomputed_knn=(neighbours, distances, search)).fit(scaled[fitted])
    log.info(
        "fitted %d codes of %d dimensions in %.1f s", *codes[fitted].shape, time.perf_counter() - started
    )
    plane = np.empty((len(codes), 2), np.float32)
    plane[fitted] = reducer.embedding_
    rest = np.setdiff1d(np.arange(len(codes)), fitted)
    with _quiet():
        for part in _blocks(len(rest), "placing"):
            plane[rest[part]] = reducer.transform(scaled[rest[part]])
    nearest, nearest_distances = nearest_codes(codes, min(NEAREST, len(codes) - 1), settings["metric"])
    arrays = (indices, codes, plane, fitted, neighbours, distances, nearest, nearest_distances)
    return Embedding(identity(weights, settings), *arrays)


def nearest_codes(codes, count, metric, places=None):
    """The nearest other codes of each code, or of each place among codes.

    Args:
        codes: (n, latent_dim).
        count: how many.
        metric: "euclidean", "manhattan" or "chebyshev".
        places: (m, latent_dim), or None.

    Returns:
        rows (n or m, count) of `codes`, and their distances, nearest first.
    """
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=count, metric=metric, n_jobs=-1).fit(codes)
    if places is not None or len(codes) <= BLOCK:
        distances, rows = search.kneighbors(places)
        return rows, distances.astype(np.float32)
    rows, distances = np.empty((len(codes), count), int), np.empty((len(codes), count), np.float32)
    for part in _blocks(len(codes), "neighbours"):
        own = np.arange(len(codes))[part, None]
        apart, found = search.kneighbors(codes[part], count + 1)
        others = found != own
        others[others.all(axis=1), -1] = False  # more equal codes than were asked for
        rows[part] = found[others].reshape(-1, count)
        distances[part] = apart[others].reshape(-1, count)
    return rows, distances


def inverse(embedding, places):
    """Codes of places in the plane, by UMAP's inverse transform.

    umap-learn has no inverse outside the embedding's convex hull, where it takes an arbitrary triangle: places there
    are first moved to the nearest galaxy of the fitted ones.

    Args:
        embedding: Embedding.
        places: (n, 2).

    Returns:
        codes (n, latent_dim) float32, and the distance (n,) in the plane from each place to the nearest galaxy.
    """
    from scipy.spatial import Delaunay, cKDTree

    settings, plane = embedding.settings, embedding.plane[embedding.fitted]
    places = np.asarray(places, np.float32)
    apart, _ = cKDTree(embedding.plane).query(places)
    inside = Delaunay(plane, qhull_options="QJ").find_simplex(places) >= 0
    if not inside.all():
        _, nearest = cKDTree(plane).query(places[~inside])
        places = places.copy()
        # A little towards the middle, because the triangulation is of points that were shaken a little.
        places[~inside] = plane[nearest] + 1e-4 * (plane.mean(axis=0) - plane[nearest])
    with _quiet():
        # No epochs from where the layout ended: the graph is rebuilt, and the layout stays.
        neighbours = (embedding.neighbours, embedding.distances)
        reducer = _umap({**settings, "n_epochs": 0}, init=plane, precomputed_knn=neighbours)
        reducer.fit(embedding.codes[embedding.fitted] / embedding.scale)
        reducer.embedding_, reducer.n_epochs = plane, settings["n_epochs"]
        return reducer.inverse_transform(places) * embedding.scale, apart


class _Search:
    """The search that umap-learn asks for neighbours of new codes; exact, where its own is approximate."""

    _angular_trees = False

    def __init__(self, codes, metric):
        self.codes, self.metric = codes, metric

    def query(self, codes, count, epsilon):
        return nearest_codes(self.codes, count, self.metric, codes)


def _blocks(count, name):
    """Slices of at most BLOCK out of `count`, with a progress bar."""
    from tqdm import tqdm

    from galvae.latent.codes import BAR  # late, because Keras takes its backend when it is imported

    with tqdm(total=count, desc=name, **BAR) as bar:
        for start in range(0, count, BLOCK):
            part = slice(start, min(start + BLOCK, count))
            yield part
            bar.update(part.stop - part.start)


def _graph(codes, settings):
    """Each code and its nearest others, (n, n_neighbors), with umap-learn's own distances."""
    from umap.distances import named_distances

    distance = named_distances[settings["metric"]]
    others, _ = nearest_codes(codes, settings["n_neighbors"] - 1, settings["metric"])
    neighbours = np.column_stack([np.arange(len(codes)), others]).astype(np.int32)
    distances = np.empty(neighbours.shape, np.float32)
    for row, code in enumerate(codes):
        distances[row] = [distance(code, codes[other]) for other in neighbours[row]]
    return neighbours, distances


def _umap(settings, **more):
    import umap

    chosen = {name: settings[name] for name in ("n_neighbors", "min_dist", "metric", "n_epochs")}
    # One job: with a seed umap-learn takes no more, and says so unless it is told.
    return umap.UMAP(**chosen, random_state=settings["seed"], n_jobs=1, **more)


@contextlib.contextmanager
def _quiet():
    """Leaves out what umap-learn warns of although it is meant."""
    with warnings.catch_warnings():
        # Placing takes our own search, and after a restored fit nothing is placed.
        warnings.filterwarnings("ignore", message=r"precomputed_knn\[2\]", category=UserWarning)
        yield


def _check(arrays):
    """Compares a file's arrays with what `Embedding` says of them.

    Raises:
        ValueError: if they differ.
    """
    for name, (kind, dimensions) in ARRAYS.items():
        array = arrays[name]
        if array.dtype.kind != kind or array.ndim != dimensions:
            raise ValueError(f"{name}: {array.dtype} of {array.ndim} dimensions")
        if kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{name}: NaN or infinity")
    count, fitted = len(arrays["indices"]), len(arrays["fitted"])
    for name in ("codes", "plane", "nearest", "nearest_distances"):
        if len(arrays[name]) != count or not arrays[name].shape[1]:
            raise ValueError(f"{name}: {arrays[name].shape} for {count} galaxies")
    for name in ("neighbours", "distances"):
        if len(arrays[name]) != fitted or arrays[name].shape != arrays["neighbours"].shape:
            raise ValueError(f"{name}: {arrays[name].shape} for {fitted} fitted galaxies")
    if arrays["plane"].shape[1] != 2 or arrays["nearest"].shape != arrays["nearest_distances"].shape:
        raise ValueError("shapes do not agree")
    for name, rows in (("fitted", count), ("neighbours", fitted), ("nearest", count)):
        if arrays[name].min(initial=0) < 0 or arrays[name].max(initial=0) >= rows:
            raise ValueError(f"{name}: not of {rows} rows")
