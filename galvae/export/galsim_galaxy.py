"""Generated galaxies inside a GalSim simulation: a class for Python, and a type for GalSim's configuration files."""

import functools
import os

import numpy as np

from galvae import open_run
from galvae.data.column_names import is_redshift
from galvae.data.conditions import CLASS
from galvae.data.pixel_scale import pixel_scale as known_scale
from galvae.data.readers.galsim_import import import_galsim
from galvae.errors import GalvaeError
from galvae.morphology.segmentation import border_values, border_width, sky_of
from galvae.stretch import from_unit

galsim = import_galsim("GalvaeGalaxy")


class GalvaeGalaxy(galsim.InterpolatedImage):
    """A galaxy that a trained model generates, as GalSim's InterpolatedImage.

    A code of the run's prior is decoded without noise, the stretch is undone and the sky subtracted: the median of the
    pixels in the stamp's frame, a tenth of its side wide, without those more than three standard deviations off, as
    galvae measures galaxies. Light beyond the stamp is not modelled. The galaxy is upright as in the files that
    `sample fits=true` writes: row 0 of an image, which figures draw at the top, has the highest y.

    The model has learned images of a telescope, whose PSF and pixels are part of this galaxy. Hence
    `drawImage(method="no_pixel")` without a PSF gives the stamp back, and it cannot be drawn sharper than the images
    that the model has learned. Convolved with a PSF, the galaxy is blurred by both, which is right for the PSF that,
    with the one of the training images, makes up the wanted one. Where that of the training images is known, as `own`
    with its pixel, `galsim.Convolve(galaxy, galsim.Deconvolve(own), wanted)` draws the galaxy under a wider one, as
    GalSim does with real galaxies; decoded galaxies are smoother than real ones, and remain so.

    Args:
        run: path of a run or a bundle, or a TrainedRun.
        seed: integer; the same one gives the same galaxy, that of `TrainedRun.sample(1, seed=seed, noise="none")`.
        rng: galsim.BaseDeviate that draws the seed, where none is given.
        redshift: of the galaxy; what a model is asked for that is conditional on a redshift, else a mere attribute.
        condition: mapping of conditions to values, such as {"class": "Merging"}. Conditions that are not given are
            those of a random training galaxy.
        band: name of a band or its number, counted from 0; may be left out where there is one.
        flux: of the galaxy; None: sum of the stamp above the sky, in the units of the dataset's pixels.
        pixel_scale: arcsec per pixel of the stamp; None: that of the training images, where their dataset tells it.
        x_interpolant: see galsim.InterpolatedImage; None: quintic, GalSim's own choice. At the stamp's own pixels all
            give its numbers back; between them, half a pixel off, adaptive sizes of 15 galaxies of `hdf` changed by at
            most 0.08 % with quintic, 0.14 % with lanczos5, 0.3 % with lanczos3, 0.4 % with cubic, 3.3 % with linear.
        gsparams: see galsim.InterpolatedImage.

    Attributes:
        code: (latent_dim,) from which it was decoded.
        condition: name of each condition -> its value; empty for a model without a condition.
        redshift: of the galaxy, 0 where it has none, as GalSim has it.

    Raises:
        GalvaeError: if there is no such run, condition or band, no pixel scale is known, or there is no light above the
            sky.
    """

    def __init__(
        self,
        run,
        seed=None,
        rng=None,
        redshift=None,
        condition=None,
        band=None,
        flux=None,
        pixel_scale=None,
        x_interpolant=None,
        gsparams=None,
    ):
        if isinstance(run, str | os.PathLike):
            process, run = _opened(str(run))
            if process != os.getpid():
                raise GalvaeError(
                    "nproc: expected 1, or no GalvaeGalaxy made before the processes start, since Keras cannot compute "
                    "in a copy of a process that has used it; received such a copy"
                )
        if pixel_scale is None:
            pixel_scale = known_scale(run.galaxies)
        if pixel_scale is None:
            raise GalvaeError(
                f"pixel_scale: expected arcsec per pixel, which the dataset of {run.path} does not tell, received none"
            )
        if seed is None and rng is not None:
            seed = rng.raw()
        values = _condition(run, redshift, condition or {}, seed)
        codes = _prior(run).sample(1, values, seed)
        stamp = _stamp(run, codes, values, _band(run, band))
        if not stamp.sum() > 0:
            raise GalvaeError(
                f"run: {run.path}: expected galaxies brighter than the sky around them, received one that sums to "
                f"{stamp.sum():g} above it"
            )
        # GalSim counts rows from the bottom.
        image = galsim.Image(np.ascontiguousarray(stamp[::-1]), scale=float(pixel_scale))
        super().__init__(image, x_interpolant=x_interpolant, flux=flux, gsparams=gsparams)
        self.code = codes[0]
        table = {} if values is None else run.conditions.table(values)
        self.condition = {name: column[0].item() for name, column in table.items()}
        found = [value for name, value in self.condition.items() if name != CLASS and is_redshift(name)]
        self.redshift = [*found, 0.0 if redshift is None else redshift][0]


@functools.lru_cache(maxsize=4)
def _opened(path):
    """Number of the process that has opened the run of a path, and the TrainedRun; once for all galaxies."""
    return os.getpid(), open_run(path)


@functools.lru_cache(maxsize=4)
def _prior(run):
    """The prior from which a run generates galaxies, read once."""
    return run.prior()


def _condition(run, redshift, condition, seed):
    """Conditions (1, K) of a galaxy; those that are not given are those of a random training galaxy.

    Args:
        run: TrainedRun.
        redshift: see `GalvaeGalaxy`.
        condition: mapping of names to values.
        seed: integer.

    Returns:
        None for a model without a condition.
    """
    conditions = run.conditions
    if redshift is not None and any(map(is_redshift, conditions.columns)):
        condition = {"redshift": redshift, **condition}
    if not run.model.condition_dim and not condition:
        return None
    given = conditions.resolved(condition) if condition else {}
    if given and conditions.determined_by(given):
        return conditions.filled(given, None)
    label = int(given[CLASS][0]) if CLASS in given else None
    others = run.random_condition(1, seed, label)
    return conditions.filled(given, others) if given else others


def _band(run, band):
    """Number of a band that is given by name or number.

    Raises:
        GalvaeError: if there is no such band, or there are several and none is given.
    """
    names, count = list(run.galaxies.band_names), run.model.image_shape[-1]
    if band is None and count == 1:
        return 0
    if str(band) in names:
        return names.index(str(band))
    if str(band) in map(str, range(count)):
        return int(band)
    known = f"{', '.join(names)}, or " if names else ""
    raise GalvaeError(f"band: expected {known}a number from 0 to {count - 1}, received {band or 'none'}")


def _stamp(run, codes, condition, band):
    """A galaxy decoded from a code (1, latent_dim): its light above the sky in one band, (H, W) in stored units."""
    stored = from_unit(run.decode(codes, condition)[0], run.model.stretch, run.model.pixel_range)
    stamp = np.ascontiguousarray(stored[..., band], np.float64)
    border = border_values(stamp, np.zeros(stamp.shape, bool), border_width(min(stamp.shape)))
    return stamp - sky_of(border)[0]


def _build(config, base, ignore, gsparams, logger):
    """Builds a galaxy of the type GalvaeGalaxy of GalSim's configuration, see `galsim.config.RegisterObjectType`."""
    required = {"run": str}
    optional = {"seed": int, "condition": dict, "band": str, "x_interpolant": str}
    optional |= dict.fromkeys(("redshift", "flux", "pixel_scale"), float)
    values, _ = galsim.config.GetAllParams(config, base, req=required, opt=optional, ignore=ignore)
    if "condition" in values:
        condition = values["condition"]
        values["condition"] = {
            name: galsim.config.ParseValue(condition, name, base, (float, str))[0] for name in condition
        }
    if gsparams:
        values["gsparams"] = galsim.GSParams(**gsparams)
    rng = galsim.config.GetRNG(config, base, logger, "GalvaeGalaxy")
    return GalvaeGalaxy(rng=rng, **values), False


galsim.config.RegisterObjectType("GalvaeGalaxy", _build)
