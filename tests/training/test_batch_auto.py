"""batch=auto: which number it finds, what it says and refuses; real steps under an artificial limit of memory."""

import csv
import importlib.util
import json
import math
import subprocess
import sys
from types import SimpleNamespace

import pytest
from builders.configs import train_command, train_config
from builders.galaxies import redshift_dataset
from builders.processes import child_environment

from galvae.backend import hardware
from galvae.backend.setup import Device
from galvae.backend.step_memory import StepMemory
from galvae.commands import train
from galvae.config.check import read_config
from galvae.errors import GalvaeError
from galvae.runs.directory import RunDirectory
from galvae.runs.resume import check_same
from galvae.training import auto_batch, session
from galvae.training.auto_batch import largest_power, with_batch

DATA = redshift_dataset(400)  # 320 for training


def linear(images_that_fit, room=1000.0):
    """A device on which a step of so many images fits exactly, beside a tenth for the weights; and what was tried."""
    tried = []

    def measure(size):
        tried.append(size)
        return 0.1 * room + 0.9 * room * size / images_that_fit

    return measure, tried


@pytest.mark.parametrize("most", [1, 2, 6, 100, 100_000])
@pytest.mark.parametrize("fit", [1, 2, 3, 7, 8, 33, 64, 5000])
def test_it_is_the_largest_power_of_two_that_fits(fit, most):
    measure, tried = linear(fit)
    size, known = largest_power(measure, 1000.001, most)
    assert size == 2 ** int(math.log2(min(fit, most)))
    assert list(known) == tried and size in tried and len(tried) <= 5
    assert all(
        number <= max(8, 2 * fit) for number in tried[2:]
    )  # nothing that cannot fit is tried, once that is known


def test_memory_that_runs_out_is_an_answer():
    def measure(size):
        return 500.0 + size if size <= 16 else math.inf

    assert largest_power(measure, 1000, 4096)[0] == 16
    assert largest_power(lambda size: math.inf, 1000, 64)[0] is None


def test_a_step_that_takes_too_long_counts_as_the_smaller_ones_say():
    size, known = largest_power(lambda size: 10.0 * size if size <= 32 else None, 1300, 4096)
    assert (size, known[128]) == (128, 1280) and 256 not in known


def command(*overrides):
    return train_config("dataset=simulated", "network=conv", "network.filters=[4]", *overrides, "batch=auto")


DEVICE = Device("tensorflow", "cpu", "", 1, "float32", 2)


@pytest.fixture
def memory(monkeypatch):
    """A device with 1 MB for steps of which each image takes 10 kB; a list of the steps' images."""
    tried = []
    monkeypatch.setattr(auto_batch, "free_memory", lambda kind: 1e6 / 0.9)

    def measure(self, model, inputs):
        tried.append((len(inputs["images"]), model.encoder.remat))
        return 10_000 * len(inputs["images"])

    monkeypatch.setattr(StepMemory, "measure", measure)
    return tried


def test_the_line_says_the_number_what_was_measured_and_that_the_learning_rate_stays(memory, caplog):
    caplog.set_level("INFO")
    assert with_batch(command(), DATA, DEVICE, False, True).batch == 64
    assert [record.getMessage() for record in caplog.records if record.levelname == "INFO"] == [
        "batch=auto: 64, in parts of 64 images on each device (GB that steps take, by their images: 8: 8e-05, "
        "32: 0.00032, 64: 0.00064; 0.001 are free); learning_rate=0.002 is as given"
    ]
    assert memory == [(8, True), (32, True), (64, True)]


@pytest.mark.parametrize(("room", "warns"), [(1e6, "5 steps"), (32e4, None), (1e7, "2 steps")])
def test_epochs_of_few_steps_are_warned_of(memory, monkeypatch, caplog, room, warns):
    monkeypatch.setattr(auto_batch, "free_memory", lambda kind: room / 0.9)
    with_batch(command(), DATA, DEVICE, False, False)  # batches of 64, 32 and, of 320 images, 256
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert said == (
        [
            f"batch=auto: an epoch of 320 training images has {warns}, and the fewer it has, the less it learns: "
            "give a smaller batch as a number, or more epochs"
        ]
        if warns
        else []
    )


def test_parts_and_devices_multiply_what_fits_on_one(memory):
    # Of the 320 training images, 5 parts of 64; the memory of a processor is shared by its devices.
    assert with_batch(command("accumulate=5"), DATA, DEVICE, False, False).batch == 5 * 64
    two = Device("tensorflow", "cpu", "", 2, "float32", 2)
    assert with_batch(command("accumulate=3"), DATA, two, False, False).batch == 2 * 3 * 32
    assert max(size for size, _ in memory) <= 64


def test_images_that_the_device_will_hold_are_left_room_for(memory):
    device = SimpleNamespace(**{**vars(DEVICE), "jit": False})
    needed = (320 + 40) * (16 * 16 * 3 + 4)  # and their redshifts
    assert auto_batch._images_bytes(DATA, device, True, 1e6) == needed
    assert auto_batch._images_bytes(DATA, device, "auto", 1e6) == 0  # on a processor
    assert auto_batch._images_bytes(DATA, device, True, 1.9 * needed) == 0  # which does not hold them then


@pytest.mark.parametrize(
    ("free", "overrides", "expected"),
    [
        (
            9_000,
            (),
            "batch: auto found no batch that fits: a step of 1 image takes 1e-05 GB, of 8.1e-06 that are free",
        ),
        (
            0,
            (),
            "batch: the CPU does not say how much of its memory is free; expected a number, received auto",
        ),
        (1e9, ("accumulate=321",), r"batch: auto divides each batch into 321 parts .*, received 320"),
    ],
)
def test_what_cannot_be_found_is_one_line(memory, monkeypatch, free, overrides, expected):
    monkeypatch.setattr(auto_batch, "free_memory", lambda kind: free)
    with pytest.raises(GalvaeError, match=f"^{expected}") as caught:
        with_batch(command(*overrides), DATA, DEVICE, False, False)
    assert "\n" not in str(caught.value)
    assert ("remat=true" in str(caught.value)) == (free == 9_000)


def test_the_limit_of_a_job_counts_where_it_has_less_than_the_machine(tmp_path, monkeypatch):
    job = tmp_path / "groups" / "job" / "step"
    job.mkdir(parents=True)
    (tmp_path / "cgroup").write_text("1:name=systemd:/other\n0::/job/step\n")
    monkeypatch.setattr(hardware, "CGROUP", tmp_path / "cgroup")
    monkeypatch.setattr(hardware, "GROUPS", tmp_path / "groups")
    without = hardware.available_memory()
    for folder, limit in ((job, "max"), (job.parent, "5000000")):
        (folder / "memory.max").write_text(f"{limit}\n")
        (folder / "memory.current").write_text("3000000\n")
        (folder / "memory.stat").write_text("anon 1\ninactive_file 1000000\n")
    assert hardware.available_memory() == 3_000_000 < without  # cached files give way


def test_other_words_are_refused():
    with pytest.raises(GalvaeError, match="^batch: expected auto or a number of images, received 'many'$"):
        train_command("dataset=simulated", "batch=many")


def test_a_run_keeps_the_number_that_was_found(tmp_path, monkeypatch):
    run = RunDirectory(tmp_path, train_config("dataset=simulated", "batch=16"))
    check_same(run, train_config("dataset=simulated", "batch=auto"))
    with pytest.raises(GalvaeError, match="received latent_dim=3"):
        check_same(run, train_config("dataset=simulated", "batch=auto", "latent_dim=3"))
    run._write_config()
    monkeypatch.setattr(session, "train", lambda *arguments: arguments)
    monkeypatch.setattr(train, "check_processes", lambda *arguments: None)
    _, config, source, *_ = train.main(train_command("dataset=simulated", "batch=auto"), tmp_path)
    assert config.batch == source.batch == 16


CHILD = """
import json, sys
from galvae.backend.setup import load
load(sys.argv[1])
from galvae.training import auto_batch
from galvae.cli.main import main

limit = float(sys.argv[2])  # galvae sets its own arguments
auto_batch.free_memory = lambda kind: limit
for arguments in json.loads(sys.argv[3]):
    try:
        main(arguments)
    except SystemExit as stop:
        print("exit status", stop.code)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "limit"), [("jax", 5e5), ("tensorflow", 4e9)])
def test_a_run_of_the_number_that_was_found_is_that_of_the_number_given(
    backend, limit, small_files, tmp_path
):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    common = ["train", *small_files, "epochs=1", f"backend={backend}"]
    found, given = tmp_path / "found", tmp_path / "given"
    jobs = [[*common, "batch=auto", f"hydra.run.dir={found}"]]
    done = run_child(backend, limit, jobs)
    line = next(line for line in done.stderr.splitlines() if line.startswith("batch=auto"))
    batch = read_config(found / "config.yaml").batch
    assert line.startswith(f"batch=auto: {batch}, in parts of {batch} images")
    # Of 48 training images; JAX' limit is that of the compiled step.
    assert batch == 32 if backend == "tensorflow" else 1 <= batch < 32
    run_child(backend, limit, [[*common, f"batch={batch}", f"hydra.run.dir={given}"], jobs[0]])
    losses = []
    for run in (found, given):
        with open(run / "history.csv") as file:
            losses.append([float(row["val_loss"]) for row in csv.DictReader(file)])
    assert losses[0] == losses[1]


def run_child(backend, limit, jobs):
    command = [sys.executable, "-c", CHILD, backend, str(limit), json.dumps(jobs)]
    done = subprocess.run(command, capture_output=True, text=True, env=child_environment(), check=True)
    assert done.stdout.count("exit status 0") == len(jobs), done.stderr
    return done
