"""Priors: distributions of latent codes, from which galaxies are generated."""
