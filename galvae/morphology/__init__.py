"""Morphology of galaxies in images: fluxes, sizes, shapes and structure, as pure functions of pixels."""
