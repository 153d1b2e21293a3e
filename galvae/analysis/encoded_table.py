"""The table of encoded galaxies: ids, positions and codes, how unusual they are, and what was added."""

import numpy as np

from galvae.analysis.encoded import COLUMN
from galvae.data.catalogue import code_columns, galaxy_table

EXAMPLES = 3  # ids that a message names


def encoded_table(dataset, rows, parts, novelty, own):
    """Merges parts into one table; their arrays are taken from them one by one, so that memory holds them once.

    Args:
        dataset: GalaxyDataset, aligned to the run.
        rows: (n,) row indices of the galaxies, in the order of the parts.
        parts: list of `galvae.runs.encoding.Part`; their arrays are removed.
        novelty: `galvae.analysis.novelty.Novelty` of the run.
        own: whether the galaxies are the run's own, whose splits the table names.

    Returns:
        (table, unusual): astropy Table with index, split of the run's own galaxies, id, the other columns of the
        catalogue with their units, class and condition; code_0, ... and code_error_0, ..., posterior mean and standard
        deviation, which a plain autoencoder has not; `p_code` and, where galaxies were decoded, `p_reconstruction`; and
        the columns of the additions. And those of these two columns that there are, by name.
    """
    units = parts[0].units
    compared = [novelty.columns(part.arrays["mean"], part.arrays.pop("mse", None)) for part in parts]
    unusual = {name: np.concatenate([one[name] for one in compared]) for name in compared[0]}
    names = list(parts[0].arrays)
    arrays = {name: np.concatenate([part.arrays.pop(name) for part in parts]) for name in names}
    mean, log_variance = arrays.pop("mean"), arrays.pop("log_variance", None)
    columns = code_columns(mean)
    if log_variance is not None:
        np.exp(np.multiply(log_variance, 0.5, out=log_variance), out=log_variance)
        columns |= code_columns(log_variance, "code_error")
    columns |= unusual
    for name, values in arrays.items():
        columns[name.removeprefix(COLUMN)] = (values, units.get(name))
    table = galaxy_table(dataset, rows, columns)
    if not own:
        table.remove_column("split")
    return table, unusual


def repeated_ids(ids):
    """Ids that several galaxies have: how many galaxies, and a few of the ids.

    Args:
        ids: (n,).

    Returns:
        (number of galaxies whose id another one has too, list of at most EXAMPLES ids as texts).
    """
    values, counts = np.unique(ids, return_counts=True)
    return int(counts[counts > 1].sum()), [str(one) for one in values[counts > 1][:EXAMPLES]]
