"""hydra/launcher=slurm: the jobs of a sweep as an array of SLURM, submitted by submitit."""

import importlib.util
import io
import logging
import os
import subprocess
import time

from hydra_plugins._commands import CommandLauncher, check

from galvae.errors import CannotBeDone, GalvaeError, line_of
from galvae.runs.sweep import Task, ended, last_words, recorded
from galvae.system import signals

FOLDER = ".submitit"  # in the sweep's directory: what SLURM and submitit write
WARNING = 120  # seconds before the time limit in which a job saves; a quarter of the time, if that is less
POLL = 10  # seconds between looks at the queue

log = logging.getLogger(__name__)


class SlurmLauncher(CommandLauncher):
    """Submits the jobs that are neither finished nor in the queue, and waits for all of them.

    A job that meets its time limit, or is preempted, is saved, put back into the queue and goes on in its
    directory. When this process ends, the jobs go on; the same command with the same hydra.sweep.dir then
    waits for them again.

    Args:
        time: minutes for each job.
        memory: GB.
        gpus: for each job; so `cpus`.
        jobs: how many run at a time.
        partition: of SLURM, or None; so `account`, `qos`.
        requeues: how often a job may meet its time limit.
        wait: whether to wait for the end of the jobs.
        options: of sbatch beyond these.
    """

    def __init__(self, time, memory, gpus, cpus, jobs, partition, account, qos, requeues, wait, options):
        check("time", time, null=False)
        check("memory", memory, kind=int | float)
        for name, value, least in (("gpus", gpus, 0), ("cpus", cpus, 1), ("jobs", jobs, 1)):
            check(name, value, least)
        check("requeues", requeues, 0, null=False)
        self.requeues, self.wait = requeues, wait
        given = {
            "time": time,
            "mem": None if memory is None else f"{round(memory * 1024)}M",
            "gpus_per_node": gpus or None,
            "cpus_per_task": cpus,
            "array_parallelism": jobs,
            "partition": partition,
            "account": account,
            "qos": qos,
        }
        self.parameters = {name: value for name, value in given.items() if value is not None}
        self.parameters["stderr_to_stdout"] = True
        self.parameters["signal_delay_s"] = min(WARNING, 15 * time)
        self.parameters["additional_parameters"] = {"requeue": True, **options}

    def setup(self, **given):
        super().setup(**given)
        if importlib.util.find_spec("submitit") is None:
            raise GalvaeError(
                "hydra/launcher=slurm: expected submitit to be installed, as by pip install -e '.[slurm]'"
            )

    def run(self, jobs):
        known = recorded(self.folder)
        ids = {job: known.get(self.name(job), {}).get("slurm") for job in jobs}
        queued = queue()
        waiting = {job: ids[job] for job in jobs if ids[job] in queued}
        for job, number in waiting.items():
            self._note_queued(job, number, queued[number])
        new = [job for job in jobs if job not in waiting]
        if new:
            waiting |= self._submit(new, ids)
        try:
            with signals.caught():
                while self.wait and waiting:
                    time.sleep(POLL)
                    waiting = self._still_queued(waiting)
        except KeyboardInterrupt:
            log.info("the jobs go on; the same command with hydra.sweep.dir=%s waits for them", self.folder)
            raise

    def _submit(self, jobs, ids):
        """Submits jobs as one array; returns their SLURM numbers."""
        tasks = []
        for job in jobs:
            # What SLURM no longer knows is not running, on whatever machine it was: its run may be taken over.
            force = ["force=true"] * (self.task.name == "train" and ids[job] is not None)
            tasks.append(Task([*job.arguments, *force], self._exit_file(job)))
            self._exit_file(job).unlink(missing_ok=True)  # of an earlier submission
        with signals.deferred():  # what is submitted must be noted, or a repeated command submits it twice
            return self._submitted(jobs, tasks)

    def _submitted(self, jobs, tasks):
        """Submits the tasks of jobs, and notes and returns their SLURM numbers."""
        from submitit import SlurmExecutor

        try:
            executor = SlurmExecutor(self.folder / FOLDER / "%j", max_num_timeout=self.requeues)
            executor.update_parameters(job_name=f"galvae-{self.task.name}", **self.parameters)
            submitted = [found.job_id for found in executor.submit_array(tasks)]
        except (RuntimeError, ValueError, OSError) as error:
            raise CannotBeDone(f"hydra/launcher=slurm: cannot submit: {line_of(error)}") from error
        for job, number in zip(jobs, submitted, strict=True):
            self._note_queued(job, number, "SUBMITTED")
            log.info("job %d is SLURM job %s: %s", job.number, number, job.title)
        return dict(zip(jobs, submitted, strict=True))

    def _still_queued(self, waiting):
        """Those jobs that have not ended; notes what became of the others."""
        try:
            queued = queue()
        except CannotBeDone as error:
            log.warning("%s; asking again", error)
            return waiting
        left = {}
        for job, number in waiting.items():
            if number in queued:
                self._note_queued(job, number, queued[number])
                left[job] = number
            else:
                self._end(job, number)
        return left

    def _note_queued(self, job, number, state):
        self.note(job, state.lower(), f"SLURM job {number}", slurm=number)

    def _end(self, job, number):
        log_file = self.folder / FOLDER / number / f"{number}_0_log.out"
        with (
            open(log_file, "rb") if log_file.exists() else io.BytesIO(b"cancelled while it waited") as output
        ):
            try:
                found = ended(int(self._exit_file(job).read_text()), output)
            except FileNotFoundError:  # SLURM ended it
                found = "failed", last_words(output, "slurmstepd"), 1
        status, error, exit_status = found
        self.note(job, status, error, exit_status, slurm=number)
        log.info("job %d %s%s", job.number, status, f": {error}" if error else "")

    def _exit_file(self, job):
        return self.folder / FOLDER / f"{job.number}.exit"


def queue():
    """The state of each of the user's jobs that SLURM still has, by number.

    Raises:
        CannotBeDone: if SLURM does not answer.
    """
    command = ["squeue", "--noheader", "--array", "--format=%i %T", f"--user={os.getuid()}"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    except FileNotFoundError as error:
        raise CannotBeDone(
            "hydra/launcher=slurm: expected a machine of a SLURM cluster, received no squeue"
        ) from error
    except subprocess.SubprocessError as error:
        told = getattr(error, "stderr", None) or error
        raise CannotBeDone(f"hydra/launcher=slurm: SLURM does not answer: {line_of(told)}") from error
    return dict(line.split() for line in found.stdout.splitlines())
