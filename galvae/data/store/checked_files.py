"""Files of a cache entry: written with checksums of each 64 MB, synced to the disk, and compared with these."""

import contextlib
import hashlib
import os
import stat
from concurrent.futures import ThreadPoolExecutor

BLOCK = 2**26  # bytes per checksum, so that several threads can verify a file
PIECE = 2**22  # bytes read at a time
THREADS = 8  # at most; with more, the disk is the limit


class CheckedFile:
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


def save_checked(folder, name, manifest, save):
    """Writes a file of an entry, as CheckedFile does, with a function that may seek in it.

    Args:
        folder, name, manifest: of the entry, whose manifest receives the file's size and checksums.
        save: function of the open file.
    """
    with open(folder / name, "w+b") as file:
        save(file)
        file.flush()
        manifest[name] = checksums(file.fileno())
        protect(file.fileno())
        os.fsync(file.fileno())


def protect(descriptor):
    """Takes the right to write to an open file from everybody, where the file system knows such rights."""
    with contextlib.suppress(OSError):
        os.fchmod(descriptor, stat.S_IMODE(os.fstat(descriptor).st_mode) & ~0o222)


def checksums(descriptor):
    """Size and SHA-256 of each block of an open file, as in the manifest."""
    size = os.fstat(descriptor).st_size

    def checksum(start):
        digest = hashlib.sha256()
        for offset in range(start, min(start + BLOCK, size), PIECE):
            digest.update(os.pread(descriptor, min(PIECE, start + BLOCK - offset), offset))
        return digest.hexdigest()

    with ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)) as pool:
        return {"size": size, "sha256": list(pool.map(checksum, range(0, size, BLOCK)))}


def has_checksums(expected):
    """A function of a descriptor that says whether its bytes have these checksums."""
    return lambda descriptor: checksums(descriptor) == expected
