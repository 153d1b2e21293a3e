"""Commands run as processes in unusual environments: variables, limits, streams and home directories."""

import os
import resource
import subprocess
import sys

import numpy as np

LIMIT = 300  # seconds per case
State = {}
TRAIN = (
    "train",
    "dataset=files",
    "dataset.axes=NHWC",
    "dataset.path=images.npy",
    "network.filters=[4]",
    "network.kernels=[3]",
    "epochs=1",
)
SHOW = ("train", "--cfg", "job")
MISSING_RUN = ("sample", "run=nothing")
KERAS = {
    "torn": '{"floatx": "floa',
    "half": '{"floatx": "float16", "epsilon": 1e-3, "backend": "tensorflow", "image_data_format": "channels_first"}',
    "other backend": '{"backend": "torch"}',
}
# name -> (arguments, correct exit statuses, variables with None for one that is unset, shell code run first).
CASES = {
    "nothing odd": (TRAIN, {0}, {}, ""),
    **{f"keras.json {name}": (TRAIN, {0}, {"KERAS": name}, "") for name in KERAS},
    "KERAS_BACKEND jax": (TRAIN, {0}, {"KERAS_BACKEND": "jax"}, ""),
    "KERAS_BACKEND none": (TRAIN, {0}, {"KERAS_BACKEND": "no such"}, ""),
    "optimised": (TRAIN, {0}, {"PYTHONOPTIMIZE": "2"}, ""),
    "warnings are errors": (SHOW, {0}, {"PYTHONWARNINGS": "error"}, ""),
    "no GPU": (TRAIN, {0}, {"CUDA_VISIBLE_DEVICES": ""}, ""),
    "umask": (TRAIN, {0}, {}, "umask 077;"),
    "no home": (TRAIN, {0}, {"HOME": None}, ""),
    "home read-only": (TRAIN, {0}, {"HOME": "/proc", "NUMBA_CACHE_DIR": None, "MPLCONFIGDIR": None}, ""),
    "home nowhere": (TRAIN, {0}, {"HOME": "/nonexistent"}, ""),
    "few files": (TRAIN, {0, 1}, {}, "ulimit -n 64;"),
    "small files": (TRAIN, {1}, {}, "ulimit -f 4;"),
    "little memory": (TRAIN, {1}, {}, "ulimit -v 1000000;"),
    "memory that would run short": (TRAIN, {1}, {}, "ulimit -v 3100000;"),
    "memory that suffices": (TRAIN, {0}, {}, "ulimit -v 6000000;"),
    "little memory at once": (SHOW, {0, 1}, {}, "ulimit -v 200000;"),
    "no stdout": (TRAIN, {0}, {}, "exec >&-;"),
    "stdout that nobody reads": (("train", "--help"), {0, 1}, {}, "PIPE"),
    "no stdin": (TRAIN, {0}, {}, "exec <&-;"),
    "full stdout": (("train", "--help"), {1}, {}, "exec >/dev/full;"),
}
for variable, value in (
    *(
        ("LC_ALL", "C"),
        ("LC_CTYPE", "tr_TR.UTF-8"),
        ("LANG", None),
        ("LANGUAGE", "no such"),
        ("PYTHONUTF8", "0"),
    ),
    *(
        ("TERM", "dumb"),
        ("COLUMNS", "1"),
        ("TZ", "no such"),
        ("PYTHONHASHSEED", "1"),
        ("TMPDIR", "/nonexistent"),
    ),
    *(("HYDRA_FULL_ERROR", "0"), ("COMP_LINE", "galvae tr"), ("PWD", "/nonexistent")),
):
    CASES[f"{variable}={value}"] = SHOW, {0}, {variable: value}, ""
    CASES[f"{variable}={value}, refused"] = MISSING_RUN, {2}, {variable: value}, ""


def cases(count, seed):
    """Lists the names of the fixed cases; `count` and `seed` have no effect."""
    return list(CASES)


def prepare(folder):
    """Writes a small dataset."""
    State["folder"] = folder
    np.save(folder / "images.npy", np.random.default_rng(0).integers(0, 255, (40, 8, 8, 1), np.uint8))


def check(name):
    """Runs a command in an unusual environment; returns the outcome and a text."""
    arguments, correct, variables, shell = CASES[name]
    folder = State["folder"]
    values = {**os.environ, "HOME": str(folder / "home"), "GALVAE_CACHE": str(folder / "cache"), **variables}
    keras = values.pop("KERAS", None)
    (folder / "home" / ".keras").mkdir(parents=True, exist_ok=True)
    (folder / "home" / ".keras" / "keras.json").write_text(KERAS.get(keras, "{}"))
    command = [sys.executable, "-m", "galvae", *arguments]
    line = f'{"" if shell == "PIPE" else shell} exec "$@"' + (" | true" if shell == "PIPE" else "")
    if shell == "PIPE":
        line = '"$@" | true; exit ${PIPESTATUS[0]}'
    done = subprocess.run(
        ["bash", "-c", line, "bash", *command],
        env={key: value for key, value in values.items() if value is not None},
        cwd=folder,
        capture_output=True,
        check=False,
        # The worker's own limit of memory must not apply.
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2),
    )
    errors = done.stderr.decode("utf-8", "replace")
    text = f"exit status {done.returncode}: {errors[-1500:]}"
    if "Traceback" in errors or "Exception ignored" in errors:
        return "traceback", text
    if done.returncode < 0 or done.returncode > 128:
        return "signal", text
    if done.returncode not in correct:
        return "wrong", text
    return {0: "clean", 1: "failed", 2: "refused"}[done.returncode], text
