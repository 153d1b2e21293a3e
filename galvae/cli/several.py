"""A command that was started as several processes, as by srun."""

import os

from galvae.backend import processes
from galvae.cli.overrides import is_sweep
from galvae.errors import GalvaeError

PREVIEWS = ("-c", "--cfg", "-i", "--info")  # options that only print


def run_together(command, words, run):
    """Runs a command on all of the processes that were started.

    Args:
        command: name of the command.
        words: as typed.
        run: function of further arguments of Hydra that returns an exit status.

    Returns:
        The exit status.

    Raises:
        GalvaeError: if it is not a training, which alone is divided among processes.
    """
    count = processes.count()
    if count == 1:
        return run([])
    if any(word.startswith(PREVIEWS) for word in words):
        return run([]) if processes.is_first() else 0
    if command != "train" or is_sweep(words):
        if not processes.is_first():
            os._exit(GalvaeError.exit_status)
        hint = (
            "; hydra/launcher=slurm hydra.launcher.nodes=2 trains each job on two nodes"
            if is_sweep(words)
            else ""
        )
        raise GalvaeError(
            f"{'-m' if is_sweep(words) else command}: expected one process (srun -n 1, or no srun), since only "
            f"train, without -m, is divided among several; received {count} (of srun or JAX_NUM_PROCESSES){hint}"
        )
    # Only the first process makes a directory; it may be another one where the clock is.
    return processes.together(lambda: run([] if processes.is_first() else ["hydra.run.dir='.'"]))
