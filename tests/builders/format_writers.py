"""Files in the formats of astronomers and data scientists, written for a test."""

import io
import json

import h5py
import numpy as np
from astropy.io import fits
from astropy.table import Table
from PIL import Image


def write_hdf5(path, **arrays):
    """Writes data sets of numbers or text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name] = values.tolist() if np.asarray(values).dtype.kind == "U" else values


def write_table(path, **columns):
    """Writes columns as a table in the format of the file's ending."""
    table = Table({name: np.asarray(values) for name, values in columns.items()})
    formats = {
        ".csv": "ascii.csv",
        ".tsv": "ascii.tab",
        ".ecsv": "ascii.ecsv",
        ".vot": "votable",
        ".fits": "fits",
    }
    table.write(path, format=formats[path.suffix], overwrite=True)


def write_pictures(folder, names, ending, images, **options):
    """Writes one picture per galaxy, with sub-folders where names have them."""
    for name, image in zip(names, images, strict=True):
        path = folder / f"{name}{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image if image.shape[-1] == 3 else image[..., 0]).save(path, **options)


def write_fits(path, *extensions):
    """Writes a FITS file of (name, upright image (H, W)) extensions; row 0 of FITS is the lowest."""
    path.parent.mkdir(parents=True, exist_ok=True)
    images = [fits.ImageHDU(np.ascontiguousarray(image[::-1]), name=name) for name, image in extensions]
    fits.HDUList([fits.PrimaryHDU(), *images]).writeto(path)


def write_parquet(path, image, features=None, **columns):
    """Writes a Parquet file with a column of images and others; `features` is the metadata of Hugging Face."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({**image, **{name: np.asarray(values).tolist() for name, values in columns.items()}})
    if features:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, path, row_group_size=7)


def pictures(images, names):
    """Images as Hugging Face's image column: the bytes of a PNG and a path each."""
    rows = []
    for name, image in zip(names, images, strict=True):
        packed = io.BytesIO()
        Image.fromarray(image).save(packed, "PNG")
        rows.append({"bytes": packed.getvalue(), "path": f"{name}.png"})
    return rows
