import os

import h5py
import numpy as np
import pytest

from galvae.data.formats.hdf5 import array, blocks, column, data_sets, open_hdf5
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


def test_no_link_out_of_the_file_is_followed(path, tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["secret/images"] = np.ones((3, 4, 4))
    with h5py.File(path, "a") as file:
        file["outside"] = h5py.ExternalLink("other.h5", "secret/images")
        file["folder"] = h5py.ExternalLink("other.h5", "secret")
        file["inside"] = h5py.SoftLink("/images")
        file["circle"] = h5py.SoftLink("/circle")
        file["group/same"] = file["ra"]
    with open_hdf5(path) as file:
        assert sorted(data_sets(file)) == ["images", "ra"]
        assert array(file, "group/same").shape == (7,)  # a second name in the file itself
        for name in ("outside", "folder/images", "inside", "circle", "circle/x", "images/x", "", "/", "."):
            with pytest.raises(GalvaeError, match=r"received images, ra \(links are not followed\)"):
                array(file, name)


def test_a_link_to_a_pipe_is_not_opened(path, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with h5py.File(path, "a") as file:
        file["outside"] = h5py.ExternalLink("pipe", "images")
    with open_hdf5(path) as file, pytest.raises(GalvaeError, match="no data set 'outside'"):
        array(file, "outside")


def test_values_in_other_files_are_not_read(tmp_path):
    path = tmp_path / "a.h5"
    (tmp_path / "secret").write_bytes(bytes(range(64)))
    layout = h5py.VirtualLayout((4, 4, 4), np.uint8)
    layout[:] = h5py.VirtualSource(str(tmp_path / "b.h5"), "images", (4, 4, 4))
    with h5py.File(path, "w") as file:
        file.create_dataset("outside", (4, 4, 4), np.uint8, external=[(str(tmp_path / "secret"), 0, 64)])
        file.create_virtual_dataset("virtual", layout)
    with open_hdf5(path) as file:
        for name in ("outside", "virtual"):
            with pytest.raises(GalvaeError, match=f"values of the data set '{name}' lie in other files"):
                array(file, name)


def test_a_filter_that_is_missing_is_named(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for code in (32001, 32015, 999):
            packing = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            packing.set_chunk((4, 4, 4))
            packing.set_filter(code, h5py.h5z.FLAG_OPTIONAL)
            space = h5py.h5s.create_simple((4, 4, 4))
            item = h5py.h5d.create(file.id, f"f{code}".encode(), h5py.h5t.STD_U8LE, space, packing)
            item.write_direct_chunk((0, 0, 0), bytes(64))
    with open_hdf5(tmp_path / "a.h5") as file:
        for code, name in ((32001, "blosc"), (32015, "zstd"), (999, "")):
            with pytest.raises(GalvaeError, match=rf"packed with {name} ?\(filter {code}\).*expected gzip"):
                array(file, f"f{code}")


def test_chunks_that_fill_the_memory_are_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        item = file.create_dataset("images", (40, 2**13, 2**13), "u1", chunks=(40, 2**13, 2**13))
        item.id.write_direct_chunk((0, 0, 0), bytes(10**7))
    with open_hdf5(tmp_path / "a.h5") as file, pytest.raises(GalvaeError, match="chunks of 2684354560 bytes"):
        array(file, "images")


@pytest.mark.parametrize(
    "dtype", [h5py.vlen_dtype("f4"), h5py.ref_dtype, h5py.string_dtype(), [("a", "f4")], "c8", "V3"]
)
def test_columns_of_anything_but_numbers_are_refused(tmp_path, dtype):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("ra", (7,), dtype)
    with open_hdf5(tmp_path / "a.h5") as file, pytest.raises(GalvaeError, match="ra"):
        column(file, "ra", 7)


def test_what_has_no_axes_is_no_column(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["scalar"], file["empty"] = 3.0, h5py.Empty("f4")
    with open_hdf5(tmp_path / "a.h5") as file:
        with pytest.raises(GalvaeError, match=r"shape \(\); expected \(7,\)"):
            column(file, "scalar", 7)
        with pytest.raises(GalvaeError, match="no data set 'empty'"):
            column(file, "empty", 7)
