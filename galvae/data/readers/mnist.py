"""Reader of MNIST: 70,000 handwritten digits of 28x28 pixels, the textbook example of a latent space."""

import zipfile
from pathlib import Path

import numpy as np

from galvae.data.area_average import area_average
from galvae.data.source import Source
from galvae.data.store.cache import file_identity
from galvae.errors import GalvaeError, line_of
from galvae.system.cache_folder import cache_folder

URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"  # as in Keras
PARTS = ("train", "test")


def fingerprint(config):
    """What determines the prepared arrays: the source file and the size to which its images are reduced."""
    return {"file": file_identity(locate(config)), "image_size": config.image_size}


def locate(config):
    """Path of the file: `dataset.path`, else in the cache, downloaded first if it is not there.

    Raises:
        CannotBeDone: if the download fails.
    """
    if config.path is not None:
        return Path(config.path)
    from galvae.data.store.download import download  # imports requests and pooch

    return download(URL, cache_folder(config.cache_dir) / "mnist.npz", sha256=SHA256)


def read(config):
    """Reads the training digits and then the test digits; the catalogue's column `part` says which is which.

    Raises:
        GalvaeError: if the file is damaged or not in the layout of mnist.npz.
    """
    path = locate(config)
    try:
        # Opened here, since NumPy leaves files open that it refuses.
        with open(path, "rb") as stored, np.load(stored, allow_pickle=False) as file:
            images, labels = ([file[f"{name}_{part}"] for part in PARTS] for name in "xy")
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise GalvaeError(
            f"{path}: expected the arrays x_train, y_train, x_test and y_test ({line_of(error)})"
        ) from error
    for x, y in zip(images, labels, strict=True):
        if x.ndim != 3 or x.dtype != np.uint8 or y.shape != (len(x),) or y.dtype.kind not in "iu":
            raise GalvaeError(
                f"{path}: expected images (N, H, W) of type uint8 with N labels, received {x.shape} {x.dtype} "
                f"with {y.shape} {y.dtype}"
            )
    digits = np.concatenate(images)[..., None]
    classes = np.concatenate(labels).astype(np.int64)
    if classes.min() < 0 or classes.max() > 9:
        raise GalvaeError(f"{path}: expected digits 0 to 9, received {classes.min()} to {classes.max()}")
    if config.image_size is not None:
        digits = area_average(digits, config.image_size)
    return Source(
        shape=digits.shape,
        dtype="uint8",
        blocks=[digits],
        pixel_range=(0, 255),
        labels=classes,
        class_names=[str(digit) for digit in range(10)],
        catalogue={
            "id": np.arange(len(digits)),
            "part": np.repeat(PARTS, [len(part) for part in images]),
        },
        ids_are_rows=True,
    )
