"""Which files of a folder are images: links followed, other files counted, and splits and classes named by folders."""

import collections
import hashlib
import os
import stat
from dataclasses import dataclass, field

import numpy as np

from galvae.data.splits import SPLIT_NAMES, SPLITS
from galvae.data.store.cache import FILE_STATE
from galvae.errors import GalvaeError

FITS = (".fits.gz", ".fit.gz", ".fits.fz", ".fits", ".fit")
ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", *FITS)
PACKED = (".gz", ".fz", ".bz2", ".xz", ".zip", ".z", ".zst")
# Endings of images that are not read, and of tables, for hints.
OTHER_IMAGES = (
    *(".gif", ".bmp", ".heic", ".avif", ".jp2", ".jxl", ".pgm", ".ppm", ".pnm", ".tga", ".npy", ".npz"),
    *(".fits.bz2", ".fits.xz", ".fits.zip", ".fits.z", ".fit.bz2", ".fts", ".fits.zst"),
)
TABLES = (".csv", ".tsv", ".ecsv", ".vot", ".votable", ".parquet", ".pq", ".csv.gz", ".tsv.gz", ".ecsv.gz")
MOST_NAMED = 3  # files that a message names


@dataclass
class Listing:
    """The files of a folder and its sub-folders, without hidden ones.

    Attributes:
        names: sorted names of the images relative to the folder, with `/` after each sub-folder.
        others: sorted names of other files.
        dangling: sorted names of links that lead nowhere.
    """

    names: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    dangling: list[str] = field(default_factory=list)

    def warnings(self):
        """Sentences about files that are not read."""
        counts = collections.Counter(map(ending, self.others))
        images = {end: count for end, count in counts.items() if end in OTHER_IMAGES}
        sentences = []
        if images:
            sentences.append(
                f"{sum(images.values()):,} of {sum(images.values()) + len(self.names):,} files that may be images are "
                f"not read: {_counted(images)}; convert them to PNG, TIFF or FITS to use them"
            )
        rest = {end: count for end, count in counts.items() if end not in images}
        if rest:
            tables = [name for name in self.others if ending(name) in TABLES]
            hint = f"; dataset.table= reads a table, such as {tables[0]}" if tables else ""
            sentences.append(f"not read: {_counted(rest)}{hint}")
        if self.dangling:
            sentences.append(f"links that lead nowhere, {len(self.dangling):,}: {named(self.dangling)}")
        return sentences


def list_folder(folder, without=()):
    """The files of a folder and its sub-folders. Links are followed; hidden files are left out.

    Args:
        folder: path.
        without: paths of files that are used otherwise, as the table, and left out.

    Returns:
        Listing.

    Raises:
        GalvaeError: if a folder cannot be read, or if links lead to one folder twice, in a loop or not.
    """
    listing, root, visited = Listing(), os.fspath(folder), {}
    without = {os.path.relpath(path, root).replace(os.sep, "/") for path in without}

    def visit(path, prefix):
        try:
            status = os.stat(path)
            entries = list(os.scandir(path))
        except OSError as error:
            raise GalvaeError(
                f"dataset.path: {path}: {error.strerror}; expected a readable folder"
            ) from error
        earlier = visited.setdefault((status.st_dev, status.st_ino), path)
        if earlier != path:
            raise GalvaeError(
                f"dataset.path: {path}: expected links to folders that are not read anyway, received one to {earlier}, "
                "whose images would be read twice"
            )
        for entry in entries:
            # Hidden files are not the user's: macOS, Jupyter and others leave previews and the like.
            name = prefix + entry.name
            if entry.name.startswith(".") or name in without:
                continue
            # Of a link in a circle, DirEntry.is_dir raises an error.
            if os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir():
                visit(entry.path, f"{name}/")
            elif entry.is_symlink() and not os.path.exists(entry.path):
                listing.dangling.append(name)
            elif entry.name.lower().endswith(ENDINGS):
                listing.names.append(name)
            else:
                listing.others.append(name)

    visit(root, "")
    for names in (listing.names, listing.others, listing.dangling):
        names.sort()
    return listing


def folder_identity(folder):
    """Identifies one state of a folder by digests of its images' names, sizes and times of last change.

    Raises:
        GalvaeError: if the folder or an image cannot be read.
    """
    digest, states = hashlib.sha256(), hashlib.sha256()
    for name in list_folder(folder).names:
        try:
            status = os.stat(os.path.join(folder, name))
        except OSError as error:
            raise GalvaeError(f"dataset.path: {name}: {error.strerror}; expected a readable file") from error
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
            raise GalvaeError(f"dataset.path: {name}: expected a file, received a pipe or a device")
        digest.update(os.fsencode(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\0"))
        states.update(f"{status.st_ctime_ns} ".encode())
    # Caches of galvae 0.1 have the key "pictures".
    return {"path": str(folder), "pictures": digest.hexdigest(), FILE_STATE: states.hexdigest()}


def ending(name):
    """What follows the first part of a file's name, in lower case: ".png", ".fits.bz2"; "" if nothing does."""
    base, last = os.path.splitext(os.path.basename(name).lower())
    return os.path.splitext(base)[1] + last if last in PACKED else last


def stem(name):
    """The name of an image without its ending."""
    return name[: len(name) - next(len(end) for end in ENDINGS if name.lower().endswith(end))]


def named(names):
    """Names of files for a message, the first of them if there are many."""
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def _counted(counts):
    """Numbers of files by ending, for a message: "12 .gif, 1 without an ending"."""
    return ", ".join(f"{count:,} {end or 'without an ending'}" for end, count in sorted(counts.items()))


def classes_by_folder(names):
    """The classes and the splits of images that lie in folders, CLASS/, train/CLASS/ or CLASS/train/.

    Args:
        names: (N,) names of images relative to the dataset's folder, with `/` after each sub-folder.

    Returns:
        classes: (N,) text.
        split: (N,) indices into `galvae.data.splits.SPLITS`, or None if no folders are named like splits.
        notes: sentences about splits taken from folders.

    Raises:
        GalvaeError: if an image is in no folder of a class, or if only some folders are named like splits.
    """
    parts = [name.split("/") for name in names]
    split, level, notes = _splits(parts, "dataset.labels")
    at = 1 if level == 0 else 0
    for name, folders in zip(names, parts, strict=True):
        if len(folders) < at + 2:
            below = " below train, val and test" if level == 0 else ""
            raise GalvaeError(
                f"dataset.labels: {name}: expected each image in a folder of its class{below}, received it in none"
            )
    classes = {folders[at] for folders in parts}
    if len(classes) == 1 and all(len(folders) > at + 2 for folders in parts):
        raise GalvaeError(
            f"dataset.labels: {names[0]}: expected folders of several classes, received {classes.pop()} alone, with "
            "folders in it; set dataset.path= to the folder that holds those of the classes"
        )
    return np.array([folders[at] for folders in parts]), split, notes


def is_split_by_folder(names):
    """Whether all images are in folders train/, val/ and test/, or others that are called so; see `split_by_folder`."""
    folders = [name.lower().split("/")[:-1][:2] for name in names]
    return any(
        all(len(each) > level and each[level] in SPLIT_NAMES for each in folders)
        and len({each[level] for each in folders}) > 1
        for level in (0, 1)
    )


def split_by_folder(names):
    """The splits of images in folders train/, val/ and test/, which may hold folders of classes or lie in them.

    Args:
        names: see `classes_by_folder`.

    Returns:
        split: (N,) indices into `galvae.data.splits.SPLITS`.
        notes: sentences about where they come from.

    Raises:
        GalvaeError: if an image is in no such folder.
    """
    split, _, notes = _splits([name.split("/") for name in names], "dataset.split_from")
    if split is None:
        raise GalvaeError(
            f"dataset.split_from: {names[0]}: expected each image in a folder train, val or test, received it in none"
        )
    return split, notes


def _splits(parts, key):
    """(split, level, notes) of images by their folders' names, the first level first; None where none are splits."""
    for level in (0, 1):
        folders = [name[level].lower() if len(name) > level + 1 else None for name in parts]
        of_splits = [SPLIT_NAMES.get(folder) for folder in folders]
        if all(number is None for number in of_splits):
            continue
        if None in of_splits:
            odd = of_splits.index(None)
            usual = next(number for number, split in enumerate(of_splits) if split is not None)
            raise GalvaeError(
                f"{key}: {'/'.join(parts[odd])}: expected all images in folders named like splits or none, received "
                f"{'/'.join(parts[usual])} as well"
            )
        kinds = [
            sorted({part[level] for part, n in zip(parts, of_splits, strict=True) if n == k})
            for k in range(3)
        ]
        found = ", ".join(
            f"{name} from {'/, '.join(kind)}/" for name, kind in zip(SPLITS, kinds, strict=True) if kind
        )
        return np.array(of_splits), level, [f"splits taken from folders: {found}"]
    return None, None, []
