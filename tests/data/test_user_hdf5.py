"""What HDF5 alone can hold: groups, fixed text, chunks, and data sets larger than their file."""

import h5py
import numpy as np
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
