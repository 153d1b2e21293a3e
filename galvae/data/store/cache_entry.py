"""An entry of the cache: written with checksums, synced to the disk, and verified when it is opened.

It is a folder with images.npy, columns.npz, about.json, for masked images masks.npy, and manifest.json, which is
written last and holds the size of each of the others and the SHA-256 of each 64 MB of them. Nobody may write to these
files, so that a program that means well does not change the images of a run that trains on them.

The entry of a dataset of several files has no images of its own: about.json names its parts, entries beside it that
hold those of a file each (`galvae.data.store.parts`).
"""

import contextlib
import errno
import hashlib
import json
import math
import os
import re
import shutil
import zipfile
from typing import NamedTuple

import numpy as np

from galvae.data.redshifts import with_known_redshifts
from galvae.data.store.checked_files import CheckedFile, checksums, has_checksums, save_checked
from galvae.data.store.entry_images import ImagesWriter, check_used, is_masked, is_used, sentences
from galvae.data.store.joined_images import JoinedImages
from galvae.data.store.mapped_columns import open_columns
from galvae.data.store.mapped_files import MappedFiles, file_state
from galvae.errors import CannotBeDone, byte_counts
from galvae.system.atomic import save_json
from galvae.system.progress import progress_bar

IMAGES = "images.npy"
FILES = (IMAGES, "columns.npz", "about.json")
MASKS = "masks.npy"
MANIFEST = "manifest.json"
PART = re.compile(r"part-[0-9a-f]+")  # names of entries with the images of one file of several
FACTS = ("hash", "low", "high")  # of each image: its hash, its darkest and brightest pixel
VERIFIED = "verified.json"  # state of each file when its checksums were last compared


class Damaged(Exception):
    """A cache entry whose files are not as they were written."""


class Entry(NamedTuple):
    """An open cache entry.

    Attributes:
        images: (N, H, W, C), memory-mapped: an array, or JoinedImages.
        masks: (N, H, W, C) uint8, likewise, or None.
        columns: dict of arrays: labels, condition, split, catalogue.NAME and image.NAME.
        about: dict of plain values: names, units, the pixel range.
        mapped_files: MappedFiles behind `images`, `masks` and long columns.
    """

    images: np.ndarray | JoinedImages
    masks: np.ndarray | JoinedImages | None
    columns: dict
    about: dict
    mapped_files: MappedFiles


def write(folder, reader, source, nan="error", drop=None):
    """Writes a cache entry: images, columns and checksums.

    Args:
        folder: an empty folder, which becomes the entry.
        reader: name of the dataset's reader.
        source: `galvae.data.source.Source`.
        nan: what happens to images with NaN or infinite pixels: "error", or "drop" to leave them out; readers have
            filled those that "fill" fills.
        drop: "blank" to leave out images that are blank or cut, or None.

    Raises:
        GalvaeError: if images hold NaN or infinite pixels, blocks do not have the declared shape, or no image is left.
        CannotBeDone: if the disk has too little free space for the images.
    """
    check_space(folder.parent, source)
    source, manifest = with_known_redshifts(source), {}
    with progress_bar(source.shape[0], f"preparing {reader}") as bar:
        fates, facts = write_images(folder, manifest, reader, source, nan, drop, bar.update)
    notes, warnings = sentences(source, fates)
    check_used(reader, fates, warnings)
    columns = columns_of(source, is_used(fates))
    about = {
        **about_of(reader, source),
        "notes": [*source.notes, *notes],
        "warnings": [*source.warnings, *warnings],
        "content": content_of(manifest, columns),
    }
    columns |= {f"image.{name}": facts[name] for name in FACTS}
    finish(folder, manifest, columns, about)


def write_images(folder, manifest, reader, source, nan, drop, report):
    """Writes the images of a source, and their masks if a pixel of any is set aside.

    Args:
        manifest: dict that receives sizes and checksums of the files.
        report: function of a number of images, called when they are written.
        folder, reader, source, nan, drop: see `write`.

    Returns:
        (fates, facts), see `galvae.data.store.entry_images.ImagesWriter.finish`.
    """
    with contextlib.ExitStack() as files:
        images = files.enter_context(CheckedFile(folder, IMAGES, manifest))
        masks = files.enter_context(CheckedFile(folder, MASKS, manifest)) if source.masked else None
        writer = ImagesWriter(reader, source, images, masks, nan, drop)
        for block in source.blocks:
            writer.add(block)
            report(len(block))
        fates, facts = writer.finish()
    if source.masked and not is_masked(fates).any():
        os.unlink(folder / MASKS)
        del manifest[MASKS]
    return fates, facts


def columns_of(source, used):
    """The columns of a source's images of which `used`, (N,) bool, is true, as `Entry.columns` has them."""
    columns = {f"catalogue.{name}": column for name, column in source.catalogue.items()}
    columns |= {name: getattr(source, name) for name in ("labels", "condition", "split")}
    return {
        name: column if used.all() else column[used] for name, column in columns.items() if column is not None
    }


def about_of(reader, source):
    """The plain values of a source, as `Entry.about` has them."""
    return {
        "reader": reader,
        "pixel_range": source.pixel_range and [float(value) for value in source.pixel_range],
        "class_names": source.class_names,
        "condition_names": list(source.condition_names),
        "condition_units": list(source.condition_units),
        "catalogue_units": dict(source.catalogue_units),
        "band_names": list(source.band_names),
        "stored_side": source.stored_side,
        "ids_are_rows": source.ids_are_rows,
    }


def finish(folder, manifest, columns, about):
    """Completes an entry, whose images are written: its columns, its plain values, and its manifest."""
    save_checked(folder, "columns.npz", manifest, lambda file: np.savez(file, allow_pickle=False, **columns))
    with CheckedFile(folder, "about.json", manifest) as file:
        file.write(json.dumps(about, indent=1).encode())
    with CheckedFile(folder, MANIFEST, {}) as file:
        file.write(json.dumps(manifest).encode())


def check_space(folder, source):
    """Refuses images for which the disk has too little free space.

    Args:
        folder: the cache.
        source: Source, or what else has a `shape`, a `dtype`, and `masked`.

    Raises:
        CannotBeDone: if it has.
    """
    needed = math.prod(map(int, source.shape)) * (np.dtype(source.dtype).itemsize + source.masked)
    free = shutil.disk_usage(folder).free
    if needed > free:
        expected, received = byte_counts(needed, free)
        raise CannotBeDone(
            f"cannot write the cache in {folder}: expected {expected} of free space, received {received}; free "
            "space or choose another folder with dataset.cache_dir="
        )


def read(folder, verify="auto"):
    """Opens a cache entry whose bytes agree with its checksums.

    Args:
        folder: the entry.
        verify: "always" to compare the checksums now; "auto" to compare them once for each state of its files, which
            is another one after each change.

    Returns:
        Entry.

    Raises:
        Damaged: if a file is not as it was written.
        FileNotFoundError, NotADirectoryError: if there is no entry, or one of its files is missing.
        PermissionError: if it may not be read.
    """
    with _as_damaged(folder):
        manifest, states = _whole(folder, verify)
        columns, is_mapped = open_columns(folder / "columns.npz")
        about = json.loads((folder / "about.json").read_bytes())
        mapped_files = MappedFiles()
        if is_mapped:
            _add(mapped_files, folder, "columns.npz", manifest, states)
        if IMAGES in manifest:
            images, masks = _mapped(folder, manifest, states, mapped_files)
        elif "parts" in about:
            images, masks = _joined(folder, about, verify, mapped_files)
        else:
            raise Damaged(f"no {IMAGES}")
        return Entry(images, masks, columns, about, mapped_files)


@contextlib.contextmanager
def _as_damaged(folder):
    """Context in which whatever a damaged file of an entry makes libraries raise becomes Damaged."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        raise
    except (OSError, ValueError, KeyError, TypeError, EOFError, RecursionError, zipfile.BadZipFile) as error:
        if getattr(error, "errno", None) in (
            errno.EMFILE,
            errno.ENFILE,
            errno.ENOMEM,
        ):  # nothing is wrong with it
            raise CannotBeDone(
                f"cannot open {folder}: {error.strerror}; expected a process that may open all files of prepared images"
            ) from error
        raise Damaged(MANIFEST) from error


def _whole(folder, verify, expected=None):
    """The manifest of an entry and the states of its files, which agree with it.

    Args:
        folder, verify: see `read`.
        expected: SHA-256 that the manifest should have, hexadecimal; None: any.
    """
    content = (folder / MANIFEST).read_bytes()
    manifest = json.loads(content)
    if set(manifest) - {IMAGES, MASKS} != {*FILES} - {IMAGES}:
        raise Damaged(MANIFEST)
    if expected not in (None, hashlib.sha256(content).hexdigest()):
        raise Damaged(f"other images than those that {MANIFEST} lists")
    states = {name: file_state(os.stat(folder / name)) for name in [*manifest, MANIFEST]}
    verified = _verified(folder)
    if verify == "always" or verified not in (states, _earlier(states)):
        for name, written in manifest.items():
            with open(folder / name, "rb") as file:
                if checksums(file.fileno()) != written:
                    raise Damaged(name)
    if verified != states:
        with contextlib.suppress(OSError):  # a cache that is read-only is verified every time
            save_json(folder / VERIFIED, states)
    return manifest, states


def _mapped(folder, manifest, states, mapped_files):
    """Images and masks of a whole entry, memory-mapped; without masks, None in their place."""
    images, masks = (
        np.load(folder / name, mmap_mode="r", allow_pickle=False) if name in manifest else None
        for name in (IMAGES, MASKS)
    )
    for name in manifest.keys() & {IMAGES, MASKS}:
        _add(mapped_files, folder, name, manifest, states)
    return images, masks


def _add(mapped_files, folder, name, manifest, states):
    """Adds a file of a whole entry to MappedFiles."""
    if not mapped_files.add(folder / name, states[name], has_checksums(manifest[name])):
        raise Damaged(f"{name}, changed while it was opened")


def _joined(folder, about, verify, mapped_files):
    """Images and masks of all parts of an entry, which are entries beside it.

    Args:
        about: of the entry, whose "parts" say the name of each part's folder and the SHA-256 of its manifest.
        folder, verify: see `read`.
        mapped_files: MappedFiles, to which their files are added.

    Raises:
        Damaged: if a part is missing, damaged, or has been replaced by another one.
    """
    images, masks = [], []
    mapped_files.expect(sum(1 + part["masked"] for part in about["parts"]))
    for part in about["parts"]:
        name = part["entry"]
        try:
            if PART.fullmatch(name) is None:
                raise Damaged("a name that no part has")
            manifest, states = _whole(folder.parent / name, verify, part["manifest"])
            image, mask = _mapped(folder.parent / name, manifest, states, mapped_files)
        except FileNotFoundError as error:
            raise Damaged(f"its part {name}: no {os.path.basename(error.filename)}") from error
        except Damaged as error:
            raise Damaged(f"its part {name}: {error}") from error
        images.append(image)
        # Zeros that take no memory.
        masks.append(np.broadcast_to(np.uint8(0), image.shape) if mask is None else mask)
    are_masked = any(part["masked"] for part in about["parts"])
    return JoinedImages(images), JoinedImages(masks) if are_masked else None


def _verified(folder):
    """The state of each file when the checksums were last compared; None if it is unknown."""
    try:
        return json.loads((folder / VERIFIED).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None


def _earlier(states):
    """States as earlier versions wrote them, whose entries need not be compared with their checksums again."""
    return {name: state[:3] for name, state in states.items()}


def content_of(manifest, columns):
    """SHA-256 of images, masks, labels, conditions and ids; equal entries have equal digests, whatever was read.

    Entries of several files, which have no images of their own, have others: see `galvae.data.store.parts`.
    """
    digest = hashlib.sha256("".join(manifest[IMAGES]["sha256"]).encode())
    if MASKS in manifest:
        digest.update("".join(manifest[MASKS]["sha256"]).encode())
    add_columns(digest, columns)
    return digest.hexdigest()


def add_columns(digest, columns):
    """Adds labels, conditions and ids to a digest of images."""
    for name in ("labels", "condition", "catalogue.id"):
        if name in columns:
            column = np.ascontiguousarray(columns[name])
            digest.update(f"{name} {column.dtype.str} {column.shape}".encode())
            digest.update(column)
