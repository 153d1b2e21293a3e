"""The layouts in which astronomers have their images: each as the files of one worked example of docs/your_data.md.

A layout has the words that a user types, a function that writes the files they name into a folder, and what must be
read from these: pixels, ids, redshifts, classes, split, known when the files are written. Tables are in another order
than the images wherever both have ids or names.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from builders.format_writers import (
    pictures,
    write_fits,
    write_hdf5,
    write_parquet,
    write_pictures,
    write_table,
)
from builders.galaxies import ellipses

COUNT, SIDE = 20, 24
KINDS = ("elliptical", "merger", "spiral")
# As Galaxy10's documentation numbers them.
DECALS_CLASSES = (
    *("Disturbed", "Merging", "Round Smooth", "In-between Round Smooth", "Cigar Shaped Smooth"),
    *("Barred Spiral", "Unbarred Tight Spiral", "Unbarred Loose Spiral"),
    *("Edge-on without Bulge", "Edge-on with Bulge"),
)
SDSS_CLASSES = (
    *(
        "Disk, Face-on, No Spiral",
        "Smooth, Completely round",
        "Smooth, in-between round",
        "Smooth, Cigar shaped",
    ),
    *("Disk, Edge-on, Rounded Bulge", "Disk, Edge-on, Boxy Bulge", "Disk, Edge-on, No Bulge"),
    *("Disk, Face-on, Tight Spiral", "Disk, Face-on, Medium Spiral", "Disk, Face-on, Loose Spiral"),
)
ORDER = np.random.default_rng(5).permutation(COUNT)  # of the rows of tables
NAMES = np.array([f"G{number}" for number in range(COUNT)])  # in file order G0, G1, G10, G11, ..., G2, ...
ZEROS = np.array([f"{number:04d}" for number in range(5, 5 + COUNT)])
OBJIDS = 1237648720142532814 + 3 * np.arange(COUNT, dtype=np.int64)  # not exact as floats
CLASSES = np.arange(COUNT) * 7 % 3
REDSHIFTS = np.round(0.05 + 0.11 * (np.arange(COUNT) * 7 % COUNT), 3)
REDSHIFTS[3], REDSHIFTS[5] = -99, -0.001  # unknown, and a nearby galaxy that approaches
KNOWN = np.where(REDSHIFTS == -99, np.nan, REDSHIFTS)


@dataclass(kw_only=True)
class Expected:
    """What must be read from the files of a layout, in the order in which the test lists its galaxies.

    Attributes:
        images: (N, H, W, C), upright, in stored units.
        ids: (N,) ids.
        redshift: (N,), NaN where unknown, or None.
        classes: (N,) names, or None.
        split: (N,) "train" or "val" or "test", or None where it is at random.
        aside: (N, H, W, C) bool, pixels that are set aside, or None.
        tolerance: largest mean absolute difference of an image, 0 unless its format loses precision.
    """

    images: np.ndarray
    ids: np.ndarray = field(default_factory=lambda: NAMES)
    redshift: np.ndarray | None = None
    classes: np.ndarray | None = None
    split: np.ndarray | None = None
    aside: np.ndarray | None = None
    tolerance: float = 0


@dataclass(frozen=True)
class Layout:
    """The words of a command, and a function that writes the files they name into a folder and returns Expected."""

    words: tuple[str, ...]
    write: Callable[[Path], Expected]


LAYOUTS = {}  # name -> Layout


def layout(name, words, dataset="files"):
    """Enters the function that writes a layout's files; `words` are those after "dataset.", separated by blanks."""

    def enter(write):
        keys = (f"dataset.{word}" for word in words.split())
        LAYOUTS[name] = Layout((f"dataset={dataset}", *keys), write)
        return write

    return enter


def galaxies(bands=3, side=SIDE):
    """The galaxies of every layout, (COUNT, side, side, bands) uint8."""
    return ellipses(COUNT, side, bands)


def kinds():
    """Names of the galaxies' classes."""
    return np.array(KINDS)[CLASSES]


def write_shuffled(path, **columns):
    """Writes a table whose rows are in another order than the images."""
    write_table(path, **{name: np.asarray(values)[ORDER] for name, values in columns.items()})


def floats(bands=3, side=SIDE):
    """The galaxies as float32 between 0 and 1, without the exact zeros of a blank part."""
    return (galaxies(bands, side) + np.float32(1)) / np.float32(256)


@layout("HDF5", "path=galaxies.h5 ids=objid labels=kind condition=[redshift]")
def hdf5(folder):
    write_hdf5(folder / "galaxies.h5", images=galaxies(), objid=OBJIDS, kind=kinds(), redshift=REDSHIFTS)
    return Expected(images=galaxies(), ids=OBJIDS, redshift=KNOWN, classes=kinds())


@layout("HDF5 and a table", "path=images.h5 table=catalogue.csv ids=objid labels=kind condition=[redshift]")
def hdf5_with_table(folder):
    write_hdf5(folder / "images.h5", images=galaxies(), objid=OBJIDS)
    write_shuffled(folder / "catalogue.csv", objid=OBJIDS, kind=kinds(), redshift=REDSHIFTS)
    return Expected(images=galaxies(), ids=OBJIDS, redshift=KNOWN, classes=kinds())


@layout("bands first", "path=bands_first.h5 ids=name")
def bands_first(folder):
    write_hdf5(folder / "bands_first.h5", images=np.moveaxis(floats(), 3, 1), name=NAMES)
    return Expected(images=floats())


@layout("IDL", "path=idl.h5 axes=HWN ids=name condition=[z]")
def idl(folder):
    write_hdf5(folder / "idl.h5", stamps=np.moveaxis(floats(1)[..., 0], 0, 2), name=NAMES, z=REDSHIFTS)
    return Expected(images=floats(1), redshift=KNOWN)


@layout("MATLAB", "path=matlab.h5 axes=NCWH ids=name")
def matlab(folder):  # whose arrays (H, W, C, N) have their axes reversed in HDF5
    write_hdf5(folder / "matlab.h5", images=galaxies().transpose(0, 3, 2, 1), name=NAMES)
    return Expected(images=galaxies())


@layout("vae-project", "path=stamps.h5", dataset="hst")
def vae_project(folder):
    write_hdf5(folder / "stamps.h5", images=floats(1)[..., 0], redshift=REDSHIFTS)
    return Expected(images=floats(1), ids=np.arange(COUNT), redshift=KNOWN)


@layout("npz", "path=galaxies.npz ids=name labels=kind condition=[redshift]")
def npz(folder):
    np.savez(folder / "galaxies.npz", images=galaxies(), name=ZEROS, kind=CLASSES, redshift=REDSHIFTS)
    return Expected(images=galaxies(), ids=ZEROS, redshift=KNOWN, classes=CLASSES.astype(str))


@layout("npy", "path=images.npy ids=ids.npy table=catalogue.csv labels=kind condition=[redshift]")
def npy(folder):
    np.save(folder / "images.npy", galaxies())
    np.save(folder / "ids.npy", OBJIDS)
    write_shuffled(folder / "catalogue.csv", objid=OBJIDS, kind=kinds(), redshift=REDSHIFTS)
    return Expected(images=galaxies(), ids=OBJIDS, redshift=KNOWN, classes=kinds())


@layout("PNG", "path=png table=classes.csv ids=file labels=kind")
def png(folder):
    write_pictures(folder / "png", ZEROS, ".png", galaxies())
    write_shuffled(folder / "classes.csv", file=ZEROS, kind=kinds())
    return Expected(images=galaxies(), ids=ZEROS, classes=kinds())


@layout("JPEG", "path=jpeg table=catalogue.tsv ids=name condition=[redshift]")
def jpeg(folder):
    write_pictures(folder / "jpeg", NAMES, ".jpg", galaxies(), quality=95, subsampling=0)
    write_shuffled(folder / "catalogue.tsv", name=[f"{name}.jpg" for name in NAMES], redshift=REDSHIFTS)
    return Expected(images=galaxies(), ids=np.char.add(NAMES, ".jpg"), redshift=KNOWN, tolerance=4)


@layout("TIFF", "path=tiff table=catalogue.ecsv ids=name labels=kind")
def tiff(folder):
    images = galaxies(1).astype(np.uint16) * 250 + 900
    write_pictures(folder / "tiff", NAMES, ".tif", images)
    write_shuffled(folder / "catalogue.ecsv", name=NAMES, kind=kinds())
    return Expected(images=images, classes=kinds())


@layout("WebP, classes as folders", "path=by_class labels=folder")
def by_class(folder):
    names = np.array([f"{kind}/{name}" for kind, name in zip(kinds(), NAMES, strict=True)])
    write_pictures(folder / "by_class", names, ".webp", galaxies(), lossless=True)
    return Expected(images=galaxies(), ids=np.char.add(names, ".webp"), classes=kinds())


@layout("train and val folders", "path=folders labels=folder split_from=folder")
def split_folders(folder):
    split = np.where(np.arange(COUNT) % 4, "train", "val")
    names = np.array(
        [f"{part}/{kind}/{name}" for part, kind, name in zip(split, kinds(), NAMES, strict=True)]
    )
    write_pictures(folder / "folders", names, ".png", galaxies())
    return Expected(images=galaxies(), ids=np.char.add(names, ".png"), classes=kinds(), split=split)


@layout("FITS", "path=fits hdu=SCI table=catalogue.fits ids=name condition=[redshift]")
def fits_folder(folder):
    for name, image in zip(NAMES, floats(1)[..., 0], strict=True):
        write_fits(folder / "fits" / f"{name}.fits", ("WHT", np.ones_like(image)), ("SCI", image))
    write_shuffled(folder / "catalogue.fits", name=NAMES, redshift=REDSHIFTS)
    return Expected(images=floats(1), redshift=KNOWN)


@layout("FITS with masks", "path=masked hdu=SCI mask=MASK")
def fits_masks(folder):
    aside = np.zeros((COUNT, SIDE, SIDE, 1), bool)
    aside[np.arange(COUNT), 2, np.arange(COUNT)] = aside[::2, :3, :5] = True
    for name, image, mask in zip(NAMES, floats(1)[..., 0], aside[..., 0], strict=True):
        write_fits(folder / "masked" / f"{name}.fits", ("SCI", image), ("MASK", mask.astype(np.int16)))
    return Expected(images=floats(1), ids=np.char.add(NAMES, ".fits"), aside=aside)


@layout("FITS, a file per band", "path=bands band_files={id}_{band}.fits channels=[i,r,g]")
def fits_bands(folder):
    for name, image in zip(NAMES, floats(), strict=True):
        for index, band in enumerate("irg"):
            write_fits(folder / "bands" / f"{name}_{band}.fits", ("SCI", image[..., index]))
        write_fits(folder / "bands" / f"{name}_z.fits", ("SCI", 1 - image[..., 0]))
    return Expected(images=floats())


@layout("FITS and a VOTable", "path=cutouts table=catalogue.vot ids=file condition=[redshift]")
def fits_votable(folder):
    for name, image in zip(NAMES, floats(1)[..., 0], strict=True):
        write_fits(folder / "cutouts" / f"{name}.fits", ("IMAGE", image))
    columns = {"RA": 150 + np.arange(COUNT) / 100, "DEC": 2 + np.arange(COUNT) / 50, "redshift": REDSHIFTS}
    write_shuffled(folder / "catalogue.vot", file=[f"cutouts/{name}.fits" for name in NAMES], **columns)
    return Expected(
        images=floats(1), ids=np.char.add(np.char.add("cutouts/", NAMES), ".fits"), redshift=KNOWN
    )


@layout("Parquet", "path=galaxies.parquet labels=label ids=id condition=[redshift]")
def parquet(folder):
    features = {"image": {"_type": "Image"}, "label": {"names": list(KINDS), "_type": "ClassLabel"}}
    columns = {"label": CLASSES, "id": OBJIDS, "redshift": REDSHIFTS}
    write_parquet(folder / "galaxies.parquet", {"image": pictures(galaxies(), NAMES)}, features, **columns)
    return Expected(images=galaxies(), ids=OBJIDS, redshift=KNOWN, classes=kinds())


@layout("several Parquet files", "path=train-*.parquet ids=id")
def shards(folder):
    for number, rows in enumerate(np.array_split(np.arange(COUNT), 3)):
        image = {"image": pictures(galaxies()[rows], NAMES[rows])}
        write_parquet(folder / f"train-{number:05d}-of-00003.parquet", image, id=ZEROS[rows])
    return Expected(images=galaxies(), ids=ZEROS)


@layout("Multimodal Universe, Parquet", "path=mmu.parquet channels=[i,r,g] rgb=[0,1,2]")
def universe_parquet(folder):
    flux = np.concatenate([floats()[..., ::-1], floats(1)], axis=3)  # g, r, i and z
    image = [
        {"band": list("griz"), "flux": np.moveaxis(stamp, 2, 0).tolist(), "scale": [0.17] * 4}
        for stamp in flux
    ]
    write_parquet(folder / "mmu.parquet", {"image": image}, object_id=OBJIDS.astype(str), redshift=REDSHIFTS)
    return Expected(images=floats(), ids=OBJIDS.astype(str), redshift=KNOWN)


@layout("Multimodal Universe, HDF5", "path=healpix=*/*.hdf5 channels=[i,r,g] condition=[redshift]")
def universe_hdf5(folder):
    for number, rows in enumerate(np.array_split(np.arange(COUNT), 3)):
        flux = np.concatenate([floats()[rows, ..., ::-1], floats(1)[rows]], axis=3)
        write_hdf5(
            folder / f"healpix={1100 + number}" / "001-of-001.hdf5",
            image_array=np.moveaxis(flux, 3, 1),
            image_band=np.tile(np.array(list("griz"), "S1"), (len(rows), 1)),
            image_ivar=np.ones((len(rows), 4, SIDE, SIDE), np.float32),
            object_id=np.char.encode(OBJIDS[rows].astype(str)),
            redshift=REDSHIFTS[rows],
        )
    return Expected(images=floats(), ids=OBJIDS.astype(str), redshift=KNOWN)


@layout("Galaxy10 SDSS", "path=Galaxy10.h5 image_size=null", dataset="galaxy10")
def galaxy10_sdss(folder):
    labels, images = (np.arange(COUNT) * 3 % 10).astype(np.uint8), galaxies(side=69)
    write_hdf5(folder / "Galaxy10.h5", images=images, ans=labels)
    return Expected(images=images, ids=np.arange(COUNT), classes=np.array(SDSS_CLASSES)[labels])


@layout("Galaxy10 Parquet", "path=gz10.parquet image_size=null", dataset="galaxy10")
def galaxy10_parquet(folder):
    labels, images = (np.arange(COUNT) * 3 % 10).astype(np.int32), galaxies(side=64)
    columns = {"gz10_label": labels, "object_id": OBJIDS.astype(str), "redshift": REDSHIFTS}
    columns |= {"ra": np.arange(COUNT) * 1.5, "dec": np.arange(COUNT) * 0.5}
    write_parquet(folder / "gz10.parquet", {"rgb_image": pictures(images, NAMES)}, **columns)
    return Expected(
        images=images, ids=OBJIDS.astype(str), redshift=KNOWN, classes=np.array(DECALS_CLASSES)[labels]
    )


@layout("a redshift of another name", "path=galaxies.h5 redshift=zbest ids=name")
def own_redshift(folder):
    write_hdf5(
        folder / "galaxies.h5", images=galaxies(), name=NAMES, zbest=REDSHIFTS, mag_auto=20 + REDSHIFTS
    )
    return Expected(images=galaxies(), redshift=KNOWN)


@layout("a split of one's own", "path=galaxies.h5 split_from=subset ids=name")
def own_split(folder):
    split = np.array(["train", "val", "test", "train", "train"])[np.arange(COUNT) % 5]
    write_hdf5(folder / "galaxies.h5", images=galaxies(), name=NAMES, subset=split)
    return Expected(images=galaxies(), split=split)


@layout("many bands", "path=bands.h5 channels=[3,2,1] rgb=[0,1,2] ids=name")
def many_bands(folder):
    write_hdf5(folder / "bands.h5", images=floats(5), name=NAMES)
    return Expected(images=floats(5)[..., [3, 2, 1]])


@layout("counts", "path=counts.h5 stretch=linear ids=name")
def counts(folder):
    images = galaxies(1).astype(np.int16) * 11 - 100
    write_hdf5(folder / "counts.h5", images=images, name=NAMES)
    return Expected(images=images)


@layout("faint fluxes", "path=flux.npz stretch=asinh ids=name")
def faint(folder):
    np.savez(folder / "flux.npz", images=floats(1) * np.float32(1e-19), name=NAMES)
    return Expected(images=floats(1) * np.float32(1e-19))


@layout("pixels without a value", "path=nan.npz nan=fill drop=blank ids=name")
def not_finite(folder):
    images, aside = floats(), np.zeros((COUNT, SIDE, SIDE, 3), bool)
    aside[::3, 5, 7:9, 1] = True
    stored = np.where(aside, np.float32(np.nan), images)
    stored[4] = 0
    np.savez(folder / "nan.npz", images=stored, name=NAMES)
    rows = np.arange(COUNT) != 4
    return Expected(images=images[rows], ids=NAMES[rows], aside=aside[rows])
