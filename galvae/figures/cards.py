"""Figures of evaluation reports: for each evaluator of galvae.analysis a function of the same name.

Every function takes the evaluator's report, the column that colours scatter plots (see
`galvae.figures.scatter.scatter`; or None) and a Style, and returns a dict: file name without extension ->
Figure. A report has `arrays` (file name -> dict of arrays) and `facts` (dict of what a figure needs besides).
"""

from galvae.figures import image_grids, plots
from galvae.figures.axes import axes
from galvae.figures.conditions import conditions
from galvae.figures.memorisation import memorisation
from galvae.figures.physics_card import card
from galvae.figures.prior import prior
from galvae.figures.probes import probes
from galvae.figures.scatter import latent_scatter


def scores(report, column, style):
    """Figures of the scores of a split: none, because their means and scatter are a table."""
    return {}


def morphology(report, column, style):
    """Figures of the morphology of each galaxy: none, because its measures are columns of a table."""
    return {}


def information(report, column, style):
    """Figures of the information in the latent dimensions: scatter plot, bar chart and corner plot.

    Args:
        report: report whose arrays["latent"] has mean and sample (n, latent_dim), the means and one sample of each
            posterior, and information (latent_dim,), with the facts unit ("nats" or "variance"), active ((latent_dim,)
            booleans, or None), latents (largest number of dimensions in the corner plot) and has_posterior (whether
            the codes have a prior to compare with).
        column: what colours the scatter plot, or None.
        style: Style.

    Returns:
        dict with the Figures latent, information and, for more than one latent dimension, pairs.
    """
    arrays, facts = report.arrays["latent"], report.facts
    mean, amounts, unit = arrays["mean"], arrays["information"], facts["unit"]
    figures = {
        "latent": latent_scatter(mean, amounts, column, unit, style),
        "information": plots.information_bars(amounts, unit, facts["active"]),
    }
    if mean.shape[1] > 1:
        prior = facts["has_posterior"]
        figures["pairs"] = plots.pairs(arrays["sample"], amounts, unit, facts["latents"], style, prior=prior)
    return figures


def reconstructions(report, column, style):
    """Figure of the best, typical and worst reconstructions.

    Args:
        report: report whose arrays["reconstructions"] has originals, decoded and, if pixels are set aside, mask,
            (n, H, W, C) each, with the facts columns (galaxies in a row), captions (n texts, or None), groups
            (their names, or None) and band_names (of the C bands, or empty).
        column: not used.
        style: Style.

    Returns:
        dict with the Figure reconstructions.
    """
    arrays, facts = report.arrays["reconstructions"], report.facts
    figure = image_grids.reconstructions(
        *(arrays[name] for name in ("originals", "decoded")),
        *(facts[name] for name in ("columns", "captions", "groups")),
        style,
        arrays.get("mask"),
        facts.get("band_names", ()),
    )
    return {"reconstructions": figure}


CARDS = {
    "scores": scores,
    "information": information,
    "conditions": conditions,
    "reconstructions": reconstructions,
    "morphology": morphology,
    "card": card,
    "axes": axes,
    "probes": probes,
    "memorisation": memorisation,
    "prior": prior,
}
