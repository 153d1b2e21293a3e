"""Exact nearest neighbours in the latent space."""

import numpy as np
from sklearn.neighbors import NearestNeighbors

from galvae.system.progress import progress_bar

BLOCK = 10_000  # galaxies whose neighbours are searched at once


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
    search = NearestNeighbors(n_neighbors=count, metric=metric, n_jobs=-1).fit(codes)
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
