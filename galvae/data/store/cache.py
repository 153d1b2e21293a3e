"""Prepared arrays on disk: written once, atomically, verified at every opening, and memory-mapped after.

The digest in an entry's name covers the source (path, size, time) and every setting that changes the arrays.
Two processes that need the same entry do the work once.
"""

import contextlib
import hashlib
import json
import logging
import os
import shutil
import stat
import tempfile
from pathlib import Path

from galvae.data.store import cache_entry
from galvae.errors import CannotBeDone, GalvaeError
from galvae.system.atomic import sync_folder

FORMAT = 2
SOURCE = "source.json"  # of an entry: what its arrays were made of
DIGITS = 12  # of the digest in an entry's name
KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
KINDS |= dict.fromkeys((stat.S_IFCHR, stat.S_IFBLK), "a device")

log = logging.getLogger(__name__)


def cache_folder(cache_dir=None):
    """The folder of all entries: `cache_dir`, else $GALVAE_CACHE, else the user's cache folder."""
    if cache_dir or os.environ.get("GALVAE_CACHE"):
        return Path(os.path.expanduser(cache_dir or os.environ["GALVAE_CACHE"]))
    import pooch

    return Path(pooch.os_cache("galvae"))


def is_cache(folder):
    """Whether a folder is one where this module has kept arrays; what a stranger's run names may be any."""
    return folder is not None and any(Path(folder).glob(f"*-{'[0-9a-f]' * DIGITS}/{SOURCE}"))


def file_identity(path):
    """What tells a source file from another version of itself: path, size in bytes, time of last change.

    Raises:
        GalvaeError: if there is no such file, or it is a folder, a pipe or a device.
    """
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:  # the latter for a name that no file can have
        reason = getattr(error, "strerror", None) or error
        raise GalvaeError(f"dataset.path: {path}: {reason}; expected an existing file") from error
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
        raise GalvaeError(
            f"dataset.path: {path}: expected a file, received {KINDS.get(stat.S_IFMT(status.st_mode))}"
        )
    return {"path": str(path), "size": status.st_size, "changed": status.st_mtime_ns}


def cached(folder, reader, fingerprint, fill):
    """Arrays and facts of a prepared dataset, prepared now if they are not in the cache.

    Args:
        folder: the cache.
        reader: name of the reader.
        fingerprint: JSON-able dict of all that determines the arrays.
        fill: function that writes an entry into the empty folder that it is given; called only if needed.

    Returns:
        (images, columns, about): the memory-mapped images, a dict of arrays, and a dict of plain values.

    Raises:
        GalvaeError: if the source is not what the reader expects.
        CannotBeDone: if the entry cannot be written or may not be read.
    """
    from filelock import FileLock

    text = json.dumps({"format": FORMAT, **fingerprint}, sort_keys=True)
    path = Path(folder) / f"{reader}-{hashlib.sha256(text.encode()).hexdigest()[:DIGITS]}"
    try:
        opened = _open(path, text)
        if opened is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{path}.lock"):
                # Another process may have done the work while this one waited.
                opened = _open(path, text, log.warning)
                if opened is None:
                    _write(path, text, fill)
                    opened = _open(path, text)
    except PermissionError as error:
        raise CannotBeDone(
            f"cannot use the cache {error.filename}: {error.strerror}; expected a folder of yours, or another "
            "one with dataset.cache_dir="
        ) from error
    except (OSError, NotImplementedError) as error:  # the latter from a file system without locks
        raise CannotBeDone(
            f"cannot write the cache in {path.parent}: {getattr(error, 'strerror', None) or error}; free space "
            "or choose another folder with dataset.cache_dir="
        ) from error
    if opened is None:
        raise CannotBeDone(
            f"cannot write the cache in {path.parent}: expected to read back what was written, received other "
            "bytes; choose another folder with dataset.cache_dir="
        )
    return opened


def _open(path, text, tell=log.debug):
    """The arrays of a whole entry, or None; tells of one that is damaged."""
    try:
        opened = cache_entry.read(path)
        if (path / SOURCE).read_text() != text:
            raise cache_entry.Damaged(f"{SOURCE}: another source")
        return opened
    except NotADirectoryError:
        return None
    except FileNotFoundError as error:
        if path.exists():
            tell("%s is damaged (no %s) and is prepared again", path, os.path.basename(error.filename))
        return None
    except (cache_entry.Damaged, ValueError) as error:
        tell("%s is damaged (%s) and is prepared again", path, error)
        return None


def _write(path, text, fill):
    """Has an entry written; the caller holds its lock."""
    _remove_leftovers(path)
    # Built beside and renamed, so that an entry is whole or absent, whatever stops the process.
    building = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        fill(building)
        with open(building / SOURCE, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(building)
        if path.is_dir():  # damaged, or _open would have returned it
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        os.chmod(building, 0o777 & ~_umask())  # mkdtemp made it private; a cache may be shared
        os.rename(building, path)
        sync_folder(path.parent)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _remove_leftovers(path):
    """Removes what killed processes were building; one that lives holds the lock of its entry."""
    from filelock import FileLock, Timeout

    for building in path.parent.glob(f".*-{'[0-9a-f]' * DIGITS}-*"):
        name = building.name[1:].rpartition("-")[0]
        free = (
            contextlib.nullcontext()
            if name == path.name
            else FileLock(path.parent / f"{name}.lock", timeout=0)
        )
        with contextlib.suppress(Timeout), free:
            shutil.rmtree(building, ignore_errors=True)


def _umask():
    """The process' umask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
