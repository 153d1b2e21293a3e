"""Prepared arrays on disk: written once, atomically, and memory-mapped after.

An entry is a folder `<reader>-<digest>` whose digest covers the source (path, size, time) and every setting
that changes the arrays: images.npy, columns.npz, and about.json, which is written last and names the sizes
of the others. Two processes that need the same entry do the work once.
"""

import hashlib
import json
import logging
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from galvae.errors import CannotBeDone, GalvaeError

FORMAT = 1

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Source:
    """What a reader hands over to be cached.

    Attributes:
        shape: (N, H, W, C) of all images.
        dtype: uint8 or float32.
        blocks: arrays (n, H, W, C) that follow each other, N images in all; never all in memory.
        pixel_range: (low, high), the stored values that become 0 and 1.
        labels, class_names, condition, condition_names, condition_units, catalogue, catalogue_units: as in
            GalaxyDataset.
    """

    shape: tuple[int, int, int, int]
    dtype: str
    blocks: Iterable[np.ndarray]
    pixel_range: tuple[float, float]
    labels: np.ndarray | None = None
    class_names: list[str] | None = None
    condition: np.ndarray | None = None
    condition_names: list[str] = field(default_factory=list)
    condition_units: list[str] = field(default_factory=list)
    catalogue: dict[str, np.ndarray] = field(default_factory=dict)
    catalogue_units: dict[str, str] = field(default_factory=dict)


def cache_folder(cache_dir=None):
    """The folder of all entries: `cache_dir`, else $GALVAE_CACHE, else the user's cache folder."""
    if cache_dir or os.environ.get("GALVAE_CACHE"):
        return Path(os.path.expanduser(cache_dir or os.environ["GALVAE_CACHE"]))
    import pooch

    return Path(pooch.os_cache("galvae"))


def file_identity(path):
    """What tells a source file from another version of itself: path, size in bytes, time of last change.

    Raises:
        GalvaeError: if there is no such file.
    """
    try:
        status = os.stat(path)
    except OSError as error:
        raise GalvaeError(f"dataset.path: {path}: {error.strerror}; expected an existing file") from error
    return {"path": str(path), "size": status.st_size, "changed": status.st_mtime_ns}


def cached(folder, reader, fingerprint, read):
    """Arrays and facts of a prepared dataset, prepared now if they are not in the cache.

    Args:
        folder: the cache.
        reader: name of the reader.
        fingerprint: JSON-able dict of all that determines the arrays.
        read: function that opens the source and returns a Source; called only if needed.

    Returns:
        (images, columns, about): the memory-mapped images, a dict of arrays, and a dict of plain values.

    Raises:
        GalvaeError: if images hold NaN or infinite pixels, or blocks disagree with the announced shape.
        CannotBeDone: if the entry cannot be written.
    """
    from filelock import FileLock

    text = json.dumps({"format": FORMAT, **fingerprint}, sort_keys=True)
    entry = Path(folder) / f"{reader}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    opened = _open(entry)
    if opened is None:
        try:
            entry.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{entry}.lock"):
                opened = _open(entry)  # another process may have done the work while this one waited
                if opened is None:
                    _write(entry, reader, read())
                    opened = _open(entry)
        except OSError as error:
            raise CannotBeDone(
                f"cannot write the cache in {entry.parent}: {error.strerror or error}; free space or choose "
                "another folder with dataset.cache_dir="
            ) from error
    return opened


def _open(entry):
    """The arrays of a whole entry, or None."""
    try:
        about = json.loads((entry / "about.json").read_text())
        if any((entry / name).stat().st_size != size for name, size in about["sizes"].items()):
            log.warning("%s is damaged and is prepared again", entry)
            return None
        with np.load(entry / "columns.npz", allow_pickle=False) as stored:
            columns = dict(stored)
        return np.load(entry / "images.npy", mmap_mode="r", allow_pickle=False), columns, about
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        log.warning("%s is damaged and is prepared again", entry)
        return None


def _write(entry, reader, source):
    needed = int(np.prod(source.shape)) * np.dtype(source.dtype).itemsize
    free = shutil.disk_usage(entry.parent).free
    if needed > free:
        raise CannotBeDone(
            f"cannot write the cache in {entry.parent}: expected {needed / 1e6:.0f} MB of free space, "
            f"received {free / 1e6:.0f} MB; free space or choose another folder with dataset.cache_dir="
        )
    # Built beside and renamed, so that an entry is whole or absent, whatever stops the process.
    building = Path(tempfile.mkdtemp(prefix=f".{entry.name}-", dir=entry.parent))
    try:
        report = _write_images(building / "images.npy", reader, source)
        columns = {f"catalogue.{name}": column for name, column in source.catalogue.items()}
        for name in ("labels", "condition"):
            if getattr(source, name) is not None:
                columns[name] = getattr(source, name)
        np.savez(building / "columns.npz", **columns)
        about = {
            "reader": reader,
            "pixel_range": [float(value) for value in source.pixel_range],
            "class_names": source.class_names,
            "condition_names": list(source.condition_names),
            "condition_units": list(source.condition_units),
            "catalogue_units": dict(source.catalogue_units),
            "report": report,
            "sizes": {name: (building / name).stat().st_size for name in ("images.npy", "columns.npz")},
        }
        (building / "about.json").write_text(json.dumps(about, indent=1))
        if entry.exists():  # damaged, or _open would have returned it
            shutil.rmtree(entry)
        os.chmod(building, 0o777 & ~_umask())  # mkdtemp made it private; a cache may be shared
        os.rename(building, entry)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _umask():
    """The process' umask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _write_images(path, reader, source):
    """Streams the blocks to disk; returns what a look at every pixel told."""
    from tqdm import tqdm

    shape, dtype = tuple(int(length) for length in source.shape), np.dtype(source.dtype)
    written, blank, low, high = 0, 0, np.inf, -np.inf
    bar = tqdm(total=shape[0], desc=f"preparing {reader}", unit="img", delay=0.5)
    # Plain writes, not a memory map: on a disk that fills up, a map ends the process instead of raising.
    with bar, open(path, "wb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for block in source.blocks:
            finite = np.isfinite(block).all(axis=(1, 2, 3)) if block.dtype.kind == "f" else None
            if finite is not None and not finite.all():
                raise GalvaeError(
                    f"dataset {reader}: expected finite pixels, received NaN or infinity in image "
                    f"{written + int(np.argmin(finite))} (counted from 0)"
                )
            darkest, brightest = block.min(axis=(1, 2, 3)), block.max(axis=(1, 2, 3))
            low, high = min(low, float(darkest.min())), max(high, float(brightest.max()))
            blank += int((darkest == brightest).sum())
            if block.shape[1:] != shape[1:]:
                raise GalvaeError(
                    f"dataset {reader}: expected images of {shape[1:]}, received {block.shape[1:]} after {written}"
                )
            file.write(np.ascontiguousarray(block, dtype).data)
            written += len(block)
            bar.update(len(block))
    if written != shape[0]:
        raise GalvaeError(f"dataset {reader}: expected {shape[0]} images, received {written}")
    return {
        "count": written,
        "image_shape": list(shape[1:]),
        "dtype": str(dtype),
        "low": low,
        "high": high,
        "blank": blank,
    }
