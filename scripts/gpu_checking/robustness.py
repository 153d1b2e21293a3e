"""Checks of training that is interrupted, or shares its card with other processes."""

import contextlib
import signal
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarking.measuring import GALVAE, run
from benchmarking.training import of_file

from gpu_checking.check import BLOG, difference, row
from gpu_checking.processes import Process, history, how_it_ended, own_lines
from gpu_checking.training import DETERMINISTIC

EPOCHS = 40  # long enough to be interrupted after a few
STOPPED = 75  # exit status of a run that a signal has stopped
ROUNDING = 1e-4  # relative
PATIENCE = 150  # seconds for a run to reach its second epoch
HOLD = "import jax, sys; jax.numpy.zeros(8).block_until_ready(); print('held', flush=True); sys.stdin.read()"


def interrupted(settings):
    """SIGTERM in the middle of a run stops it within a few steps; resumed, its losses are those of a whole run."""
    path, count = settings.images(count=4000), 4000
    words = ["precision=float32", "checkpoint.every=1", f"epochs={EPOCHS}"]
    whole = settings.trained(*words, count=count, environment=DETERMINISTIC)["history"]
    with TemporaryDirectory() as folder:
        words = [*BLOG, f"backend={settings.backend}", *words, *of_file(path)]
        command = [*GALVAE, "train", *words, f"hydra.run.dir={folder}/run"]
        with Process(command, DETERMINISTIC, folder) as process:
            _wait_for_epoch(process, Path(folder, "run"), 2)
            process.send_signal(signal.SIGTERM)
            sent = time.perf_counter()
            errors, status = process.end(60)
            seconds = time.perf_counter() - sent
        done = len(history(Path(folder, "run")))
        good = status == STOPPED and len(own_lines(errors)) == 1
        yield row(
            "SIGTERM in the middle of a run",
            f"exit status {status} after {seconds:.1f} s, {done} of {EPOCHS} epochs saved",
            good and done < EPOCHS,
            f"exit status {STOPPED} and one line",
            value=seconds,
        )
        run([*GALVAE, "train", f"resume={folder}/run"], DETERMINISTIC, folder)
        differs = difference(history(Path(folder, "run")), whole)
    yield row(
        "losses of the resumed run, against one that was not stopped",
        f"differ by {differs:.1g}",
        differs <= ROUNDING,
        f"at most {ROUNDING:g}",
        value=differs,
    )


def two_processes(settings):
    """Two runs at the same time on one card: both end, or one of them with a single line."""
    path = settings.images(count=2000)
    for name, environment in (
        ("JAX's own share of 75 %", {}),
        ("XLA_PYTHON_CLIENT_PREALLOCATE=false", {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}),
    ):
        if environment and settings.backend != "jax":
            continue
        with TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
            words = [*BLOG, f"backend={settings.backend}", f"epochs={settings.epochs(5)}", *of_file(path)]
            commands = [[*GALVAE, "train", *words, f"hydra.run.dir={folder}/{n}"] for n in range(2)]
            processes = [stack.enter_context(Process(one, environment, folder)) for one in commands]
            ends = [process.end() for process in processes]
        texts = [how_it_ended(*end) for end in ends]
        bad = any(text.startswith("crashed") for text in texts) or (environment and any(e[1] for e in ends))
        yield row(
            f"two runs on one {settings.kind.upper()}, {name if settings.backend == 'jax' else 'TensorFlow'}",
            "; ".join(texts),
            not bad,
            "both finished" if environment else "finished, or one line",
        )


def full_card(settings):
    """A run on a card whose memory another process has taken: one line, no crash."""
    environment = {"XLA_PYTHON_CLIENT_MEM_FRACTION": "0.97", "XLA_PYTHON_CLIENT_PREALLOCATE": "true"}
    path = settings.images(count=2000)
    with TemporaryDirectory() as folder:
        with Process([sys.executable, "-c", HOLD], environment, folder) as holder:
            if not holder.stdout.readline():
                raise SystemExit(f"the memory cannot be taken: {holder.end()[0]}")
            words = [*BLOG, f"backend={settings.backend}", "epochs=2", *of_file(path)]
            with Process([*GALVAE, "train", *words, f"hydra.run.dir={folder}/run"], {}, folder) as process:
                end = process.end()
        text = how_it_ended(*end)
        left = Path(folder, "run", "metrics.json").exists()
    yield row(
        "a run where 97 % of the memory is taken",
        text + (", its directory says how it ended" if left else ""),
        not text.startswith("crashed"),
        "finished, or one line",
    )


def _wait_for_epoch(process, run_dir, epoch):
    """Waits until a run has saved an epoch.

    Raises:
        SystemExit: if it ends before, or takes too long.
    """
    end = time.monotonic() + PATIENCE
    while not len(history(run_dir)) >= epoch:
        if process.poll() is not None:
            raise SystemExit(f"the run ended too early: {process.end()[0]}")
        if time.monotonic() > end:
            raise SystemExit(f"the run did not reach epoch {epoch} in {PATIENCE} s")
        time.sleep(0.05)
