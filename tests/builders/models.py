"""Small models with weights; a process may only import this once its backend is set up."""

from builders.configs import conv
from galvae.models.build import MODELS


def build(name, shape=(16, 16, 3), latent_dim=2, **changes):
    """A model of images of 16 pixels whose network is the small `conv`; `changes` are further arguments."""
    model = MODELS[name](shape, latent_dim=latent_dim, network=conv(), name=name, **changes)
    model.build_all()
    return model
