"""An entry of the cache: written with checksums, synced to the disk, and verified whenever it is opened.

It is a folder with images.npy, columns.npz, about.json, and manifest.json, which is written last and holds the
size of each of the others and the SHA-256 of each 64 MB of them.
"""

import hashlib
import io
import json
import math
import os
import shutil
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from galvae.errors import CannotBeDone, GalvaeError
from galvae.system.progress import progress_bar

FILES = ("images.npy", "columns.npz", "about.json")
BLOCK = 2**26  # bytes per checksum, so that several threads can verify a file
PIECE = 2**22  # bytes read at a time
THREADS = 8  # at most; with more, the disk is the limit


class Damaged(Exception):
    """A cache entry whose files are not as they were written."""


def write(folder, reader, source):
    """Writes a cache entry: images, columns and checksums.

    Args:
        folder: an empty folder, which becomes the entry.
        reader: name of the dataset's reader.
        source: `galvae.data.source.Source`.

    Raises:
        GalvaeError: if images hold NaN or infinite pixels, or blocks do not have the declared shape.
        CannotBeDone: if the disk has too little free space for the images.
    """
    needed = math.prod(map(int, source.shape)) * np.dtype(source.dtype).itemsize
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise CannotBeDone(
            f"cannot write the cache in {folder.parent}: expected {needed / 1e6:.0f} MB of free space, "
            f"received {free / 1e6:.0f} MB; free space or choose another folder with dataset.cache_dir="
        )
    manifest = {}
    with _CheckedFile(folder, "images.npy", manifest) as file:
        facts = _write_images(file, reader, source)
    columns = {f"catalogue.{name}": column for name, column in source.catalogue.items()}
    columns |= {name: getattr(source, name) for name in ("labels", "condition")}
    columns = {name: column for name, column in columns.items() if column is not None}
    about = {
        "reader": reader,
        "pixel_range": [float(value) for value in source.pixel_range],
        "class_names": source.class_names,
        "condition_names": list(source.condition_names),
        "condition_units": list(source.condition_units),
        "catalogue_units": dict(source.catalogue_units),
        "content": _content(manifest["images.npy"]["sha256"], columns),
    }
    packed = io.BytesIO()
    np.savez(packed, allow_pickle=False, **columns, **{f"image.{name}": fact for name, fact in facts.items()})
    with _CheckedFile(folder, "columns.npz", manifest) as file:
        file.write(packed.getbuffer())
    with _CheckedFile(folder, "about.json", manifest) as file:
        file.write(json.dumps(about, indent=1).encode())
    with _CheckedFile(folder, "manifest.json", {}) as file:
        file.write(json.dumps(manifest).encode())


def read(folder):
    """Opens a cache entry after comparing every byte with its checksums.

    Returns:
        (images, columns, about): the memory-mapped images, a dict of arrays (labels, condition, catalogue.NAME and
        image.NAME), and a dict of plain values (names, units, the pixel range).

    Raises:
        Damaged: if a file is not as it was written.
        FileNotFoundError, NotADirectoryError: if there is no entry, or one of its files is missing.
        PermissionError: if it may not be read.
    """
    try:
        manifest = json.loads((folder / "manifest.json").read_bytes())
        if sorted(manifest) != sorted(FILES):
            raise Damaged("manifest.json")
        for name in FILES:
            if _checksums(folder / name) != manifest[name]:
                raise Damaged(name)
        with np.load(folder / "columns.npz", allow_pickle=False) as stored:
            columns = dict(stored)
        images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
        return images, columns, json.loads((folder / "about.json").read_bytes())
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        raise
    except (OSError, ValueError, KeyError, TypeError, EOFError, RecursionError, zipfile.BadZipFile) as error:
        raise Damaged("manifest.json") from error


class _CheckedFile:
    """A file of an entry, open for writing, whose size and checksums are entered into the manifest.

    It is written plainly, not memory-mapped: on a full disk, a write raises but a memory map kills the process.
    """

    def __init__(self, folder, name, manifest):
        self.name, self.manifest = name, manifest
        self.file = open(folder / name, "wb")  # noqa: SIM115 (closed on exit)
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

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        with self.file:
            if kind is None:
                self.file.flush()
                os.fsync(self.file.fileno())
        if self.size % BLOCK:
            self.sha256.append(self.hash.hexdigest())
        self.manifest[self.name] = {"size": self.size, "sha256": self.sha256}


def _checksums(path):
    """Size and SHA-256 of each block of a file, as in the manifest."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size

        def checksum(start):
            digest = hashlib.sha256()
            for offset in range(start, min(start + BLOCK, size), PIECE):
                digest.update(os.pread(file.fileno(), min(PIECE, start + BLOCK - offset), offset))
            return digest.hexdigest()

        with ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)) as pool:
            return {"size": size, "sha256": list(pool.map(checksum, range(0, size, BLOCK)))}


def _content(images, columns):
    """SHA-256 of images, labels, conditions and ids; equal data have equal digests, wherever they are stored."""
    digest = hashlib.sha256("".join(images).encode())
    for name in ("labels", "condition", "catalogue.id"):
        if name in columns:
            column = np.ascontiguousarray(columns[name])
            digest.update(f"{name} {column.dtype.str} {column.shape}".encode())
            digest.update(column.tobytes())
    return digest.hexdigest()


def _write_images(file, reader, source):
    """Streams the blocks to the disk; returns the hash, the darkest and the brightest pixel of each image."""
    shape, dtype = tuple(int(length) for length in source.shape), np.dtype(source.dtype)
    hashes, lows, highs = [], [], []
    header = io.BytesIO()
    layout = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, layout)
    file.write(header.getbuffer())
    with progress_bar(shape[0], f"preparing {reader}") as bar:
        for block in source.blocks:
            if block.shape[1:] != shape[1:]:
                raise GalvaeError(
                    f"dataset {reader}: expected images of shape {shape[1:]}, received {block.shape[1:]} after "
                    f"{len(hashes)} images"
                )
            finite = np.isfinite(block).all(axis=(1, 2, 3)) if block.dtype.kind == "f" else None
            if finite is not None and not finite.all():
                raise GalvaeError(
                    f"dataset {reader}: expected finite pixels, received NaN or infinity in image "
                    f"{len(hashes) + int(np.argmin(finite))} (counted from 0)"
                )
            block = np.ascontiguousarray(block, dtype)
            file.write(block)
            hashes += [hashlib.sha256(image).digest()[:8] for image in block]
            lows.append(block.min(axis=(1, 2, 3)))
            highs.append(block.max(axis=(1, 2, 3)))
            bar.update(len(block))
    if len(hashes) != shape[0]:
        raise GalvaeError(f"dataset {reader}: expected {shape[0]} images, received {len(hashes)}")
    return {
        "hash": np.frombuffer(b"".join(hashes), "<u8"),
        "low": np.concatenate(lows),
        "high": np.concatenate(highs),
    }
