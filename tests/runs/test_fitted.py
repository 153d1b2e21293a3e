"""Files of what is fitted to a run: whole, of its own checkpoint, or refused in one line."""

import json
import struct
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import load_file

from galvae.errors import GalvaeError
from galvae.runs import fitted
from galvae.system.atomic import Blocks

IDENTITY = {"weights": "a" * 64, "dataset": "b" * 64}
ARRAYS = {
    "mean": np.array([1.5, -2.0]),
    "count": np.array([3]),
    "kernel": np.eye(2, dtype=np.float32)[:, ::-1],
}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "prior.safetensors"
    fitted.save(path, ARRAYS, IDENTITY, {"seconds": 2.5, "names": ["x"]})
    return path


def test_arrays_come_back_as_they_were_in_blocks_or_whole(tmp_path):
    numbers = np.random.default_rng(0).random((10, 3), np.float32)
    arrays = {
        "blocks": Blocks(
            numbers.shape, np.float32, (numbers[start : start + 4] for start in range(0, 10, 4))
        ),
        "a mask": np.array([True, False, True]),
        "big": np.arange(5, dtype=">i8"),
        "columns": np.asfortranarray(numbers.astype(float)),
        "one": 2.5,
        "half": numbers[::2].astype(np.float16),
        "none": np.empty((0, 4), np.uint8),
    }
    path = tmp_path / "a.safetensors"
    fitted.save(path, arrays, IDENTITY, {"name": "é"})
    stored, facts = fitted.read(path, IDENTITY, "a prior", "")
    assert facts == {"name": "é"}
    for read in (stored, load_file(path)):  # as the library reads them too
        assert set(read) == set(arrays) and read["big"].dtype == np.int64
        for name, values in {**arrays, "blocks": numbers, "one": [2.5]}.items():
            assert read[name].dtype == np.asarray(values).dtype.newbyteorder("=")
            np.testing.assert_array_equal(read[name], values)
    with pytest.raises(KeyError):
        fitted.save(path, {"texts": np.array(["a"])}, IDENTITY, {})
    assert fitted.read(path, IDENTITY, "a prior", "")[1] == facts


def refused(path, identity=IDENTITY):
    """The message of the error with which a file is refused; without the path of the file."""
    with pytest.raises(GalvaeError) as error:
        fitted.read(path, identity, "a prior", "galvae prior run=r")
    text = str(error.value)
    assert text.startswith(f"{path}: ") and text.endswith("; fit again: galvae prior run=r")
    return text


def with_header(path, change):
    """Replaces the header of a safetensors file by a changed one."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])


def test_arrays_and_facts_return_as_they_were(file):
    arrays, facts = fitted.read(file, dict(reversed(IDENTITY.items())), "a prior", "galvae prior")
    assert facts == {"seconds": 2.5, "names": ["x"]} and sorted(arrays) == sorted(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array)
        assert arrays[name].dtype == array.dtype
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize("key", IDENTITY)
def test_another_checkpoint_or_dataset_is_refused(file, key):
    assert "present weights and dataset" in refused(file, {**IDENTITY, key: "c" * 64})


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header.pop("__metadata__"),
        lambda header: header["__metadata__"].pop("facts"),
        lambda header: header["__metadata__"].update(facts="[1]"),
        lambda header: header["__metadata__"].update(identity="{"),
        lambda header: header["mean"].update(dtype="I8"),
        lambda header: header["mean"].update(dtype="BF16"),
        lambda header: header["mean"].update(shape=[10**12]),
    ],
)
def test_a_damaged_header_is_refused(file, change):
    with_header(file, change)
    refused(file)


def test_a_file_that_is_cut_short_no_number_or_missing_is_refused(file):
    content = file.read_bytes()
    file.write_bytes(content[:-1])
    refused(file)
    fitted.save(file, {"mean": np.array([0.0, np.nan])}, IDENTITY, {})
    assert "mean: expected finite numbers" in refused(file)
    file.unlink()
    assert "no such file" in refused(file)


def test_a_folder_is_made_in_the_run_and_never_through_a_link(tmp_path):
    (tmp_path / "run").mkdir()
    run = SimpleNamespace(path=tmp_path / "run")
    assert fitted.folder(run, "priors", "gaussian").is_dir()
    (run.path / "noise").symlink_to(tmp_path)
    with pytest.raises(GalvaeError, match="expected no link"):
        fitted.folder(run, "noise", "deep")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]
    (run.path / "file").write_text("")
    with pytest.raises(GalvaeError, match="expected a run in which results can be written"):
        fitted.folder(run, "file")


def test_the_identity_is_that_of_weights_and_dataset():
    run = SimpleNamespace(weights_digest="w", state=SimpleNamespace(dataset_sha256="d"))
    assert fitted.identity(run) == {"weights": "w", "dataset": "d"}
