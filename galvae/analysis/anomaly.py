"""The oddest galaxies of a dataset: badly reconstructed for their flux and size, or with rare codes."""

import hashlib
import logging

import numpy as np

from galvae.analysis.measured import measure_galaxies
from galvae.data.catalogue import galaxy_table
from galvae.errors import GalvaeError, damage_as_one_line
from galvae.latent.aggregate import Aggregate
from galvae.latent.reconstruction import reconstruction_errors
from galvae.runs import fitted

SCORES = ("error", "code", "forest")
FOLDER, FILE = "reference", "expected_error.safetensors"
FEW = 20  # galaxies, fewer of which have no smooth relation of three quantities
# Percentiles of flux and size between which the relation is a parabola; beyond, it is constant.
TAILS = (0.5, 99.5)
HUBER = 1.345  # robust standard deviations; 95 % efficient for normal residuals (Huber 1981, Robust Statistics, 7.7)
ITERATIONS = 50
MAD = 1.4826  # standard deviation of a normal distribution / median absolute deviation
TREES = 300

log = logging.getLogger(__name__)


class ExpectedError:
    """How well galaxies of a flux and size are reconstructed: bright and large ones worse, whatever they look like.

    The decimal logarithm of the mean squared error is a quadratic function of log flux and log r50, plus a constant for
    galaxies that the model was not trained on. It is fitted robustly, so that the oddities themselves do not count.

    Args:
        coefficients: (7,) of 1, f, r, f^2, f r, r^2 and of galaxies that are held out.
        scale: robust standard deviation of the residuals, in dex.
        centre, width: (2,) by which log flux and log r50 become f and r.
        low, high: (2,) limits of f and r, beyond which the error is taken to be that at the limit.

    Reference:
        Huber 1964, Ann. Math. Stat. 35, 73 (the weights of the fit).
    """

    ARRAYS = ("coefficients", "scale", "centre", "width", "low", "high")

    def __init__(self, coefficients, scale, centre, width, low, high):
        self.coefficients, self.scale, self.centre, self.width = coefficients, scale, centre, width
        self.low, self.high = low, high

    @classmethod
    def fit(cls, mse, flux, r50, held_out):
        """Fits the relation; galaxies without a positive error, flux and size do not count.

        Args:
            mse: (n,) mean squared errors.
            flux, r50: (n,) measures.
            held_out: (n,) bool, galaxies that the model was not trained on.

        Raises:
            GalvaeError: if fewer than FEW galaxies count.
        """
        size, y = _logarithms(flux, r50), _logarithms(mse)[:, 0]
        known = np.isfinite(size).all(axis=1) & np.isfinite(y)
        if known.sum() < FEW:
            raise GalvaeError(
                f"run: expected {FEW} or more galaxies with a positive flux and r50, for the error that is to be "
                f"expected of these, received {known.sum()}"
            )
        size, y = size[known], y[known]
        centre, width = np.median(size, axis=0), np.maximum(size.std(axis=0), 1e-6)
        scaled = (size - centre) / width
        low, high = np.percentile(scaled, TAILS, axis=0)
        terms = _terms(np.clip(scaled, low, high), np.asarray(held_out)[known])
        weights = np.ones(len(y))
        for _ in range(ITERATIONS):
            root = np.sqrt(weights)
            # Without galaxies of one kind the constant of the other is not determined: lstsq then sets it to 0.
            coefficients = np.linalg.lstsq(terms * root[:, None], y * root, rcond=None)[0]
            residuals = y - terms @ coefficients
            scale = max(MAD * np.median(np.abs(residuals - np.median(residuals))), 1e-6)
            weights = np.minimum(1, HUBER * scale / np.maximum(np.abs(residuals), 1e-12))
        return cls(coefficients, np.array(scale), centre, width, low, high)

    def residuals(self, mse, flux, r50, held_out=True):
        """Errors above those expected of flux and size, (n,), in robust standard deviations; NaN where one is unknown.

        Args:
            mse, flux, r50, held_out: see `fit`.
        """
        scaled = (_logarithms(flux, r50) - self.centre) / self.width
        terms = _terms(np.clip(scaled, self.low, self.high), np.broadcast_to(held_out, len(scaled)))
        return (_logarithms(mse)[:, 0] - terms @ self.coefficients) / self.scale


def _logarithms(*columns):
    """Decimal logarithms (n, columns), NaN of what is not positive."""
    values = np.stack([np.asarray(column, float) for column in columns], axis=1)
    return np.log10(np.where(values > 0, values, np.nan))


def _terms(scaled, held_out):
    f, r = scaled.T
    return np.stack([np.ones(len(f)), f, r, f**2, f * r, r**2, held_out], axis=1)


def expected_error(run):
    """The ExpectedError of a run, fitted to all its galaxies and stored; fitted again where its weights have changed.

    Args:
        run: TrainedRun.

    Raises:
        GalvaeError: if it is neither stored nor can be fitted.
    """
    path = run.path / FOLDER / FILE
    if path.exists():
        try:
            return _stored(run, path)
        except GalvaeError:  # damaged, or fitted before the run was trained further
            if run.images_missing:
                raise
            log.info(
                "the error expected of flux and size is fitted again: the stored one is of other weights"
            )
    dataset = run.dataset
    rows = dataset.split("all")
    mse = reconstruction_errors(run.model, dataset, run.codes("all"))
    values = measure_galaxies(dataset, rows).values
    expected = ExpectedError.fit(mse, values["flux"], values["r50"], ~np.isin(rows, dataset.split("train")))
    arrays = {name: np.asarray(getattr(expected, name)) for name in ExpectedError.ARRAYS}
    fitted.save(fitted.folder(run, FOLDER) / FILE, arrays, fitted.identity(run), {"galaxies": len(rows)})
    return expected


def _stored(run, path):
    """The ExpectedError in a file; raises GalvaeError if it is damaged or of other weights."""
    what, remedy = "an error expected of flux and size", f"galvae anomalies run={run.path}, with its images"
    arrays, _ = fitted.read(path, fitted.identity(run), what, remedy)
    with damage_as_one_line(f"{path}: expected the arrays of {what}; fit again: {remedy}"):
        expected = ExpectedError(**arrays)
        expected.residuals([1.0], [1.0], [1.0])  # fails where shapes do not fit together
        return expected


class CodeScores:
    """How rare codes are: by their density under a prior, and by an isolation forest of the training codes.

    Args:
        run: TrainedRun.
        prior: name of the prior, see `TrainedRun.prior`.
        seed: seed of the forest.

    Reference:
        Liu, Ting & Zhou 2008, ICDM, 413 (isolation forest).
    """

    def __init__(self, run, prior=None, seed=0):
        from sklearn.ensemble import IsolationForest  # late: it takes a second

        self._prior, train = run.prior(prior), run.codes("train")
        # In units of the aggregate posterior, and of those dimensions in which galaxies differ: a forest cuts along
        # each axis as often as along any other, also where there is nothing but noise.
        self._aggregate = Aggregate.of(train)
        self._axes = np.flatnonzero(train.mean.var(axis=0) > 0.01 * np.diag(self._aggregate.covariance))
        if not len(self._axes):
            self._axes = np.arange(train.mean.shape[1])
        self._forest = IsolationForest(n_estimators=TREES, random_state=seed).fit(train.mean[:, self._axes])

    def __call__(self, mean, condition=None):
        """Scores (code, forest), (n,) each: -log p(code | condition) in nats, and the forest's; odd ones are large.

        Args:
            mean: (n, latent_dim) posterior means.
            condition: (n, K) in physical units, for conditional models.
        """
        code = -self._prior.log_prob(mean, condition)
        return code, -self._forest.score_samples(np.asarray(mean)[:, self._axes])


def anomalies(run, n=None, split="all", prior=None, seed=0):
    """The galaxies of a split by how odd they are, the oddest first.

    Three scores, each of which sees what others miss: `score_error`, the reconstruction error above that of galaxies
    of equal flux and size, in robust standard deviations (ExpectedError); `score_code`, -log of the density of the code
    under the prior, in nats; `score_forest`, of an isolation forest of codes. Ranks begin with 1, the oddest. The table
    is in order of score_error, which finds most known oddities: of 30 simulated galaxies in 3,000 that were given a
    second core, a satellite trail or a part cut off, 93 % and 77 % are among its first 30 (two seeds, 16 latents, 40
    epochs); of score_code 90 % and 63 %, of score_forest 7 % and 3 %, of the errors of 16 principal components 87 % and
    77 %. Second cores are the hardest, 90 % and 40 %. After 12 epochs score_error finds 43 % only.

    Args:
        run: TrainedRun, whose images are at hand.
        n: number of galaxies; None: all.
        split: "train", "val", "test" or "all".
        prior: name of the prior; None: that from which the run generates galaxies.
        seed: seed of the forest.

    Returns:
        astropy Table: `rank_error`, `rank_code`, `rank_forest`, the scores, and the galaxies' index, split, id
        and catalogue. A galaxy whose flux or size cannot be measured has no score_error, and comes last by it.

    Raises:
        GalvaeError: if the images have gone, or there is no such split or prior.
    """
    rows = run.dataset.split(split)
    scores = galaxy_scores(run, rows, prior, seed)
    columns = {f"rank_{name}": _ranks(values) for name, values in scores.items()}
    order = np.argsort(columns["rank_error"])
    columns |= {
        f"score_{name}": (values, "nat" if name == "code" else None) for name, values in scores.items()
    }
    table = galaxy_table(run.dataset, rows, columns)
    added = table.colnames[-len(columns) :]
    return table[added + table.colnames[: -len(columns)]][order][:n]


def galaxy_scores(run, rows, prior=None, seed=0):
    """The three scores of galaxies of a run, name in SCORES -> (n,), see `anomalies`.

    Args:
        run: TrainedRun.
        rows: (n,) row indices.
        prior, seed: see `anomalies`.
    """
    dataset, codes = run.dataset, run.codes_at(rows)
    expected = expected_error(run)
    measured = measure_galaxies(dataset, rows).values
    error = expected.residuals(
        reconstruction_errors(run.model, dataset, codes),
        measured["flux"],
        measured["r50"],
        ~np.isin(rows, dataset.split("train")),
    )
    code, forest = CodeScores(run, prior, seed)(codes.mean, run.condition(rows))
    return {"error": error, "code": code, "forest": forest}


def _ranks(values):
    """Ranks (n,) of values from 1, the largest first, NaN last."""
    order = np.argsort(np.where(np.isnan(values), -np.inf, values), kind="stable")[::-1]
    ranks = np.empty(len(values), int)
    ranks[order] = np.arange(1, len(values) + 1)
    return ranks


class Anomaly:
    """Addition to `galvae encode`: the three scores of each galaxy, see `anomalies`.

    Args:
        run: TrainedRun.
        config: EncodeConfig.
    """

    needs = frozenset({"decoded", "morphology"})

    def __init__(self, run, config):
        self._expected, self._codes = expected_error(run), CodeScores(run)
        self._train = run.galaxies.split("train") if config.dataset is None else []
        # The prior may be fitted anew, or another one chosen, while parts are encoded.
        prior = b"".join(np.ascontiguousarray(array) for _, array in sorted(run.prior().arrays().items()))
        self.identity = hashlib.sha256(prior).hexdigest()

    def columns(self, batch):
        values = batch.measured.values
        code, forest = self._codes(batch.mean, batch.condition)
        return {
            "score_error": self._expected.residuals(
                batch.mse, values["flux"], values["r50"], ~np.isin(batch.indices, self._train)
            ),
            "score_code": (code, "nat"),
            "score_forest": forest,
        }
