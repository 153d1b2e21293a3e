"""Nearest neighbours in the latent space: exact ones, or by an index where the codes are very many."""

import warnings

import numpy as np

from galvae.system.child import Child
from galvae.system.progress import progress_bar

BLOCK = 10_000  # galaxies whose neighbours are searched at once
MOST_EXACT = 100_000  # codes among which every search is exact
# Of the index. Of 200,000 codes of 32 dimensions it finds 96 % of the ten nearest (recall@10) where all dimensions vary
# alike, which is its worst case, and 99 % where they vary as a model's do, against the exact ones of 2,000 queries.
GRAPH, EPSILON = 30, 0.2


def nearest_codes(codes, count, metric, queries=None):
    """The nearest other codes of each code, or the nearest codes of each query.

    Args:
        codes: (n, latent_dim).
        count: number of neighbours.
        metric: "euclidean", "manhattan" or "chebyshev".
        queries: (m, latent_dim), or None for the codes themselves.

    Returns:
        (positions, distances): positions of the neighbours in `codes`, (n or m, count) integers, and the
        distances to them, (n or m, count) float32; nearest first.
    """
    search = _exact_search(codes, n_neighbors=count, metric=metric)
    if queries is not None or len(codes) <= BLOCK:
        distances, positions = search.kneighbors(queries)
        return positions, distances.astype(np.float32)
    positions, distances = np.empty((len(codes), count), int), np.empty((len(codes), count), np.float32)
    for part in blocks(len(codes), "neighbours"):
        own = np.arange(len(codes))[part, None]
        block_distances, block_positions = search.kneighbors(codes[part], count + 1)
        others = block_positions != own
        others[others.all(axis=1), -1] = False  # more identical codes than neighbours requested
        positions[part] = block_positions[others].reshape(-1, count)
        distances[part] = block_distances[others].reshape(-1, count)
    return positions, distances


def blocks(count, description):
    """Slices of at most BLOCK positions out of `count`, with a progress bar.

    Args:
        count: number of positions.
        description: text of the progress bar.
    """
    with progress_bar(count, description) as bar:
        for start in range(0, count, BLOCK):
            part = slice(start, min(start + BLOCK, count))
            yield part
            bar.update(part.stop - part.start)


def _exact_search(codes, **options):
    """scikit-learn's search among codes, on all processor cores."""
    from sklearn.neighbors import NearestNeighbors  # late: it takes a second

    return NearestNeighbors(n_jobs=-1, **options).fit(codes)


class CodeSearch:
    """Finds the codes nearest to queries by Euclidean distance; closed by a `with` block.

    The search is exact among up to MOST_EXACT codes, and always unless there are many queries: an index of 200,000
    codes takes a minute to build, as long as 100,000 exact queries. The same codes give the same index and neighbours,
    whatever the number of processors.

    Args:
        codes: (n, dimensions).
        many: whether there are so many queries that an index pays off.

    Reference:
        Dong, Moses & Li 2011, WWW '11, 577 (nearest-neighbour descent), as in pynndescent.
    """

    def __init__(self, codes, many=False):
        self.codes, self._child = np.ascontiguousarray(codes, np.float32), None
        if many and len(codes) > MOST_EXACT:
            self._child = Child("searches nearest codes")
            self._child.call(_build_index, self.codes)
        else:
            self._exact = _exact_search(self.codes)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._child is not None:
            self._child.__exit__()

    def nearest(self, queries, count):
        """Positions of the codes nearest to each query and the distances to them, (m, count) each, nearest first.

        Args:
            queries: (m, dimensions).
            count: number of neighbours, at most as many as there are codes.
        """
        queries = np.ascontiguousarray(queries, np.float32)
        positions = np.empty((len(queries), count), int)
        distances = np.empty((len(queries), count))
        for start in range(0, len(queries), BLOCK):
            part = slice(start, start + BLOCK)
            if self._child is None:
                found = self._exact.kneighbors(queries[part], count, return_distance=False)
            else:
                found = self._child.call(_search_index, queries[part], count)
            # Those of fast searches are rounded: a code is not at zero distance from itself.
            away = np.linalg.norm(self.codes[found].astype(np.float64) - queries[part, None], axis=2)
            order = np.argsort(away, axis=1, kind="stable")
            positions[part] = np.take_along_axis(found, order, axis=1)
            distances[part] = np.take_along_axis(away, order, axis=1)
        return positions, distances


_index = []  # of the process in which it was built


def _build_index(codes):
    """Builds an index of codes, which stays in this process; one thread, since its result depends on their number."""
    import pynndescent  # late: numba compiles for seconds

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of numba, about threads
        index = pynndescent.NNDescent(codes, n_neighbors=GRAPH, random_state=0, n_jobs=1)
        index.prepare()
    _index[:] = [index]


def _search_index(queries, count):
    """Positions (m, count) of the codes nearest to queries, by the index that was built in this process."""
    positions, _ = _index[0].query(queries, k=count, epsilon=EPSILON)
    return positions
