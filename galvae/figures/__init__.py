"""Figures: arrays in, a matplotlib Figure out; nothing of Keras."""

from galvae.figures.canvas import shrunk
from galvae.figures.image_grids import animate, compared, grid, panels, reconstructions, rows
from galvae.figures.planes import montage, plane, plane_and_scatter
from galvae.figures.plots import (
    information_bars,
    loss_against_latent_dim,
    loss_curves,
    pairs,
    predictions,
    rate_distortion,
)
from galvae.figures.scatter import latent_scatter, scatter
from galvae.figures.style import Style, amount, save

__all__ = [
    "Style",
    "amount",
    "animate",
    "compared",
    "grid",
    "information_bars",
    "latent_scatter",
    "loss_against_latent_dim",
    "loss_curves",
    "montage",
    "pairs",
    "panels",
    "plane",
    "plane_and_scatter",
    "predictions",
    "rate_distortion",
    "reconstructions",
    "rows",
    "save",
    "scatter",
    "shrunk",
]
