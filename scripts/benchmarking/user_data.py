"""Cases of the benchmark: the user's own data, against reading the same files without galvae."""

import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarking.commands import speeds
from benchmarking.measuring import GALVAE, alternating, row, run, seconds_of

SIDE = 32  # pixels of a FITS image


def joins(quick):
    """Time to join a table of ids with as many images in another order, against NumPy's intersection of the ids."""
    from galvae.data.tables.joins import Identity, join

    count, rows = 10_000 if quick else 1_000_000, []
    generator = np.random.default_rng(0)
    numbers = 1237648720142532814 + 7 * np.arange(count)
    for kind, ids in (("int64", numbers), ("text", numbers.astype(str))):
        order = generator.permutation(count)
        images = Identity(where="images", count=count, columns={"objid": ids})
        table = Identity(where="table", count=count, columns={"objid": ids[order]})
        reference = seconds_of(
            lambda ids=ids, order=order: np.intersect1d(ids, ids[order], return_indices=True)
        )
        seconds = seconds_of(lambda images=images, table=table: join(images, table))
        rows.append(
            row(f"join of {count:,} {kind} ids", f"{seconds:.2f} s", reference / seconds, "numpy.intersect1d")
        )
    return rows


def fits_folder(quick):
    """Time of `galvae prepare` for a folder of FITS images, one galaxy each, against reading them with astropy."""
    count = 1000 if quick else 100_000
    with tempfile.TemporaryDirectory() as folder:
        write_fits(Path(folder, "images"), count)
        read = (
            "import os, sys\nfrom astropy.io import fits\nfolder = sys.argv[1]\n"
            "for name in sorted(os.listdir(folder)):\n"
            "    with fits.open(os.path.join(folder, name), memmap=False) as hdus: hdus[0].data"
        )
        measures = {
            "astropy alone": lambda: run([sys.executable, "-c", read, f"{folder}/images"]),
            "galvae prepare": lambda: prepared(folder, "images"),
        }
        results = alternating(measures, 3 if quick else 1)
    return speeds(results, count, f"folder of {count:,} FITS images of {SIDE} px")


def parquet(quick):
    """Time of `galvae prepare` for images in Parquet, against the same in HDF5, as the Multimodal Universe has them."""
    count, bands, side = (200 if quick else 20_000), ["G", "R", "Z"], 96
    with tempfile.TemporaryDirectory() as folder:
        images = np.random.default_rng(0).normal(size=(count, len(bands), side, side)).astype(np.float32)
        write_multimodal_universe(folder, images, bands)
        measures = {
            "galvae prepare, HDF5": lambda: prepared(folder, "galaxies.hdf5"),
            "galvae prepare, Parquet": lambda: prepared(folder, "galaxies.parquet"),
        }
        results = alternating(measures, 3)
    return speeds(results, count, f"{count:,} images of {side} px in 3 bands")


def prepared(folder, name):
    """Runs `galvae prepare` on a path below a folder with an empty cache."""
    with tempfile.TemporaryDirectory(dir=folder) as cache:
        path = [f"dataset.path={folder}/{name}", "dataset.pixel_range=[-5,5]"]
        return run([*GALVAE, "prepare", "dataset=files", *path], {"GALVAE_CACHE": cache}, cache)


def write_fits(folder, count):
    """Writes FITS files whose pixels differ, faster than astropy does."""
    folder.mkdir()
    cards = [
        "SIMPLE  =                    T",
        "BITPIX  =                  -32",
        "NAXIS   =                    2",
    ]
    cards += [f"NAXIS{axis}  = {SIDE:20d}" for axis in (1, 2)] + ["END"]
    header = "".join(f"{card:80}" for card in cards).ljust(2880).encode()
    pixels = np.random.default_rng(0).random((SIDE, SIDE)).astype(">f4")
    for number in range(count):
        pixels[0, 0] = number
        data = pixels.tobytes()
        (folder / f"{number:06d}.fits").write_bytes(header + data + bytes(-len(data) % 2880))


def write_multimodal_universe(folder, images, bands):
    """Writes the same images as galaxies.hdf5 and galaxies.parquet."""
    import h5py
    import pyarrow as pa
    from pyarrow import parquet as pq

    count, ids = len(images), np.arange(len(images)).astype(str)
    with h5py.File(Path(folder, "galaxies.hdf5"), "w") as file:
        file["image_array"], file["object_id"] = images, ids.astype("S")
        file["image_band"] = np.tile(np.array(bands, "S"), (count, 1))
    flux = pa.array(images.ravel())
    for length in images.shape[:0:-1]:
        flux = pa.ListArray.from_arrays(np.arange(0, len(flux) + 1, length, dtype=np.int32), flux)
    band = pa.array([bands] * count)
    image = pa.StructArray.from_arrays([band, flux], ["band", "flux"])
    pq.write_table(
        pa.table({"image": image, "object_id": ids}), Path(folder, "galaxies.parquet"), row_group_size=100
    )
