"""Morphology of a dataset's galaxies and of generated ones, measured alike; kept in the cache folder."""

import json
import logging

import numpy as np

from galvae.data.batches import batches
from galvae.data.dataset import evenly
from galvae.data.galaxies import Column
from galvae.errors import GalvaeError
from galvae.morphology import with_statmorph
from galvae.morphology.measure import SIGNIFICANCE, VERSION, Measurements, measure_blocks, sky_sigma
from galvae.morphology.measures import measure_names, measure_of
from galvae.system.atomic import save_arrays
from galvae.system.cache_folder import cache_folder
from galvae.system.safe_read import read_npz

SKY_IMAGES = 2000  # from which the standard deviation of the sky is measured
# Of the images' standard deviations. Galaxies that reach the border of their image raise the others.
SKY_PERCENTILE = 25
NOISE_FREE = 0.05  # of the median peak: the threshold where the sky has no noise
PREFIX = "measured_"  # before the name of a measure that the dataset has a column of
DEFAULT_COLOUR = "r50"
CODE = "galvae"  # that measures; the other one is "statmorph"

log = logging.getLogger(__name__)

_thresholds = {}  # see `_threshold`, of the datasets that this process has seen, by their content


def band_labels(dataset):
    """Names of a dataset's bands or, where they have none or share one, their numbers as texts."""
    count, names = dataset.image_shape[-1], list(dataset.band_names)
    return names if len(set(names)) == count else [str(band) for band in range(count)]


def measure_galaxies(dataset, indices, code=CODE):
    """Morphology of galaxies as they are stored; what was measured before comes from the cache folder.

    Args:
        dataset: GalaxyDataset.
        indices: (n,) row indices of the galaxies.
        code: "galvae" or "statmorph", see `measure_images`.

    Returns:
        Measurements.
    """
    indices = np.asarray(indices)
    kept = _Kept.of(dataset, code)
    missing = np.unique(indices[~kept.done[indices]])
    if len(missing):
        inputs = batches(dataset, missing, "measuring")
        blocks = ((part["images"], _excluded(part.get("mask"))) for part in inputs)
        kept.add(missing, _measure(blocks, len(missing), kept.threshold, dataset, code))
    return kept.at(indices)


def not_measured(dataset, indices):
    """Number of galaxies, of given row indices, whose measurements are not kept in the cache folder yet."""
    return int((~_Kept.of(dataset, CODE).done[indices]).sum())


def measure_batch(dataset, inputs):
    """Morphology of galaxies whose images have been read, of which nothing is kept.

    Args:
        dataset: GalaxyDataset, whose sky level decides which pixels belong to objects.
        inputs: dict of its images (n, H, W, C) and, if there is one, mask, see `galvae.data.batches.batches`.

    Returns:
        Measurements.
    """
    blocks = [(inputs["images"], _excluded(inputs.get("mask")))]
    return _measure(blocks, len(inputs["images"]), _threshold(dataset), dataset, CODE)


def measure_images(dataset, images, code=CODE):
    """Morphology of images in network units, such as decoded ones, on the scale on which a dataset is stored.

    The same threshold separates galaxies from the sky as in the dataset's own images.

    Args:
        dataset: GalaxyDataset.
        images: (n, H, W, C) intensities in [0, 1].
        code: "galvae", or "statmorph" for flux, size and structure by that package, much slower.

    Returns:
        Measurements.
    """
    blocks = (
        (dataset.from_unit(images[start : start + 1024]), None) for start in range(0, len(images), 1024)
    )
    return _measure(blocks, len(images), _threshold(dataset), dataset, code)


def column(run, name, indices):
    """A column of a run's galaxies, or a measure of their morphology, to colour a figure by.

    Args:
        run: TrainedRun.
        name: see `Galaxies.column`, or the name of a measure, such as "r50"; where the dataset has a column of that
            name, the measure is "measured_r50". None takes the class, else the first condition, else r50.
        indices: (n,) galaxies.

    Returns:
        Column; None if `name` is None and there is nothing but measures, for which the images are not at hand.

    Raises:
        GalvaeError: if there is neither such a column nor such a measure, or it is one and the images are not at hand.
    """
    galaxies = run.galaxies
    measures, own = measure_names(band_labels(galaxies)), galaxies.column_names
    if name is None:
        default = galaxies.column(None, indices)
        if default is not None:
            return default
        if run.images_missing:
            log.info("points have no colours, since %s is measured in images", DEFAULT_COLOUR)
            return None
        name = PREFIX + DEFAULT_COLOUR if DEFAULT_COLOUR in own else DEFAULT_COLOUR
    plain = name.removeprefix(PREFIX)
    if name in own:
        if name in measures:
            log.info("colour: %s is the dataset's column; %s%s is the measured one", name, PREFIX, name)
        return galaxies.column(name, indices)
    if plain not in measures:
        known = [*own, *measured_names(galaxies)]
        raise GalvaeError(f"colour: expected {' or '.join(known)}, received {name!r}")
    values = measure_galaxies(run.dataset, indices).values[plain]
    return Column(name, measure_of(plain).unit, values)


def measured_names(galaxies):
    """Names of the columns of measurements: of the measures, with a prefix where the galaxies have such a column.

    Args:
        galaxies: Galaxies.
    """
    own = galaxies.column_names
    return [_prefixed(name, own) for name in measure_names(band_labels(galaxies))]


def measured_columns(dataset, measurements):
    """Measurements as columns of a table, name -> (values, unit), see `measured_names`.

    Args:
        dataset: GalaxyDataset.
        measurements: Measurements.
    """
    own = dataset.column_names
    return {
        _prefixed(name, own): (values, measure_of(name).unit or None)
        for name, values in measurements.values.items()
    }


def _prefixed(name, own):
    """Name of the column of a measure, of galaxies that have columns of their own."""
    return PREFIX + name if name in own else name


def _measure(blocks, count, threshold, dataset, code):
    """Measures blocks of images; numbers keep the seven digits of float32, with which they are stored."""
    if code == "statmorph":
        measured = with_statmorph.measure_blocks(blocks, count, threshold, band_labels(dataset))
    else:
        measured = measure_blocks(blocks, count, threshold, band_labels(dataset))
    values = {name: _rounded(column) for name, column in measured.values.items()}
    return Measurements(values, measured.empty, measured.at_border)


def _rounded(values):
    return values.astype(np.float32).astype(np.float64)


def _excluded(mask):
    return None if mask is None else np.asarray(mask, bool).any(axis=-1)


def _threshold(dataset):
    """Intensity above the sky, on the stored scale, of the pixels that belong to objects; measured once."""
    if dataset.content not in _thresholds or not dataset.content:
        _thresholds[dataset.content] = _Kept.of(dataset, CODE).threshold
    return _thresholds[dataset.content]


def _sky_threshold(dataset):
    """Intensity above the sky, on the stored scale, of the pixels that belong to objects."""
    sigmas, peaks = [], []
    for inputs in batches(dataset, evenly(len(dataset), SKY_IMAGES), "measuring the sky"):
        sigmas.append(sky_sigma(inputs["images"], _excluded(inputs.get("mask"))))
        means = np.asarray(inputs["images"], np.float64).mean(axis=-1)
        peaks.append(means.max(axis=(1, 2)) - np.median(means, axis=(1, 2)))
    sigma = np.percentile(np.concatenate(sigmas), SKY_PERCENTILE)
    if sigma > 0:
        return SIGNIFICANCE * float(sigma)
    log.info(
        "the sky of these images has no noise: pixels above %.0f %% of the median peak belong to objects",
        100 * NOISE_FREE,
    )
    return NOISE_FREE * float(np.median(np.concatenate(peaks)))


class _Kept:
    """Measurements of a dataset that are kept in the cache folder, a row for each of its galaxies.

    Attributes:
        names: of the measures, a column of the table each.
        threshold: intensity above the sky, on the stored scale, of the pixels that belong to objects.
        done: (N,) bool, galaxies that have been measured.
    """

    def __init__(self, path, identity, names, count):
        self.path, self.identity, self.names, self.threshold = path, identity, names, None
        self.table = np.full((count, len(names)), np.nan, np.float32)
        self.flags = np.zeros((count, 2), bool)
        self.done = np.zeros(count, bool)

    @classmethod
    def of(cls, dataset, code):
        """The measurements that are kept for a dataset; none yet for one that is not in the cache."""
        names = measure_names(band_labels(dataset))
        identity = json.dumps([VERSION, code, dataset.content, names])
        path = None
        if dataset.content:
            mapped = dataset.mapped_files.paths  # a file of an entry of the cache
            folder = mapped[0].parents[1] if mapped else cache_folder()
            path = folder / "morphology" / f"{dataset.content[:12]}-{code}.npz"
        kept = cls(path, identity, names, len(dataset))
        if path is not None and path.exists():
            kept._read()
        if kept.threshold is None:
            kept.threshold = _sky_threshold(dataset)
            kept.save()
        return kept

    def add(self, indices, measured):
        """Adds measurements of galaxies."""
        self.table[indices] = np.stack([measured.values[name] for name in self.names], axis=1)
        self.flags[indices] = np.stack([measured.empty, measured.at_border], axis=1)
        self.done[indices] = True
        self.save()

    def save(self):
        """Writes everything to the file; a folder that cannot be written is no error."""
        if self.path is None:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            arrays = {"table": self.table, "flags": self.flags, "done": self.done}
            facts = {"identity": np.array(self.identity), "threshold": np.array(self.threshold)}
            save_arrays(self.path, **facts, **arrays)
        except (OSError, GalvaeError) as error:
            log.info("the measurements cannot be kept in %s: %s", self.path.parent, error)

    def at(self, indices):
        """Measurements of galaxies, which must have been added."""
        values = {
            name: self.table[indices, index].astype(np.float64) for index, name in enumerate(self.names)
        }
        return Measurements(values, self.flags[indices, 0], self.flags[indices, 1])

    def _read(self):
        try:
            arrays = read_npz(self.path, ["identity", "threshold", "table", "flags", "done"])
        except GalvaeError as error:
            log.warning("the kept measurements cannot be used; measuring again: %s", error)
            return
        if str(arrays["identity"]) != self.identity:  # of an earlier version
            return
        own = {"table": self.table, "flags": self.flags, "done": self.done}
        if all(arrays[name].shape == array.shape for name, array in own.items()) and all(
            arrays[name].dtype == array.dtype for name, array in own.items()
        ):
            self.table, self.flags, self.done = (arrays[name] for name in own)
            self.threshold = float(arrays["threshold"])
