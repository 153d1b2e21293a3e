"""Download of a large .tar.gz archive, checked as far as possible and unpacked safely."""

import gzip
import logging
import shutil
import tarfile
import tempfile
import zlib
from pathlib import Path

import requests
from filelock import FileLock

from galvae.data.store.download import TIMEOUT, download
from galvae.errors import CannotBeDone, GalvaeError, byte_counts, line_of

UNPACKED = 2.2  # expected size of the unpacked files / size of the archive
MOST_UNPACKED = 4  # largest such ratio; no archive of stamps unpacks to more

log = logging.getLogger(__name__)


def fetch_archive(folder, table, url):
    """Downloads an archive and unpacks it into a folder, which is then whole or absent.

    Args:
        folder: the folder to make.
        table: name of a file that identifies the folder inside the archive.
        url: address of the .tar.gz.

    Raises:
        GalvaeError: if the folder exists and holds something else.
        CannotBeDone: if the disk is too small, or the archive is truncated, damaged or hostile.
    """
    packed = folder.with_name(f"{folder.name}.tar.gz")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if (folder / table).is_file():  # another process has done it meanwhile
                return
            if folder.exists() and any(folder.iterdir()):
                raise GalvaeError(
                    f"dataset.download: {folder}: expected no folder of that name, received one without {table}"
                )
            size = _declared_size(url)
            present = sum(path.stat().st_size for path in (packed, Path(f"{packed}.part")) if path.exists())
            needed, free = int(size * (1 + UNPACKED)) - present, shutil.disk_usage(folder.parent).free
            if needed > free:
                expected, received = byte_counts(needed, free)
                raise CannotBeDone(
                    f"dataset.download: {folder.parent}: expected {expected} of free space to fetch and unpack it, "
                    f"received {received}; choose another disk with dataset.archive="
                )
            log.info("%s has no published checksum: its size and the checksums inside it are compared", url)
            download(url, packed, size=size)
            _unpack(packed, folder, table)
            packed.unlink()
    except OSError as error:
        raise CannotBeDone(f"dataset.download: cannot write {folder}: {error.strerror or error}") from error


def _declared_size(url):
    """Size in bytes that the server declares."""
    try:
        with requests.get(
            url, stream=True, timeout=TIMEOUT, headers={"Accept-Encoding": "identity"}
        ) as response:
            status, length = response.status_code, response.headers.get("Content-Length", "")
    except requests.RequestException as error:
        raise CannotBeDone(f"dataset.download: no answer from {url}: {line_of(error)}") from error
    if status != 200 or not length.isdecimal():
        raise CannotBeDone(
            f"dataset.download: {url}: expected status 200 and a length, received {status} and {length or 'none'}"
        )
    return int(length)


def _unpack(packed, folder, table):
    """Unpacks an archive without trusting it, and moves the folder that holds `table` to `folder`."""
    left = MOST_UNPACKED * packed.stat().st_size
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as building:
        try:
            with gzip.open(packed) as stream, tarfile.open(fileobj=stream, mode="r|") as members:
                for member in members:
                    left -= tarfile.BLOCKSIZE + member.size
                    if member.name.startswith("/") or not (member.isreg() or member.isdir()):
                        raise tarfile.ReadError(f"{member.name!r} is not a plain file inside its folder")
                    if left < 0:
                        raise tarfile.ReadError(f"it unpacks to more than {MOST_UNPACKED} times its size")
                    members.extract(member, building, filter="data")
                while stream.read(1 << 20):  # to the end, where gzip keeps a checksum
                    pass
            path = next(Path(building).rglob(table), None)
            if path is None:
                raise tarfile.ReadError(f"it has no {table}")
        except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
            packed.unlink()  # the next call downloads it again
            raise CannotBeDone(
                f"dataset.download: {packed.name}: expected the COSMOS sample, received a damaged or unrelated archive "
                f"({line_of(error)}); removed"
            ) from error
        path.parent.rename(folder)
