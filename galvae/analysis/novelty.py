"""Whether galaxies are like those that a run was trained on: their codes, and how well it reconstructs them."""

import logging

import numpy as np
from scipy.stats import hypergeom

from galvae.errors import GalvaeError
from galvae.runs.reference import keep_reference, stored_reference

BEYOND = 0.05  # share of validation galaxies that count as far off
FALSE_ALARM = 0.001  # of each of the two tests, for a set of galaxies that are like the training data
EXAMPLES = 3
# By the name of a column: what is far off, in words.
TESTS = {
    "p_code": "have codes farther from those of training galaxies",
    "p_reconstruction": "are reconstructed worse",
}

log = logging.getLogger(__name__)


class Novelty:
    """Compares galaxies with the validation galaxies of a run, which are like its training data but new to it.

    Args:
        run: TrainedRun. Where it holds no reference yet, that is measured, if the dataset is at hand.

    Attributes:
        reference: Reference, or None where nothing is known: then there are no columns and no warning.
    """

    def __init__(self, run):
        try:
            self.reference = stored_reference(run) or keep_reference(run)
        except GalvaeError as error:
            log.warning("whether these galaxies are like the training data is not known: %s", error)
            self.reference = None

    def columns(self, mean, mse=None):
        """How unusual each galaxy is: the share of validation galaxies at least as far off, by name.

        Args:
            mean: (n, latent_dim) posterior means.
            mse: (n,) mean squared errors of the reconstructions, in network units; None: they are not tested.

        Returns:
            name -> (n,): `p_code`, of the Mahalanobis distance under the aggregate posterior of training galaxies, and
            `p_reconstruction`, of `mse`. They are ranks, (1 + validation galaxies at least as far off) / (1 + all of
            them): for galaxies like the training data evenly distributed up to 1, never 0. NaN without an error.

        Reference:
            Phipson & Smyth 2010 (arXiv:1603.05766): why one is added.
        """
        if self.reference is None:
            return {}
        columns = {"p_code": _share_beyond(self.reference.aggregate.distances(mean), self.reference.distance)}
        if mse is not None:
            columns["p_reconstruction"] = _share_beyond(np.asarray(mse, float), self.reference.mse)
        return columns

    def report(self, columns, ids):
        """Tests whether more galaxies of a set are far off than of validation galaxies.

        Far off is what lies beyond the 95th percentile of the validation galaxies. Fisher's exact test, one-sided,
        compares the shares beyond it; since the percentile is one of the validation galaxies, it is exact for galaxies
        that are drawn as these were: each of the two tests warns in at most one of 1,000 such sets, both together in at
        most 2. Sets of one or two galaxies are too small for any warning.

        Args:
            columns: name -> (n,), see `columns`, of all galaxies of the set.
            ids: (n,) their ids.

        Returns:
            (report, warning): a JSON-able dict with, for each column, the share beyond, the share `expected`, the
            p-value of the test, the ids of the farthest galaxies, and n; and the warning as a line, None without one.
        """
        report = {}
        for name, values in columns.items():
            known = np.flatnonzero(np.isfinite(values))
            size = len(self.reference.distance if name == "p_code" else self.reference.mse)
            # The rank of the validation galaxy beyond which a galaxy counts as far off.
            rank = max(1, int(BEYOND * (size + 1)))
            beyond = int(np.sum(values[known] <= (rank + 0.5) / (size + 1)))
            farthest = known[np.argsort(values[known], kind="stable")[: min(EXAMPLES, beyond)]]
            report[name] = {
                "share": beyond / max(len(known), 1),
                "expected": rank / (size + 1),
                "p_value": float(hypergeom.sf(beyond - 1, size + len(known), len(known), beyond + rank - 1)),
                "examples": [str(one) for one in np.asarray(ids)[farthest]],
                "n": len(known),
                "validation_galaxies": size,
            }
        return report, _warning(report)


def _share_beyond(values, reference):
    """(1 + members of a reference at least as large as each value) / (1 + members); NaN for NaN."""
    larger = len(reference) - np.searchsorted(np.sort(reference), values, side="left")
    return np.where(np.isfinite(values), (1 + larger) / (1 + len(reference)), np.nan)


def _warning(report):
    found = [name for name, test in report.items() if test["p_value"] <= FALSE_ALARM]
    if not found:
        return None
    shares = " and ".join(
        f"{100 * report[name]['share']:.3g} % {TESTS[name]} than {100 * (1 - report[name]['expected']):.3g} % of "
        f"validation galaxies (expected {100 * report[name]['expected']:.2g} %)"
        for name in found
    )
    examples = ", ".join(dict.fromkeys(one for name in found for one in report[name]["examples"]))
    n = max(report[name]["n"] for name in found)
    return (
        f"out of distribution: of {n:,} galaxies, {shares}, such as {examples}; their codes may mean little: other "
        "units, pixel scale, bands or another survey than in the training data can be the reason"
    )
