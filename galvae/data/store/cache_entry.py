"""An entry of the cache: written with checksums, synced to the disk, and verified when it is opened.

It is a folder with images.npy, columns.npz, about.json, for masked images masks.npy, and manifest.json, which is
written last and holds the size of each of the others and the SHA-256 of each 64 MB of them. Nobody may write to these
files, so that a program that means well does not change the images of a run that trains on them.
"""

import contextlib
import hashlib
import io
import json
import math
import os
import shutil
import stat
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from galvae.data.redshifts import with_known_redshifts
from galvae.data.store.entry_images import ImagesWriter
from galvae.data.store.mapped_files import MappedFiles, file_state
from galvae.errors import CannotBeDone, byte_counts
from galvae.system.atomic import save_json
from galvae.system.progress import progress_bar

FILES = ("images.npy", "columns.npz", "about.json")
MASKS = "masks.npy"
VERIFIED = "verified.json"  # state of each file when its checksums were last compared
BLOCK = 2**26  # bytes per checksum, so that several threads can verify a file
PIECE = 2**22  # bytes read at a time
THREADS = 8  # at most; with more, the disk is the limit


class Damaged(Exception):
    """A cache entry whose files are not as they were written."""


class Entry(NamedTuple):
    """An open cache entry.

    Attributes:
        images: (N, H, W, C), memory-mapped.
        masks: (N, H, W, C) uint8, memory-mapped, or None.
        columns: dict of arrays: labels, condition, split, catalogue.NAME and image.NAME.
        about: dict of plain values: names, units, the pixel range.
        mapped_files: MappedFiles behind `images` and `masks`.
    """

    images: np.ndarray
    masks: np.ndarray | None
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
    _check_space(folder, source)
    source = with_known_redshifts(source)
    manifest = {}
    with contextlib.ExitStack() as files:
        images = files.enter_context(_CheckedFile(folder, "images.npy", manifest))
        masks = files.enter_context(_CheckedFile(folder, MASKS, manifest)) if source.masked else None
        writer = ImagesWriter(reader, source, images, masks, nan, drop)
        with progress_bar(source.shape[0], f"preparing {reader}") as bar:
            for block in source.blocks:
                writer.add(block)
                bar.update(len(block))
        used, facts = writer.finish()
    if source.masked and not writer.any_masked:
        os.unlink(folder / MASKS)
        del manifest[MASKS]
    columns = {f"catalogue.{name}": column for name, column in source.catalogue.items()}
    columns |= {name: getattr(source, name) for name in ("labels", "condition", "split")}
    columns = {
        name: column if used.all() else column[used] for name, column in columns.items() if column is not None
    }
    about = {
        "reader": reader,
        "pixel_range": source.pixel_range and [float(value) for value in source.pixel_range],
        "class_names": source.class_names,
        "condition_names": list(source.condition_names),
        "condition_units": list(source.condition_units),
        "catalogue_units": dict(source.catalogue_units),
        "band_names": list(source.band_names),
        "stored_side": source.stored_side,
        "notes": [*source.notes, *writer.notes],
        "warnings": [*source.warnings, *writer.warnings],
        "content": _content(manifest, columns),
    }
    packed = io.BytesIO()
    np.savez(packed, allow_pickle=False, **columns, **{f"image.{name}": fact for name, fact in facts.items()})
    with _CheckedFile(folder, "columns.npz", manifest) as file:
        file.write(packed.getbuffer())
    with _CheckedFile(folder, "about.json", manifest) as file:
        file.write(json.dumps(about, indent=1).encode())
    with _CheckedFile(folder, "manifest.json", {}) as file:
        file.write(json.dumps(manifest).encode())


def _check_space(folder, source):
    needed = math.prod(map(int, source.shape)) * (np.dtype(source.dtype).itemsize + source.masked)
    free = shutil.disk_usage(folder).free
    if needed > free:
        expected, received = byte_counts(needed, free)
        raise CannotBeDone(
            f"cannot write the cache in {folder.parent}: expected {expected} of free space, received {received}; free "
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
    try:
        manifest = json.loads((folder / "manifest.json").read_bytes())
        if sorted(set(manifest) - {MASKS}) != sorted(FILES):
            raise Damaged("manifest.json")
        states = {name: file_state(os.stat(folder / name)) for name in [*manifest, "manifest.json"]}
        verified = _verified(folder)
        if verify == "always" or verified not in (states, _earlier(states)):
            for name, checksums in manifest.items():
                with open(folder / name, "rb") as file:
                    if _checksums(file.fileno()) != checksums:
                        raise Damaged(name)
        if verified != states:
            with contextlib.suppress(OSError):  # a cache that is read-only is verified every time
                save_json(folder / VERIFIED, states)
        with np.load(folder / "columns.npz", allow_pickle=False) as stored:
            columns = dict(stored)
        images, masks = (
            np.load(folder / name, mmap_mode="r", allow_pickle=False) if name in manifest else None
            for name in ("images.npy", MASKS)
        )
        mapped_files = MappedFiles()
        for name in manifest.keys() & {"images.npy", MASKS}:
            if not mapped_files.add(folder / name, states[name], _has_checksums(manifest[name])):
                raise Damaged(f"{name}, changed while it was opened")
        about = json.loads((folder / "about.json").read_bytes())
        return Entry(images, masks, columns, about, mapped_files)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        raise
    except (OSError, ValueError, KeyError, TypeError, EOFError, RecursionError, zipfile.BadZipFile) as error:
        raise Damaged("manifest.json") from error


def _verified(folder):
    """The state of each file when the checksums were last compared; None if it is unknown."""
    try:
        return json.loads((folder / VERIFIED).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None


def _earlier(states):
    """States as earlier versions wrote them, whose entries need not be compared with their checksums again."""
    return {name: state[:3] for name, state in states.items()}


class _CheckedFile:
    """A file of an entry, open for writing, whose size and checksums are entered into the manifest.

    It is written plainly, not memory-mapped: on a full disk, a write raises but a memory map kills the process.
    """

    def __init__(self, folder, name, manifest):
        self.name, self.manifest = name, manifest
        self.file = open(folder / name, "w+b")  # noqa: SIM115 (closed on exit)
        self.size, self.sha256, self.hash = 0, [], hashlib.sha256()

    def write(self, data):
        data = memoryview(data).cast("B")
        self.file.write(data)
        while len(data):
            part = data[: BLOCK - self.size % BLOCK]
            self.hash.update(part)
            self.size += len(part)
            data = data[len(part) :]
            if self.size % BLOCK == 0:
                self.sha256.append(self.hash.hexdigest())
                self.hash = hashlib.sha256()

    def replace_start(self, data):
        """Overwrites the file's first bytes, which lie in its first block of checksums."""
        self.file.seek(0)
        self.file.write(data)
        self.file.seek(0)
        first = hashlib.sha256(self.file.read(BLOCK))
        self.file.seek(0, os.SEEK_END)
        if self.sha256:
            self.sha256[0] = first.hexdigest()
        else:
            self.hash = first

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        with self.file:
            if kind is None:
                self.file.flush()
                protect(self.file.fileno())
                os.fsync(self.file.fileno())
        if self.size % BLOCK:
            self.sha256.append(self.hash.hexdigest())
        self.manifest[self.name] = {"size": self.size, "sha256": self.sha256}


def protect(descriptor):
    """Takes the right to write to an open file from everybody, where the file system knows such rights."""
    with contextlib.suppress(OSError):
        os.fchmod(descriptor, stat.S_IMODE(os.fstat(descriptor).st_mode) & ~0o222)


def _checksums(descriptor):
    """Size and SHA-256 of each block of an open file, as in the manifest."""
    size = os.fstat(descriptor).st_size

    def checksum(start):
        digest = hashlib.sha256()
        for offset in range(start, min(start + BLOCK, size), PIECE):
            digest.update(os.pread(descriptor, min(PIECE, start + BLOCK - offset), offset))
        return digest.hexdigest()

    with ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)) as pool:
        return {"size": size, "sha256": list(pool.map(checksum, range(0, size, BLOCK)))}


def _has_checksums(expected):
    """A function of a descriptor that says whether its bytes have these checksums."""
    return lambda descriptor: _checksums(descriptor) == expected


def _content(manifest, columns):
    """SHA-256 of images, masks, labels, conditions and ids; equal data have equal digests, wherever they are stored."""
    digest = hashlib.sha256("".join(manifest["images.npy"]["sha256"]).encode())
    if MASKS in manifest:
        digest.update("".join(manifest[MASKS]["sha256"]).encode())
    for name in ("labels", "condition", "catalogue.id"):
        if name in columns:
            column = np.ascontiguousarray(columns[name])
            digest.update(f"{name} {column.dtype.str} {column.shape}".encode())
            digest.update(column.tobytes())
    return digest.hexdigest()
