"""What is in a dataset, in words: what was read from where, how many of what, examples, the sky, what looks odd."""

import textwrap

import numpy as np

from galvae.data.column_names import is_redshift
from galvae.data.dataset import evenly
from galvae.data.display import display_range
from galvae.data.masking import edge_frame

SKY_IMAGES = 100  # images of which the sky is measured
MAD_TO_STD = 1.4826  # standard deviation of a normal distribution, relative to its median absolute deviation
EXAMPLES = 3  # galaxies that are shown as examples
LISTED = 12  # classes, bands or columns that the summary lists; the report has all
LABEL = 12  # characters of a line's label
WIDTH = 110  # characters of a line, unless it has no blanks
FIXES = {  # the key that corrects a finding, by its name
    "blank images": "dataset.drop=blank leaves them out",
    "range": "dataset.stretch=linear or asinh brings them there",
    "extreme pixels": "dataset.stretch=linear or asinh clips them",
}
FIX_OF_MISSING = "dataset.missing_condition= says what a conditional model does with them"


def dataset_report(dataset, path=None):
    """All that is to be reported about a dataset, as a JSON-able dict, the content of data_report.json.

    Args:
        dataset: GalaxyDataset that `galvae.data.quality.checked` has returned.
        path: where its images are, as the user named it, or None.

    Returns:
        The dataset's report, with its name, path, bands, stretch, display range, sky, splits, examples and columns.
    """
    examples = evenly(len(dataset), EXAMPLES)
    columns = {
        name: [text or None for text in texts.tolist()]
        for name, texts in galaxy_columns(dataset, examples).items()
    }
    return {
        "dataset": dataset.name,
        "path": None if path is None else str(path),
        **dataset.report,
        "band_names": list(dataset.band_names),
        "unlabelled": 0 if dataset.labels is None else int(np.sum(dataset.labels < 0)),
        "pixel_range": [float(value) for value in dataset.pixel_range],
        "stretch": dataset.stretch,
        "unit_low": float(dataset.to_unit(dataset.report["low"])),
        "unit_high": float(dataset.to_unit(dataset.report["high"])),
        "display_range": display_range(dataset),
        "sky": sky(dataset),
        "splits": {name: len(indices) for name, indices in dataset.splits.items()},
        "examples": [
            {name: values[index] for name, values in columns.items()} for index in range(len(examples))
        ],
        "catalogue": sorted(dataset.catalogue),
    }


def sky(dataset):
    """Level and scatter of the sky in each band, from the frames along the edges of up to 100 images.

    In each image the level is the median, the scatter 1.4826 times the median absolute deviation, of the pixels that
    are not set aside; both are then the median of the images. A galaxy that reaches the edge counts as sky.

    Returns:
        Dict: "images", their number, and in stored units "level" and "scatter", a number for each band, None without
        any pixel.
    """
    indices = evenly(len(dataset), SKY_IMAGES)
    frame = edge_frame(*dataset.image_shape[:2])
    pixels = np.asarray(dataset.images[indices])[:, frame].astype(float)  # (n, pixels, C)
    masks = dataset.masks_of(indices)
    if masks is not None:
        pixels[masks[:, frame]] = np.nan
    seen = ~np.isnan(pixels).all(axis=1)  # (n, C)
    level, scatter = [], []
    for band in range(pixels.shape[2]):
        values = pixels[seen[:, band], :, band]
        median = np.nanmedian(values, axis=1)
        deviation = MAD_TO_STD * np.nanmedian(np.abs(values - median[:, None]), axis=1)
        level.append(float(np.median(median)) if len(values) else None)
        scatter.append(float(np.median(deviation)) if len(values) else None)
    return {"images": len(indices), "level": level, "scatter": scatter}


def galaxies_of(dataset, indices):
    """Of which galaxies a figure is, in words: "hdf, test: 24 of 82 galaxies".

    Args:
        dataset: GalaxyDataset.
        indices: (n,) row indices of the galaxies.
    """
    splits = {name: rows for name, rows in dataset.splits.items() if np.isin(indices, rows).any()}
    total = sum(map(len, splits.values()))
    count = len(np.unique(indices))
    some = f" of {total:,}" if count < total else ""
    return f"{dataset.name}, {' + '.join(splits)}: {count:,}{some} galaxies"


def galaxy_columns(dataset, indices, digits=4):
    """Id, redshift, class, file and split of some galaxies, as texts to show; without those that the dataset lacks.

    Args:
        dataset: GalaxyDataset.
        indices: (n,) galaxies.
        digits: significant digits of numbers.

    Returns:
        name -> (n,) texts, "" where unknown.
    """
    splits = np.full(len(indices), "", "U5")
    for name, members in dataset.splits.items():
        splits[np.isin(indices, members)] = name
    columns = {"id": dataset.ids[indices].astype(str)}
    for name, values in _conditions_and_redshift(dataset).items():
        columns[name] = np.array(
            ["" if np.isnan(value) else f"{value:.{digits}g}" for value in values[indices].tolist()]
        )
    if dataset.labels is not None:
        columns["class"] = np.array([*dataset.class_names, ""])[
            dataset.labels[indices]
        ]  # the last: that of -1
    if "file" in dataset.catalogue:
        columns["file"] = dataset.catalogue["file"][indices].astype(str)
    return {**columns, "split": splits}


def _conditions_and_redshift(dataset):
    """The conditions, and the redshifts of the catalogue if none of the conditions is one."""
    columns = {name: dataset.condition[:, index] for name, index in dataset.condition_numbers.items()}
    if not any(map(is_redshift, columns)):
        for name, values in dataset.catalogue.items():
            if is_redshift(name) and values.dtype.kind == "f" and name not in columns:
                return {name: values, **columns}
    return columns


def summary(report):
    """Lines of text that summarise a dataset.

    Args:
        report: see `dataset_report`.
    """
    height, width, bands = report["image_shape"]
    names = f", bands {_listed(report['band_names'])}" if report["band_names"] else ""
    yield f"{report['dataset']}: {report['count']:,} images of {height}x{width}x{bands}, {report['dtype']}{names}"
    if report["path"]:
        yield f"  {'path':<{LABEL}}{report['path']}"
    for note in report["notes"]:
        yield _line("read", note)
    for warning in report["warnings"]:
        yield _line("warning", warning)
    yield _line("values", f"{report['low']:.6g} to {report['high']:.6g}, {report['blank']:,} blank images")
    yield _line("network", _scale(report))
    yield _line("sky", _sky(report))
    classes = report.get("classes", {})
    for name in list(classes)[:LISTED]:
        yield _line("class", f"{name}: {classes[name]:,}")
    if len(classes) > LISTED:
        yield _line("class", f"and {len(classes) - LISTED:,} more classes")
    if report["unlabelled"]:
        yield _line("unlabelled", f"{report['unlabelled']:,}")
    for key, condition in report.items():
        if key.startswith("condition "):
            values = "all missing"
            if condition["known"]:
                low, high, missing = (condition[name] for name in ("low", "high", "missing"))
                values = f"{low:.4g} to {high:.4g}, {missing:,} missing"
            yield _line("condition", f"{key.removeprefix('condition ')}: {values}")
    yield _line("splits", ", ".join(f"{name} {size:,}" for name, size in report["splits"].items()))
    yield _line("catalogue", _listed(report["catalogue"]))
    for row, line in enumerate(_table(report["examples"])):
        yield f"  {'' if row else 'examples':<{LABEL}}{line}"
    for name, finding in report["findings"].items():
        yield _line("odd", finding["text"] + _fix(name, report))


def _fix(name, report):
    """The key that corrects a finding, ready to append to its text; empty if there is none."""
    fix = FIX_OF_MISSING if name.endswith(" missing") else FIXES.get(name, "")
    if fix.startswith("dataset.stretch") and report["stretch"] != "none":
        return ""
    return f"; {fix}" if fix else ""


def _line(label, text):
    """A label and its text, which may take several lines."""
    label, indent = f"  {label:<{LABEL}}", " " * (LABEL + 2)
    return textwrap.fill(
        f"{label}{text}".rstrip(),
        WIDTH,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
        expand_tabs=False,
    )


def _listed(names):
    """Up to LISTED names, and how many more there are."""
    more = len(names) - LISTED
    return ", ".join(names[:LISTED]) + (f" and {more:,} more" if more > 0 else "")


def _scale(report):
    """Which stored values become 0 and 1, and between which numbers all of them lie then."""
    low, high = report["pixel_range"]
    stretch = "" if report["stretch"] == "none" else f", {report['stretch']} in between"
    extent = f"all values lie from {report['unit_low']:.4g} to {report['unit_high']:.4g}"
    return f"stored {low:.6g} becomes 0, {high:.6g} becomes 1{stretch}; {extent}"


def _sky(report):
    """Level and scatter of the sky in each band."""
    level, scatter, images = (report["sky"][name] for name in ("level", "scatter", "images"))
    names = report["band_names"] or [""] * len(level)
    texts = [
        f"{name} {'unknown' if value is None else f'{value:.4g} ± {deviation:.2g}'}".strip()
        for name, value, deviation in zip(names, level, scatter, strict=True)
    ]
    bands = " of each band" if len(texts) > 1 else ""
    return f"{_listed(texts)} (median and scatter{bands} along the edges of {images:,} images)"


def _table(rows):
    """Lines of a table of texts, a dict for each row, with a line of names above."""
    cells = [list(rows[0]), *([text or "-" for text in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        yield "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
