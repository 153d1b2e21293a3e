"""How far samples of a prior lie from the codes of galaxies, one latent dimension at a time."""

import numpy as np

from galvae.system.threads import one_thread


def wasserstein(codes, reference):
    """One-dimensional Wasserstein distance of each latent dimension.

    Args:
        codes: (n, latent_dim).
        reference: (m, latent_dim) codes of the distribution to compare with, many more than n.

    Returns:
        (latent_dim,) in the unit of the codes.
    """
    return np.abs(np.sort(codes, axis=0) - _quantiles(reference, len(codes))).mean(axis=0)


@one_thread
def wasserstein_resampled(codes, references, unit, resamples, seed):
    """Mean Wasserstein distance over the latent dimensions to several references, and bootstrap resamples of it.

    All references are compared with the same resamples of galaxies, so that their differences have smaller errors.

    Args:
        codes: (n, k, latent_dim), k codes of each of n galaxies, which are resampled together.
        references: list of (m, latent_dim).
        unit: (latent_dim,) by which distances are divided, 0 where a dimension is left out.
        resamples: number of resamples.
        seed: seed of the bootstrap.

    Returns:
        (distance, resampled): (references,) and (references, resamples).
    """
    used = unit > 0
    codes, generator = codes[..., used] / unit[used], np.random.default_rng(seed)
    count, repeated, dimensions = codes.shape
    quantiles = [_quantiles(reference[:, used] / unit[used], count * repeated) for reference in references]

    def distances(rows):
        ordered = np.sort(codes[rows].reshape(-1, dimensions), axis=0)
        return [np.abs(ordered - other).mean() if dimensions else 0.0 for other in quantiles]

    resampled = [distances(generator.integers(count, size=count)) for _ in range(resamples)]
    return np.array(distances(np.arange(count))), np.transpose(resampled)


def _quantiles(reference, count):
    return np.quantile(reference, (np.arange(count) + 0.5) / count, axis=0)
