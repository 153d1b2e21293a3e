"""The GPU checks: a check that fails in any way is a row, and its judgement is right."""

import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import gpu_check
import pytest
from builders.processes import child_environment
from gpu_checking import check, devices, machine, processes, running, steps
from gpu_checking.check import Check, Settings, row
from gpu_checking.checks import CHECKS

SCRIPT = Path(__file__).parents[2] / "scripts" / "gpu_check.py"
STUBS = '''
import os, subprocess, sys, time
from gpu_checking.check import row

def good(settings):
    """What is seen."""
    yield row("one", settings.backend, True)
    yield row("flag", os.environ.get("XLA_FLAGS", ""), None)

def crashes(settings):
    yield row("one", "1")
    sys.stderr.write("the device is lost\\n\\n")
    sys.stderr.flush()
    os.abort()

def raises(settings):
    yield row("one", "1")
    raise RuntimeError("RESOURCE_EXHAUSTED")

def hangs(settings):
    yield row("one", "1")
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    print(child.pid, flush=True)
    time.sleep(60)

def silent(settings):
    return iter(())
'''


@pytest.fixture
def stubs(tmp_path, monkeypatch):
    """A module of checks that end in different ways, as another process finds it."""
    (tmp_path / "stub_checks.py").write_text(STUBS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    import stub_checks

    yield stub_checks
    del sys.modules["stub_checks"]


def settings(tmp_path, **changes):
    limits = {
        "kind": "gpu",
        "name": "a card",
        "precision": "bfloat16",
        "float32": 1e12,
        "bfloat16": 4e12,
        "gpus": 1,
    }
    return Settings(
        **{
            "backend": "jax",
            "kind": "gpu",
            "quick": False,
            "folder": str(tmp_path),
            "limits": limits,
            **changes,
        }
    )


def statuses(rows):
    return [line["status"] for line in rows]


def test_a_check_runs_in_its_own_process_with_its_environment(stubs, tmp_path, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--of_the_user=1")
    chosen = Check(stubs.good, environment={"XLA_FLAGS": "--of_the_check=2"})
    rows = running.run_check(chosen, settings(tmp_path), tmp_path, 60)
    assert [line["measured"] for line in rows] == ["jax", "--of_the_user=1 --of_the_check=2"]
    assert statuses(rows) == ["pass", "figure"]
    assert chosen.name == "good"
    assert chosen.question == "What is seen."


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("crashes", "ended by SIGABRT: the device is lost"),
        ("raises", "exit status 1: RuntimeError: RESOURCE_EXHAUSTED"),
    ],
)
def test_a_check_that_breaks_is_a_failed_row_below_what_it_found(stubs, tmp_path, name, said):
    rows = running.run_check(Check(getattr(stubs, name)), settings(tmp_path), tmp_path, 60)
    assert statuses(rows) == ["figure", "fail"]
    assert rows[-1]["measured"] == said


def test_a_check_that_hangs_is_ended_with_the_processes_that_it_started(stubs, tmp_path, monkeypatch):
    log = tmp_path / "hangs.log"

    class Waited(subprocess.Popen):
        """Whose time is over as soon as it has started a process of its own."""

        def communicate(self, text, timeout):
            self.stdin.write(text)
            self.stdin.close()
            while not log.read_text().endswith("\n"):
                assert self.poll() is None
            raise subprocess.TimeoutExpired("hangs", timeout)

    monkeypatch.setattr(running.subprocess, "Popen", Waited)
    rows = running.run_check(Check(stubs.hangs), settings(tmp_path), tmp_path, 30)
    assert statuses(rows) == ["figure", "fail"]
    child = int(log.read_text())
    assert rows[-1]["measured"] == f"stopped after 30 s: {child}"
    status, end = Path(f"/proc/{child}/status"), time.monotonic() + 10
    while status.exists() and "Z (zombie)" not in status.read_text():
        assert time.monotonic() < end


def test_a_check_without_a_result_has_failed(stubs, tmp_path):
    rows = running.run_check(Check(stubs.silent), settings(tmp_path), tmp_path, 60)
    assert rows == [row("silent", "no result: it printed nothing", False, "runs to its end")]


def test_every_check_is_run_skipped_or_over_time_and_written(stubs, tmp_path, monkeypatch, capsys):
    chosen = (
        Check(stubs.good),
        Check(stubs.raises, needs=("gpus",)),
        Check(stubs.silent, needs=("gpus",)),
        Check(stubs.crashes),
    )
    limits = settings(tmp_path).limits
    monkeypatch.setattr(gpu_check, "CHECKS", {one.name: one for one in chosen})
    monkeypatch.setattr(gpu_check, "_device", lambda cpu: (limits, "jax", "gpu"))
    monkeypatch.setattr(gpu_check, "description", lambda limits, kind: {"card": limits["name"]})
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    monkeypatch.setattr(sys, "argv", ["gpu_check.py", "--folder", str(tmp_path / "out")])
    assert gpu_check.main() == 1
    (folder,) = (tmp_path / "out").iterdir()
    report = json.loads((folder / "report.json").read_text())
    assert [(line["check"], line["status"]) for line in report["rows"]] == [
        *(("good", "pass"), ("good", "figure"), ("raises", "skipped"), ("silent", "skipped")),
        *(("crashes", "figure"), ("crashes", "fail")),
    ]
    assert [line["measured"] for line in report["rows"][2:4]] == 2 * ["it needs two GPUs, received 1"]
    printed = capsys.readouterr().out
    table = (folder / "report.md").read_text().splitlines()
    assert table[-1] == "| fail | crashes | ended by SIGABRT: the device is lost | runs to its end |  |  |"
    assert "- card: a card" in table
    assert set(table) <= set(printed.splitlines())
    assert "1 pass, 1 fail, 2 figure, 2 skipped" in printed
    assert (folder / "crashes.log").exists()

    monkeypatch.setattr(sys, "argv", [*sys.argv, "--minutes", "1e-9", "--only", "good"])
    assert gpu_check.main() == 0  # skipped, since the time is used up
    assert "| skipped | good | the 1e-09 minutes are used up |" in capsys.readouterr().out


def test_without_a_gpu_the_script_says_so_in_one_line(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(gpu_check, "device_limits", lambda backend: {"kind": "cpu"})
    monkeypatch.setattr(gpu_check, "backends", lambda: ["jax", "tensorflow"])
    monkeypatch.setattr(sys, "argv", ["gpu_check.py", "--folder", str(tmp_path / "out")])
    assert gpu_check.main() == 1
    out, err = capsys.readouterr()
    assert (out, err) == (
        "",
        "no GPU is seen by jax or tensorflow; --cpu runs everything in small on the processor\n",
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--only", "nothing"], "--only: expected throughput, slim, "),
        (["--minutes", "0"], "--minutes: expected a number above 0, received 0"),
    ],
)
def test_wrong_words_are_refused(words, said, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["gpu_check.py", *words])
    with pytest.raises(SystemExit) as stop:
        gpu_check.main()
    assert stop.value.code == 2
    assert said in capsys.readouterr().err


def test_the_list_has_every_check_with_its_question(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["gpu_check.py", "--list"])
    assert gpu_check.main() == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(CHECKS)
    assert all(line.endswith(".") for line in lines)


def test_needs_are_looked_for(tmp_path, monkeypatch):
    def reason(need, **changes):
        return machine.missing(Check(row, needs=(need,)), settings(tmp_path, **changes))

    assert reason("gpu") is None
    assert reason("gpu", kind="cpu") == "there is no GPU"
    assert reason("places") == "it needs two GPUs, received 1"
    assert reason("places", kind="cpu") is None
    assert reason("jax", backend="tensorflow") == "it needs JAX"
    monkeypatch.setattr(machine, "find_spec", lambda name: name == "jax")
    assert reason("tensorflow") == "TensorFlow is not installed"
    assert machine.backends() == ["jax"]


def test_speeds_are_judged_on_a_gpu_only(tmp_path):
    assert settings(tmp_path).on_gpu(False) is False
    assert settings(tmp_path, kind="cpu").on_gpu(False) is None
    assert [row("a", "b", good)["status"] for good in (None, True, False)] == ["figure", "pass", "fail"]


def test_the_largest_difference_of_two_histories():
    one = [{"loss": 10.0, "val_loss": 20.0}, {"loss": 5.0, "val_loss": 10.0}]
    other = [{"loss": 10.0, "val_loss": 20.0}, {"loss": 5.0, "val_loss": 8.0}]
    assert check.difference(one, one) == 0
    assert check.difference(one, other) == pytest.approx(0.25)
    with pytest.raises(ValueError, match="received 2 and 1"):
        check.difference(one, other[:1])


def test_the_speed_leaves_out_the_first_epoch_which_compiles():
    speeds = [{"images_per_second": value} for value in (1.0, 10.0, 30.0, 20.0)]
    assert check.speed({"history": speeds}) == 20


@pytest.mark.parametrize(
    ("errors", "status", "said"),
    [
        ("[log] a line\n", 0, "finished"),
        ("a warning\ngalvae: devices: no memory\n", 1, "exit status 1, galvae: devices: no memory"),
        (
            "Traceback (most recent call last):\ngalvae: no memory\n",
            1,
            "crashed with status 1: galvae: no memory",
        ),
        ("galvae: one\ngalvae: two\n", 1, "crashed with status 1: galvae: two"),
        ("", -6, "crashed with status -6: nothing said"),
    ],
)
def test_how_a_run_ended(errors, status, said):
    assert processes.how_it_ended(errors, status) == said


def test_a_process_is_heard_when_it_ends_and_killed_when_its_block_does(tmp_path):
    talk = "import os, sys; print(os.environ['WORD'], os.getcwd()); print('x' * 200_000, file=sys.stderr); sys.exit(3)"
    with processes.Process([sys.executable, "-c", talk], {"WORD": "hello"}, tmp_path) as process:
        assert process.stdout.readline() == f"hello {tmp_path}\n"
        assert process.end() == ("x" * 200_000 + "\n", 3)
    with processes.Process([sys.executable, "-c", "import time; time.sleep(60)"], {}, tmp_path) as process:
        pass
    assert process.returncode == -9


def event(name, start, duration, operation=None):
    stats = [] if operation is None else [("hlo_op", operation)]
    return SimpleNamespace(name=name, start_ns=start, duration_ns=duration, stats=stats)


def plane(name, **lines):
    return SimpleNamespace(
        name=name, lines=[SimpleNamespace(name=line, events=events) for line, events in lines.items()]
    )


def test_a_trace_gives_the_kernels_of_the_streams_of_every_gpu():
    kernels = [event("sm90_xmma_fprop", 0, 30, "cudnn-Conv.1"), event("MemcpyD2H", 50, 10)]
    planes = [
        plane("/host:CPU", python=[event("fit", 0, 999, "fit")]),
        plane(
            "/device:GPU:0", **{"Stream #13(Compute)": kernels, "XLA Ops": [event("conv.1", 0, 30, "conv.1")]}
        ),
    ]
    found = steps.device_events(planes)
    assert found == [("sm90_xmma_fprop cudnn-conv.1", 0, 30), ("memcpyd2h ", 50, 10)]
    assert [steps.is_to_host(name) for name, _, _ in found] == [False, True]
    on_processor = [plane("/host:CPU", worker=[event("conv.1", 5, 7, "conv.1"), event("end: conv.1", 12, 1)])]
    assert steps.device_events(on_processor) == [("conv.1 conv.1", 5, 7)]


def test_the_device_is_busy_while_any_kernel_runs():
    events = [("a", 0, 10), ("b", 5, 10), ("c", 6, 2), ("d", 25, 5)]
    assert steps.busy_share(events) == pytest.approx(20 / 30)


def test_the_memory_of_the_card_is_looked_at_meanwhile(monkeypatch):
    answers = iter([["100", "7"], ["300", "7"]])
    monkeypatch.setattr(devices, "POLL", 0)
    monkeypatch.setattr(devices, "nvidia_smi", lambda fields: next(answers, []))
    assert devices.watched_memory(lambda: None) in ([100.0], [100.0, 300.0])
    monkeypatch.setattr(devices, "nvidia_smi", lambda fields: [])
    assert devices.watched_memory(lambda: None) == []


def test_nvidia_smi_that_is_not_there_is_no_error(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert devices.nvidia_smi("name") == []
    (tmp_path / "nvidia-smi").write_text('#!/bin/sh\necho "NVIDIA H100, 590.1, 81559"\n')
    (tmp_path / "nvidia-smi").chmod(0o755)
    assert devices.nvidia_smi("name,driver_version,memory.total") == ["NVIDIA H100, 590.1, 81559"]


@pytest.mark.slow
def test_a_real_check_on_the_processor_and_one_that_needs_a_gpu(tmp_path):
    pytest.importorskip("jax", reason="jax is an extra")
    names = [word for name in ("full_card", "validation") for word in ("--only", name)]
    command = [sys.executable, SCRIPT, "--cpu", "--quick", "--folder", tmp_path, *names]
    done = subprocess.run(command, capture_output=True, text=True, env=child_environment(), check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (report,) = tmp_path.glob("*/report.json")
    rows = json.loads(report.read_text())["rows"]
    assert [(line["check"], line["status"]) for line in rows] == [
        *(("validation", "figure"), ("validation", "figure"), ("full_card", "skipped")),
    ]
    assert rows[1]["value"] > 0
