"""Figures: arrays in, matplotlib Figure out."""

from galvae.figures.canvas import rgb, shrunk, whole_zoom
from galvae.figures.cards import CARDS
from galvae.figures.image_grids import (
    animate,
    blocks,
    compared,
    grid,
    latent_walks,
    panels,
    reconstructions,
    rows,
)
from galvae.figures.planes import fill_cells, montage, plane, plane_and_scatter
from galvae.figures.plots import (
    information_bars,
    loss_against_latent_dim,
    loss_curves,
    pairs,
    predictions,
    rate_distortion,
)
from galvae.figures.priors import priors
from galvae.figures.scatter import latent_scatter, scatter
from galvae.figures.style import Style, amount, axis_label, latent_name, save, with_minus

__all__ = [
    "CARDS",
    "Style",
    "amount",
    "animate",
    "axis_label",
    "blocks",
    "compared",
    "fill_cells",
    "grid",
    "information_bars",
    "latent_name",
    "latent_scatter",
    "latent_walks",
    "loss_against_latent_dim",
    "loss_curves",
    "montage",
    "pairs",
    "panels",
    "plane",
    "plane_and_scatter",
    "predictions",
    "priors",
    "rate_distortion",
    "reconstructions",
    "rgb",
    "rows",
    "save",
    "scatter",
    "shrunk",
    "whole_zoom",
    "with_minus",
]
