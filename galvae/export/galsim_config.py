"""A configuration file of GalSim that draws galaxies of a run."""

import json
import logging

from galvae.data.column_names import is_redshift
from galvae.data.conditions import CLASS
from galvae.data.pixel_scale import pixel_scale
from galvae.system.atomic import replacing

FILE = "galaxies.yaml"
TEXT = """\
# {count} galaxies that a model of galvae generates. In the folder of this file: galsim {file}
# What they are, and how their PSF matters: help(galvae.export.galsim_galaxy.GalvaeGalaxy)
modules:
  - galvae.export.galsim_galaxy

gal:
  type: GalvaeGalaxy
{gal}

# The galaxies have the PSF and the pixels of the images that the model has learned: no second ones are drawn.
stamp:
  draw_method: no_pixel

image:
  type: Tiled
  nx_tiles: {across}
  ny_tiles: {across}
  stamp_xsize: {width}
  stamp_ysize: {height}
  pixel_scale: "@gal.pixel_scale"
  random_seed: 1

output:
  file_name: galaxies.fits
  truth:
    file_name: truth.fits
    columns:
      object: obj_num
      flux: $(@gal).flux
{truth}"""
REDSHIFT = "      redshift: $(@gal).redshift\n"  # of galaxies without one, GalSim says 0
ACROSS = 10  # galaxies in a row and in a column

log = logging.getLogger(__name__)


def write_galsim_config(run, bundle):
    """Writes galaxies.yaml beside a bundle: `galsim galaxies.yaml`, called in that folder, draws 100 galaxies.

    See `galvae.export.galsim_galaxy` for what they are. Those of several bands are drawn in the first. Where the
    dataset does not tell its pixel scale, lengths are in pixels, and a log line says so.

    Args:
        run: TrainedRun.
        bundle: path of its bundle.

    Returns:
        Path of the file.
    """
    scale, (height, width, _) = pixel_scale(run.galaxies), run.model.image_shape
    known = scale is not None
    if not known:
        scale = 1.0
        log.info(
            "the dataset does not tell its pixel scale: lengths in %s are in pixels, until pixel_scale is put in",
            FILE,
        )
    entries = [
        ("run", bundle.name, "a path as seen from the folder in which galsim is called"),
        (
            "pixel_scale",
            scale,
            "arcsec, of the training images" if known else "unknown; put in arcsec per pixel",
        ),
        *_band(run.galaxies.band_names, run.model.image_shape[-1]),
    ]
    lines = [f"  {key}: {json.dumps(value)}  # {remark}" for key, value, remark in entries]
    lines += [f"  # {line}" for line in _choices(run.conditions)]
    truth = REDSHIFT if any(map(is_redshift, run.conditions.names)) else ""
    facts = {"width": width, "height": height, "gal": "\n".join(lines), "truth": truth}
    path = bundle.with_name(FILE)
    with replacing(path) as temporary:
        temporary.write_text(
            TEXT.format(count=ACROSS**2, across=ACROSS, file=FILE, **facts), encoding="utf-8"
        )
    return path


def _band(names, count):
    """The entry of the band, if there are several: (key, value, remark)."""
    if count == 1:
        return []
    return [("band", names[0] if names else 0, f"of {', '.join(names) if names else f'0 to {count - 1}'}")]


def _choices(conditions):
    """Entries that a user may add, as lines of YAML."""
    lines = ["flux: 1000  # else the sum of the stamp, in units of the dataset's pixels"]
    if conditions.names:
        example = {name: _example(conditions, name) for name in conditions.names}
        lines.append(f"condition: {json.dumps(example)}  # else those of random training galaxies")
    return lines


def _example(conditions, name):
    """A value of a condition: its first class, or any number within the training galaxies' range."""
    if name == CLASS:
        return conditions.classes[conditions.learned[0]]
    low, high = conditions.ranges[conditions.columns.index(name)]
    if low is None:  # none is known
        low, high = 0, 1
    return {"type": "Random", "min": float(f"{low:.4g}"), "max": float(f"{high:.4g}")}
