"""Real galaxies nearest to generated ones: does the model generate new galaxies or reproduce training ones?"""

import numpy as np

from galvae.analysis.report import UNMEASURED, Report
from galvae.analysis.statistics import CONFIDENCE
from galvae.data.area_average import thumbnails
from galvae.data.batches import batches
from galvae.data.dataset import evenly
from galvae.latent.inference import decoded_batches
from galvae.latent.orientations import orient, orientations_of

MOST_COMPARED = 1_000  # generated galaxies, and test galaxies, whose nearest training galaxy is sought
COMPARED_SIDE = 32  # pixels; larger images are averaged to this size, or a comparison would take minutes
PAIRS = 12  # closest pairs in the figure
FEW = 20  # fewer test galaxies have no first percentile
PERCENTILE = 0.01  # of the distances of new galaxies
SPACES = ("codes", "pixels")
NEIGHBOURS = 5  # the distance to the nearest galaxy is compared with the mean of those to the next four
BLOCK = 4_096  # training codes that are compared at once


def measure(run, indices, config, columns):
    """Measures whether generated galaxies lie closer to training galaxies than real galaxies that are new do.

    New real galaxies are those of validation and test split together, whatever split the command evaluates. They are
    compared as the model would generate them: the code is drawn from the posterior, as a sample's from the prior, and
    the image is decoded from it, as smooth as a sample. The training galaxies are the same for both: the means of their
    posteriors, and their images as they are stored.

    - In code space, distances are in standard deviations of the posterior, so that latent dimensions that are not used
      count no more than their noise. Training galaxies are in their stored orientation.
    - In pixels, distances are root mean square differences in network units, of images averaged to 32 pixels, under
      flips and rotations if the model was trained with them.

    The distance to the nearest training galaxy is divided by the mean distance to the next four: only a copy is much
    closer to one galaxy than to others. Without that, samples of the densest regions and faint galaxies would pass for
    copies: of simulated galaxies drawn with half the prior's standard deviation, 23 % instead of 2 %.

    Args:
        run, indices, config, columns: see `galvae.analysis.evaluators`.

    Returns:
        Report.

    Reference:
        Meehan, Chaudhuri & Dasgupta 2020 (arXiv:2004.05675): copies lie closer to training data than new data do;
        Carlini et al. 2023 (arXiv:2301.13188), section 5: distances relative to those of the next neighbours.
    """
    texts = {
        "question": "Are generated galaxies new, or copies of training galaxies?",
        "perfect": "0.01: as many samples as new real galaxies are closer than the first percentile of these",
        "chance": "1: every sample is a copy of a training galaxy",
    }
    dataset = run.dataset
    train, new = dataset.split("train"), dataset.held_out
    new = new[evenly(len(new), MOST_COMPARED)]
    if min(len(train), len(new)) < FEW:
        reason = (
            f"{len(train)} training galaxies and {len(new)} of validation and test are too few; {FEW} of each are "
            "needed"
        )
        return Report(
            **texts,
            summary={"memorisation": {UNMEASURED: reason}},
            lines=[f"  memorisation     not measured: {reason}"],
        )
    count = min(config.samples, MOST_COMPARED)
    condition = run.random_condition(count, config.seed) if run.model.condition_dim else None
    codes = run.codes("all")
    sampled = run.prior(config.prior).sample(count, condition, config.seed)
    samples, orientations = _nearest_training(run, codes.at(train), sampled, condition)
    others, _ = _nearest_training(run, codes.at(train), codes.at(new).sample(config.seed), run.condition(new))
    result = {}
    for space in SPACES:
        relative = samples[f"{space}_relative"], others[f"{space}_relative"]
        counts = {"n": count, "new_galaxies": len(new)}
        result[space] = share_closer(*relative, config.bootstrap, config.seed) | counts
    order = np.argsort(samples["pixels_relative"], kind="stable")[:PAIRS]
    nearest, chosen = samples["indices"][order], [orientations[position] for position in order]
    pairs = {
        "indices": nearest,
        "samples": run.decode(sampled[order], None if condition is None else condition[order]),
        "real": _undo_orientations(dataset.to_unit(dataset.images[nearest]), chosen),
        **{name: samples[name][order] for name in ("pixels", "pixels_relative")},
    }
    return Report(
        **texts,
        summary={"memorisation": result},
        arrays={
            "closest_pairs": pairs,
            "nearest_to_samples": samples,
            "nearest_to_new_galaxies": {**others, "galaxy": new},
        },
        facts={"galaxies": np.concatenate([train, new])},
        lines=[_line(result)],
    )


def _nearest_training(run, known, codes, condition):
    """The training galaxies nearest to codes, and to the images decoded from them.

    Args:
        run: TrainedRun.
        known: Codes of the training galaxies.
        codes: (n, latent_dim).
        condition: (n, K) in physical units, or None.

    Returns:
        (arrays, orientations): dict of arrays (n,), row `indices` of the galaxies nearest in pixels and
        `nearest_in_codes`, the distances `pixels` and `codes`, each also `..._relative` to the next galaxies; and the
        orientations of the galaxies that are nearest in pixels, n pairs (rotations, flip).
    """
    unit = known.mean.std(axis=0) if known.std is None else np.sqrt(np.mean(known.std**2, axis=0))
    unit = np.maximum(unit, np.finfo(np.float32).tiny)
    closest, distance, relative = _nearest_code(codes / unit, known.mean / unit)
    decoded = decoded_batches(run.model, codes, condition)
    images = np.concatenate([thumbnails(batch, COMPARED_SIDE) for batch in decoded])
    rotated = run.config.dataset.augment
    nearest, difference, of_next, orientations = _search(
        images, run.dataset, known.indices, rotated, COMPARED_SIDE
    )
    arrays = {
        "indices": nearest,
        "nearest_in_codes": known.indices[closest],
        "codes": distance,
        "codes_relative": relative,
        "pixels": difference,
        "pixels_relative": of_next,
    }
    return arrays, orientations


def share_closer(samples, new, resamples, seed):
    """Share of samples that lie closer to training galaxies than the first percentile of new galaxies.

    Args:
        samples: (n,) distances of samples to their nearest training galaxies, absolute or relative.
        new: (m,) those of new galaxies.
        resamples: number of bootstrap resamples.
        seed: seed of the bootstrap.

    Returns:
        dict with share, its 95 % interval low to high by a bootstrap over samples and new galaxies, the distance
        `threshold`, and the share `expected` of a sampler of new galaxies: 0.01, or more where there are fewer than
        99 of these, of which the closest is then the threshold.
    """
    generator = np.random.default_rng(seed)
    threshold = _first_percentile(new)
    shares = [
        np.mean(generator.choice(samples, len(samples)) < _first_percentile(generator.choice(new, len(new))))
        for _ in range(resamples)
    ]
    low, high = np.quantile(shares, [0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2])
    return {
        "share": float(np.mean(samples < threshold)),
        "low": float(low),
        "high": float(high),
        "threshold": float(threshold),
        "expected": max(PERCENTILE, 1 / (len(new) + 1)),
    }


def _first_percentile(values):
    # By ranks k / (n + 1): the expected share of further values below it is then 1 %.
    return np.quantile(values, PERCENTILE, method="weibull")


def _nearest_code(codes, known):
    """Positions (n,) of the nearest of the known codes, (m, latent_dim), and the distances, see `_Nearest`."""
    nearest, lengths = _Nearest(len(codes)), _lengths(codes)
    for start in range(0, len(known), BLOCK):
        nearest.compare(_squared_differences(codes, lengths, known[start : start + BLOCK])[None])
    return nearest.positions, *nearest.distances()


def nearest_real(images, dataset, indices, rotated=True):
    """Finds the galaxy that differs least from each image, pixel by pixel; pixels that are set aside do not count.

    Args:
        images: (n, H, W, C) intensities in network units.
        dataset: GalaxyDataset.
        indices: (m,) row indices of the galaxies to search among.
        rotated: whether flips and 90-degree rotations of an image count as the same galaxy.

    Returns:
        (nearest, difference, real): row indices (n,) of the nearest galaxies, root mean square difference (n,) in
        network units, and those galaxies (n, H, W, C) in network units, in the orientation of the images.
    """
    nearest, _, _, chosen = _search(images, dataset, indices, rotated)
    real = _undo_orientations(dataset.to_unit(dataset.images[nearest]), chosen)
    squared, masks = (real - images) ** 2, dataset.masks_of(nearest)
    if masks is not None:
        squared = np.ma.MaskedArray(squared, _undo_orientations(masks, chosen))
    difference = np.sqrt(np.ma.filled(squared.mean(axis=(1, 2, 3)), np.nan))
    return nearest, difference, real


def _search(images, dataset, indices, rotated, side=None):
    """The galaxy that differs least from each image, pixel by pixel.

    Args:
        images, dataset, indices, rotated: see `nearest_real`.
        side: the images are thumbnails of this side, see `thumbnails`, with which those of the galaxies are compared;
            None: they are compared as they are.

    Returns:
        (nearest, difference, relative, orientations): row indices (n,) of the galaxies, root mean square difference
        (n,), the same relative to the next galaxies, see `_Nearest.distances`, and the orientation (rotations, flip)
        of each galaxy that the image has, n pairs.
    """
    count = len(images)
    orientations = orientations_of(dataset.image_shape, rotated)
    flat = np.concatenate([orient(images, *pair).reshape(count, -1) for pair in orientations])
    lengths = np.tile(_lengths(images.reshape(count, -1)), len(orientations))
    nearest = _Nearest(count)
    for inputs in batches(dataset, indices, "comparing"):
        real, mask = dataset.to_unit(inputs["images"]), inputs.get("mask")
        if side is not None:
            real = thumbnails(real, side)
            mask = None if mask is None else thumbnails(mask.astype(np.float32), side) > 0.5
        squared = _squared_differences(flat, lengths, real.reshape(len(real), -1), mask)
        nearest.compare(squared.reshape(len(orientations), count, -1))
    distance, relative = nearest.distances()
    chosen = [orientations[number] for number in nearest.orientations]
    return indices[nearest.positions], distance / np.sqrt(flat.shape[1]), relative, chosen


class _Nearest:
    """The nearest of many candidates, which are compared in blocks.

    Args:
        count: number of queries.

    Attributes:
        positions: (count,) of the nearest candidates, counted over all blocks.
        orientations: (count,) numbers of the orientations in which they are nearest.
    """

    def __init__(self, count):
        self.positions, self.orientations = np.zeros((2, count), int)
        self._squared = np.full((count, NEIGHBOURS), np.inf)
        self._compared = 0

    def compare(self, squared):
        """Takes the squared distances to the next m candidates into account, (orientations, count, m)."""
        each, rows = squared.min(axis=0), np.arange(len(self._squared))
        position = each.argmin(axis=1)
        better = each[rows, position] < self._squared.min(axis=1)
        self.positions[better] = self._compared + position[better]
        self.orientations[better] = squared[:, rows, position].argmin(axis=0)[better]
        every = np.concatenate([self._squared, each], axis=1)
        self._squared = np.partition(every, NEIGHBOURS - 1, axis=1)[:, :NEIGHBOURS]
        self._compared += squared.shape[2]

    def distances(self):
        """Distance to the nearest candidate, (count,), and relative to the mean of those to the next ones."""
        nearest, *others = np.sqrt(np.maximum(np.sort(self._squared, axis=1), 0)).T
        others = np.maximum(np.mean(others, axis=0), np.finfo(float).tiny)
        # Where all pixels of all other galaxies are set aside, none is nearer than another.
        return nearest, np.divide(nearest, others, out=np.ones_like(others), where=np.isfinite(others))


def _squared_differences(images, lengths, real, mask=None):
    """Squared difference between each image and each real galaxy, (n, m), summed over pixels.

    A galaxy with pixels set aside counts as if those differed as much as the others: it is not nearest for having few.

    Args:
        images: (n, pixels).
        lengths: (n,) sums of their squares, see `_lengths`.
        real: (m, pixels).
        mask: m images, 1 where a pixel of a real galaxy is set aside, or None.
    """
    if mask is None:
        squared = images @ real.T
        squared *= -2  # in place: the arrays are large
        squared += lengths[:, None]
        squared += _lengths(real)
        return squared
    used = 1 - mask.reshape(real.shape).astype(np.float32)
    real, count = real * used, used.sum(axis=1)
    squared = images**2 @ used.T + _lengths(real) - 2.0 * (images @ real.T)
    return np.where(count > 0, squared * real.shape[1] / np.maximum(count, 1), np.inf)


def _lengths(images):
    return (images**2).sum(axis=1, dtype=np.float64)


def _undo_orientations(images, orientations):
    """Images (n, H, W, C) turned back from n orientations (rotations, flip)."""
    turned = [np.rot90(image, -rotations) for image, (rotations, _) in zip(images, orientations, strict=True)]
    return np.stack(
        [image[:, ::-1] if flip else image for image, (_, flip) in zip(turned, orientations, strict=True)]
    )


def _line(result):
    shares = [
        f"in {space} {100 * found['share']:.3g} % (95 %: {100 * found['low']:.3g} to {100 * found['high']:.3g})"
        for space, found in result.items()
    ]
    found = result["codes"]
    return (
        f"  memorisation     {', '.join(shares)} of {found['n']} samples are closer to a training galaxy than "
        f"{100 * found['expected']:.2g} % of {found['new_galaxies']} new galaxies"
    )
