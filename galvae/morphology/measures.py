"""The measures of a galaxy's morphology: their names, units and how they are compared."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """One number that is measured of every galaxy.

    Attributes:
        name: name of its column.
        label: short label of an axis.
        unit: its unit as text, "" if it has none.
        text: what it is, in one line; docs/measures.md has equations and sources.
        log: whether distributions of its common logarithm are compared instead of its own.
        signed: whether its mean may be near zero, so that a bias in percent would have no meaning.
    """

    name: str
    label: str
    unit: str
    text: str
    log: bool = False
    signed: bool = False


# Fluxes are on the scale on which the images are stored; positions and directions are those of the stored array.
_ALL = (
    Measure(
        "flux", "flux", "", "flux within 1.5 Petrosian radii, mean over bands, on the stored scale", log=True
    ),
    Measure("peak", "peak", "", "brightest pixel above the sky, smoothed by 1 px, mean over bands", log=True),
    Measure("r50", "r50", "pix", "radius of the circle that holds half of the flux"),
    Measure("sigma", "sigma", "pix", "size by adaptive moments: fourth root of their determinant"),
    Measure("ellipticity", "|g|", "", "ellipticity by adaptive moments, (a - b) / (a + b)"),
    Measure(
        "e1", "e1", "", "elongation, + along a row of pixels, - along a column; adaptive moments", signed=True
    ),
    Measure("e2", "e2", "", "elongation along the diagonals, + towards rising rows and columns", signed=True),
    Measure("rho4", "rho4", "", "fourth adaptive moment; 2 for a Gaussian, larger for a cusp with wings"),
    Measure("concentration", "C", "", "concentration, 5 log10(r80 / r20)"),
    Measure(
        "asymmetry", "A", "", "asymmetry under rotation by 180 degrees, that of the sky removed", signed=True
    ),
    Measure("gini", "Gini", "", "inequality of the pixels in the central segment above the fixed threshold"),
    Measure(
        "m20", "M20", "", "second moment of the brightest 20 % of the segment's flux, log10", signed=True
    ),
    Measure("clumpiness", "S", "", "share of the flux in small clumps, that of the sky removed", signed=True),
    Measure("sky", "sky", "", "median of the border, mean over bands, on the stored scale", signed=True),
    Measure("sky_sigma", "sky sigma", "", "standard deviation of the border's pixels, mean over bands"),
    Measure("neighbors", "neighbours", "", "number of other segments above the threshold"),
)
MEASURES = {measure.name: measure for measure in _ALL}
# Those that say how real a galaxy is: without position angles, and without what belongs to the sky.
COMPARED = (
    *("ellipticity", "sigma", "rho4", "flux", "peak", "r50"),
    *("concentration", "asymmetry", "gini", "m20", "clumpiness"),
)


def colour_names(bands):
    """Names of the colours of neighbouring bands, such as colour_g_r.

    Args:
        bands: names of the bands, or texts of their numbers, in their order.
    """
    return [f"colour_{first}_{second}" for first, second in zip(bands[:-1], bands[1:], strict=True)]


def measure_names(bands):
    """Names of all measures of images with these bands, see `colour_names`."""
    return [*MEASURES, *colour_names(bands)]


def compared_names(bands):
    """Names of the measures that enter a mean distance between sets of galaxies, see `colour_names`."""
    return [*COMPARED, *colour_names(bands)]


def measure_of(name):
    """The Measure of a name; a colour's is made from it."""
    if name in MEASURES:
        return MEASURES[name]
    first, second = name.removeprefix("colour_").split("_", 1)
    text = f"log10 of the flux in band {first} over that in band {second}, in the central segment"
    return Measure(name, f"log {first}/{second}", "dex", text, signed=True)
