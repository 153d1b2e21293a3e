"""hydra/launcher=slurm and scripts/train.sbatch on a SLURM of one node, which the tests start and stop."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from builders.configs import SMALL
from builders.galaxies import ellipses

from galvae.runs.sweep import recorded

PATH = f"{os.environ['PATH']}:/usr/sbin"
missing = [name for name in ("munged", "slurmctld", "slurmd") if shutil.which(name, path=PATH) is None]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing), reason=f"SLURM is not installed: no {', '.join(missing)}"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a SLURM"),
]

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "train.sbatch"
NODES_SCRIPT = SCRIPT.with_name("train_nodes.sbatch")
EPOCHS = 1000  # long enough to be interrupted
SLURM_CONF = """\
ClusterName=galvae
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
ReturnToService=2
KillWait=10
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=8000
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """A SLURM of one node with a munge of its own; yields nothing, SLURM_CONF names its folder to its commands."""
    folder = tmp_path_factory.mktemp("slurm")
    for name in ("state", "spool", "munge"):
        (folder / name).mkdir()
    (folder / "munge" / "key").write_bytes(os.urandom(1024))
    (folder / "munge" / "key").chmod(0o400)
    with contextlib.ExitStack() as free:
        sockets = [free.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
        ports = [opened.getsockname()[1] for opened in sockets]
    host, cpus = socket.gethostname().partition(".")[0], os.cpu_count()
    (folder / "slurm.conf").write_text(SLURM_CONF.format(host=host, folder=folder, ports=ports, cpus=cpus))
    files = {
        "key-file": "munge/key",
        "pid-file": "munge/pid",
        "log-file": "munge/log",
        "seed-file": "munge/seed",
    }
    munged = ["munged", "--foreground", "--force", f"--socket={folder}/munge.socket"]
    munged += [f"--{option}={folder / name}" for option, name in files.items()]
    daemons = []
    with pytest.MonkeyPatch.context() as patch, open(folder / "daemons.log", "wb") as log:
        patch.setenv("PATH", PATH)
        patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        try:
            for command in (munged, ["slurmctld", "-D"], ["slurmd", "-D"]):
                daemons.append(subprocess.Popen(command, stdout=log, stderr=log))
                wait_for((folder / "munge.socket").exists)
            wait_for(lambda: output_of("sinfo", "--noheader", "--format=%T") == "idle")
            yield
            output_of("scancel", "--full", "--signal=KILL", f"--user={os.getuid()}")
            wait_for(lambda: output_of("squeue", "--noheader") == "")
        finally:
            for daemon in reversed(daemons):
                daemon.terminate()
                daemon.wait(30)


@pytest.fixture
def cluster(slurm, tmp_path, monkeypatch):
    """An empty folder with images, in which commands run; yields the overrides of a quick run."""
    monkeypatch.chdir(tmp_path)
    np.save("galaxies.npy", ellipses(60, 16))
    yield [
        "dataset=files",
        "dataset.axes=NHWC",
        f"dataset.path={tmp_path}/galaxies.npy",
        *SMALL[:3],
        "batch=32",
    ]
    output_of("scancel", "--full", "--signal=KILL", f"--user={os.getuid()}")
    wait_for(lambda: output_of("squeue", "--noheader") == "")


def output_of(*command):
    """The standard output of a command, whether it succeeds or, as before SLURM is up, not."""
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stdout.strip()


def send(name, job, *options):
    """Sends a signal to a job by scancel, which may not return while a job of the same array is requeued."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(["scancel", *options, f"--signal={name}", job], check=True, timeout=4)


def wait_for(condition, seconds=180):
    """Waits until a condition holds."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.2)


def queue():
    """State of each job in the queue."""
    return dict(
        line.split() for line in output_of("squeue", "--noheader", "--array", "--format=%i %T").splitlines()
    )


def trained(folder):
    """Whether a run has a checkpoint."""
    return any((folder / "checkpoints").glob("epoch-*"))


def let_go(job):
    """Waits until a job is back in the queue, and has it started at once instead of in two minutes."""
    wait_for(lambda: queue().get(job) == "PENDING")
    time.sleep(3)  # the node has revoked the credential of the first time, to the second
    output_of("scontrol", "update", f"JobId={job}", "StartTime=now")


@pytest.fixture
def sweep(cluster):
    """Starts a sweep of the command line that SLURM runs; returns the Popen."""
    started = []

    def start(*arguments):
        command = [sys.executable, "-m", "galvae", "train", *cluster, "-m", "hydra/launcher=slurm"]
        keys = {"gpus": 0, "cpus": 1, "memory": 2, "jobs": 2, "time": 30}
        launcher = [f"hydra.launcher.{name}={value}" for name, value in keys.items()]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen([*command, *launcher, "hydra.sweep.dir=sweep", *arguments], **pipes))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def check_complete(folder, epochs):
    """Checks that a run has finished and its history has each epoch once."""
    assert json.loads((folder / "metrics.json").read_text())["status"] == "finished"
    rows = (folder / "history.csv").read_text().splitlines()
    assert [row.partition(",")[0] for row in rows] == ["epoch", *map(str, range(1, epochs + 1))]


def test_a_sweep_survives_requeueing_signals_and_the_death_of_who_submitted_it(sweep, tmp_path):
    overrides = [f"epochs={EPOCHS}", "latent_dim=2,3,4,5"]
    folders = [tmp_path / "sweep" / f"{number}_files_vae_z{number + 2}" for number in range(4)]
    first = sweep(*overrides)
    wait_for(lambda: len(queue()) == 4 and len(recorded(tmp_path / "sweep")) == 4)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    jobs = sorted(queue())
    second = sweep(*overrides)
    wait_for(lambda: trained(folders[1]))
    send("USR2", jobs[1])  # as SLURM does before a time limit
    wait_for(lambda: trained(folders[0]))
    output_of("scontrol", "requeue", jobs[0])
    assert sorted(queue()) == jobs  # nothing was submitted twice
    for job in jobs[:2]:
        let_go(job)
    wait_for(lambda: trained(folders[2]))
    send("TERM", jobs[2])  # as SLURM does at a preemption that USR2 or SIGKILL follows
    out, err = second.communicate(timeout=400)
    assert (second.returncode, err) == (0, "sweep of 4: 4 finished\n")
    for folder in folders:
        check_complete(folder, epochs=EPOCHS)
    logs = [(folder / "train.log").read_text() for folder in folders]
    assert ["resuming after epoch" in log for log in logs] == [True, True, False, False]
    held = json.loads((tmp_path / "sweep" / "jobs.json").read_text())
    assert [job["slurm"] for _, job in sorted(held.items())] == jobs

    third = sweep(*overrides)
    out, err = third.communicate(timeout=60)
    assert (third.returncode, err) == (0, "sweep of 4: 4 finished\n")
    assert out.count("was finished before") == 4
    assert queue() == {}


def test_a_search_whose_submitting_process_dies_ends_with_its_trials(sweep, tmp_path):
    space = [
        "latent_dim=choice(2,3,4)",
        "learning_rate=tag(log,interval(1e-4,1e-2))",
        "hydra.launcher.jobs=4",
    ]
    overrides = ["hydra/sweeper=optuna", "hydra.sweeper.trials=8", *space, "epochs=2"]
    first = sweep(*overrides)
    wait_for(lambda: len(recorded(tmp_path / "sweep")) == 4)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    second = sweep(*overrides)
    out, err = second.communicate(timeout=400)
    assert second.returncode == 0, err
    assert err.splitlines()[-1] == "sweep of 8: 8 finished"
    assert "best of 8 trials" in out and out.splitlines()[-1] == str(tmp_path / "sweep")
    folders = sorted(path for path in (tmp_path / "sweep").iterdir() if (path / "config.yaml").is_file())
    assert [path.name[:2] for path in folders] == [f"{number}_" for number in range(8)]
    for folder in folders:
        check_complete(folder, epochs=2)
    held = json.loads((tmp_path / "sweep" / "jobs.json").read_text())
    assert len({job.get("slurm") for job in held.values()}) == 8  # none was submitted twice


def test_a_time_limit_requeues_and_a_cancelled_job_is_listed(sweep, tmp_path):
    # SLURM counts time limits in minutes; with one of them a busy machine would not get beyond the imports.
    process = sweep("epochs=1000000", "latent_dim=2,0", "hydra.launcher.time=2")
    folder = tmp_path / "sweep" / "0_files_vae_z2"
    wait_for(lambda: trained(folder))
    wait_for(lambda: len(queue()) == 1)
    (job,) = queue()
    let_go(job)  # nobody but the time limit stopped it
    assert json.loads((folder / "metrics.json").read_text())["status"] == "stopped"
    wait_for(lambda: "resuming after epoch" in (folder / "train.log").read_text())
    output_of("scancel", job)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 2
    heading, *lines = err.splitlines()
    assert heading == "sweep of 2: 2 failed"
    found = dict(line.strip().split(": failed: ") for line in lines)
    assert "CANCELLED" in found[str(folder)]
    assert found[str(tmp_path / "sweep" / "1_files_vae_z0")].startswith(
        "latent_dim: expected integer, at least 1"
    )


def test_the_example_script_saves_requeues_itself_and_resumes(cluster, tmp_path):
    options = ["--gpus=0", "--mem=2G", "--cpus-per-task=1", "--output=job.log", "--parsable"]
    run = tmp_path / "run"
    command = [sys.executable, "-m", "galvae", "train", *cluster, f"epochs={EPOCHS}", f"hydra.run.dir={run}"]
    job = output_of("sbatch", *options, str(SCRIPT), *command)
    wait_for(lambda: trained(run))
    send("USR1", job, "--batch")
    let_go(job)
    log = tmp_path / "job.log"
    wait_for(lambda: "resuming after epoch" in log.read_text())
    assert "stopped by SIGUSR1; resume with:" in log.read_text().partition("resuming")[0]
    output_of("scancel", job)
    # A job that is cancelled leaves the queue before it has saved.
    wait_for(lambda: json.loads((run / "metrics.json").read_text())["status"] == "stopped")
    wait_for(lambda: queue() == {})  # not requeued
    output_of("sbatch", *options, str(SCRIPT), *command)
    wait_for(lambda: queue() == {})
    check_complete(run, epochs=EPOCHS)
    assert log.read_text().count("resuming after epoch") == 2
    assert log.read_text().rstrip().endswith(str(run))


def test_an_array_of_parts_survives_kill_9_and_makes_the_table_of_one_process(cluster, tmp_path):
    galvae, run = [sys.executable, "-m", "galvae"], tmp_path / "run"
    subprocess.run([*galvae, "train", *cluster, "epochs=1", f"hydra.run.dir={run}"], check=True, timeout=120)
    encode = [*galvae, "encode", f"run={run}", *cluster[:3], "shards=3"]
    subprocess.run([*encode, "name=calm"], check=True, timeout=120)
    launcher = [f"hydra.launcher.{key}" for key in ("gpus=0", "cpus=1", "memory=2", "jobs=2", "time=30")]
    array = [*encode, "name=array", "-m", "shard=range(0,3)", "hydra/launcher=slurm", *launcher]
    submitting = subprocess.Popen(array)
    folder = run / "encode" / "array"
    wait_for(lambda: any((folder / "parts").glob("part-*")))
    submitting.kill()
    submitting.wait()
    for job, state in queue().items():
        if state == "RUNNING":
            send("KILL", job, "--full")
    done = subprocess.run(array, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:  # of the jobs that were killed; the same command encodes their parts
        done = subprocess.run(array, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(folder)
    written = (run / "encode" / "calm" / "galaxies.ecsv").read_bytes()
    assert (folder / "galaxies.ecsv").read_bytes() == written
    assert not (folder / "parts").exists()


def environment_of(process):
    """The environment of a process, empty if it has ended."""
    try:
        variables = Path("/proc", process, "environ").read_text().split("\0")
    except (OSError, ValueError):
        return {}
    return dict(variable.partition("=")[::2] for variable in variables)


def test_a_run_of_two_processes_survives_the_death_of_one(cluster, tmp_path, monkeypatch):
    pytest.importorskip("jax")
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=0")  # compiling takes most of the time
    options = ["--nodes=1", "--ntasks-per-node=2", "--gpus-per-node=0", "--mem=4G", "--cpus-per-task=1"]
    options += ["--output=job.log", "--parsable"]
    keys = [*cluster[:3], *SMALL, "network.filters=[4]", "backend=jax", "precision=float32", "epochs=100"]
    run = tmp_path / "run"
    train = [sys.executable, "-m", "galvae", "train"]
    job = output_of("sbatch", *options, str(NODES_SCRIPT), *train, *keys, f"hydra.run.dir={run}")
    wait_for(lambda: trained(run))
    (second,) = (
        name
        for name in os.listdir("/proc")
        if name.isdecimal()
        and {"SLURM_JOB_ID": job, "SLURM_PROCID": "1"}.items() <= environment_of(name).items()
        and b"galvae" in Path("/proc", name, "cmdline").read_bytes()
    )
    os.kill(int(second), signal.SIGKILL)
    let_go(job)
    log = (tmp_path / "job.log").read_text()
    assert f"galvae: process 1 ({os.uname().nodename}) ended without a message" in log
    assert f"; resume with: srun galvae train resume={run}" in log
    wait_for(lambda: queue() == {})
    subprocess.run([*train, *keys, "hydra.run.dir=alone"], check=True, timeout=300)
    check_complete(run, epochs=100)
    assert "resuming after epoch" in (run / "train.log").read_text()
    losses = [
        np.loadtxt(folder / "history.csv", delimiter=",", skiprows=1, usecols=1)
        for folder in (run, tmp_path / "alone")
    ]
    np.testing.assert_allclose(*losses, rtol=1e-4)
    assert json.loads((run / "metrics.json").read_text())["processes"] == 2
