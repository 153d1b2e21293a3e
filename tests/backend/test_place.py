"""Which of several processes this one is."""

import pytest

from galvae.backend.place import BY_HAND, OF_STEP, Place, first_node, place
from galvae.backend.processes import count, from_first, gather, is_first
from galvae.errors import GalvaeError

STEP = dict(zip(OF_STEP, ("4", "3", "gpu[07-08]", "1234", "0"), strict=True))


@pytest.fixture(autouse=True)
def empty(monkeypatch):
    """An environment of no job."""
    for name in (*BY_HAND, *OF_STEP, "SLURM_NTASKS", "SLURM_RESTART_COUNT"):
        monkeypatch.delenv(name, raising=False)


def set_all(monkeypatch, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def test_a_process_without_a_job_is_the_only_one():
    assert place() == Place()
    assert is_first() and count() == 1
    assert gather("anything", 3) == [3]
    assert from_first("anything", 3) == 3


def test_a_task_of_srun_knows_its_place(monkeypatch):
    set_all(monkeypatch, STEP)
    found = place()
    assert (found.rank, found.count, found.host, found.job, found.slurm) == (3, 4, "gpu07", "1234.0.0", True)
    assert not is_first()
    monkeypatch.setenv("SLURM_PROCID", "0")
    assert is_first() and count() == 4
    assert place().port == found.port  # which all tasks of a step find alike
    for name, value in (("SLURM_STEP_ID", "1"), ("SLURM_RESTART_COUNT", "1")):  # its numbers are given again
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            assert place().port != found.port and place().job != found.job


@pytest.mark.parametrize("tasks", [None, "1"])
def test_a_batch_script_and_a_shell_of_salloc_are_one_process(monkeypatch, tasks):
    set_all(monkeypatch, {**STEP, "SLURM_NTASKS": "4"})
    if tasks is None:
        monkeypatch.delenv("SLURM_STEP_NUM_TASKS")
    else:
        monkeypatch.setenv("SLURM_STEP_NUM_TASKS", tasks)
    assert place() == Place()


def test_the_variables_of_jax_count_before_those_of_srun(monkeypatch):
    set_all(monkeypatch, STEP)
    set_all(monkeypatch, dict(zip(BY_HAND, ("[::1]:4000", "2", "1"), strict=True)))
    assert place() == Place(1, 2, "::1", 4000, "[::1]:4000")


@pytest.mark.parametrize(
    "values", [("", "2", "1"), ("here", "2", "1"), ("here:1", "2", "2"), ("here:1", "2", "")]
)
def test_incomplete_variables_are_refused_in_one_line(monkeypatch, values):
    set_all(monkeypatch, dict(zip(BY_HAND, values, strict=True)))
    with pytest.raises(GalvaeError, match="JAX_NUM_PROCESSES=2: expected JAX_COORDINATOR_ADDRESS=HOST:PORT"):
        place()


@pytest.mark.parametrize(
    ("nodes", "first"),
    [
        ("node001", "node001"),
        ("a,b[1-2]", "a"),
        ("node[003-004,007],other", "node003"),
        ("node[5,7]", "node5"),
        ("n[1-2]-ib,x", "n1-ib"),
    ],
)
def test_the_first_of_the_nodes(nodes, first):
    assert first_node(nodes) == first
