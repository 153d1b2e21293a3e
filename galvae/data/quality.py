"""The quality check of a dataset: bad pixels, duplicates, odd conditions, galaxies that leak between splits.

What would break training is an error. Anything else is a finding, which the report lists with the number of images
and the first ids, and one warning sums up.
"""

import dataclasses
import logging
from dataclasses import dataclass, field

import numpy as np

from galvae.data import redshifts
from galvae.data.coincidences import SAME_POSITION, repeated, same_position
from galvae.data.column_names import DECLINATIONS, RIGHT_ASCENSIONS, is_in_degrees, is_named, is_redshift
from galvae.errors import GalvaeError

LISTED = 10  # ids, groups of duplicates or values that a finding lists in the report
NAMED = 3  # classes or values that a finding names in the warning
LARGEST_INTENSITY = 1.8e19  # its square is still finite in float32
# Share of the intensity range that dark images use at most: that of 12 bits in 16; HST's stamps use far more.
DARK = 1 / 16
EXTREME = 1000  # times the median of the images' brightest pixels, above which a pixel counts as a defect
OUTLYING = 30  # interquartile ranges from the median, beyond which a condition counts as an outlier
# Numbers that stand for "unknown" in catalogues.
UNKNOWN_CODES = (-9, -9.99, -99, -99.9, -99.99, -999, -9999, 9.99, 99, 99.9, 99.99, 999, 9999)

log = logging.getLogger(__name__)


@dataclass
class Finding:
    """A possible defect of a dataset, with the images that have it.

    Attributes:
        name: key in the report.
        text: words in the warning.
        count: number of images.
        ids: ids of the first of them.
        details: further JSON-able values for the report.
    """

    name: str
    text: str
    count: int
    ids: list
    details: dict = field(default_factory=dict)


def checked(dataset, loss=None, report="data_report.json"):
    """The dataset with all findings of the quality check in its report.

    What its reader has to say is logged, each sentence in a line; a warning sums up the findings in another.

    Args:
        dataset: GalaxyDataset.
        loss: the reconstruction loss that will be used, "mse" or "bce", or None.
        report: name of the file that the caller writes the report to, for the warning; None: nothing is logged.

    Raises:
        GalvaeError: if the loss is not defined for the dataset's intensities, or would overflow.
    """
    findings = [
        *intensities(dataset, loss),
        *blank_and_duplicated(dataset),
        *identifiers(dataset),
        *classes(dataset),
        *conditions(dataset),
        *positions(dataset),
    ]
    if report is not None:
        for level, sentences in ((logging.INFO, "notes"), (logging.WARNING, "warnings")):
            for sentence in dataset.report.get(sentences, []):
                log.log(level, "data: %s", sentence)
        if findings:
            log.warning("data: %s; see %s", ", ".join(finding.text for finding in findings), report)
    entries = {
        finding.name: {"count": finding.count, "ids": finding.ids, **finding.details, "text": finding.text}
        for finding in findings
    }
    return dataclasses.replace(dataset, report={**dataset.report, "findings": entries})


def _finding(dataset, name, images, text, noun=None, **details):
    """A list with the Finding of some images; empty if there are none.

    Args:
        dataset: GalaxyDataset.
        name: key in the report.
        images: (N,) bool, or indices of the images.
        text: words in the warning.
        noun: what is counted, in the singular; if given, the number of images and the noun precede the text.
        details: further JSON-able values for the report.
    """
    indices = np.flatnonzero(images) if np.asarray(images).dtype == bool else np.asarray(images)
    if not len(indices):
        return []
    ids = dataset.ids[indices[:LISTED]].tolist()
    if noun:
        text = f"{len(indices):,} {noun}{'s' if len(indices) > 1 else ''}{text}"
    return [Finding(name, text, len(indices), ids, details)]


def _named(names):
    """Up to NAMED names, and how many there are besides."""
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more:,} more" if more > 0 else "")


def intensities(dataset, loss=None):
    """Intensities outside of [0, 1], which the decoder cannot reach, dark images, and pixels far brighter than others.

    Raises:
        GalvaeError: if any are outside of [0, 1] and the loss is bce, or the square of one overflows in float32.
    """
    facts = dataset.image_facts
    if not facts:
        return []
    low, high = dataset.to_unit(facts["low"]), dataset.to_unit(facts["high"])
    largest = np.maximum(np.abs(low), np.abs(high))
    if largest.max() > LARGEST_INTENSITY:
        worst = np.argmax(largest)
        raise GalvaeError(
            f"dataset {dataset.name}: expected intensities whose squares float32 can hold, received "
            f"{facts['high' if high[worst] == largest[worst] else 'low'][worst]:.4g} in image {dataset.ids[worst]}; "
            "correct it, or set dataset.stretch=linear or asinh, which clip"
        )
    span = f"intensities from {low.min():.4g} to {high.max():.4g} where the decoder gives 0 to 1"
    outside = (low < 0) | (high > 1)
    if outside.any() and loss == "bce":
        raise GalvaeError(
            f"reconstruction.loss: expected intensities in [0, 1] for bce, received {span}; set "
            "dataset.stretch=linear, which clips, or reconstruction.loss=mse"
        )
    brightest = np.maximum(np.abs(facts["low"]), np.abs(facts["high"]))
    median = np.median(brightest)
    extreme = brightest > EXTREME * median if median > 0 else np.zeros(len(brightest), bool)
    bounds = {"low": float(low.min()), "high": float(high.max())}
    return [
        *_finding(dataset, "range", outside, span, **bounds),
        *_dark(dataset, high - low),
        *_finding(dataset, "extreme pixels", extreme, " with extreme pixels", "image"),
    ]


def _dark(dataset, spans):
    """Images that use a small part of the intensity range, such as counts of 12 bits in uint16, or fluxes of 1e-19.

    They are reported if nine of ten images use at most DARK of it. A few bright or defective images do not hide the
    others, and a survey with some bright galaxies among faint ones is not reported.

    Args:
        dataset: GalaxyDataset.
        spans: (N,) brightest minus darkest pixel of each image, in network units.
    """
    varied = spans > 0
    if dataset.stretch != "none" or not varied.any():
        return []
    used = float(np.percentile(spans[varied], 90))
    if used > DARK:
        return []
    stored, (low, high) = used * (dataset.pixel_range[1] - dataset.pixel_range[0]), dataset.pixel_range
    text = (
        f"dark images, nine of ten of which span at most {stored:.3g} where stored values from {low:g} to {high:g} "
        f"become 0 to 1 ({used:.2g} of the range): set dataset.stretch=linear or asinh"
    )
    return _finding(dataset, "dark images", varied & (spans <= DARK), text, span=used)


def blank_and_duplicated(dataset):
    """Images whose pixels all have one value, and images that equal an earlier one pixel by pixel."""
    facts = dataset.image_facts
    if not facts:
        return []
    blank = facts["low"] == facts["high"]
    indices = np.flatnonzero(~blank)
    repeats, across, groups = repeated(facts["hash"][indices], _split_numbers(dataset)[indices], LISTED)
    text = f" ({len(across):,} across splits)" if len(across) else ""
    ids = [dataset.ids[indices[group[:LISTED]]].tolist() for group in groups]
    return [
        *_finding(dataset, "blank images", blank, "", "blank image"),
        *_finding(
            dataset, "duplicates", indices[repeats], text, "duplicate", across_splits=len(across), groups=ids
        ),
    ]


def identifiers(dataset):
    """Ids that several images share."""
    repeats, _, _ = repeated(dataset.ids, _split_numbers(dataset), LISTED)
    return _finding(dataset, "repeated ids", repeats, "", "repeated id")


def classes(dataset):
    """Images without a class, classes with one image or none, and labels that are all the same."""
    if dataset.labels is None:
        return []
    findings = _finding(dataset, "unlabelled", dataset.labels < 0, " without a class", "image")
    labelled = dataset.labels[dataset.labels >= 0]
    counts = np.bincount(labelled, minlength=len(dataset.class_names))
    small = [name for name, count in zip(dataset.class_names, counts, strict=True) if count < 2]
    if np.count_nonzero(counts) == 1:
        only = dataset.class_names[int(np.argmax(counts))]
        which = "all images" if len(labelled) == len(dataset) else "all labelled images"
        return [
            *findings,
            Finding("one class", f"{which} of class {only}", len(labelled), [], {"classes": small}),
        ]
    if not small or not len(labelled):
        return findings
    text = f"{len(small)} {'class' if len(small) == 1 else 'classes'} of one image or none ({_named(small)})"
    return [*findings, Finding("small classes", text, int((counts == 1).sum()), [], {"classes": small})]


def conditions(dataset):
    """Conditions that are unknown, constant, codes for "unknown", far from all others, or negative redshifts."""
    findings = []
    for name, index in dataset.condition_numbers.items():
        values = dataset.condition[:, index].astype(float)
        known = np.isfinite(values)
        findings += _finding(dataset, f"{name} missing", ~known, f" without {name}", "image")
        if known.sum() > 1 and np.ptp(values[known]) == 0:
            findings += _finding(dataset, f"{name} constant", known, f"constant {name}")
        outlying = outliers(values)
        if is_redshift(name):
            outlying |= values < redshifts.LOWEST
        different = np.unique(values[outlying])
        text = f" of {name} ({_named([f'{value:g}' for value in different])})"
        listed = different[:LISTED].tolist()
        findings += _finding(dataset, f"{name} outliers", outlying, text, "outlying value", values=listed)
    return findings


def outliers(values):
    """Marks values that are codes for "unknown", or far from all others.

    A number in UNKNOWN_CODES counts as a code if it is beyond all other values by more than their interquartile
    range; any other value is an outlier beyond OUTLYING such ranges from the median.

    Args:
        values: (N,) floats, NaN where unknown.

    Returns:
        (N,) bool.
    """
    known = np.isfinite(values)
    coded = known & np.isin(values.astype(np.float32), np.float32(UNKNOWN_CODES))
    others = values[known & ~coded]
    if len(others) < 2:
        return np.zeros(len(values), bool)
    first, median, third = np.percentile(others, (25, 50, 75))
    quartiles = third - first
    coded &= (values < others.min() - quartiles) | (values > others.max() + quartiles)
    if quartiles == 0:
        return coded
    return coded | (known & (np.abs(values - median) > OUTLYING * quartiles))


def positions(dataset):
    """Sky positions out of range, right ascensions in hours, and galaxies of two splits at the same position."""
    ra, dec = _column(dataset, RIGHT_ASCENSIONS), _column(dataset, DECLINATIONS)
    if ra is None or dec is None:
        return []
    known = np.isfinite(ra) & np.isfinite(dec)
    wrong = known & ((ra < -180) | (ra > 360) | (np.abs(dec) > 90))
    findings = _finding(dataset, "positions out of range", wrong, " out of range", "position")
    good = known & ~wrong
    # Right ascensions of the whole sky end at 24 in hours, and at 360 in degrees.
    wide = good.any() and np.ptp(ra[good]) > 18 and np.ptp(dec[good]) > 45
    if wide and ra[good].min() >= 0 and ra[good].max() < 24:
        findings += _finding(dataset, "hours", good, "right ascensions below 24, perhaps in hours")
    leaking = same_position(ra, dec, np.where(good, _split_numbers(dataset), -1))
    text = f" within {SAME_POSITION:g} arcsec of one in another split"
    return findings + _finding(dataset, "same position across splits", leaking, text, "image")


def _split_numbers(dataset):
    """Number of each image's split, (N,); -1 for images that are in none."""
    numbers = np.full(len(dataset), -1, np.int8)
    for number, indices in enumerate(dataset.splits.values()):
        numbers[indices] = number
    return numbers


def _column(dataset, names):
    """The catalogue's first column of numbers with one of some names; None if it is absent or not in degrees."""
    for name, column in dataset.catalogue.items():
        if is_named(name, names) and column.dtype.kind in "iuf":
            unit = dataset.catalogue_units.get(name, "deg")
            return column.astype(float, copy=False) if is_in_degrees(unit) else None
    return None
