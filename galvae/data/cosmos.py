"""Hubble ACS stamps of 158 pixels: an HDF5 file in vae-project's layout, or the public COSMOS 25.2 archive."""

from galvae.data import archive, stamps

SAMPLE, SIDE = "25.2", 158


def fingerprint(config):
    """Of the file that `dataset.path` names, else of the archive."""
    return stamps.fingerprint(config) if config.path else archive.fingerprint(config, SAMPLE, SIDE)


def read(config):
    """Reads the file that `dataset.path` names, else the archive; redshift is the condition."""
    return stamps.read(config) if config.path else archive.read(config, SAMPLE, SIDE)
