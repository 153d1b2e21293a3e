"""hydra/launcher=slurm: the jobs of a sweep as a SLURM array, submitted by submitit."""

import importlib.util
import io
import logging
import os
import subprocess
import time

from hydra_plugins._commands import CommandLauncher, check

from galvae.errors import CannotBeDone, GalvaeError, line_of
from galvae.runs.links import SLURM_FOLDER
from galvae.runs.sweep import Task, describe_exit, last_line, recorded
from galvae.system import signals
from galvae.system.safe_read import open_file

WARNING = 120  # seconds before the time limit at which a job saves its state; at most a quarter of the limit
LONGEST_CODE = 10  # bytes of an exit status in its file
POLL = 10  # seconds between checks of the queue

log = logging.getLogger(__name__)


class SlurmLauncher(CommandLauncher):
    """Submits the jobs that are neither finished nor in the queue, and waits for all of them.

    A job that reaches its time limit, or is preempted, saves its state, is requeued, and resumes in its directory.
    When this process ends, the jobs continue; the same command with the same hydra.sweep.dir then waits for them
    again.

    Args:
        time: minutes for each job.
        memory: GB on each node, or None.
        gpus, cpus: numbers of GPUs on each node and of processor cores for each process, or None.
        nodes, tasks: number of nodes that train a job together, and of processes on each of them.
        jobs: number of jobs that run at a time, or None.
        partition, account, qos: those of SLURM, or None.
        requeues: number of times that a job may reach its time limit.
        wait: whether to wait for all jobs to end.
        options: dict of further options of sbatch, or None.
    """

    def __init__(
        self, time, memory, gpus, cpus, nodes, tasks, jobs, partition, account, qos, requeues, wait, options
    ):
        check("time", time, null=False)
        check("memory", memory, kind=int | float)
        for name, value, least in (("gpus", gpus, 0), ("cpus", cpus, 1), ("jobs", jobs, 1)):
            check(name, value, least)
        for name, value in (("nodes", nodes), ("tasks", tasks)):
            check(name, value, null=False)
        check("requeues", requeues, 0, null=False)
        self.requeues, self.wait, self.slots = requeues, wait, jobs
        given = {
            "time": time,
            "mem": None if memory is None else f"{round(memory * 1024)}M",
            "gpus_per_node": gpus or None,
            "cpus_per_task": cpus,
            "nodes": nodes,
            "ntasks_per_node": tasks,
            "array_parallelism": jobs,
            "partition": partition,
            "account": account,
            "qos": qos,
        }
        self.processes = nodes * tasks
        self.parameters = {name: value for name, value in given.items() if value is not None}
        self.parameters["stderr_to_stdout"] = True
        self.parameters["signal_delay_s"] = min(WARNING, 15 * time)
        self.parameters["additional_parameters"] = {"requeue": True, **(options or {})}

    def setup(self, **given):
        super().setup(**given)
        if importlib.util.find_spec("submitit") is None:
            raise GalvaeError(
                "hydra/launcher=slurm: expected submitit to be installed, as by pip install -e '.[slurm]'"
            )

    def run(self, jobs):
        if self.processes > 1 and not (
            self.task.name == "train" and all(job.config.backend == "jax" for job in jobs)
        ):
            raise GalvaeError(
                f"hydra.launcher.nodes: expected galvae train backend=jax for {self.processes} processes, which alone "
                "train together, or nodes=1 and tasks=1"
            )
        earlier = recorded(self.folder)
        ids = {job: earlier.get(self.name(job), {}).get("slurm") for job in jobs}
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
            log.info(
                "the jobs continue; the same command with hydra.sweep.dir=%s waits for them", self.folder
            )
            raise

    def _submit(self, jobs, ids):
        """Submits jobs as one array; returns their SLURM numbers, by job."""
        tasks = []
        for job in jobs:
            # A job that SLURM no longer lists runs nowhere, so its run may be resumed.
            force = ["force=true"] * (self.task.name == "train" and ids[job] is not None)
            tasks.append(Task([*job.arguments, *force], self._exit_file(job)))
            self._exit_file(job).unlink(missing_ok=True)  # of an earlier submission
        with signals.deferred():  # submitted jobs must be recorded, or a repeated command submits them twice
            return self._submit_tasks(jobs, tasks)

    def _submit_tasks(self, jobs, tasks):
        """Submits the tasks of jobs; records and returns their SLURM numbers, by job."""
        from submitit import SlurmExecutor  # late: an optional package

        try:
            executor = SlurmExecutor(self.folder / SLURM_FOLDER / "%j", max_num_timeout=self.requeues)
            executor.update_parameters(job_name=f"galvae-{self.task.name}", **self.parameters)
            numbers = [submitted.job_id for submitted in executor.submit_array(tasks)]
        except (RuntimeError, ValueError, OSError) as error:
            raise CannotBeDone(f"hydra/launcher=slurm: cannot submit: {line_of(error)}") from error
        for job, number in zip(jobs, numbers, strict=True):
            self._note_queued(job, number, "SUBMITTED")
            log.info("job %d is SLURM job %s: %s", job.number, number, job.title)
        return dict(zip(jobs, numbers, strict=True))

    def _still_queued(self, waiting):
        """The jobs that have not ended; records the status of the others."""
        try:
            queued = queue()
        except CannotBeDone as error:
            log.warning("%s; asking again", error)
            return waiting
        remaining = {}
        for job, number in waiting.items():
            if number in queued:
                self._note_queued(job, number, queued[number])
                remaining[job] = number
            else:
                self._end(job, number)
        return remaining

    def _note_queued(self, job, number, state):
        self.note(job, state.lower(), f"SLURM job {number}", slurm=number)

    def _end(self, job, number):
        log_file = self.folder / SLURM_FOLDER / number / f"{number}_0_log.out"
        with open(log_file, "rb") if log_file.exists() else io.BytesIO(b"cancelled in the queue") as output:
            try:
                with open_file(self._exit_file(job)) as file:
                    code = int(file.read(LONGEST_CODE))
                status, error, exit_status = describe_exit(code, output)
            except (OSError, ValueError):  # SLURM killed it before it wrote the file, which is missing
                status, error, exit_status = "failed", last_line(output, "slurmstepd"), 1
        self.note(job, status, error, exit_status, slurm=number)
        log.info("job %d %s%s", job.number, status, f": {error}" if error else "")

    def _exit_file(self, job):
        return self.folder / SLURM_FOLDER / f"{job.number}.exit"


def queue():
    """States of the user's jobs in SLURM's queue, by number.

    Raises:
        CannotBeDone: if SLURM does not answer.
    """
    command = ["squeue", "--noheader", "--array", "--format=%i %T", f"--user={os.getuid()}"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    except FileNotFoundError as error:
        raise CannotBeDone(
            "hydra/launcher=slurm: expected a machine of a SLURM cluster, received no squeue"
        ) from error
    except subprocess.SubprocessError as error:
        reason = getattr(error, "stderr", None) or error
        raise CannotBeDone(f"hydra/launcher=slurm: SLURM does not answer: {line_of(reason)}") from error
    return dict(line.split() for line in answer.stdout.splitlines())
