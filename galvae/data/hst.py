"""Hubble ACS stamps of 128 pixels: an HDF5 file in vae-project's layout, or the public COSMOS 23.5 archive."""

from galvae.data import archive, stamps

SAMPLE, SIDE = "23.5", 128


def fingerprint(config):
    """Of the file that `dataset.path` names, else of the archive."""
    return stamps.fingerprint(config) if config.path else archive.fingerprint(config, SAMPLE, SIDE)


def read(config):
    """Reads the file that `dataset.path` names, else the archive; redshift is the condition."""
    return stamps.read(config) if config.path else archive.read(config, SAMPLE, SIDE)
