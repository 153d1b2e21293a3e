"""Keys of the datasets."""

import math
from dataclasses import dataclass

from galvae.config.fields import key, make_absolute
from galvae.errors import GalvaeError

READING = 2  # version of the rules by which readers understand files; a change makes earlier runs refuse new readings


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
    split_by: str | None = key(
        "column whose values decide the split by a hash, so that a galaxy keeps its split as the data grow: id, or a "
        "column such as tract or exposure, whose galaxies are then all in one split; null: at random",
        added=None,
    )
    cache_dir: str | None = key(
        "folder of prepared arrays; null: $GALVAE_CACHE, else galvae in your cache folder (~/.cache on Linux)"
    )
    stretch: str = key(
        "intensity stretch between percentiles 0.1 and 99.9 of the training pixels; none: the dataset's pixel range",
        choices=("none", "linear", "asinh"),
    )
    missing_condition: str = key(
        "what a conditional model does with images whose condition is missing: drop them, stop with an error, or use "
        "the mean condition",
        choices=("drop", "error", "mean"),
    )
    condition: list[str] = key(
        "columns on which a conditional model is conditioned, as [class] or [class,redshift]; a class comes first, and "
        "commands vary the first; []: the redshift, if there is one",
        added=[],
    )
    nan: str = key(
        "what happens to images with pixels that are not finite: stop with an error, fill these pixels with the median "
        "of the image's sky and set them aside in the loss, or drop the images",
        choices=("error", "fill", "drop"),
        added="error",
    )
    drop: str | None = key(
        "blank: leave out images whose pixels all have one value, or of which a part is blank; null: keep them",
        choices=("blank",),
        added=None,
    )
    rgb: list[int] | None = key(
        "three of the bands that are used, counted from 0, which figures show as red, green and blue; null: images of "
        "three bands as they are, of any other number as their mean",
        at_least=0,
        at_most=15,
        added=None,
    )
    select: str | None = key(
        "path of a table with the ids, in a column id, of the images that are used, as select= of umap and evaluate "
        "writes it; the others are in no split; null: all",
        added=None,
    )
    verify: str = key(
        "how often the checksums of prepared images are compared: auto, once for each state of their files; always, "
        "whenever they are opened",
        choices=("auto", "always"),
        added="auto",
    )

    def check(self):
        if self.rgb is not None and len(self.rgb) != 3:
            raise GalvaeError(f"dataset.rgb: expected three bands, as [2,1,0], received {self.rgb}")
        if len(self.split) != 3 or not math.isclose(sum(self.split), 1, abs_tol=1e-6):
            raise GalvaeError(
                f"dataset.split: expected three fractions that sum to 1, as [0.8,0.1,0.1], received {self.split}"
            )
        make_absolute(self)

    @property
    def is_read_by_earlier_rules(self):
        """Whether files were read by the rules of an earlier version, which this one no longer has."""
        return getattr(self, "reading", READING) != READING

    def check_new(self):
        """Refuses a dataset that is to be read anew by earlier rules.

        Raises:
            GalvaeError: if `reading` is not the present one.
        """
        if self.is_read_by_earlier_rules:
            raise GalvaeError(
                f"dataset.reading: expected {READING}, since only runs that galvae 0.1 began have another; received "
                f"{self.reading}"
            )


@dataclass(kw_only=True)
class HdfConfig(DatasetConfig):
    """Galaxies cut from the Hubble eXtreme Deep Field."""

    def check(self):
        super().check()
        if self.image_size is None or self.image_size > 512:
            raise GalvaeError(
                f"dataset.image_size: expected at most 512 pixels for hdf, received {self.image_size or 'null'}"
            )


@dataclass(kw_only=True)
class SourceConfig(DatasetConfig):
    """Keys of every dataset that is read from files of images and columns."""

    reading: int = key(
        "version of the rules by which files are read; 1: those of galvae 0.1, for runs that it began",
        at_least=1,
        at_most=READING,
        added=1,
    )


@dataclass(kw_only=True)
class Galaxy10Config(SourceConfig):
    """Galaxy10, DECaLS or SDSS: colour images of galaxies in ten morphological classes."""

    path: str | None = key(
        "path of the HDF5 or Parquet file; null: astroNN's cache folder, else a download (2.7 GB)"
    )


@dataclass(kw_only=True)
class ArraysConfig(SourceConfig):
    """Keys of datasets whose images are arrays in files of the user's."""

    axes: str | None = key(
        "order of the axes of stored images in letters, N galaxies, H rows, W columns, C bands: as NHWC, NCHW, NHW, "
        "HWN, or HWC for a single galaxy; null: by their lengths, where these allow one order only",
        added=None,
    )
    row_0: str | None = key(
        "where the first stored row of an image is drawn; null: at the bottom for FITS, at the top for others",
        choices=("top", "bottom"),
        added=None,
    )

    def check(self):
        super().check()
        letters = sorted(self.axes or "HW")
        if not (set("HW") <= set(letters) <= set("NHWC") and len(letters) == len(set(letters))):
            raise GalvaeError(
                f"dataset.axes: expected each of H and W once, and N and C at most once, as NHWC, received {self.axes}"
            )


@dataclass(kw_only=True)
class FilesConfig(ArraysConfig):
    """The user's own images."""

    path: str = key(
        "path of an HDF5, .npy, .npz or Parquet file, of a folder of PNG, JPEG, WebP, TIFF or FITS images, or of a "
        "folder or pattern of several of the former, as part-*.hdf5"
    )
    images: str | None = key("name of the images in an HDF5, .npz or Parquet file; null: the only images")
    channels: list[str | int] | None = key(
        "bands to use, in this order, by name or counted from 0, as [i,r,g]; null: all, as stored", added=None
    )
    hdu: list[str | int] | str | int | None = key(
        "extension of the image in a FITS file, by name or number, or a list with one for each band; null: SCI, else "
        "the only image",
        added=None,
    )
    band_files: str | list[str] | None = key(
        "for one file per band: the pattern of file names, as '{id}_{band}.fits', or the columns of the table that "
        "hold them; null: one file per galaxy",
        added=None,
    )
    mask: str | None = key(
        "extension, array or column with a mask of each image, whose pixels are set aside in the loss; null: none",
        added=None,
    )
    mask_where: str = key(
        "values of the mask where pixels are set aside: nonzero, or zero as in weights and inverse variances",
        choices=("nonzero", "zero"),
        added="nonzero",
    )
    table: str | None = key(
        "path of a table with a row per image: CSV, TSV, ECSV, FITS, VOTable, Parquet or HDF5; null: none"
    )
    table_name: str | int | None = key(
        "name or number of the table in a file of several; null: the only one with the columns asked for",
        added=None,
    )
    join: str = key(
        "how rows of the table find their images: auto, by ids or file names wherever both have them; order, the first "
        "row to the first image",
        choices=("auto", "order"),
        added="auto",
    )
    labels: str | None = key(
        "column or array of class labels; folder: the names of sub-folders; null: no classes"
    )
    class_names: list[str] | None = key("names of the classes 0, 1, ...; null: as in the file")
    condition: list[str] = key(
        "columns or arrays on which a conditional model is conditioned, such as [class,redshift], where class means "
        "the classes of `labels`; a class comes first, and commands vary the first; []: that of `redshift`"
    )
    redshift: str | None = key(
        "column of redshifts, if its name does not say that it is one, and the condition if `condition` is empty; "
        "null: by name",
        added=None,
    )
    ids: str | None = key(
        "column or array of ids, or a .npy file of them, by which the table is joined; in the table of a folder, the "
        "column of file names; null: recognised by name"
    )
    split_from: str | None = key(
        "column that says train, val or test for each image; folder: the names of sub-folders; null: at "
        "random, or by sub-folders train, val and test of labels=folder",
        added=None,
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
class StampsConfig(ArraysConfig):
    """Hubble stamps with redshifts, from vae-project's HDF5 layout or from the public COSMOS archive."""

    path: str | None = key("path of the HDF5 file; null: the COSMOS sample")
    images: str | None = key("name of the images in the file; null: the only data set with 3 or 4 axes")
    redshift: str | None = key(
        "name of the redshifts in the file; null: the column named like a redshift, or the second of two arrays"
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

    def check(self):
        self.dataset.check_new()
