import keras
import numpy as np
import pytest
from builders.states import checkpoint_state

from galvae.errors import GalvaeError
from galvae.runs import checkpoints

ARRAYS = {"a/kernel": np.arange(6, dtype=np.float32).reshape(2, 3), "seed/state": np.array([1, 2], np.uint32)}


def save(folder, epoch, best=ARRAYS, **state):
    last = {**ARRAYS, "optimizer/step": np.array(epoch)}
    return checkpoints.save(folder, epoch, best, last, checkpoint_state(epoch, **state))


def test_what_is_written_comes_back(tmp_path):
    checkpoint = save(tmp_path, 12)
    assert checkpoint == tmp_path / "epoch-0012"
    assert sorted(file.name for file in checkpoint.iterdir()) == [
        "best.safetensors",
        "last.safetensors",
        "manifest.json",
        "state.json",
    ]
    assert checkpoints.newest(tmp_path) == checkpoint
    assert checkpoints.read_state(checkpoint) == checkpoint_state(12)
    best, last = (checkpoints.read_arrays(checkpoint, name) for name in ("best", "last"))
    assert set(last) - set(best) == {"optimizer/step"}
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(best[name], array)
        assert best[name].dtype == array.dtype


def test_the_newest_two_remain(tmp_path):
    for epoch in (1, 2, 9, 9999, 10000):
        save(tmp_path, epoch)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["epoch-10000", "epoch-9999"]
    assert checkpoints.newest(tmp_path).name == "epoch-10000"


@pytest.mark.parametrize("name", ["best.safetensors", "last.safetensors", "state.json", "manifest.json"])
@pytest.mark.parametrize("damage", ["bit", "truncated", "zeros", "missing"])
def test_a_damaged_checkpoint_is_skipped(tmp_path, name, damage):
    save(tmp_path, 1)
    file = save(tmp_path, 2) / name
    content = bytearray(file.read_bytes())
    if damage == "bit":
        # In the manifest, within a digest: a flip in its white space would be harmless.
        position = content.index(b"sha256") + 15 if name == "manifest.json" else len(content) // 2
        content[position] ^= 1
    elif damage == "truncated":
        content = content[:-7]
    elif damage == "zeros":
        content = bytes(len(content))
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(content)
    assert checkpoints.newest(tmp_path) == tmp_path / "epoch-0001"


def test_nothing_yet(tmp_path):
    assert checkpoints.newest(tmp_path) is None
    assert checkpoints.newest(tmp_path / "none") is None
    (tmp_path / "epoch-0001").mkdir()
    (tmp_path / ".tmp-host-1-0002").mkdir()
    assert checkpoints.newest(tmp_path) is None


def test_a_failing_write_leaves_the_one_before(tmp_path, monkeypatch):
    save(tmp_path, 1)
    write = checkpoints._write_synced

    def failing(path, content):
        if path.name == "state.json":
            raise OSError(28, "No space left on device")
        write(path, content)

    monkeypatch.setattr(checkpoints, "_write_synced", failing)
    with pytest.raises(OSError, match="No space"):
        save(tmp_path, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["epoch-0001"]
    assert checkpoints.newest(tmp_path).name == "epoch-0001"


def test_a_state_that_cannot_be_is_refused_with_its_file(tmp_path):
    checkpoint = save(tmp_path, 12, epochs=-1)
    with pytest.raises(
        GalvaeError, match=r"epoch-0012/state.json: expected the state of a run, received .* epochs$"
    ):
        checkpoints.read_state(checkpoint)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(tmp_path, value):
    kernel = np.ones((2, 3), np.float32)
    kernel[1, 2] = value
    checkpoint = save(tmp_path, 1, {**ARRAYS, "a/kernel": kernel})
    with pytest.raises(
        GalvaeError, match="best.safetensors: variable a/kernel: expected finite weights, received NaN"
    ):
        checkpoints.read_arrays(checkpoint, "best")
    assert set(checkpoints.read_arrays(checkpoint, "last")) == {*ARRAYS, "optimizer/step"}


def test_shapes_are_compared_before_arrays_are_read(tmp_path, monkeypatch):
    checkpoint = save(tmp_path, 1)
    monkeypatch.setattr(np, "fromfile", None)
    expected = {name: (array.shape, str(array.dtype)) for name, array in ARRAYS.items()}
    checkpoints.check_shapes(checkpoint, "best", expected)
    with pytest.raises(
        GalvaeError, match=r"a/kernel: expected \(\(1000000000, 3\), 'float32'\), received \(\(2, 3\)"
    ):
        checkpoints.check_shapes(checkpoint, "best", {**expected, "a/kernel": ((10**9, 3), "float32")})
    many = save(tmp_path, 2, {f"{number}": np.zeros(1, np.float32) for number in range(300)})
    with pytest.raises(GalvaeError, match=r"a header of \d+ bytes in \d+, more than 10\d\d\d for its arrays"):
        checkpoints.check_shapes(many, "best", expected)


def test_variables_are_restored_by_path_or_not_at_all():
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2, name="one")], name="m")
    stored = checkpoints.snapshot(model.variables)
    assert {name.rpartition("/")[2] for name in stored} == {"kernel", "bias"}
    kernel = next(name for name in stored if name.endswith("kernel"))
    changed = {name: array + 1 for name, array in stored.items()}
    checkpoints.restore(model.variables, changed)
    np.testing.assert_array_equal(checkpoints.snapshot(model.variables)[kernel], stored[kernel] + 1)
    wrong = [
        {**stored, kernel: stored[kernel].T},
        {**stored, kernel: stored[kernel].astype(np.float64)},
        {**stored, "more": np.zeros(1)},
        {kernel: stored[kernel]},
    ]
    for arrays in wrong:
        with pytest.raises(GalvaeError, match="expected .*, received"):
            checkpoints.restore(model.variables, arrays)
    np.testing.assert_array_equal(checkpoints.snapshot(model.variables)[kernel], stored[kernel] + 1)


def test_a_snapshot_does_not_follow_the_variable():
    variable = keras.Variable(np.zeros(3, np.float32), name="v")
    stored = checkpoints.snapshot([variable])
    variable.assign_add(np.ones(3, np.float32))
    np.testing.assert_array_equal(stored["v"], np.zeros(3))
    with pytest.raises(ValueError, match="unique paths"):
        checkpoints.snapshot([variable, keras.Variable(np.zeros(1, np.float32), name="v")])


@pytest.mark.slow
def test_an_unfinished_first_checkpoint_is_removed(galvae, small_files, tmp_path):
    command = ("train", *small_files, "epochs=1", f"hydra.run.dir={tmp_path / 'run'}")
    assert galvae(*command)[0] == 0
    folder = tmp_path / "run" / "checkpoints"
    (folder / "epoch-0001").rename(folder / ".tmp-machine-1-0001")
    (tmp_path / "run" / "metrics.json").unlink()
    assert galvae(*command)[0] == 0
    assert [path.name for path in folder.iterdir()] == ["epoch-0001"]
