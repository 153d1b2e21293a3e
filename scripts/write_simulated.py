"""Simulated galaxies as a file in another data set's layout, to try that data set's path without its download.

`python scripts/write_simulated.py LAYOUT FILE [--count N] [--seed S] [--side PX]`

galaxy10: colour images with a class (0 to 9, decided by the factors), ra, dec, pxscale, and a redshift that is
NaN for every fifth. hst: one data set of images. cosmos: two, images first, redshift second in key order.
"""

import argparse
import os
import sys
from pathlib import Path

import h5py
import numpy as np
import yaml

from galvae.cli.help import CONF
from galvae.config.check import from_dict
from galvae.config.dataset import PrepareConfig
from galvae.data.readers import simulated
from galvae.errors import GalvaeError

LAYOUTS = {
    "galaxy10": {"image_size": 256, "bands": 3, "psf": 5.0, "max_redshift": 0.3},
    "hst": {"image_size": 128, "bands": 1, "psf": 3.5, "max_redshift": 1.5},
    "cosmos": {"image_size": 158, "bands": 1, "psf": 3.5, "max_redshift": 1.5},
}
PIXEL_SCALE = 0.262  # arcsec / pixel, of the images of Galaxy10


def write(layout, path, **settings):
    """Draws the galaxies and writes them block by block, beside `path` and renamed when whole."""
    values = yaml.safe_load((CONF / "dataset" / "simulated.yaml").read_text())
    config = from_dict(PrepareConfig, {"dataset": {**values, **LAYOUTS[layout], **settings}}).dataset
    source = simulated.read(config)
    shape = source.shape if config.bands == 3 else source.shape[:3]
    building = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        with h5py.File(building, "w") as file:
            images = file.create_dataset("images", shape, source.dtype)
            start = 0
            for block in source.blocks:
                images[start : start + len(block)] = block.reshape(-1, *shape[1:])
                start += len(block)
            for name, column in columns(layout, source, config.seed).items():
                file[name] = column
        building.rename(path)
    finally:
        building.unlink(missing_ok=True)


def columns(layout, source, seed):
    """The data sets of a layout besides its images."""
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


def classes(known):
    """Galaxy10's classes as far as factors can stand for them: what cannot be drawn goes by colour."""
    bulge, flat, colour = (known[name] for name in ("bulge_fraction", "ellipticity", "colour"))
    smooth = bulge > 0.4
    cases = {
        4: smooth & (flat > 0.55),
        3: smooth & (flat > 0.25),
        2: smooth,
        9: (flat > 0.55) & (bulge > 0.1),
        8: flat > 0.55,
        1: colour < -0.02,
        0: colour < 0.06,
        5: bulge > 0.15,
        6: bulge > 0.04,
    }
    return np.select(list(cases.values()), list(cases), default=7).astype(np.uint8)  # the first that holds


def main():
    """Reads the command line; a mistake in it is one line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("layout", choices=LAYOUTS)
    parser.add_argument("file", type=Path)
    parser.add_argument("--count", type=int, default=1000, help="number of galaxies (1000)")
    parser.add_argument("--seed", type=int, default=0, help="of the galaxies (0)")
    parser.add_argument("--side", type=int, help="of the stamps in pixels (256, 128 and 158)")
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
