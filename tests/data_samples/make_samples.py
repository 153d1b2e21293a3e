"""Makes the sample files beside it: `python tests/data_samples/make_samples.py`.

Each has the layout of the large file that it stands for, and its holes: redshifts and pixel scales that nobody has
measured, two of ten classes, a stamp of which a third lies outside the survey's image.
"""

from pathlib import Path

import galsim
import h5py
import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.data import hubble_deep_field

COUNT = 12
FOLDER = Path(__file__).parent


def galaxy10(path, side=64):
    """The brightest sources of the Hubble eXtreme Deep Field, as its picture shows them, in Galaxy10's layout.

    Right ascension and declination are those of the field with places in it from a scale of 0.16 arcsec per pixel.
    """
    picture = hubble_deep_field()
    light = gaussian_filter(picture.mean(axis=-1), 3)
    places, margin = [], side // 2
    inside = np.zeros(light.shape, bool)
    inside[margin:-margin, margin:-margin] = True
    while len(places) < COUNT:
        y, x = np.unravel_index(np.where(inside, light, 0).argmax(), light.shape)
        places.append((y, x))
        inside[max(0, y - side) : y + side, max(0, x - side) : x + side] = False
    y, x = np.array(places).T
    halves = range(-margin, margin)
    images = picture[(y[:, None] + halves)[:, :, None], (x[:, None] + halves)[:, None, :]]
    write(
        path,
        images=images,
        ans=(np.arange(COUNT) % 4 == 1).astype(np.uint8),
        ra=189.206 - (x - 500) * 0.16 / 3600 / np.cos(np.radians(62.216)),
        dec=62.216 - (y - 436) * 0.16 / 3600,
        redshift=np.where(np.arange(COUNT) % 3 == 0, np.linspace(0.1, 0.6, COUNT), np.nan),
        pxscale=np.full(COUNT, np.nan),
    )


def stamps(path, side=48):
    """Galaxies that galsim draws, with sky noise around zero, in the layout of vae-project's stamps."""
    generator = np.random.default_rng(0)
    redshift = np.linspace(0.2, 1.3, COUNT, dtype=np.float32)
    images = np.empty((COUNT, side, side), np.float32)
    for image, value in zip(images, redshift, strict=True):
        galaxy = galsim.Sersic(
            n=generator.choice([1, 4]), half_light_radius=generator.uniform(0.15, 0.4), flux=8
        )
        galaxy = galaxy.shear(g=generator.uniform(0, 0.5), beta=generator.uniform(0, 180) * galsim.degrees)
        galaxy = galsim.Convolve(galaxy / (1 + value), galsim.Gaussian(fwhm=0.1))
        image[:] = galaxy.drawImage(nx=side, ny=side, scale=0.05, method="no_pixel").array
        image += generator.normal(0, 0.01, image.shape)
    images = np.round(images * 4096) / 4096  # noise of fewer digits is packed into less
    images[images == 0] = 1 / 4096
    images[-1, :, : side // 3] = 0
    write(path, images=images, redshift=redshift)


def write(path, **arrays):
    """Writes arrays as HDF5, the images packed."""
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            packed = (
                {"compression": "gzip", "compression_opts": 9, "shuffle": True} if name == "images" else {}
            )
            file.create_dataset(name, data=array, **packed)


if __name__ == "__main__":
    galaxy10(FOLDER / "galaxy10.h5")
    stamps(FOLDER / "stamps.h5")
