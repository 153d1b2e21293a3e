"""Keys of the datasets."""

import math
from dataclasses import dataclass

from galvae.config.fields import key, make_absolute
from galvae.errors import GalvaeError


@dataclass(kw_only=True)
class DatasetConfig:
    """What every dataset can be told."""

    name: str = key("reader of the images")
    image_size: int | None = key(
        "side in pixels that images are brought to; null: as stored", at_least=8, at_most=4096
    )
    augment: bool = key("flip and turn training images at random, on the device")
    split: list[float] = key("shares of train, val and test", above=0, at_most=1)
    split_seed: int = key(
        "seed of the split (not `seed`: a sweep over seeds shares its test set)",
        at_least=0,
        at_most=2**32 - 1,
    )
    cache_dir: str | None = key("where prepared arrays are kept; null: $GALVAE_CACHE or ~/.cache/galvae")
    stretch: str = key(
        "of stored values before the network: none, or between percentiles of the training images",
        choices=("none", "linear", "asinh"),
    )
    missing_condition: str = key(
        "what a conditional model does with images whose condition is unknown",
        choices=("drop", "error", "mean"),
    )

    def check(self):
        if len(self.split) != 3 or not math.isclose(sum(self.split), 1, abs_tol=1e-6):
            raise GalvaeError(
                f"dataset.split: expected three shares that sum to 1, as [0.8,0.1,0.1], received {self.split}"
            )
        make_absolute(self)


@dataclass(kw_only=True)
class HdfConfig(DatasetConfig):
    """Stamps cut from the Hubble Deep Field."""

    def check(self):
        super().check()
        if self.image_size is None or self.image_size > 512:
            raise GalvaeError(
                f"dataset.image_size: expected at most 512 pixels for hdf, received {self.image_size or 'null'}"
            )


@dataclass(kw_only=True)
class Galaxy10Config(DatasetConfig):
    """The Galaxy10 DECaLS file."""

    path: str | None = key("the HDF5 file; null: astroNN's cache folder, else a download (2.7 GB)")


@dataclass(kw_only=True)
class FilesConfig(DatasetConfig):
    """The user's own images."""

    path: str = key("HDF5, .npy or .npz file, or a folder of PNG, JPEG or FITS images")
    images: str | None = key("name of the images inside an HDF5 or .npz file; null: the only array of images")
    table: str | None = key("CSV, ECSV or FITS table with a row per image (for .npy files and folders)")
    labels: str | None = key("column or array of classes; `folder`: a folder's sub-folders are the classes")
    class_names: list[str] | None = key("names of classes 0, 1, ...; null: as found")
    condition: list[str] = key("columns or arrays that condition the model, redshift first")
    ids: str | None = key("column or array of ids; of a folder's table, the column of file names")
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

    path: str | None = key("the HDF5 file; null: the archive")
    images: str | None = key("its data set of images; null: the first in key order")
    redshift: str | None = key("its data set of redshifts; null: the second in key order, if there is one")
    archive: str | None = key("folder of the COSMOS training sample (needs galsim); null: in the cache")
    download: bool = key("fetch the archive first if it is not there (4 GB)")


@dataclass(kw_only=True)
class SimulatedConfig(DatasetConfig):
    """Galaxies drawn from known factors with galsim."""

    image_size: int = key("side of the stamps in pixels", at_least=8, at_most=4096)
    count: int = key("number of galaxies", at_least=3, at_most=10_000_000)
    bands: int = key("1 or 3", at_least=1, at_most=3)
    seed: int = key("of the galaxies and their noise", at_least=0, at_most=2**31 - 1)
    noise: float = key("standard deviation of the sky, as a share of full scale", at_least=0, at_most=1)
    psf: float = key("full width at half maximum of the point spread function in pixels", above=0, at_most=20)
    max_redshift: float = key("redshifts are uniform between 0 and this", above=0, at_most=10)
    workers: int | None = key("processes that draw; null: one per processor", at_least=1, at_most=1024)

    def check(self):
        super().check()
        if self.bands == 2:
            raise GalvaeError("dataset.bands: expected 1 or 3, received 2")


@dataclass(kw_only=True)
class MnistConfig(DatasetConfig):
    """Handwritten digits."""

    path: str | None = key("mnist.npz; null: downloaded (11 MB)")


@dataclass(kw_only=True)
class PrepareConfig:
    """Download, check and cache a dataset, and say what is in it."""

    dataset: DatasetConfig = key("dataset")
