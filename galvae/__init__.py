"""galvae: learn, explore and generate galaxy morphology with variational autoencoders."""

__version__ = "0.1.0"
