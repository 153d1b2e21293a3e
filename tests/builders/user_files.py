"""The user's own images on disk: arrays, and folders with one image file per galaxy."""

import struct
import zlib

import h5py
import numpy as np
from astropy.io import fits
from PIL import Image

N = 6  # images in a file


def pixels(*shape, dtype="u1"):
    """Values that are different from each other as far as the type allows."""
    values = np.arange(np.prod(shape)) * 7 % 251
    return (values / 256 if np.dtype(dtype).kind == "f" else values).astype(dtype).reshape(shape)


def store(folder, name, images, **columns):
    """Writes images and columns as .h5, .npz or .npy."""
    path = folder / name
    if path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            for key, values in {"images": images, **columns}.items():
                text = np.asarray(values).dtype.kind == "U"
                file.create_dataset(key, data=values.tolist() if text else values)
    elif path.suffix == ".npz":
        np.savez_compressed(path, images=images, **columns)
    else:
        np.save(path, images)


def write_image(folder, name, values, **options):
    """Writes one file of a folder of images, below folder / "images"."""
    path = folder / "images" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if ".fit" in name:
        fits.writeto(path, values, **options)
    else:
        Image.fromarray(values).save(path, **options)
    return path


def raw_png(path, depth, colour_type, rows, width, height):
    """Writes a PNG of a colour type or depth that Pillow does not write."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0))]
    chunks += [(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows))), (b"IEND", b"")]
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for name, data in chunks:
            file.write(
                struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
            )
