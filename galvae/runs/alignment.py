"""Galaxies of another dataset as a trained model takes them: its bands in their order, its scale, size and conditions.

What can be read in one way only is changed with a line in the log that says so; all else is refused.
"""

import dataclasses
import hashlib
import json
import logging

import numpy as np

from galvae.data.changed_images import ChangedImages
from galvae.data.load import load_all
from galvae.data.pixel_scale import TOLERANCE, pixel_scales
from galvae.errors import GalvaeError
from galvae.runs.aligned_conditions import aligned_condition

FAR_OUTSIDE = (
    1.0  # of a range that nobody has given: values so far below or above it say that it is another one
)
SAME_FIELD = 0.02  # relative difference of the sides of two fields of view that count as one
# Differences from the run's galaxies that a user may accept, as the key `allow` lists them.
BANDS, PIXEL_SCALE = "bands", "pixel_scale"

log = logging.getLogger(__name__)


def aligned_dataset(run, section, allow=()):
    """A dataset as a run's model takes it, whatever it was trained on.

    Nothing is copied: images are changed batch by batch, when they are read.

    Args:
        run: TrainedRun.
        section: `dataset` section of the configuration; its stretch must be none or the run's, its splits do not count.
        allow: differences that are accepted: "bands", bands of other names, which are taken by their position;
            "pixel_scale", other pixel scales, at which galaxies look larger or smaller than those of the run.

    Returns:
        GalaxyDataset with one split, "all", of the rows that can be encoded, whose batches hold pixels on the scale on
        which the run's dataset stores them. Its report has `alignment`, the lines about what was changed, and
        `left_out`, the number of rows without a known condition.

    Raises:
        GalvaeError: if the dataset has no galaxies, other bands, sizes, scales or classes than the run's, or lacks the
            conditions that the model needs.
    """
    section = _with_keys_of(run, section)
    dataset = load_all(section)
    known, notes = _galaxies_of(run), []
    for line in dataset.report["notes"]:
        log.info("%s", line)
    for line in dataset.report["warnings"]:
        log.warning("%s", line)
    size, lines = _size(run, known, dataset, section, PIXEL_SCALE in allow)
    order, more = _bands(run, known, dataset, BANDS in allow)
    scale, values = _values(run, dataset, section)
    notes += [*_orientation(run), *lines, *more, *values]
    images, masks = dataset.images, dataset.masks
    changes = {"order": order, "size": size, "scale": scale}
    content = dataset.content
    if any(change is not None for change in changes.values()):
        images = ChangedImages(images, order, size, scale)
        masks = None if masks is None else ChangedImages(masks, order, size, any_of=True)
        content = hashlib.sha256(json.dumps([content, changes]).encode()).hexdigest()
    condition, rows, conditions = aligned_condition(run, known, dataset, section)
    notes += conditions
    for line in notes:
        log.info("%s", line)
    return dataclasses.replace(
        dataset,
        images=images,
        masks=masks,
        content=content,
        pixel_range=tuple(run.state.pixel_range),
        stretch=run.state.stretch,
        band_names=dataset.band_names if known is None or not known.band_names else list(known.band_names),
        rgb=run.config.dataset.rgb and tuple(run.config.dataset.rgb),
        reduction=_reduction(dataset, size),
        **condition,
        report={**dataset.report, "alignment": notes, "left_out": len(dataset.split("all")) - len(rows)},
        splits={"all": rows},
    )


def _galaxies_of(run):
    """The run's galaxies; None where neither they nor its dataset are at hand."""
    try:
        return run.galaxies
    except GalvaeError as error:
        log.warning("names of bands and pixel scales cannot be compared with those of the run: %s", error)
        return None


def _with_keys_of(run, section):
    """The section with the run's stretch and conditions.

    Raises:
        GalvaeError: if it asks for another stretch.
    """
    stretch = run.state.stretch
    if section.stretch not in ("none", stretch):
        raise GalvaeError(
            f"dataset.stretch: expected none, since the run's own applies ({stretch}), received {section.stretch}"
        )
    section = dataclasses.replace(section, stretch=stretch)
    if not run.model.condition_dim:
        return section
    names = run.conditions.names
    if section.condition and len(section.condition) != len(names):
        raise GalvaeError(
            f"dataset.condition: expected the columns of the {len(names)} conditions of the run, "
            f"{', '.join(names)}, received {', '.join(section.condition)}"
        )
    return section if section.condition else dataclasses.replace(section, condition=list(names))


def _size(run, known, dataset, section, any_scale):
    """The side to which images are averaged, None for as they are, and lines about size and pixel scale.

    Raises:
        GalvaeError: if the size or the pixel scale is another one than the run's.
    """
    (height, width), (rows, columns) = run.state.image_shape[:2], dataset.image_shape[:2]
    ours = None if known is None else _known(pixel_scales(known))
    theirs = _known(pixel_scales(dataset))
    size, lines = None, []
    if (rows, columns) != (height, width):
        is_square = rows == columns and height == width and rows > height
        fields = (
            None if ours is None or theirs is None else rows * np.median(theirs) / (height * np.median(ours))
        )
        if not is_square or fields is None or abs(fields - 1) > SAME_FIELD:
            fix = (
                f"; dataset.image_size={height} averages them to it"
                if is_square
                else "; cut or pad them first"
            )
            raise GalvaeError(
                f"dataset.image_size: expected images of {height}x{width} pixels, as those that the run was trained "
                f"on, received {rows}x{columns}{fix}"
            )
        size = height
        theirs = theirs * rows / height
        lines.append(
            f"images of {rows}x{columns} pixels are averaged to {height}x{width}: the field of view is that of the "
            "run's galaxies"
        )
    if ours is None or theirs is None:
        whose = "the run's galaxies" if ours is None else "these galaxies"
        lines.append(f"the pixel scale of {whose} is not known, and not compared")
        return size, lines
    return size, lines + _compared(np.median(ours), ours, theirs, any_scale)


def _known(scales):
    """The known ones of some pixel scales; None if there is none."""
    scales = [] if scales is None else scales[np.isfinite(scales)]
    return scales if len(scales) else None


def _compared(expected, ours, theirs, any_scale):
    """Lines about pixel scales that differ.

    Args:
        expected: the run's, in arcsec per pixel.
        ours, theirs: (n,), those of the run's galaxies and of the new ones, where they are known.
        any_scale: whether others are accepted.
    """
    if (np.abs(ours / expected - 1) > TOLERANCE).any():
        low, high = ours.min(), ours.max()
        other = (theirs < low * (1 - TOLERANCE)) | (theirs > high * (1 + TOLERANCE))
        expects = f"{low:.3g} to {high:.3g}"
    else:
        other = np.abs(theirs / expected - 1) > TOLERANCE
        expects = f"{expected:.3g}"
    if not other.any():
        return []
    ratio = expected / np.median(theirs[other])
    text = (
        f"expected {expects} arcsec per pixel, as the run's galaxies have, received {theirs[other].min():.3g} to "
        f"{theirs[other].max():.3g} for {other.sum():,} of {len(theirs):,} galaxies, which look {ratio:.2g} times as "
        "large as they would there"
    )
    if not any_scale:
        raise GalvaeError(f"dataset: pixel scale: {text}; allow=[{PIXEL_SCALE}] encodes them as they are")
    return [f"pixel scale: {text}; encoded as they are"]


def _reduction(dataset, size):
    reduction = dataset.reduction
    return reduction if size is None or reduction is None else reduction * dataset.image_shape[0] / size


def _bands(run, known, dataset, by_position):
    """Positions of the run's bands in the dataset's images, None for as they are, and a line about their order.

    Raises:
        GalvaeError: if their number or their names differ.
    """
    count, theirs = run.state.image_shape[-1], list(dataset.band_names)
    ours = [] if known is None else list(known.band_names)
    named = [names for names in (ours, theirs) if names and len(set(names)) == len(names)]
    if dataset.image_shape[-1] != count:
        has = f" ({', '.join(theirs)})" if theirs else ""
        needs = f" ({', '.join(ours)})" if ours else ""
        raise GalvaeError(
            f"dataset.channels: expected images of {_counted(count)}{needs}, as those that the run was trained on, "
            f"received {_counted(dataset.image_shape[-1])}{has}; dataset.channels=[...] chooses bands of dataset=files"
        )
    if len(named) < 2:
        if count == 1:
            return None, []
        which = f"those of the run are {', '.join(ours)}" if ours else "those of the run have no names"
        here = f"these {', '.join(theirs)}" if theirs else "these have none"
        return None, [f"bands are taken by their position, since not both have names: {which}, {here}"]
    if set(ours) != set(theirs):
        if by_position:
            return None, [f"bands {', '.join(theirs)} are taken as the run's {', '.join(ours)}, by position"]
        raise GalvaeError(
            f"dataset.channels: expected the run's bands, {', '.join(ours)}, received {', '.join(theirs)}; "
            f"dataset.channels=[...] chooses other ones, allow=[{BANDS}] takes these by their position"
        )
    if ours == theirs:
        return None, []
    order = [theirs.index(name) for name in ours]
    return order, [f"bands {', '.join(theirs)} are reordered to the run's {', '.join(ours)}"]


def _orientation(run):
    """A line about the order of rows, where the run's images were read by rules that no new ones are read by."""
    if not run.config.dataset.is_read_by_earlier_rules:
        return []
    return [
        "the run was trained by galvae 0.1, which drew row 0 of a FITS image at the top, and new ones have it at the "
        "bottom: if the run's images came from FITS files, the new images, of any file, are upside down to them"
    ]


def _counted(bands):
    return f"{bands} band{'s' if bands > 1 else ''}"


def _values(run, dataset, section):
    """Factor and offset that bring pixel values to the run's scale, None for as they are, and a line about them.

    Raises:
        GalvaeError: if the run has a stretch, and its pixels are of another type; or if the values are not those that
            the range means which is taken where none is given.
    """
    stretch, ours, theirs = run.state.stretch, tuple(run.state.pixel_range), dataset.pixel_range
    facts, rows = dataset.image_facts, dataset.split("all")
    low, high = float(facts["low"][rows].min()), float(facts["high"][rows].max())
    if stretch != "none":
        expected, received = run.directory.report.get("dtype"), str(dataset.images.dtype)
        if expected not in (None, received):
            raise GalvaeError(
                f"dataset: expected pixels of type {expected}, in whose units the run's stretch is, received "
                f"{received}; convert them to the units of the run's images first"
            )
        return None, [
            f"pixel values are taken to be in the units of the run's images, whose {stretch} stretch between "
            f"{ours[0]:.4g} and {ours[1]:.4g} applies; these reach from {low:.4g} to {high:.4g}"
        ]
    # Where a run's own images reach as far, those of its range are as it knows them.
    own = (run.directory.report.get(end, ours[0]) for end in ("low", "high"))
    known = ours == theirs and _is_far_outside(*own, ours)
    if getattr(section, "pixel_range", None) is None and not known and _is_far_outside(low, high, theirs):
        raise GalvaeError(
            f"dataset.pixel_range: expected the values of these images that are the run's {ours[0]:g} and {ours[1]:g}, "
            f"since they reach from {low:.4g} to {high:.4g}, received null, which stands for "
            f"[{theirs[0]:g},{theirs[1]:g}] in dataset={dataset.name}; dataset=files has this key"
        )
    if ours == theirs:
        return None, []
    factor = (ours[1] - ours[0]) / (theirs[1] - theirs[0])
    return (factor, ours[0] - factor * theirs[0]), [
        f"pixel values are rescaled from the range of these images, {theirs[0]:g} to {theirs[1]:g}, to that of the "
        f"run's, {ours[0]:g} to {ours[1]:g}; these reach from {low:.4g} to {high:.4g}"
    ]


def _is_far_outside(low, high, pixel_range):
    """Whether values from `low` to `high` reach far beyond a range."""
    beyond = FAR_OUTSIDE * (pixel_range[1] - pixel_range[0])
    return low < pixel_range[0] - beyond or high > pixel_range[1] + beyond
