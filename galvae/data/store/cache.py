"""The cache of prepared datasets: entries are written once, verified and memory-mapped.

The digest in an entry's name covers the source (path, size, time) and every setting that changes the arrays. The entry
holds besides when the inode of each source file last changed: where that time alone is another, as after the file was
overwritten under its old time, or restored from a backup, the source is read again. (The number of the inode would add
nothing to that, and some network file systems give a file another one each time.)
Of several processes that need the same entry, one prepares it while the others wait.
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

from filelock import FileLock, Timeout

from galvae.data.store import cache_entry
from galvae.data.store.checked_files import protect
from galvae.errors import CannotBeDone, GalvaeError
from galvae.system.atomic import save_json, sync_folder

FORMAT = 2  # version of the entries' layout
SOURCE = "source.json"  # file of an entry with its format and fingerprint
SOURCE_STATE = "source_state.json"  # file of an entry with FILE_STATE of each source file
FILE_STATE = "file_state"  # key beside "path" in a fingerprint, on which no entry's name depends
DIGITS = 12  # hexadecimal digits of the digest in an entry's name
NOT_A_FILE = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}

log = logging.getLogger(__name__)


def is_cache(folder):
    """Whether a folder holds cache entries of galvae; an untrusted run may name any folder as its cache."""
    return folder is not None and any(Path(folder).glob(f"*-{'[0-9a-f]' * DIGITS}/{SOURCE}"))


def file_identity(path):
    """Identifies one state of a source file by its path, its size in bytes and its times of last change.

    A program may set the time of a file's content, "changed"; that of its inode, FILE_STATE, is the kernel's alone.

    Raises:
        GalvaeError: if there is no such file, or it is a folder, a pipe or a device.
    """
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        reason = getattr(error, "strerror", None) or error
        raise GalvaeError(f"dataset.path: {path}: {reason}; expected an existing file") from error
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
        raise GalvaeError(
            f"dataset.path: {path}: expected a file, received {NOT_A_FILE.get(stat.S_IFMT(status.st_mode))}"
        )
    return {
        "path": str(path),
        "size": status.st_size,
        "changed": status.st_mtime_ns,
        FILE_STATE: status.st_ctime_ns,
    }


def stored(folder, reader, fingerprint, verify="auto"):
    """The arrays of a dataset if the cache already holds them, undamaged, else None; see `cached`.

    The state of the source does not matter: it would now be read otherwise than by the version that prepared the entry.
    """
    text = _text(fingerprint)
    return _open(_path(folder, reader, text), text, {}, verify, log.warning)


def _text(fingerprint):
    return json.dumps({"format": FORMAT, **_without_states(fingerprint)}, sort_keys=True)


def _without_states(value):
    """A fingerprint as earlier versions made it."""
    if isinstance(value, dict):
        return {name: _without_states(part) for name, part in value.items() if name != FILE_STATE}
    return [_without_states(part) for part in value] if isinstance(value, list) else value


def _source_states(value):
    """The FILE_STATE of each file in a fingerprint, by its path; several files with one state by a name for all."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    states = {}
    if isinstance(value, dict) and FILE_STATE in value:
        several = f"one of {value['files']:,} files from {value['path']} on" if "files" in value else None
        states[several or value["path"]] = value[FILE_STATE]
    for part in parts:
        states |= _source_states(part)
    return states


def entry_path(folder, reader, fingerprint):
    """The path that an entry has in the cache, whether it is there or not; see `cached`."""
    return _path(folder, reader, _text(fingerprint))


def _path(folder, reader, text):
    return Path(folder) / f"{reader}-{hashlib.sha256(text.encode()).hexdigest()[:DIGITS]}"


def current(folder, reader, fingerprint, verify="auto"):
    """The arrays of a dataset if the cache holds them, undamaged and of the source as it is now, else None."""
    text = _text(fingerprint)
    return _open(_path(folder, reader, text), text, _source_states(fingerprint), verify)


def cached(folder, reader, fingerprint, write_entry, verify="auto"):
    """The arrays of a dataset from its cache entry, which is prepared first if there is none.

    Args:
        folder: the cache.
        reader: name of the dataset's reader.
        fingerprint: JSON-able dict of all that determines the arrays, with FILE_STATE beside the paths of files.
        write_entry: function of an empty folder that writes the entry into it; called only if there is none.
        verify: when its checksums are compared, see `cache_entry.read`.

    Returns:
        `cache_entry.Entry`.

    Raises:
        GalvaeError: if the source is not what the reader expects.
        CannotBeDone: if the entry cannot be written or may not be read.
    """
    text, states = _text(fingerprint), _source_states(fingerprint)
    path = _path(folder, reader, text)
    try:
        opened = _open(path, text, states, verify)
        if opened is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{path}.lock"):
                # Another process may have done the work while this one waited.
                opened = _open(path, text, states, verify, log.warning)
                if opened is None:
                    _write(path, text, write_entry)
                    opened = _open(path, text, states, verify)
    except PermissionError as error:
        raise CannotBeDone(
            f"cannot use the cache {error.filename}: {error.strerror}; expected a folder that you may write to; choose "
            "another one with dataset.cache_dir="
        ) from error
    except (OSError, NotImplementedError) as error:  # NotImplementedError: a file system without locks
        raise CannotBeDone(
            f"cannot write the cache in {path.parent}: {getattr(error, 'strerror', None) or error}; free space "
            "or choose another folder with dataset.cache_dir="
        ) from error
    if opened is None:
        raise CannotBeDone(
            f"cannot write the cache in {path.parent}: expected to read back the bytes that were written, received "
            "others; choose another folder with dataset.cache_dir="
        )
    return opened


def _open(path, text, states, verify, report=log.debug):
    """The arrays of a whole entry, or None; reports one that is damaged, or whose source may have been overwritten."""
    recorded = _recorded_states(path)
    other = [name for name, state in states.items() if recorded is not None and recorded.get(name) != state]
    if other:
        report(
            "%s is read again: its size and time are as when it was prepared, but since then it was overwritten, "
            "restored, linked or given other permissions",
            other[0],
        )
        return None
    try:
        opened = cache_entry.read(path, verify)
        if (path / SOURCE).read_text() != text:
            raise cache_entry.Damaged(f"{SOURCE} names another source")
        if recorded is None and states:  # an entry that was just written, or by an earlier version
            with contextlib.suppress(OSError):
                save_json(path / SOURCE_STATE, states)
        return opened
    except NotADirectoryError:
        return None
    except FileNotFoundError as error:
        if path.exists():
            report("%s is damaged (no %s) and will be prepared again", path, os.path.basename(error.filename))
        return None
    except (cache_entry.Damaged, ValueError) as error:
        report("%s is damaged (%s) and will be prepared again", path, error)
        return None


def _recorded_states(path):
    """The state of each source file when an entry was prepared; None if that is unknown."""
    try:
        states = json.loads((path / SOURCE_STATE).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return states if isinstance(states, dict) else None


def _write(path, text, write_entry):
    """Writes an entry, whose lock the caller holds."""
    _remove_leftovers(path)
    # Written under another name and renamed, so that an entry is whole or absent, whatever stops the process.
    building = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        write_entry(building)
        with open(building / SOURCE, "w") as file:
            file.write(text)
            file.flush()
            protect(file.fileno())
            os.fsync(file.fileno())
        sync_folder(building)
        if path.is_dir():  # damaged, or _open would have returned it
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        os.chmod(building, 0o777 & ~_umask())  # mkdtemp makes private folders; a cache may be shared
        os.rename(building, path)
        sync_folder(path.parent)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _remove_leftovers(path):
    """Removes unfinished entries of killed processes; a living one holds the lock of its entry."""
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
    """The umask of this process, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
