"""Links and pipes in a run, in which commands then write: nothing that lies outside of the run may change."""

import os
import resource
import shutil
import subprocess
import sys

from fuzzing.runs import UMAP, shared_runs

LIMIT = 300  # seconds per case
State = {}
COMMANDS = {
    "train": ("epochs=3",),
    "sample": ("n=1",),
    "evaluate": ("n=3", "bootstrap=100"),
    "umap": UMAP,
}
# Files and folders, by the command that might write to them.
FILES = {
    "train": (
        *("train.log", "config.yaml", "environment.json", "metrics.json", "data_report.json", "split.npz"),
        *(
            "history.csv",
            "figures/loss.png",
            "checkpoints/epoch-0002/best.safetensors",
            "evaluate/metrics.json",
        ),
    ),
    "umap": ("codes/all.npz", "umap/embedding.npz"),
}
FOLDERS = {
    "train": (
        "checkpoints",
        "figures",
        "checkpoints/epoch-0001",
        "checkpoints/epoch-0003",
        "evaluate",
        "sample",
    ),
    "sample": ("sample", "codes"),
    "evaluate": ("evaluate", "codes"),
    "umap": ("umap", "codes"),
}


def cases(count, seed):
    """Lists (command, path in the run, kind of link); `count` and `seed` have no effect."""
    files = [
        (name, path, kind)
        for name, paths in FILES.items()
        for path in paths
        for kind in ("link", "hard", "pipe")
    ]
    folders = [
        (name, path, kind)
        for name, paths in FOLDERS.items()
        for path in paths
        for kind in ("link", "dangling")
    ]
    return files + folders


def prepare(folder):
    """Trains the runs."""
    State["folder"], State["run"] = folder, shared_runs(folder.parent / "runs") / "a"


def check(case):
    """Runs a command on a run with a link; returns the outcome and a text."""
    name, path, kind = case
    run, victim = State["folder"] / "copy", State["folder"] / "victim"
    for old in (run, victim):
        shutil.rmtree(old, ignore_errors=True)
    shutil.copytree(State["run"], run)
    place = run / path
    is_file = place.suffix != ""
    # What the link leads to is what lies there in the run, so that the command finds what it looks for.
    victim.mkdir()
    if place.is_dir():
        shutil.copytree(place, victim / "target")
        shutil.rmtree(place)
    elif place.exists():
        shutil.copy(place, victim / "target")
        place.unlink()
    elif is_file:
        (victim / "target").write_text("{}")
    else:
        (victim / "target").mkdir()
    place.parent.mkdir(exist_ok=True)
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "hard":
        os.link(victim / "target", place)
    else:
        place.symlink_to(victim / ("target" if kind == "link" else "nothing"))
    before = content(victim)
    words = [f"resume={run}" if name == "train" else f"run={run}", *COMMANDS[name]]
    done = subprocess.run(
        [sys.executable, "-m", "galvae", name, *words],
        capture_output=True,
        check=False,
        # The worker's own limit of memory must not apply.
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2),
    )
    errors = done.stderr.decode("utf-8", "replace")
    text = f"exit status {done.returncode}: {errors[-1500:]}"
    if content(victim) != before:
        return "wrong", f"what the link leads to has changed; {text}"
    if "Traceback" in errors or "Exception ignored" in errors:
        return "traceback", text
    if done.returncode < 0 or done.returncode > 128:
        return "signal", text
    return {0: "clean", 1: "failed", 2: "refused"}.get(done.returncode, "wrong"), text


def content(folder):
    """All paths below a folder, with the bytes of the files."""
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}
