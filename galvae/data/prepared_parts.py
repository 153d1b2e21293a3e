"""A dataset of several files, prepared file by file in several processes, and opened as one."""

import collections
import hashlib
import logging
import queue
import shutil
import threading
import time

import numpy as np

from galvae.data.store import isolation, parts
from galvae.data.store.cache import cached, current, entry_path
from galvae.data.store.cache_entry import check_space
from galvae.errors import CannotBeDone
from galvae.system.cache_folder import cache_folder
from galvae.system.cores import cores
from galvae.system.progress import progress_bar

LAYOUT = 1  # version of what a joining entry and its parts hold
MOST_PROCESSES = 16  # with more, the disk is the limit
# Seconds that all threads have to end after an error; some may wait for parts of another process.
PATIENCE = 10

log = logging.getLogger(__name__)


def open_parts(config, module, reader, fingerprint, files, check):
    """The cache entry of a dataset of several files, whose parts are prepared first if the cache does not hold them.

    Args:
        config: the `dataset` section.
        module: name of the module `reader`, which has two more functions than others: `part_fingerprint(config, path)`
            and `read_part(config, path, rows)`, see `galvae.data.readers.user_files`.
        fingerprint: what determines the entry.
        files: paths of all files.
        check: function without arguments that raises if the files are not those of the fingerprint any more.

    Returns:
        `galvae.data.store.cache_entry.Entry`.

    Raises:
        GalvaeError, CannotBeDone: see `galvae.data.load.load_dataset`; errors of a file name it.
    """
    folder = cache_folder(config.cache_dir)

    def write_index(building):
        states = {path: reader.part_fingerprint(config, path) for path in files}
        planned = building / "plan"
        planned.mkdir()
        with isolation.ReaderProcess() as process:
            isolation.write_entry(planned, module, config, {"plan": True}, process)
            plan = parts.Plan(planned)
            found = _prepared(config, module, reader, plan, states, folder, process)
        check()  # before the plan and the parts are put together, which may be of different states of a file
        parts.write_index(building, config.name, plan, found)
        del plan  # which maps long columns: NFS keeps the files that are mapped
        shutil.rmtree(planned)

    return cached(folder, config.name, {**fingerprint, "layout": LAYOUT}, write_index, config.verify)


def _digest(rows):
    """What stands for row numbers in a fingerprint; None for all."""
    return None if rows is None else hashlib.sha256(np.ascontiguousarray(rows, "<i8")).hexdigest()


def _prepared(config, module, reader, plan, states, folder, process):
    """The Part of each planned file, prepared in several processes unless it is in the cache.

    Args:
        states: path of a file -> its `part_fingerprint`.
        folder: the cache.
        process: ReaderProcess that is running already.
    """
    fingerprints = [
        {**states[file.path], "layout": LAYOUT, "rows": _digest(file.rows)} for file in plan.files
    ]
    paths = [entry_path(folder, "part", fingerprint) for fingerprint in fingerprints]
    found = []
    for fingerprint, path in zip(fingerprints, paths, strict=True):
        entry = current(folder, "part", fingerprint, config.verify)
        found.append(None if entry is None else parts.described(entry, path))
    missing = [number for number, part in enumerate(found) if part is None]
    # What is prepared again replaces a part of its size, one after the other, and each asks for its own space.
    new = sum(plan.files[number].count for number in missing if not paths[number].is_dir())
    check_space(folder, parts.Images((new, *plan.shape[1:]), plan.dtype, plan.masked))
    count = min(len(missing) or 1, cores(), MOST_PROCESSES)
    if missing:
        log.info(
            "preparing %s of %s files%s",
            *(f"{len(missing):,}", f"{len(plan.files):,}", f", {count} at once" if count > 1 else ""),
        )
    total = sum(plan.files[number].count for number in missing)
    with progress_bar(total, f"preparing {config.name}") as bar:
        lock = threading.Lock()

        def report(images):
            with lock:
                bar.update(images)

        def prepare(index, process):
            number = missing[index]
            file = plan.files[number]

            def write_part(building):
                work = {"path": file.path, "rows": None if file.rows is None else file.rows.tolist()}
                isolation.write_entry(building, module, config, work, process, report)
                if reader.part_fingerprint(config, file.path) != states[file.path]:
                    raise CannotBeDone(
                        f"dataset {config.name}: expected files that do not change while they are read, received "
                        f"another {file.name}; run the command again"
                    )

            entry = cached(folder, "part", fingerprints[number], write_part, config.verify)
            return parts.described(entry, paths[number])

        more = [isolation.ReaderProcess() for _ in range(count - 1)]
        prepared = _in_processes(prepare, len(missing), [process, *more])
    for number, part in zip(missing, prepared, strict=True):
        found[number] = part
    return found


def _in_processes(work, count, processes):
    """The results of `work(number, process)` for each number below `count`, as many at once as there are processes.

    Args:
        work: function of a number and one of the processes, which uses it alone.
        processes: list of `galvae.data.store.isolation.ReaderProcess`, which end with this function.

    Raises:
        Whatever `work` raises first; what has begun is then given up.
    """
    numbers, results, answers = collections.deque(range(count)), [None] * count, queue.SimpleQueue()

    def lane(process):
        with process:
            while numbers:
                try:
                    number = numbers.popleft()
                except IndexError:  # another thread was faster
                    break
                try:
                    answers.put((number, work(number, process), None))
                except BaseException as error:
                    answers.put((number, None, error))
                    break

    threads = [threading.Thread(target=lane, args=(process,), daemon=True) for process in processes]
    try:
        for thread in threads:
            thread.start()
        for _ in range(count):
            number, results[number], error = answers.get()
            if error is not None:
                raise error
    finally:  # also where a signal stops this process
        numbers.clear()
        for process in processes:
            process.stop()
        deadline = time.monotonic() + PATIENCE
        for thread in threads:
            thread.join(max(0, deadline - time.monotonic()))
    return results
