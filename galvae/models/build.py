"""Models: MODELS maps the name that `model.name` takes to a class."""

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
CONDITIONAL = frozenset(name for name, model in MODELS.items() if issubclass(model, CVAE2))


def build_model(config, image_shape, pixel_range, stretch, condition_dim):
    """The model of a configuration, with all its variables.

    Args:
        config: TrainConfig.
        image_shape: (H, W, C).
        pixel_range: (low, high), the stored values that become 0 and 1.
        stretch: as in galvae.stretch.
        condition_dim: number of columns of the dataset's condition; unconditional models ignore it.

    Returns:
        An instance of a class in MODELS.

    Raises:
        GalvaeError: if the network cannot take images of this size.
    """
    model = _make(config, image_shape, pixel_range, stretch, condition_dim)
    model.build_all()
    return model


def variable_shapes(config, image_shape, condition_dim):
    """Shapes and types of the variables of a configuration's model, which is not built: no memory is taken.

    Args:
        config, image_shape, condition_dim: as of `build_model`.

    Returns:
        path -> (shape, name of the type).

    Raises:
        GalvaeError: as `build_model`.
    """
    try:
        with keras.StatelessScope(initialize_variables=False):
            model = _make(config, image_shape, (0, 1), "none", condition_dim)
            inputs = {"images": keras.Input(image_shape)}
            if model.condition_dim:
                inputs["condition"] = keras.Input((model.condition_dim,))
            model(inputs, training=False)
            return {variable.path: (tuple(variable.shape), variable.dtype) for variable in model.variables}
    finally:
        keras.utils.clear_session()  # which forgets the variables that wait for a value


def _make(config, image_shape, pixel_range, stretch, condition_dim):
    name = config.model.name
    arguments = {
        "image_shape": image_shape,
        "latent_dim": config.latent_dim,
        "network": config.network,
        "reconstruction": config.reconstruction.loss,
        "reconstruction_weight": config.reconstruction.weight,
        "pixel_range": pixel_range,
        "stretch": stretch,
        "augment": config.dataset.augment,
        "seed": config.seed,
        "name": name,
    }
    if name == "ae":
        arguments["code_activation"] = config.model.code_activation
    else:
        arguments["final_beta"] = config.beta.final(config.epochs)
    if name in CONDITIONAL:
        arguments["condition_dim"] = condition_dim
    if name == "fancy_cvae":
        arguments["prediction"] = config.model.prediction
        arguments["prediction_weight"] = config.model.prediction_weight
    return MODELS[name](**arguments)
