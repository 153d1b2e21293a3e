"""Models by the name that `model.name` takes, and their construction from a configuration."""

import math
from itertools import pairwise
from typing import NamedTuple

import keras

from galvae.models.autoencoder import Autoencoder
from galvae.models.cvae import CVAE, CVAE2
from galvae.models.fancy_cvae import FancyCVAE
from galvae.models.vae import VAE

MODELS = {
    "ae": Autoencoder,
    "vae": VAE,
    "beta_vae": VAE,
    "cvae": CVAE,
    "cvae2": CVAE2,
    "fancy_cvae": FancyCVAE,
}


def build_model(config, image_shape, pixel_range, stretch, condition_dim):
    """The model of a configuration, with all its variables.

    Args:
        config: TrainConfig.
        image_shape: (H, W, C).
        pixel_range: (low, high), the stored values that become 0 and 1.
        stretch: see galvae.stretch.
        condition_dim: number of columns of the dataset's condition; models without a condition ignore it.

    Returns:
        An instance of a class in MODELS.

    Raises:
        GalvaeError: if the network cannot take images of this size.
    """
    model = _make(config, image_shape, pixel_range, stretch, condition_dim)
    model.build_all()
    return model


class Outline(NamedTuple):
    """What a model would take of memory.

    Attributes:
        variables: path of each variable -> (shape, name of the type).
        layer_bytes: see `layer_bytes`.
    """

    variables: dict
    layer_bytes: int


def outline(config, image_shape, condition_dim):
    """Sizes of the variables and layers of a configuration's model, without allocating memory for them.

    Args:
        config, image_shape, condition_dim: see `build_model`.

    Returns:
        Outline.

    Raises:
        GalvaeError: if the network cannot take images of this size.
    """
    try:
        with keras.StatelessScope(initialize_variables=False):
            model = _make(config, image_shape, (0, 1), "none", condition_dim)
            model.trace()
            variables = {
                variable.path: (tuple(variable.shape), variable.dtype) for variable in model.variables
            }
            return Outline(variables, layer_bytes(model))
    finally:
        keras.utils.clear_session()  # forgets the variables that have no value yet


def layer_bytes(model):
    """Bytes of an image's values at the layer of a model that takes and returns most of them, in float32.

    Args:
        model: an instance of a class in MODELS.
    """
    largest = 0
    for stack in (model.encoder, model.decoder):
        tensors = [stack.inputs[0], *(layer.output for layer in stack.layers)]
        counts = [math.prod(tensor.shape[1:]) for tensor in tensors]
        largest = max(largest, *map(sum, pairwise(counts)))
    return 4 * largest


def _make(config, image_shape, pixel_range, stretch, condition_dim):
    model = MODELS[config.model.name]
    return model(
        image_shape=image_shape,
        latent_dim=config.latent_dim,
        network=config.network,
        reconstruction=config.reconstruction.loss,
        reconstruction_weight=config.reconstruction.weight,
        noise=config.reconstruction.noise,
        pixel_range=pixel_range,
        stretch=stretch,
        augment=config.dataset.augment,
        seed=config.seed,
        name=config.model.name,
        **model.options(config, condition_dim),
    )
