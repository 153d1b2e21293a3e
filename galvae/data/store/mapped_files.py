"""The files behind a dataset's memory maps, and whether they are as they were when their checksums were compared.

A map shows whatever its file holds at the moment: images that another program overwrites while a run trains would end
as noise in its weights, and a file that is cut short ends the process.
"""

import logging
import os
import weakref

from galvae.errors import CannotBeDone, byte_counts

try:
    import resource
except ImportError:  # Windows, which has no such limit
    resource = None

SPARE = 256  # files that a process opens besides

log = logging.getLogger(__name__)


def file_state(status):
    """What tells a file from another, and from itself before it was written to, as a JSON-able list.

    Args:
        status: os.stat_result.

    Returns:
        [size in bytes, time of last change of the content in ns, inode, time of last change of content or inode in ns].
        A program may set the first time, but not the second.
    """
    return [status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns]


class FilesChanged(CannotBeDone):
    """Images that were changed on the disk while they were in use; exit status 1."""


class MappedFiles:
    """Files that are memory-mapped, each with its state when its checksums were compared.

    They are held open: what another process renames into their place is another file, which no map shows.
    """

    def __init__(self):
        self._files = {}  # path -> (open descriptor, state, function of a descriptor: has it the right checksums)

    @property
    def paths(self):
        """Paths of the files."""
        return list(self._files)

    @staticmethod
    def expect(count):
        """Makes room for many files, of which this process may at first have 1024 open on most systems.

        Args:
            count: number of files; each is open twice, here and by its map.

        Raises:
            CannotBeDone: if the system does not allow so many.
        """
        if resource is None:
            return
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        needed = len(os.listdir("/dev/fd")) + 2 * count + SPARE
        if soft == resource.RLIM_INFINITY or soft >= needed:
            return
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
        except (OSError, ValueError) as error:
            raise CannotBeDone(
                f"dataset.path: expected a system that lets a process have {needed:,} files open, for the images of "
                f"{count:,}, received one that allows {hard:,} (ulimit -Hn); raise that limit or join the dataset's "
                "files into fewer"
            ) from error

    def add(self, path, state, has_checksums):
        """Adds a file.

        Args:
            path: its path.
            state: its `file_state` when its checksums were compared.
            has_checksums: function of an open descriptor that says whether its bytes have the entry's checksums.

        Returns:
            Whether it is still in that state.
        """
        descriptor = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, descriptor)
        self._files[path] = descriptor, state, has_checksums
        return file_state(os.fstat(descriptor)) == state

    def check(self):
        """Checks that the maps show what they showed when the files were opened.

        A file that was deleted, renamed, linked or given other permissions has another time of change and the same
        bytes. Then its checksums decide.

        Raises:
            FilesChanged: if a file was written to or cut short, or cannot be read any more.
        """
        for path, (descriptor, before, has_checksums) in self._files.items():
            try:
                now = file_state(os.fstat(descriptor))
                if now == before:
                    continue
                same = now[:2] == before[:2] and has_checksums(descriptor)
            except OSError as error:  # such as a file that a network file system has lost
                raise FilesChanged(
                    f"{path}: expected prepared images that stay as they are, received {error.strerror}"
                ) from error
            if not same:
                expected, received = byte_counts(before[0], now[0])
                how = "written to" if now[0] == before[0] else f"of {received} instead of {expected}"
                raise FilesChanged(
                    f"{path}: expected prepared images that stay as they are while they are used, received a file that "
                    f"is {how} since"
                )
            log.info("%s was deleted, linked or given other permissions; its checksums are as before", path)
            self._files[path] = descriptor, now, has_checksums
