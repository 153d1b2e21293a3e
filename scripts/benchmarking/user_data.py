"""Cases of the benchmark: the user's own data, against reading the same files without galvae."""

import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarking.commands import speeds
from benchmarking.measuring import GALVAE, alternating, program, row, run, seconds_of

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


def several_files(quick):
    """Time to prepare 8 files in two processes and in one, and one more file, against one process for the 8."""
    count, side = (200 if quick else 4000), 128
    with tempfile.TemporaryDirectory() as folder:
        images = np.random.default_rng(0).integers(0, 40, (count, side, side, 3), np.uint8)
        for number in range(
            9
        ):  # compressed, as surveys are: reading is work for a processor, not for the disk
            write_gzipped(Path(folder, f"part-{number}.hdf5"), images, number)
        more = Path(folder, "part-8.hdf5").rename(Path(folder, "later.hdf5"))

        def once(processes):
            with tempfile.TemporaryDirectory(dir=folder) as cache:
                first = _seconds_to_load(folder, cache, processes)
                more.rename(Path(folder, "part-8.hdf5"))
                added = _seconds_to_load(folder, cache, processes)
                Path(folder, "part-8.hdf5").rename(more)
            return first, added

        results = alternating({1: lambda: once(1), 2: lambda: once(2)}, 1 if quick else 2)
    one, two, added = (
        statistics.median(values)
        for values in (
            [first for first, _ in results[1]],
            [first for first, _ in results[2]],
            [added for _, added in results[2]],
        )
    )
    case = f"8 files of {count:,} gzipped images of {side} px"
    return [
        row(f"{case}, one process", f"{one:.1f} s"),
        row(f"{case}, two processes", f"{two:.1f} s", one / two, "one process"),
        row("one file more", f"{added:.1f} s", one / added, "one process for 8"),
    ]


def _seconds_to_load(folder, cache, processes):
    """Seconds in which part-*.hdf5 in a folder are prepared, with so many processes that read."""
    path = f"{folder}/part-*.hdf5"
    return program("prepare_files", path=path, cache=cache, processes=processes)["seconds"]


def write_gzipped(path, images, number):
    """Writes images that differ by a number from those of other files."""
    import h5py

    with h5py.File(path, "w") as file:
        file.create_dataset(
            "images", data=images ^ np.uint8(number), chunks=(1, *images.shape[1:]), compression="gzip"
        )
        file["objid"] = len(images) * number + np.arange(len(images))


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
