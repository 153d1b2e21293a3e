"""One large .tar.gz, downloaded, checked as far as can be, and unpacked without trusting it."""

import gzip
import logging
import shutil
import tarfile
import tempfile
import zlib
from pathlib import Path

from galvae.errors import CannotBeDone, GalvaeError, line_of

UNPACKED = 2.2  # room set aside for the unpacked files, in sizes of the packed one
MOST_UNPACKED = 4  # what more than this comes out of is no archive of stamps, in the same unit

log = logging.getLogger(__name__)


def fetch_archive(folder, table, url):
    """Downloads and unpacks an archive, so that its folder is whole or absent.

    Args:
        folder: where it goes.
        table: name of a file that lies in the archive's folder.
        url: of the .tar.gz.

    Raises:
        GalvaeError: if the folder is there and holds something else.
        CannotBeDone: if the disk is too small, or the archive is cut off, damaged or hostile.
    """
    from filelock import FileLock

    from galvae.data.store.download import download

    packed = folder.with_name(f"{folder.name}.tar.gz")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if (folder / table).is_file():  # another process was faster
                return
            if folder.exists() and any(folder.iterdir()):
                raise GalvaeError(
                    f"dataset.download: {folder}: expected no such folder, received one without {table}"
                )
            size = _announced(url)
            present = sum(path.stat().st_size for path in (packed, Path(f"{packed}.part")) if path.exists())
            needed, free = int(size * (1 + UNPACKED)) - present, shutil.disk_usage(folder.parent).free
            if needed > free:
                raise CannotBeDone(
                    f"dataset.download: {folder.parent}: expected {needed / 1e9:.1f} GB of free space to fetch and "
                    f"unpack it, received {free / 1e9:.1f} GB; choose another disk with dataset.archive="
                )
            log.info("%s: no checksum is known; its length is checked and the whole archive is read", url)
            download(url, packed, size=size)
            _unpack(packed, folder, table)
            packed.unlink()
    except OSError as error:
        raise CannotBeDone(f"dataset.download: cannot write {folder}: {error.strerror or error}") from error


def _announced(url):
    """Length in bytes that the server announces."""
    import requests

    from galvae.data.store.download import TIMEOUT

    try:
        with requests.get(
            url, stream=True, timeout=TIMEOUT, headers={"Accept-Encoding": "identity"}
        ) as answer:
            status, length = answer.status_code, answer.headers.get("Content-Length", "")
    except requests.RequestException as error:
        raise CannotBeDone(f"dataset.download: no answer from {url}: {line_of(error)}") from error
    if status != 200 or not length.isdecimal():
        raise CannotBeDone(
            f"dataset.download: {url}: expected status 200 and a length, received {status} and {length or 'none'}"
        )
    return int(length)


def _unpack(packed, folder, table):
    """Reads the archive to its end, trusting nothing in it, and puts the folder that holds `table` in place."""
    left = MOST_UNPACKED * packed.stat().st_size
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as building:
        try:
            with gzip.open(packed) as stream, tarfile.open(fileobj=stream, mode="r|") as members:
                for member in members:
                    left -= tarfile.BLOCKSIZE + member.size
                    if member.name.startswith("/") or not (member.isreg() or member.isdir()):
                        raise tarfile.ReadError(f"{member.name!r} is no plain file of its folder")
                    if left < 0:
                        raise tarfile.ReadError(f"it unpacks to more than {MOST_UNPACKED} times its size")
                    members.extract(member, building, filter="data")
                while stream.read(1 << 20):  # to the end, where gzip keeps a checksum of all
                    pass
            found = next(Path(building).rglob(table), None)
            if found is None:
                raise tarfile.ReadError(f"it has no {table}")
        except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
            packed.unlink()  # the next call fetches it anew
            raise CannotBeDone(
                f"dataset.download: {packed.name}: expected the COSMOS sample, received a damaged or foreign archive "
                f"({line_of(error)}); removed"
            ) from error
        found.parent.rename(folder)
