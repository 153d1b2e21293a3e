"""What may be wrong with a dataset, looked for once before it is used.

What would break training is an error. The rest are findings: counted, with the first ids, in the report, and
told in one line.
"""

import dataclasses
import logging
from dataclasses import dataclass, field

import numpy as np

from galvae.errors import GalvaeError

SHOWN = 10  # ids of a finding
LARGEST = 1.8e19  # intensity whose square float32 still holds
EXTREME = 1000  # times the usual brightest pixel, above which one is taken for a defect
FAR = 30  # interquartile ranges from the median, beyond which a condition is taken for a mistake
CODES = (-9, -9.99, -99, -99.9, -99.99, -999, -9999, 9.99, 99, 99.9, 99.99, 999, 9999)  # for "unknown"
REDSHIFTS = ("redshift", "redshifts", "z", "zphot", "zspec", "photo_z", "spec_z")
BLUESHIFT = -0.01  # nearby galaxies do approach us
RIGHT_ASCENSIONS = ("ra", "ra_deg", "raj2000", "ra_j2000", "alpha_j2000", "_raj2000")
DECLINATIONS = ("dec", "dec_deg", "dej2000", "decj2000", "dec_j2000", "delta_j2000", "_dej2000")
APART = 1.0  # arcsec between galaxies that are taken for two

log = logging.getLogger(__name__)


@dataclass
class Finding:
    """Something that may be wrong.

    Attributes:
        name: in the report.
        text: in the summary.
        count: of images.
        ids: the first ones of those.
        details: JSON-able values besides.
    """

    name: str
    text: str
    count: int
    ids: list
    details: dict = field(default_factory=dict)


def checked(dataset, loss=None, report="data_report.json"):
    """The dataset with all findings in its report; they are also told in one line.

    Args:
        dataset: GalaxyDataset.
        loss: "mse", "bce" or None, the reconstruction loss that it is meant for.
        report: name of the file that the caller writes, for the line.

    Raises:
        GalvaeError: if the loss has no meaning for its pixels, or cannot be computed.
    """
    findings = [
        *intensities(dataset, loss),
        *blank_and_duplicated(dataset),
        *identifiers(dataset),
        *classes(dataset),
        *conditions(dataset),
        *positions(dataset),
    ]
    if findings:
        log.warning("data: %s; see %s", ", ".join(finding.text for finding in findings), report)
    told = {found.name: {"count": found.count, "ids": found.ids, **found.details} for found in findings}
    return dataclasses.replace(dataset, report={**dataset.report, "findings": told})


def _finding(dataset, name, text, where, **details):
    """A list with the Finding of some images, or none without any.

    Args:
        dataset: GalaxyDataset.
        name: of the finding.
        text: of the summary, in which # becomes the number of images.
        where: (N,) bool or indices.
        details: of the report.
    """
    indices = np.flatnonzero(where) if np.asarray(where).dtype == bool else np.asarray(where)
    if not len(indices):
        return []
    ids = dataset.ids[indices[:SHOWN]].tolist()
    return [Finding(name, text.replace("#", f"{len(indices):,}"), len(indices), ids, details)]


def intensities(dataset, loss=None):
    """Images outside of what the decoder gives, [0, 1], and pixels far brighter than those of other images.

    Raises:
        GalvaeError: if there are any outside and the loss is bce, or the loss of one would overflow.
    """
    facts = dataset.image_facts
    if not facts:
        return []
    low, high = dataset.to_unit(facts["low"]), dataset.to_unit(facts["high"])
    largest = np.maximum(np.abs(low), np.abs(high))
    if largest.max() > LARGEST:
        worst = np.argmax(largest)
        raise GalvaeError(
            f"dataset {dataset.name}: expected intensities whose squares float32 holds, received "
            f"{facts['high' if high[worst] == largest[worst] else 'low'][worst]:.4g} in image {dataset.ids[worst]}; "
            "mend it, or take dataset.stretch=linear or asinh, which clip"
        )
    found = f"intensities from {low.min():.4g} to {high.max():.4g} where the decoder gives 0 to 1"
    outside = (low < 0) | (high > 1)
    if outside.any() and loss == "bce":
        raise GalvaeError(
            f"reconstruction.loss: expected intensities in [0, 1] for bce, received {found}; set the pixel "
            "range or take reconstruction.loss=mse"
        )
    swing = np.maximum(np.abs(facts["low"]), np.abs(facts["high"]))
    extreme = swing > EXTREME * np.median(swing) if np.median(swing) > 0 else np.zeros(len(swing), bool)
    return [
        *_finding(dataset, "range", found, outside, low=float(low.min()), high=float(high.max())),
        *_finding(dataset, "extreme pixels", "# images with extreme pixels", extreme),
    ]


def blank_and_duplicated(dataset):
    """Images of one value, and images that equal an earlier one pixel by pixel."""
    facts = dataset.image_facts
    if not facts:
        return []
    blank = facts["low"] == facts["high"]
    rows = np.flatnonzero(~blank)
    repeats, across, groups = repeated(facts["hash"][rows], _split_of(dataset)[rows])
    text = "# duplicates" + (f" ({len(across):,} across splits)" if len(across) else "")
    shown = [dataset.ids[rows[group]][:SHOWN].tolist() for group in groups[:SHOWN]]
    return [
        *_finding(dataset, "blank images", "# blank images", blank),
        *_finding(dataset, "duplicates", text, rows[repeats], across_splits=len(across), groups=shown),
    ]


def repeated(values, splits):
    """Entries that equal an earlier one.

    Args:
        values: (N,) array.
        splits: (N,) integers; entries of negative ones are in no split.

    Returns:
        (repeats, across, groups): indices of entries that equal an earlier one, in order; of entries that equal
        one of a lower-numbered split; and the index array of each set of equals.
    """
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    rows = np.flatnonzero(counts[inverse] > 1)
    rows = rows[np.argsort(inverse[rows], kind="stable")]
    groups = np.split(rows, np.flatnonzero(np.diff(inverse[rows])) + 1) if len(rows) else []
    across = []
    for group in groups:
        inside = group[splits[group] >= 0]
        if len(inside):
            across.append(inside[splits[inside] > splits[inside].min()])
    first = np.zeros(len(values), bool)
    first[[group[0] for group in groups]] = True
    return np.sort(rows[~first[rows]]), np.sort(np.concatenate([[], *across]).astype(int)), groups


def identifiers(dataset):
    """Ids that several images share."""
    repeats, _, _ = repeated(dataset.ids, _split_of(dataset))
    return _finding(dataset, "repeated ids", "# repeated ids", repeats)


def classes(dataset):
    """Classes with one member or none, and labels that are all the same."""
    if dataset.labels is None:
        return []
    counts = np.bincount(dataset.labels, minlength=len(dataset.class_names))
    few = [name for name, count in zip(dataset.class_names, counts, strict=True) if count < 2]
    if np.count_nonzero(counts) == 1:
        only = dataset.class_names[int(np.argmax(counts))]
        return [Finding("one class", f"all images of class {only}", len(dataset), [], {"classes": few})]
    if not few:
        return []
    text = f"{len(few)} {'class' if len(few) == 1 else 'classes'} of one image or none ({', '.join(few[:3])})"
    members = np.isin(dataset.labels, np.flatnonzero(counts == 1))
    found = Finding("small classes", text, int(members.sum()), [], {"classes": few})
    return [found]


def conditions(dataset):
    """Conditions that are missing, constant, negative redshifts, codes for "unknown", or far from all others."""
    findings = []
    for index, name in enumerate(dataset.condition_names):
        values = dataset.condition[:, index].astype(float)
        known = np.isfinite(values)
        findings += _finding(dataset, f"{name} missing", f"# without {name}", ~known)
        if known.sum() > 1 and np.ptp(values[known]) == 0:
            findings += _finding(dataset, f"{name} constant", f"constant {name}", known)
        odd = outliers(values)
        if name.lower() in REDSHIFTS:
            odd |= values < BLUESHIFT
        kinds = np.unique(values[odd])
        text = f"{name} of # out of line ({', '.join(f'{kind:g}' for kind in kinds[:3])})"
        findings += _finding(dataset, f"{name} outliers", text, odd, values=kinds[:SHOWN].tolist())
    return findings


def outliers(values):
    """Which values are codes for "unknown", or far from all others.

    A code counts as one where it lies beyond all other values by more than their interquartile range; another
    value, where it is more than FAR such ranges from their median.

    Args:
        values: (N,) floats, NaN where unknown.

    Returns:
        (N,) bool.
    """
    known = np.isfinite(values)
    coded = known & np.isin(values.astype(np.float32), np.float32(CODES))
    others = values[known & ~coded]
    if len(others) < 2:
        return np.zeros(len(values), bool)
    first, median, third = np.percentile(others, (25, 50, 75))
    spread = third - first
    coded &= (values < others.min() - spread) | (values > others.max() + spread)
    if spread == 0:
        return coded
    return coded | (known & (np.abs(values - median) > FAR * spread))


def positions(dataset):
    """Sky positions out of range, perhaps in hours, and those of one galaxy in two splits."""
    ra, dec = _column(dataset, RIGHT_ASCENSIONS), _column(dataset, DECLINATIONS)
    if ra is None or dec is None:
        return []
    known = np.isfinite(ra) & np.isfinite(dec)
    wrong = known & ((ra < -180) | (ra > 360) | (np.abs(dec) > 90))
    findings = _finding(dataset, "positions out of range", "# positions out of range", wrong)
    good = known & ~wrong
    # Right ascensions of the whole sky end at 24 in hours, and at 360 in degrees.
    wide = good.any() and np.ptp(ra[good]) > 18 and np.ptp(dec[good]) > 45
    if wide and ra[good].min() >= 0 and ra[good].max() < 24:
        findings += _finding(dataset, "hours", "right ascensions below 24, perhaps in hours", good)
    near = same_place(ra, dec, np.where(good, _split_of(dataset), -1))
    text = f"# within {APART:g} arcsec of a galaxy in another split"
    return findings + _finding(dataset, "same position across splits", text, near)


def same_place(ra, dec, splits):
    """Galaxies within APART of one of a lower-numbered split.

    Args:
        ra, dec: (N,) degrees.
        splits: (N,) integers, negative for galaxies to leave out.

    Returns:
        Sorted indices.
    """
    from scipy.spatial import KDTree

    longitude, latitude = np.radians(ra), np.radians(dec)
    places = np.stack(
        [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)], axis=1
    )
    chord = 2 * np.sin(np.radians(APART / 3600) / 2)
    found = []
    for split in np.unique(splits[splits >= 0])[1:]:
        rows, lower = np.flatnonzero(splits == split), (splits >= 0) & (splits < split)
        # Unique, since a tree of equal points is searched one by one.
        distance, _ = KDTree(np.unique(places[lower], axis=0)).query(places[rows], distance_upper_bound=chord)
        found.append(rows[np.isfinite(distance)])
    return np.sort(np.concatenate([[], *found]).astype(int))


def _split_of(dataset):
    """Number of each image's split, (N,); -1 for those that are in none."""
    splits = np.full(len(dataset), -1)
    for number, indices in enumerate(dataset.splits.values()):
        splits[indices] = number
    return splits


def _column(dataset, names):
    """The catalogue's numbers under one of some names, in degrees as far as their unit says, or None."""
    for name, column in dataset.catalogue.items():
        if name.split("/")[-1].lower() in names and column.dtype.kind in "iuf":
            unit = dataset.catalogue_units.get(name, "deg")
            return column.astype(float) if unit.lower() in ("deg", "degree", "degrees", "") else None
    return None
