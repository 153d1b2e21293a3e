import h5py
import numpy as np
import pytest

from galvae.data.hdf5 import array, blocks, column, open_hdf5
from galvae.errors import GalvaeError


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "galaxies.h5"
    with h5py.File(path, "w") as file:
        file["images"] = np.arange(7 * 4, dtype=np.uint8).reshape(7, 2, 2, 1)
        file["ra"] = np.arange(7.0)
        file.create_group("group")
    return path


def test_blocks_follow_each_other(path):
    with open_hdf5(path) as file:
        sizes = [len(block) for block in blocks(array(file, "images"), 3)]
        whole = np.concatenate(list(blocks(array(file, "images"), 3)))
    assert sizes == [3, 3, 1]
    np.testing.assert_array_equal(whole.ravel(), np.arange(28))


@pytest.mark.parametrize("name", ["nix", "group"])
def test_a_missing_data_set_names_those_there_are(path, name):
    with (
        open_hdf5(path) as file,
        pytest.raises(GalvaeError, match=f"no data set '{name}'.*received images, ra"),
    ):
        array(file, name)


def test_a_column_must_have_an_entry_per_image(path):
    with open_hdf5(path) as file:
        np.testing.assert_array_equal(column(file, "ra", 7), np.arange(7.0))
        with pytest.raises(GalvaeError, match=r"shape \(7,\); expected \(8,\)"):
            column(file, "ra", 8)


def test_terabytes_declared_in_kilobytes_are_refused(tmp_path):
    path = tmp_path / "bomb.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("images", (10**8, 256, 256, 3), np.uint8, chunks=(1, 256, 256, 3))
    assert path.stat().st_size < 10_000
    with (
        open_hdf5(path) as file,
        pytest.raises(GalvaeError, match="declares 19660800000000 bytes and stores 0"),
    ):
        array(file, "images")


def test_compressed_images_are_not_taken_for_a_bomb(tmp_path):
    path = tmp_path / "zeros.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("images", data=np.zeros((50, 64, 64, 3), np.uint8), compression="gzip")
    with open_hdf5(path) as file:
        assert array(file, "images").shape == (50, 64, 64, 3)


@pytest.mark.parametrize("damage", ["truncated", "text", "empty", "missing", "folder"])
def test_what_is_no_hdf5_is_one_line(path, damage, tmp_path):
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "folder":
        path = tmp_path
    else:
        path.write_bytes(
            {"truncated": content[: len(content) // 2], "text": b"galaxies", "empty": b""}[damage]
        )
    with pytest.raises(GalvaeError) as error, open_hdf5(path):
        pass
    assert str(path) in str(error.value)
    assert "expected" in str(error.value)
    assert "\n" not in str(error.value)


def test_damage_found_while_reading_is_one_line(tmp_path):
    path = tmp_path / "images.h5"
    with h5py.File(path, "w") as file:
        data = np.random.default_rng(0).integers(0, 9, (20, 32, 32, 1), dtype=np.uint8)
        stored = file.create_dataset("images", data=data, chunks=(5, 32, 32, 1), compression="gzip")
        offset = stored.id.get_chunk_info(2).byte_offset
    content = bytearray(path.read_bytes())
    content[offset : offset + 100] = bytes(100)
    path.write_bytes(content)
    with pytest.raises(GalvaeError, match="damaged"), open_hdf5(path) as file:
        list(blocks(array(file, "images"), 4))
