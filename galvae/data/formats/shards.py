"""Several files of one kind that are one dataset, as `train-*.parquet` or `healpix=*/*.hdf5`."""

import bisect
import contextlib
import dataclasses
import glob
import hashlib
import itertools
import json
import os
import re

import numpy as np

from galvae.data.formats.folder_listing import ENDINGS as IMAGE_ENDINGS
from galvae.data.formats.shard_columns import joined_columns
from galvae.data.store.cache import FILE_STATE, file_identity
from galvae.data.store.isolation import extend_time_limit
from galvae.errors import GalvaeError
from galvae.system.progress import progress_bar

KINDS = {
    ".hdf5": "HDF5",
    ".h5": "HDF5",
    ".hdf": "HDF5",
    ".parquet": "Parquet",
    ".pq": "Parquet",
    ".npz": ".npz",
    ".npy": ".npy",
}
NUMBER = re.compile(r"(.*?)(\d+)(\D*)")  # the last number in a name without its ending
NUMBER_OF = re.compile(r"(.*?)(\d+)([-_. ]of[-_. ])(\d+)(\D*)", re.IGNORECASE)  # as in part-00002-of-00003
NAMED = 3  # files that are named in a message
SPLIT = "split"  # column with the split that a shard's name says
SPLIT_NAMES = {"train": r"train(ing)?", "val": r"val(id|idation)?", "test": r"test(ing)?"}


def expand(path, without=()):
    """The files that `dataset.path` stands for, in natural order; one that exists is itself, whatever its characters.

    A folder stands for the HDF5, Parquet, .npz or .npy files in it and its sub-folders, unless it holds images. A path
    that does not exist is a pattern if it has `*`, `?` or `[`; `**` stands for any sub-folders.

    Args:
        path: `dataset.path`.
        without: paths of files that are no shards, as of the table and the ids.

    Returns:
        List of paths: `[path]` for a file, for a folder without shards, and for a name that nothing has.

    Raises:
        GalvaeError: if a pattern matches no file, other files than shards, or files of several kinds.
    """
    if os.path.isdir(path):
        shards = []
        for file in _files_below(path):
            if file.lower().endswith(IMAGE_ENDINGS):
                return [path]
            if _kind(file) is not None:
                shards.append(file)
        if not shards:
            return [path]
    elif os.path.lexists(path) or not glob.has_magic(path):
        return [path]
    else:
        # What is neither a file nor a folder, as a link to nothing, is refused when the files are identified.
        shards = [file for file in glob.glob(path, recursive=True) if not os.path.isdir(file)]
        if not shards:
            raise GalvaeError(
                f"dataset.path: {path}: no such file; expected an existing file, folder or pattern of files"
            )
    left_out = {os.path.realpath(file) for file in without if file is not None}
    shards = sorted((file for file in shards if os.path.realpath(file) not in left_out), key=_natural)
    other = next((file for file in shards if _kind(file) is None), None)
    if other is not None:
        raise GalvaeError(
            f"dataset.path: {path}: expected a pattern of HDF5, Parquet, .npz or .npy files, received {other}; "
            "images are read from the folder that holds them"
        )
    kinds = {_kind(file): file for file in reversed(shards)}
    if len(kinds) != 1:
        listed = ", ".join(sorted(kinds.values())) or "none"
        raise GalvaeError(
            f"dataset.path: {path}: expected files of one kind, received {listed}; set a pattern, as *.hdf5"
        )
    return shards


def _files_below(folder):
    """Yields the files in a folder and its sub-folders that are not hidden; links to folders are followed once."""
    visited = set()
    for path, folders, names in os.walk(folder, followlinks=True):
        visited.add(os.path.realpath(path))
        folders[:] = [
            name
            for name in sorted(folders)
            if not name.startswith(".") and os.path.realpath(os.path.join(path, name)) not in visited
        ]
        yield from (os.path.join(path, name) for name in names if not name.startswith("."))


def _kind(path):
    return KINDS.get(os.path.splitext(path)[1].lower())


def _natural(path):
    """Sorting key by which part-2 comes before part-10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", path)]


def identity(files):
    """Identifies one state of a file, see `file_identity`, or of several by digests of their paths, sizes and times.

    Raises:
        GalvaeError: if one does not exist.
    """
    identities = [file_identity(path) for path in files]
    if len(identities) == 1:
        return identities[0]
    parts = (
        identities,
        [identity.pop(FILE_STATE) for identity in identities],
    )  # the first as earlier versions had it
    digest, states = (hashlib.sha256(json.dumps(part).encode()).hexdigest() for part in parts)
    return {"path": str(files[0]), "files": len(files), "digest": digest, FILE_STATE: states}


@contextlib.contextmanager
def concatenated(files, open_file):
    """Context manager of one `Opened` for all shards, of which one at a time is open.

    Columns that a shard does not have are unknown for its images. If the names of all shards, or of their folders,
    begin with train, val or test, the column "split" says which.

    Args:
        files: paths, see `expand`.
        open_file: function of a path that returns a context manager of `Opened`.

    Raises:
        GalvaeError: if shards differ in the shape or type of images or masks, in bands, class names or units.
    """
    if len(files) == 1:
        with open_file(files[0]) as opened:
            yield opened
        return
    folder = os.path.commonpath([os.path.dirname(path) for path in files])
    names = [os.path.relpath(path, folder or ".") for path in files]
    shards, layouts = [], []
    for path in progress_bar(len(files), "opening", "file", iterable=files):
        extend_time_limit()
        with open_file(path) as opened:
            layouts.append(_layout(opened))
            shards.append((len(opened.images), dataclasses.replace(opened, images=None, masks=None)))
        for what, value in layouts[-1].items():
            if value != layouts[0][what]:
                raise GalvaeError(
                    f"dataset.path: {path}: expected {what} as in {names[0]}, {layouts[0][what]}, received {value}"
                )
    counts, parts = zip(*shards, strict=True)
    starts = np.cumsum([0, *counts]).tolist()

    def origin(number):
        shard = bisect.bisect_right(starts, number) - 1
        return f"row {number - starts[shard]} of {names[shard]}"

    columns, warnings = joined_columns([part.columns for part in parts], counts, names)
    warnings += [f"{name}: {text}" for name, part in zip(names, parts, strict=True) for text in part.warnings]
    warnings += _gaps(names)
    notes = [f"{len(files):,} files, {names[0]} to {names[-1]}, in natural order: {starts[-1]:,} images"]
    notes += [f"{names[0]}: {note}" for note in parts[0].notes]
    splits = [_split_of(name) for name in names]
    if SPLIT not in columns and None not in splits and len(set(splits)) > 1:
        columns[SPLIT] = np.repeat(splits, counts)
        notes.append(
            f"names of files say {', '.join(dict.fromkeys(splits))}: dataset.split_from=split uses them"
        )
    with contextlib.closing(_CurrentShard(files, open_file)) as current:
        yield dataclasses.replace(
            parts[0],
            images=_Chained(current, "images", starts, layouts[0]["images"]),
            masks=_Chained(current, "masks", starts, layouts[0]["masks"]) if layouts[0]["masks"] else None,
            columns=columns,
            names=_concatenated_names([part.names for part in parts]),
            origin=origin,
            files=list(zip(files, names, counts, strict=True)),
            notes=notes,
            warnings=warnings,
        )


def _layout(opened):
    """What all shards must have in common, by the words for it in messages."""
    masks = opened.masks
    return {
        "images": (tuple(opened.images.shape[1:]), str(opened.images.dtype)),
        "bands": list(opened.band_names),
        "masks": None if masks is None else (tuple(masks.shape[1:]), "bool"),
        "class names": opened.class_names,
        "units": opened.units,
        "the first row at the bottom": opened.bottom_up,
    }


class _CurrentShard:
    """The one shard that is open: the one from which images or masks were read last."""

    def __init__(self, files, open_file):
        self.files, self.open_file = files, open_file
        self.number, self.stack = None, contextlib.ExitStack()

    def opened(self, number):
        if number != self.number:
            self.close()
            self.opened_shard, self.number = (
                self.stack.enter_context(self.open_file(self.files[number])),
                number,
            )
        return self.opened_shard

    def close(self):
        self.number = self.opened_shard = None
        self.stack.close()


class _Chained:
    """The images or the masks of all shards, one after the other, read when sliced.

    Args:
        current: _CurrentShard.
        kind: "images" or "masks".
        starts: number of the first image of each shard, and of all images.
        layout: shape and type of one image.
    """

    def __init__(self, current, kind, starts, layout):
        self.current, self.kind, self.starts = current, kind, starts
        self.shape, self.dtype = (starts[-1], *layout[0]), np.dtype(layout[1])

    def __len__(self):
        return self.starts[-1]

    def __getitem__(self, rows):
        start, stop, _ = rows.indices(len(self))
        pieces, position = [], start
        while position < stop:
            number = bisect.bisect_right(self.starts, position) - 1
            first, end = self.starts[number], min(stop, self.starts[number + 1])
            pieces.append(getattr(self.current.opened(number), self.kind)[position - first : end - first])
            position = end
        return np.concatenate(pieces) if len(pieces) > 1 else pieces[0]


def _split_of(name):
    """The split that a file's name, or that of a folder on the way to it, begins with, or None."""
    for part in reversed(name.lower().split(os.sep)):
        for split, pattern in SPLIT_NAMES.items():
            if re.match(rf"{pattern}(?![a-z])", part):
                return split
    return None


def _concatenated_names(names):
    """The names of all images, or None if some have none or two have the same."""
    if any(part is None for part in names):
        return None
    names = np.concatenate(names)
    return names if len(np.unique(names)) == len(names) else None


def _gaps(names):
    """Warnings about files that are missing by the numbers of the others, as 3 beside 1, 2 and 4, or 2 of 3."""
    numbers, warnings = {}, []  # parts of a name around its number -> {number: digits}
    for name in names:
        folder, base = os.path.split(name)
        base, ending = os.path.splitext(base)
        found = NUMBER_OF.fullmatch(base) or NUMBER.fullmatch(base)
        if found:
            before, digits, *after = *found.groups(), ending
            numbers.setdefault((os.path.join(folder, before), *after), {})[int(digits)] = digits
    for (before, *after), present in numbers.items():
        first, count = min(present), max(present) - min(present) + 1
        is_counted = len(after) > 2
        if is_counted:
            first, count = min(first, 1), int(after[1])
        missing = count - len(present)
        # Numbers without "of" may be those of fields on the sky.
        if missing < 1 or (not is_counted and 2 * missing > len(present)):
            continue
        width = min(map(len, present.values()))
        absent = (number for number in range(first, first + count) if number not in present)
        listed = [f"{before}{number:0{width}d}{''.join(after)}" for number in itertools.islice(absent, NAMED)]
        more = f" and {missing - NAMED:,} more" if missing > NAMED else ""
        warnings.append(
            f"{missing:,} of {count:,} files {'is' if missing == 1 else 'are'} missing by the numbers of the others: "
            f"{', '.join(listed)}{more}"
        )
    return warnings
