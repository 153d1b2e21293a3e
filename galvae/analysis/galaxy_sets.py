"""Sets of galaxies that the physics card compares: real, decoded and generated ones, measured alike."""

from dataclasses import dataclass

import numpy as np

from galvae.analysis.distances import classification, distances, is_measured, means, with_errors
from galvae.analysis.measured import measure_galaxies, measure_images
from galvae.analysis.power_spectrum import FREQUENCIES, power_ratio, radial_power
from galvae.data.batches import batches
from galvae.data.dataset import evenly
from galvae.latent.inference import decoded_batches
from galvae.morphology.measure import Measurements
from galvae.morphology.measures import compared_names, measure_names, measure_of

FEWEST = 50  # galaxies on either side of a comparison
EXAMPLES = 10  # images of a set that the figure shows
NOT_COMPARED = ("sky",)  # the level that the telescope's pipeline left, no property of a galaxy


@dataclass(frozen=True)
class GalaxySet:
    """Measurements of some galaxies.

    Attributes:
        measured: Measurements of the n galaxies.
        frequencies: (f,) in cycles per pixel.
        power: (n, f) radial power spectra on the stored scale.
        examples: (m, H, W, C) some of the images in network units, evenly chosen.
    """

    measured: Measurements
    frequencies: np.ndarray
    power: np.ndarray
    examples: np.ndarray

    def __len__(self):
        return len(self.measured)

    def at(self, positions):
        """The set of some of the galaxies, by their positions; with the same examples."""
        return GalaxySet(self.measured.at(positions), self.frequencies, self.power[positions], self.examples)


def real_set(dataset, indices):
    """The set of real galaxies, as they are stored.

    Args:
        dataset: GalaxyDataset.
        indices: (n,) row indices of the galaxies.
    """
    spectra = [radial_power(inputs["images"]) for inputs in batches(dataset, indices, "power spectra")]
    power = np.concatenate([power for _, power in spectra])
    shown = dataset.images[indices[evenly(len(indices), EXAMPLES)]]
    return GalaxySet(measure_galaxies(dataset, indices), spectra[0][0], power, dataset.to_unit(shown))


def decoded_sets(run, codes, condition, noise, seed):
    """Sets of decoded galaxies, as they are and with noise, clipped as real images are.

    Args:
        run: TrainedRun.
        codes: (n, latent_dim).
        condition: (n, K) in physical units, or None.
        noise: function of images (B, H, W, C) in [0, 1] and a numpy Generator that returns noise for them in network
            units; or None for no set with noise.
        seed: seed of the noise.

    Returns:
        list of one or two GalaxySets.
    """
    dataset, generator = run.dataset, np.random.default_rng(seed)
    shown = evenly(len(codes), EXAMPLES)
    versions, start = [[] for _ in range(1 if noise is None else 2)], 0
    for images in decoded_batches(run.model, codes, condition):
        made = [images] if noise is None else [images, np.clip(images + noise(images, generator), 0, 1)]
        here = shown[(shown >= start) & (shown < start + len(images))] - start
        start += len(images)
        for parts, in_units in zip(versions, made, strict=True):
            power = radial_power(dataset.from_unit(in_units))
            parts.append(GalaxySet(measure_images(dataset, in_units), *power, in_units[here]))
    return [_joined(parts) for parts in versions]


def _joined(sets):
    """One set of the galaxies and examples of several."""
    measured = [part.measured for part in sets]
    values = {name: np.concatenate([one.values[name] for one in measured]) for name in measured[0].values}
    flags = (np.concatenate([getattr(one, name) for one in measured]) for name in ("empty", "at_border"))
    power, examples = (
        np.concatenate([getattr(part, name) for part in sets]) for name in ("power", "examples")
    )
    return GalaxySet(Measurements(values, *flags), sets[0].frequencies, power, examples)


def compare(real, other, bands, resamples, seed, paired=False, classified=True):
    """Compares a set of galaxies with a set of real ones, measure by measure and over all.

    Of the larger set as many galaxies as the other has are drawn at random, because W1 depends on the numbers.

    Args:
        real, other: GalaxySets.
        bands: names of the bands, see `galvae.analysis.measured.band_labels`.
        resamples, seed, paired: see `galvae.analysis.distances.bootstrapped`.
        classified: whether classifiers are trained too.

    Returns:
        JSON-able dict; a number has its standard error beside it, as w1 and w1_error, and is None where it is
        undefined. Over all: w1, the mean over as many measures as `measures` says; auc, auc_logistic; n, the galaxies
        of either set; shares of images that are empty, at_border, or failed in any of the compared measures, and those
        of the real ones, empty_real, ...; power_ratio, by frequency. For each measure a dict of mean_real, mean, bias
        and bias_unit, scatter, w1, ks, and n and n_real, the galaxies in which it was measured.
    """
    generator, count = np.random.default_rng(seed), min(len(real), len(other))
    real, other = (
        one if len(one) == count else one.at(np.sort(generator.permutation(len(one))[:count]))
        for one in (real, other)
    )
    names = [name for name in measure_names(bands) if name not in NOT_COMPARED]
    compared = np.isin(names, compared_names(bands))
    as_compared = [one.measured.matrix(names) for one in (real, other)]
    as_measured = [np.stack([one.measured.values[name] for name in names], axis=1) for one in (real, other)]
    options = resamples, seed, paired
    apart, average = distances(*as_compared, compared, *options), means(*as_measured, *options)

    result = with_errors({"w1": apart.pop("mean_w1")})
    rows = [matrix[:, compared & is_measured(as_compared[0])] for matrix in as_compared]
    complete = [
        np.isfinite(matrix).all(axis=1) & ~one.measured.empty
        for matrix, one in zip(rows, (real, other), strict=True)
    ]
    if classified:
        areas = dict.fromkeys(("auc", "auc_logistic"), (np.nan, np.nan))
        if rows[0].size and min(map(np.sum, complete)) >= FEWEST:
            areas = classification(*rows, *options)
        result |= with_errors(areas)
    defined = np.isfinite(apart["w1"][0][compared])
    result |= {"n": count, "measures": int(defined.sum())}
    for suffix, one, measured in (("", other, complete[1]), ("_real", real, complete[0])):
        flags = {"empty": one.measured.empty, "failed": ~measured, "at_border": one.measured.at_border}
        for name, flag in flags.items():
            share = flag.mean()
            result |= with_errors({name + suffix: (share, np.sqrt(share * (1 - share) / len(flag)))})
    ratios = zip(*power_ratio(real.frequencies, real.power, other.power, *options), strict=True)
    result["power_ratio"] = {
        f"{frequency:g}": with_errors({"ratio": ratio})
        for frequency, ratio in zip(FREQUENCIES, ratios, strict=True)
    }
    for index, name in enumerate(names):
        numbers = {key: (value[index], error[index]) for key, (value, error) in (average | apart).items()}
        shift = numbers.pop("shift")
        if measure_of(name).signed:
            numbers["bias"] = shift
        counts = [int(np.isfinite(matrix[:, index]).sum()) for matrix in as_measured]
        result[name] = {"bias_unit": "real standard deviations" if measure_of(name).signed else "%"}
        result[name] |= with_errors(numbers) | {"n": counts[1], "n_real": counts[0]}
    return result
