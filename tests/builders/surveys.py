"""Files in the layouts of surveys: written for a test, or samples of real and drawn galaxies in data_samples/."""

from pathlib import Path

import h5py
import numpy as np
from sklearn.datasets import load_digits

from builders.galaxies import ellipses

SAMPLES = Path(__file__).resolve().parents[1] / "data_samples"


def write_survey(path, count=60, side=16):
    """Galaxies with everything a survey knows: ids, positions, classes, redshifts of which the first two lack.

    Returns:
        Overrides with which a command reads the file.
    """
    redshift = np.linspace(0.1, 2, count)
    redshift[:2] = np.nan
    with h5py.File(path, "w") as file:
        file["images"] = ellipses(count, side)
        file["name"] = np.array([f"G{number:03d}" for number in range(count)], "S4")
        file["ra"] = np.linspace(150, 151, count)
        file["dec"] = np.linspace(2, 3, count)
        file["kind"] = np.arange(count) % 3
        file["redshift"] = redshift
    return (
        "dataset=files",
        f"dataset.path={path}",
        "dataset.images=images",
        "dataset.axes=NHWC",  # 16 pixels could also be 16 bands
        "dataset.ids=name",
        "dataset.labels=kind",
        "dataset.class_names=[spiral,merger,elliptical]",
        "dataset.condition=[redshift]",
    )


def write_galaxy10(path, count=30, side=256, **changes):
    """A file in Galaxy10's layout; `changes` replace or, when None, leave out a data set."""
    arrays = {
        "images": ellipses(count, side),
        "ans": (np.arange(count) % 10).astype(np.uint8),
        "ra": np.linspace(0, 359, count),
        "dec": np.linspace(-30, 30, count),
        "redshift": np.where(np.arange(count) % 3, 0.1, np.nan),
        "pxscale": np.full(count, 0.262),
        **changes,
    }
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            if array is not None:
                file[name] = array
    return path


def write_mnist(path, count=20):
    """Scikit-learn's digits, enlarged to 28 pixels, in the layout of mnist.npz."""
    digits = load_digits()
    large = np.kron(digits.images[: 2 * count], np.ones((3, 3)))  # 8 pixels to 24, of 0 to 16
    images = np.pad(np.round(large * 255 / 16).astype(np.uint8), ((0, 0), (2, 2), (2, 2)))
    labels = digits.target[: 2 * count].astype(np.uint8)
    np.savez(
        path, x_train=images[:count], y_train=labels[:count], x_test=images[count:], y_test=labels[count:]
    )
    return path


def write_stamps(path, count=30, side=18, redshift=True):
    """A file in the layout of vae-project's COSMOS or, without redshifts, HST stamps."""
    noise = np.random.default_rng(0).normal(0, 0.01, (count, side, side))
    with h5py.File(path, "w") as file:
        file["images"] = (ellipses(count, side, bands=1)[..., 0] / 300 + noise).clip(0, 1).astype(np.float32)
        if redshift:
            file["redshift"] = np.linspace(0.1, 2, count)
    return path
