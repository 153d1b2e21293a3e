"""What latent axes do to galaxies: the change of every measure along each, and a name where one fits."""

import logging
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from galvae.analysis.distances import bootstrapped
from galvae.analysis.held_out import held_out_galaxies
from galvae.analysis.measured import band_labels, measure_galaxies, measure_images
from galvae.data.dataset import evenly
from galvae.morphology.measures import MEASURES, measure_names, measure_of
from galvae.runs.axis_names import keep_axis_names

WALKED = 150  # galaxies around which each axis is moved
MOST_DECODED = 8_000  # images decoded for it: more than 26 latent dimensions are moved around fewer galaxies
MOST_REAL = 1_000  # real galaxies from whose measures the standard deviations are taken
MOST_CODES = 10_000  # galaxies of whose posterior samples the means and standard deviations are taken
MIN_PAIRS = 10  # fewer give no mean effect
MIN_EFFECT = 0.4  # standard deviations of the real galaxies by which a property must change to name an axis
SECOND = 0.7  # share of the largest effect that a second property needs to join the name
# Rank correlation of a property of real galaxies with that of their reconstructions, below which it names no axis: in
# units of its measurement noise, any trend of noise-free images would be large.
MIN_KEPT = 0.3
COMPONENTS = ("e1", "e2")  # name an axis rather than their modulus where both change alike
UNNAMED = "no measured property"
NO_EFFECTS = (
    f"fewer than {MIN_PAIRS} galaxies were found again when they were decoded at both ends of an axis"
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Effects:
    """Change of measured properties when latent axes move from -1 to +1 around real galaxies.

    Attributes:
        measures: names of the M measures.
        indices: (n,) row indices of the galaxies around which axes were moved.
        change: (n, axes, M) change in standard deviations of the real galaxies; NaN where a galaxy was not measured at
            both ends, and where fewer than MIN_PAIRS galaxies were.
        kept: (M,) booleans, measures that reconstructions keep: their rank correlation with those of the real galaxies
            is MIN_KEPT or more. The others name no axis.
    """

    measures: list[str]
    indices: np.ndarray
    change: np.ndarray
    kept: np.ndarray

    @property
    def mean(self):
        """Mean change, (axes, M); NaN where it could not be measured."""
        return np.ma.masked_invalid(self.change).mean(axis=0).filled(np.nan)

    @property
    def scatter(self):
        """Standard deviation of the change over galaxies, (axes, M)."""
        return np.ma.masked_invalid(self.change).std(axis=0, ddof=1).filled(np.nan)

    @property
    def count(self):
        """Number of galaxies that were measured at both ends, (axes, M)."""
        return np.isfinite(self.change).sum(axis=0)

    @property
    def names(self):
        """Name of each latent axis, see `name_axis`; None if nothing could be measured along any of them."""
        if not self.count.any():
            return None
        mean = np.where(self.kept, self.mean, np.nan)
        return [name_axis(*row, self.measures) for row in zip(mean, self.scatter, strict=True)]

    def errors(self, resamples, seed):
        """Bootstrap standard error of the mean change, (axes, M).

        Args:
            resamples: number of bootstrap resamples.
            seed: seed of the bootstrap.
        """
        values = self.change.reshape(len(self.change), -1)
        finite = np.isfinite(values)

        def statistics(weights):
            with np.errstate(invalid="ignore"):
                return {"mean": np.where(finite, values, 0).T @ weights / (finite.T.astype(float) @ weights)}

        return bootstrapped(statistics, (len(values),), resamples, seed)["mean"][1].reshape(self.mean.shape)


def reference_codes(run):
    """Codes of up to MOST_CODES galaxies of all splits, evenly chosen, by which axes are scaled.

    Args:
        run: TrainedRun.

    Returns:
        Codes.
    """
    everything = run.galaxies.split("all")
    return run.codes_at(everything[evenly(len(everything), MOST_CODES)])


def measure_effects(run, indices, codes, axes, seed):
    """Measures what latent axes do to real galaxies.

    Around each galaxy, one latent dimension after the other is set to its mean minus and plus one standard deviation
    over the posterior samples of `codes`, the others staying at the galaxy's posterior mean. Both are decoded under
    the galaxy's own condition, and measured like the real galaxies.

    Args:
        run: TrainedRun.
        indices: row indices of real galaxies, of which up to WALKED are chosen evenly.
        codes: Codes by which the axes are scaled, see `reference_codes`.
        axes: latent dimensions.
        seed: seed of the posterior samples.

    Returns:
        Effects.
    """
    dataset, measures = run.dataset, measure_names(band_labels(run.dataset))
    real = measure_galaxies(dataset, indices[evenly(len(indices), MOST_REAL)]).matrix(measures)
    unit = np.ma.masked_invalid(real).std(axis=0).filled(0)
    unit[unit == 0] = np.nan

    galaxies = indices[evenly(len(indices), min(WALKED, max(MIN_PAIRS, MOST_DECODED // (2 * len(axes)))))]
    mean, condition = run.codes_at(galaxies).mean, run.condition(galaxies)
    condition = None if condition is None else np.concatenate([condition, condition])
    samples = codes.sample(seed).astype(np.float64)
    low, high = (samples.mean(axis=0) + sign * samples.std(axis=0) for sign in (-1, 1))
    change = np.empty((len(galaxies), len(axes), len(measures)))
    for position, axis in enumerate(axes):
        before, after = mean.copy(), mean.copy()
        before[:, axis], after[:, axis] = low[axis], high[axis]
        images = run.decode(np.concatenate([before, after]), condition)
        before, after = np.split(measure_images(dataset, images).matrix(measures), 2)
        change[:, position] = (after - before) / unit
    change[:, np.isfinite(change).sum(axis=0) < MIN_PAIRS] = np.nan
    decoded = measure_images(dataset, run.decode(mean, run.condition(galaxies))).matrix(measures)
    real = measure_galaxies(dataset, galaxies).matrix(measures)
    kept = [_rank_correlation(*pair) >= MIN_KEPT for pair in zip(real.T, decoded.T, strict=True)]
    return Effects(measures, galaxies, change, np.array(kept))


def keep_effects(run, effects):
    """Keeps the names of all latent axes in a run's directory, and the changes behind them.

    Args:
        run: TrainedRun.
        effects: Effects of all its latent dimensions.

    Returns:
        Names of the axes; UNNAMED where none fits.
    """
    names = effects.names or [UNNAMED] * len(effects.mean)
    arrays = {"mean": effects.mean, "scatter": effects.scatter}
    keep_axis_names(run, names, arrays)
    return names


def name_axes(run):
    """Measures what every latent axis of a run changes around held-out galaxies, and keeps their names.

    Args:
        run: TrainedRun, whose images are at hand.

    Returns:
        Names of the axes; UNNAMED where none fits.
    """
    around, _ = held_out_galaxies(run.dataset, WALKED)
    log.info("measuring what each of %d latent axes changes", run.latent_dim)
    return keep_effects(
        run, measure_effects(run, around, reference_codes(run), range(run.latent_dim), run.config.seed)
    )


def _rank_correlation(first, second):
    """Spearman's rank correlation of the finite pairs of two columns (n,); 0 if one is constant or they are too few."""
    known = np.isfinite(first) & np.isfinite(second)
    ranks = [rankdata(values[known]) for values in (first, second)]
    if known.sum() < MIN_PAIRS or not all(map(np.ptp, ranks)):
        return 0.0
    return np.corrcoef(*ranks)[0, 1]


def name_axis(mean, scatter, measures):
    """Name of a latent axis after what it changes most.

    The property of largest mean effect names the axis if its effect is above MIN_EFFECT and above its scatter over
    galaxies. A second joins it whose effect is at least SECOND of it, and above its scatter. Effects count as they
    are written, with two digits.

    Args:
        mean: (M,) mean change of each property in standard deviations of the real galaxies, NaN where unknown.
        scatter: (M,) its scatter over galaxies.
        measures: M names.

    Returns:
        Text such as "r50 (+), peak (-)", whose signs are those of the changes as the axis rises; UNNAMED if none fits.
    """
    size = np.abs(np.nan_to_num(mean)).round(2)
    order = sorted(range(len(size)), key=lambda index: (-size[index], measures[index] not in COMPONENTS))
    largest = size[order[0]]
    named = [index for index in order[:2] if size[index] >= SECOND * largest and size[index] > scatter[index]]
    if largest <= MIN_EFFECT or order[0] not in named:
        return UNNAMED
    return ", ".join(f"{_text(measures[index])} ({'+' if mean[index] > 0 else '-'})" for index in named)


def _text(measure):
    """Name of a measure in a sentence: "sky sigma", or "colour g/r" of a colour."""
    if measure in MEASURES:
        return measure.replace("_", " ")
    return f"colour {measure_of(measure).label.removeprefix('log ')}"
