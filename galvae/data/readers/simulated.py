"""Simulated galaxies, drawn with galsim from known factors in any number.

A galaxy is an exponential disc and a de Vaucouleurs bulge of one ellipticity and position angle, convolved
with a Gaussian point spread function and the pixel. Toy relations with redshift, strong enough to be visible in
small stamps: radius = rest radius / (1 + z), flux = rest flux / (1 + z)^3, hence surface brightness = rest
surface brightness / (1 + z), and colour = rest colour + REDDENING * z.
"""

import functools
import multiprocessing
from collections import deque
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from galvae.data.readers.galsim_import import import_galsim
from galvae.data.source import Source
from galvae.system.cores import cores
from galvae.system.workers import end_with_parent

VERSION = 1  # of the recipe; raised with every change to the pixels or the catalogue

RADIUS = (0.08, 0.18)  # half-light radius at redshift 0 / side of the stamp, log-uniform
BRIGHTNESS = (0.08, 0.4)  # mean within the half-light ellipse at redshift 0 / full scale, log-uniform
ELLIPTICITY = (0.0, 0.7)  # 1 - minor axis / major axis, uniform
BULGE_POWER = 2  # bulge fraction = uniform ** this: most galaxies are discs
COLOUR = (-0.15, 0.25)  # of the disc at redshift 0, log10 of its flux in the red over the blue band, uniform
BULGE_COLOUR = 0.3  # dex by which a bulge is redder than its disc
REDDENING = 0.35  # dex per unit redshift
BULGE_RADIUS = 0.4  # half-light radius of the bulge / that of the disc
BULGE_END = 8  # half-light radii at which a bulge is truncated, as in the profile fits of the SDSS
BANDS = np.array([0.5, 0.0, -0.5])  # flux in red, middle and blue: 10 ** (this * colour), a power law
SOFTENING = 0.05  # intensity / full scale at which colour images change from a linear to a logarithmic scale
WHITE = 8  # intensity / full scale that is white in them: bulges peak above full scale
SKY = (4, 0.2)  # sky level of colour images: multiple of the noise, and its upper limit / full scale

BLOCK = 200  # galaxies that a process draws at a time, at most
BLOCK_PIXELS = 2**23  # pixel values that a process draws at a time, at most
NEEDED_BY = "dataset simulated"  # in the message about a missing galsim
CATALOGUE = (
    "redshift",
    "half_light_radius",
    "ellipticity",
    "position_angle",
    "bulge_fraction",
    "colour",
    "flux",
)


def fingerprint(config):
    """What determines the prepared arrays: the version of this module's model and every setting that changes pixels."""
    names = ("image_size", "count", "bands", "seed", "noise", "psf", "max_redshift")
    return {"version": VERSION, **{name: getattr(config, name) for name in names}}


def read(config):
    """Draws the galaxies block by block, in `config.workers` processes.

    Galaxy i depends on the seed and on i alone. Three bands, red first, are uint8 on a faint sky, scaled
    by an asinh of their mean, which keeps flux ratios; one band is float32, linear and sky-subtracted.
    The condition is the redshift. The catalogue holds the factors as observed: `half_light_radius` is the
    semi-major axis before convolution; `position_angle` is measured from the x axis (columns) towards
    increasing rows; `colour` is log10 of the flux in the red over the blue band; `flux` is the sum
    over the pixels of the bands' mean, in units of full scale.

    Args:
        config: SimulatedConfig.

    Raises:
        GalvaeError: if galsim is not installed.

    Reference:
        Rowe et al. 2015, arXiv:1407.7676 (GalSim); Lupton et al. 2004, arXiv:astro-ph/0312483 (the scaling
        of colour images).
    """
    import_galsim(NEEDED_BY)  # refused here, before the workers start
    rows = (
        tuple(galaxy[name] for name in CATALOGUE)
        for galaxy, _ in (factors(config, index) for index in range(config.count))
    )
    table = np.fromiter(rows, [(name, np.float64) for name in CATALOGUE], config.count)
    return Source(
        shape=(config.count, config.image_size, config.image_size, config.bands),
        dtype="uint8" if config.bands == 3 else "float32",
        blocks=_blocks(config),
        pixel_range=(0, 255) if config.bands == 3 else (0, 1),
        condition=table["redshift"].astype(np.float32)[:, None],
        condition_names=["redshift"],
        condition_units=[""],
        catalogue={
            "id": np.arange(config.count),
            **{name: np.ascontiguousarray(table[name]) for name in CATALOGUE},
        },
        ids_are_rows=True,
        catalogue_units={"half_light_radius": "pix", "position_angle": "deg"},
    )


def factors(config, index):
    """Draws the factors of one galaxy.

    Args:
        config: SimulatedConfig.
        index: number of the galaxy.

    Returns:
        (factors, generator): the columns of the catalogue with `disc_colour`, as a dict of numbers, and the
        random generator that then draws the galaxy's noise.
    """
    # One galaxy at a time: array arithmetic could round differently with the length of a block.
    generator = np.random.default_rng([config.seed, index])
    redshift = generator.uniform(0, config.max_redshift)
    radius = np.exp(generator.uniform(*np.log(RADIUS))) * config.image_size / (1 + redshift)
    brightness = np.exp(generator.uniform(*np.log(BRIGHTNESS))) / (1 + redshift)
    ellipticity = generator.uniform(*ELLIPTICITY)
    bulge = generator.random() ** BULGE_POWER
    angle = generator.uniform(0, 180)
    disc_colour = generator.uniform(*COLOUR) + REDDENING * redshift
    red, _, blue = bulge * _shares(disc_colour + BULGE_COLOUR) + (1 - bulge) * _shares(disc_colour)
    values = {
        "redshift": redshift,
        "half_light_radius": radius,
        "ellipticity": ellipticity,
        "position_angle": angle,
        "bulge_fraction": bulge,
        "colour": np.log10(red / blue),
        "flux": 2 * np.pi * radius**2 * (1 - ellipticity) * brightness,  # half of it lies in the ellipse
        "disc_colour": disc_colour,
    }
    return values, generator


def light(config, galaxy):
    """Noise-free image of a galaxy, in linear intensities.

    Args:
        config: SimulatedConfig.
        galaxy: its factors, see `factors`.

    Returns:
        (side, side, bands) float32, in units of full scale.
    """
    galsim = import_galsim(NEEDED_BY)
    bulge, disc, blur, radii, bulge_growth, disc_growth = _profiles(config.psf)
    fraction, axis_ratio = galaxy["bulge_fraction"], 1 - galaxy["ellipticity"]
    # Half-light radius of disc and bulge together, in units of the disc's.
    half_light = np.interp(0.5, fraction * bulge_growth + (1 - fraction) * disc_growth, radii)
    size = galaxy["half_light_radius"] / half_light * np.sqrt(axis_ratio)  # a shear conserves the area
    angle = galaxy["position_angle"] * galsim.degrees
    parts = []
    for profile, share in ((bulge, fraction), (disc, 1 - fraction)):
        component = profile.dilate(size).shear(q=axis_ratio, beta=angle).withFlux(share * galaxy["flux"])
        image = galsim.Convolve(component, blur).drawImage(
            nx=config.image_size, ny=config.image_size, scale=1, dtype=np.float32
        )
        parts.append(image.array)
    if config.bands == 1:
        return (parts[0] + parts[1])[..., None]
    colours = galaxy["disc_colour"] + BULGE_COLOUR, galaxy["disc_colour"]
    return sum(
        part[..., None] * _shares(colour).astype(np.float32)
        for part, colour in zip(parts, colours, strict=True)
    )


def draw(config, start, stop):
    """Images of galaxies `start` to `stop` - 1 as they are stored, (stop - start, side, side, bands)."""
    dtype = np.uint8 if config.bands == 3 else np.float32
    images = np.empty((stop - start, config.image_size, config.image_size, config.bands), dtype)
    for image, index in zip(images, range(start, stop), strict=True):
        galaxy, generator = factors(config, index)
        stamp = light(config, galaxy)
        noise = np.float32(config.noise) * generator.standard_normal(stamp.shape, np.float32)
        if config.bands == 1:
            image[:] = stamp + noise
        else:
            sky = min(SKY[0] * config.noise, SKY[1])
            stamp = sky + (1 - sky) * scale(stamp) + noise
            image[:] = np.clip(np.rint(255 * stamp), 0, 255)
    return images


def scale(stamp):
    """Scales intensities to 0 to 1 by an asinh of the bands' mean, keeping the ratios between bands."""
    mean = np.maximum(stamp.mean(axis=-1, keepdims=True), 1e-6)
    scaled = stamp * (np.arcsinh(mean / SOFTENING) / np.arcsinh(WHITE / SOFTENING) / mean)
    return scaled / np.maximum(scaled.max(axis=-1, keepdims=True), 1)


def _shares(colour):
    """Flux in each band relative to the mean over bands, for a colour in dex."""
    flux = 10 ** (BANDS * colour)
    return flux / flux.mean()


@functools.cache
def _profiles(psf):
    """galsim's profiles of a galaxy whose disc has a half-light radius of 1, and their curves of growth.

    Args:
        psf: full width at half maximum of the point spread function, in pixels.

    Returns:
        (bulge, disc, point spread function, radii, fractions of the bulge's and of the disc's light within them).
    """
    galsim = import_galsim(NEEDED_BY)
    # The errors of these settings are below 2e-4 of the peak; stamps of 4096 pixels need the larger transforms.
    precision = galsim.GSParams(folding_threshold=1e-2, maxk_threshold=5e-3, maximum_fft_size=2**16)
    end = BULGE_END * BULGE_RADIUS
    bulge = galsim.Sersic(4, half_light_radius=BULGE_RADIUS, trunc=end, gsparams=precision)
    disc = galsim.Exponential(half_light_radius=1, gsparams=precision)
    # A narrower point spread function would be invisible, and slow to draw.
    blur = galsim.Gaussian(fwhm=max(psf, 0.2), gsparams=precision)
    radii = np.linspace(0, end, 400)
    growth = np.array([bulge.calculateIntegratedFlux(radius) for radius in radii])
    bulge_growth = growth / growth[-1]  # galsim's is that of the profile without truncation
    disc_growth = 1 - (1 + radii / disc.scale_radius) * np.exp(-radii / disc.scale_radius)
    return bulge, disc, blur, radii, bulge_growth, disc_growth


def _blocks(config):
    """Yields the images block by block, drawn by worker processes if there is more than one block."""
    size = max(1, min(BLOCK, BLOCK_PIXELS // (config.image_size**2 * config.bands)))
    spans = [(start, min(start + size, config.count)) for start in range(0, config.count, size)]
    workers = min(config.workers or cores(), len(spans))
    if workers == 1:
        for span in spans:
            yield draw(config, *span)
        return
    # Spawned, not forked: TensorFlow's threads, if it is loaded here, do not survive a fork.
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=end_with_parent)
    try:
        pending = deque()
        for span in spans:
            pending.append(pool.submit(draw, config, *span))
            if len(pending) > 2 * workers:  # limits the memory where blocks are drawn faster than written
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
