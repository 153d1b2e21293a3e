import os

import numpy as np
import pytest

from galvae.system.atomic import Blocks, replacing, save_arrays


def test_arrays_come_back_as_they_were_in_blocks_or_whole(tmp_path):
    images = np.random.default_rng(0).random((10, 4, 4, 3), np.float32)
    blocks = Blocks(images.shape, np.float32, (images[start : start + 3] for start in range(0, 10, 3)))
    save_arrays(tmp_path / "a.npz", images=blocks, names=np.array(["é", "b"]), number=3)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as stored:
        assert list(stored) == ["images", "names", "number"]
        np.testing.assert_array_equal(stored["images"], images)
        assert stored["images"].dtype == np.float32
        assert list(stored["names"]) == ["é", "b"] and stored["number"] == 3


def test_a_block_that_fails_leaves_the_file_as_it_was(tmp_path):
    save_arrays(tmp_path / "a.npz", values=np.arange(3))
    before = (tmp_path / "a.npz").read_bytes()

    def blocks():
        yield np.zeros((1, 2), np.float32)
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        save_arrays(tmp_path / "a.npz", values=Blocks((2, 2), np.float32, blocks()))
    assert (tmp_path / "a.npz").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_objects_are_not_written(tmp_path):
    with pytest.raises(ValueError, match="allow_pickle"):
        save_arrays(tmp_path / "a.npz", values=np.array([{}, None]))
    assert not list(tmp_path.iterdir())


def test_the_ending_is_kept_while_a_file_is_written(tmp_path):
    with replacing(tmp_path / "figure.png") as beside:
        assert beside.suffix == ".png" and beside.parent == tmp_path
        beside.write_text("whole")
    assert (tmp_path / "figure.png").read_text() == "whole"


def test_what_lies_at_either_name_is_replaced_and_not_followed(tmp_path):
    """A run from elsewhere may hold a link at the name of every process number."""
    victim = tmp_path / "victim"
    victim.write_text("the user's own")
    for name in ("file.npz", f".{os.getpid()}-file.npz"):
        (tmp_path / name).symlink_to(victim)
    save_arrays(tmp_path / "file.npz", values=np.arange(3))
    assert victim.read_text() == "the user's own"
    assert not (tmp_path / "file.npz").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.npz", "victim"]
