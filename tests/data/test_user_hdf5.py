"""What HDF5 alone can hold: groups, fixed text, chunks, and data sets larger than their file."""

import h5py
import numpy as np
import pytest
from builders.user_files import N, pixels

from galvae.data.load import load_dataset


def test_hdf5_in_groups_with_fixed_text_and_enumerated_flags(tmp_path, config):
    images = pixels(N, 8, 8, 3)
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["deep/cubes"] = images
        file["deep/name"] = np.array([b"a", b"b", b"c", b"d", b"e", "é".encode()])
        file["deep/flag"] = np.arange(N) > 2
        file["deep/pairs"] = np.zeros((N, 2))
        file["deep/scalar"] = 3.0
        file["deep/empty"] = h5py.Empty("f4")
        spectra = file.create_dataset("deep/spectra", (N,), h5py.vlen_dtype("f4"))
        spectra[0] = np.ones(3)
        file["deep/long"] = ["x" * 2000] * N
    dataset = load_dataset(config("a.hdf5", labels="deep/flag", ids="deep/name"))
    np.testing.assert_array_equal(dataset.images, images)
    assert dataset.catalogue["id"].tolist() == ["a", "b", "c", "d", "e", "é"]
    assert dataset.labels.tolist() == [0, 0, 0, 1, 1, 1] and dataset.class_names == ["0", "1"]
    assert set(dataset.catalogue) == {"id", "deep/name", "deep/flag"}


def test_one_chunk_of_all_images_and_odd_sides(tmp_path, config):
    for shape in ((N, 31, 33, 3), (N, 1, 1)):
        images = pixels(*shape)
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file.create_dataset("images", data=images, chunks=shape, compression="gzip")
        dataset = load_dataset(config("a.h5"))
        np.testing.assert_array_equal(dataset.images, images.reshape(dataset.images.shape))


def test_hdf5_that_declares_more_than_it_stores(tmp_path, refused):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("images", (10**6, 64, 64), "f4", chunks=(1, 64, 64))
    refused(["'images' declares"], "a.h5")


@pytest.mark.parametrize("kind", ["group", "compound", "npz"])
def test_a_catalogue_beside_the_images_is_joined_by_identity(tmp_path, config, kind):
    ids, z, order = np.arange(N) + 7, np.arange(N) / 10, [3, 0, 5, 1, 4, 2]
    rows = np.array(list(zip(ids[order], z[order], strict=True)), [("ID", "i8"), ("redshift", "f8")])
    if kind == "npz":
        np.savez(tmp_path / "a.npz", images=pixels(N, 8, 8), id=ids, cat=rows)
    else:
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["images"], file["id"] = pixels(N, 8, 8), ids
            for name in rows.dtype.names if kind == "group" else ():
                file[f"cat/{name}"] = rows[name]
            if kind == "compound":
                file["cat"] = rows
    dataset = load_dataset(config("a.npz" if kind == "npz" else "a.h5", condition=["redshift"]))
    assert dataset.ids.tolist() == ids.tolist()
    np.testing.assert_allclose(dataset.condition[:, 0], z, rtol=1e-6)
    assert "2 columns of 'cat' brought to the order of 'id' by 'cat/ID'" in dataset.report["notes"]


@pytest.mark.parametrize(
    ("names", "ids", "changed"),
    [
        (("id", "cat/id"), [7, 8, 9, 10, 11, 99], True),  # one is another galaxy
        (("a/id", "b/id"), [12, 11, 10, 9, 8, 7], True),  # neither is beside the images
        (
            ("id", "cat/objid"),
            [12, 11, 10, 9, 8, 7],
            False,
        ),  # small numbers under another name may count anything
        (("id", "cat/id"), [50, 51, 52, 53, 54, 55], False),
    ],
)
def test_ids_of_two_groups_that_disagree(tmp_path, config, refused, names, ids, changed):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["images"] = pixels(N, 8, 8)
        for name, values in zip(names, (np.arange(N) + 7, ids[::-1] if 99 in ids else ids), strict=True):
            file[name] = values
        file["cat/z"] = np.arange(N) / 10
    if changed:
        refused(["dataset.path", "a.h5", "expected the same ids in one order", *map(repr, names)], "a.h5")
    else:
        dataset = load_dataset(config("a.h5", condition=["cat/z"]))
        np.testing.assert_allclose(dataset.condition[:, 0], np.arange(N) / 10, rtol=1e-6)
