"""Models: MODELS maps the name that `model.name` takes to a class."""

from galvae.models.autoencoder import Autoencoder
from galvae.models.cvae import CVAE, CVAE2
from galvae.models.fancy_cvae import FancyCVAE
from galvae.models.vae import VAE
from galvae.schedules import final_beta

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
        arguments["final_beta"] = final_beta(config.beta, config.epochs)
    if name in CONDITIONAL:
        arguments["condition_dim"] = condition_dim
    if name == "fancy_cvae":
        arguments["prediction"] = config.model.prediction
        arguments["prediction_weight"] = config.model.prediction_weight
    model = MODELS[name](**arguments)
    model.build_all()
    return model
