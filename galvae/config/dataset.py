"""Keys of the datasets."""

import math
from dataclasses import dataclass

from galvae.config.fields import key, make_absolute
from galvae.errors import GalvaeError


@dataclass(kw_only=True)
class DatasetConfig:
    """Keys of every dataset."""

    name: str = key("name of the dataset")
    image_size: int | None = key(
        "side in pixels to which images are reduced by averaging; null: as stored", at_least=8, at_most=4096
    )
    augment: bool = key("whether training images are flipped and rotated by 90 degrees at random")
    split: list[float] = key("fractions of the images for training, validation and test", above=0, at_most=1)
    split_seed: int = key(
        "seed of the split into training, validation and test images, the same for all values of `seed`",
        at_least=0,
        at_most=2**32 - 1,
    )
    cache_dir: str | None = key("folder of prepared arrays; null: $GALVAE_CACHE or ~/.cache/galvae")
    stretch: str = key(
        "intensity stretch between percentiles 0.1 and 99.9 of the training pixels; none: the dataset's pixel range",
        choices=("none", "linear", "asinh"),
    )
    missing_condition: str = key(
        "what a conditional model does with images whose condition is missing: drop them, stop with an error, or use "
        "the mean condition",
        choices=("drop", "error", "mean"),
    )

    def check(self):
        if len(self.split) != 3 or not math.isclose(sum(self.split), 1, abs_tol=1e-6):
            raise GalvaeError(
                f"dataset.split: expected three fractions that sum to 1, as [0.8,0.1,0.1], received {self.split}"
            )
        make_absolute(self)


@dataclass(kw_only=True)
class HdfConfig(DatasetConfig):
    """Galaxies cut from the Hubble Deep Field."""

    def check(self):
        super().check()
        if self.image_size is None or self.image_size > 512:
            raise GalvaeError(
                f"dataset.image_size: expected at most 512 pixels for hdf, received {self.image_size or 'null'}"
            )


@dataclass(kw_only=True)
class Galaxy10Config(DatasetConfig):
    """The Galaxy10 DECaLS file."""

    path: str | None = key("path of the HDF5 file; null: astroNN's cache folder, else a download (2.7 GB)")


@dataclass(kw_only=True)
class FilesConfig(DatasetConfig):
    """The user's own images."""

    path: str = key("path of an HDF5, .npy or .npz file, or of a folder of PNG, JPEG or FITS images")
    images: str | None = key("name of the images in an HDF5 or .npz file; null: the only array of images")
    table: str | None = key(
        "path of a CSV, ECSV or FITS table with a row per image, for .npy files and folders; null: none"
    )
    labels: str | None = key(
        "column or array of class labels; folder: the names of sub-folders; null: no classes"
    )
    class_names: list[str] | None = key("names of the classes 0, 1, ...; null: as in the file")
    condition: list[str] = key(
        "columns or arrays on which a conditional model is conditioned; commands vary the first"
    )
    ids: str | None = key(
        "column or array of ids; in the table of a folder, the column of file names; null: row indices or file names"
    )
    pixel_range: list[float] | None = key(
        "stored values that become 0 and 1; null: [0,255] for uint8, [0,65535] for uint16, [0,1] for floats"
    )

    def check(self):
        super().check()
        if self.pixel_range is not None and not (
            len(self.pixel_range) == 2 and self.pixel_range[0] < self.pixel_range[1]
        ):
            raise GalvaeError(
                f"dataset.pixel_range: expected two increasing numbers, received {self.pixel_range}"
            )


@dataclass(kw_only=True)
class StampsConfig(DatasetConfig):
    """Hubble stamps with redshifts, from vae-project's HDF5 layout or from the public COSMOS archive."""

    path: str | None = key("path of the HDF5 file; null: the COSMOS sample")
    images: str | None = key("name of the images in the file; null: the only data set with 3 or 4 axes")
    redshift: str | None = key(
        "name of the redshifts in the file; null: the only column of floats, else the one named like a redshift"
    )
    archive: str | None = key("folder of the COSMOS sample, which galsim reads; null: in the cache folder")
    download: bool = key("whether to download the COSMOS sample (4 GB) if it is not in its folder")


@dataclass(kw_only=True)
class SimulatedConfig(DatasetConfig):
    """Galaxies simulated with galsim from known factors."""

    image_size: int = key("side of the images in pixels", at_least=8, at_most=4096)
    count: int = key("number of galaxies", at_least=3, at_most=10_000_000)
    bands: int = key("number of bands, 1 or 3", at_least=1, at_most=3)
    seed: int = key("seed of the galaxies and their noise", at_least=0, at_most=2**31 - 1)
    noise: float = key(
        "standard deviation of the sky noise, as a fraction of full scale", at_least=0, at_most=1
    )
    psf: float = key("full width at half maximum of the point spread function in pixels", above=0, at_most=20)
    max_redshift: float = key("largest redshift; redshifts are uniform from 0 to it", above=0, at_most=10)
    workers: int | None = key("number of processes; null: one per processor", at_least=1, at_most=1024)

    def check(self):
        super().check()
        if self.bands == 2:
            raise GalvaeError("dataset.bands: expected 1 or 3, received 2")


@dataclass(kw_only=True)
class MnistConfig(DatasetConfig):
    """Handwritten digits."""

    path: str | None = key("path of mnist.npz; null: a download (11 MB)")


@dataclass(kw_only=True)
class PrepareConfig:
    """Download, check and cache a dataset, and report its content."""

    dataset: DatasetConfig = key("dataset to prepare")
