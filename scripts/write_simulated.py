"""Writes simulated galaxies as an HDF5 file in the layout of Galaxy10, HST or COSMOS, to try these without a download.

    python scripts/write_simulated.py LAYOUT FILE [--count N] [--seed S] [--side PX]
    python scripts/write_simulated.py galaxy10 galaxies.h5 --count 100

LAYOUT is galaxy10 (colour images, classes 0 to 9 that follow from the simulated parameters, RA, Dec, pixel scale, and
redshifts, every fifth NaN), hst (one HDF5 dataset of images) or cosmos (images and redshifts, in this order of keys).
"""

import argparse
import os
import sys
from pathlib import Path

import h5py
import numpy as np
import yaml

from galvae.config.check import from_dict
from galvae.config.dataset import PrepareConfig
from galvae.config.defaults import CONF
from galvae.data.readers import simulated
from galvae.errors import GalvaeError

LAYOUTS = {
    "galaxy10": {"image_size": 256, "bands": 3, "psf": 5.0, "max_redshift": 0.3},
    "hst": {"image_size": 128, "bands": 1, "psf": 3.5, "max_redshift": 1.5},
    "cosmos": {"image_size": 158, "bands": 1, "psf": 3.5, "max_redshift": 1.5},
}
PIXEL_SCALE = 0.262  # arcsec / pixel, as in Galaxy10


def write(layout, path, **settings):
    """Draws galaxies and writes them to a file block by block; the file appears when it is complete.

    Args:
        layout: key of LAYOUTS.
        path: path of the file.
        settings: keys of dataset=simulated that differ from the layout's.

    Raises:
        GalvaeError: if a setting is out of range or galsim is missing.
    """
    values = yaml.safe_load((CONF / "dataset" / "simulated.yaml").read_text())
    config = from_dict(PrepareConfig, {"dataset": {**values, **LAYOUTS[layout], **settings}}).dataset
    source = simulated.read(config)
    shape = source.shape if config.bands == 3 else source.shape[:3]
    temporary = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        with h5py.File(temporary, "w") as file:
            images = file.create_dataset("images", shape, source.dtype)
            start = 0
            for block in source.blocks:
                images[start : start + len(block)] = block.reshape(-1, *shape[1:])
                start += len(block)
            for name, column in columns(layout, source, config.seed).items():
                file[name] = column
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)


def columns(layout, source, seed):
    """Arrays of a layout in addition to its images, by name of the HDF5 dataset."""
    redshift = source.catalogue["redshift"]
    if layout == "hst":
        return {}
    if layout == "cosmos":
        return {"redshift": redshift.astype(np.float32)}
    count = len(redshift)
    sky = np.random.default_rng(seed)
    return {
        "ans": classes(source.catalogue),
        "ra": sky.uniform(0, 360, count),
        "dec": np.degrees(np.arcsin(sky.uniform(-0.3, 1, count))),
        "redshift": np.where(np.arange(count) % 5 == 4, np.nan, redshift),
        "pxscale": np.full(count, PIXEL_SCALE),
    }


def classes(catalogue):
    """Classes of Galaxy10 from the simulated parameters; features that are not simulated are replaced by colour.

    Args:
        catalogue: dict with bulge_fraction, ellipticity and colour, (N,) each.

    Returns:
        (N,) uint8, from 0 to 9.
    """
    bulge, ellipticity, colour = (catalogue[name] for name in ("bulge_fraction", "ellipticity", "colour"))
    smooth = bulge > 0.4
    cases = {
        4: smooth & (ellipticity > 0.55),
        3: smooth & (ellipticity > 0.25),
        2: smooth,
        9: (ellipticity > 0.55) & (bulge > 0.1),
        8: ellipticity > 0.55,
        1: colour < -0.02,
        0: colour < 0.06,
        5: bulge > 0.15,
        6: bulge > 0.04,
    }
    # The first condition that is true decides.
    return np.select(list(cases.values()), list(cases), default=7).astype(np.uint8)


def main():
    """Writes the file that the command line asks for; reports an error of the user in one line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("layout", choices=LAYOUTS, help="layout of the file")
    parser.add_argument("file", type=Path, help="path of the new file")
    parser.add_argument("--count", type=int, default=1000, help="number of galaxies (1000)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the galaxies (0)")
    parser.add_argument(
        "--side", type=int, help="side of an image in pixels (galaxy10 256, hst 128, cosmos 158)"
    )
    arguments = parser.parse_args()
    if arguments.file.exists() or not arguments.file.parent.is_dir():
        parser.error(f"{arguments.file}: expected a new file in an existing folder")
    settings = {"count": arguments.count, "seed": arguments.seed}
    if arguments.side is not None:
        settings["image_size"] = arguments.side
    try:
        write(arguments.layout, arguments.file, **settings)
    except GalvaeError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
