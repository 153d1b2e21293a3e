"""Models: MODELS maps the name that `model.name` takes to a class."""

from galvae.models.autoencoder import Autoencoder
from galvae.models.vae import VAE
from galvae.schedules import beta_schedule

MODELS = {"ae": Autoencoder, "vae": VAE, "beta_vae": VAE}


def build_model(config, image_shape, pixel_range):
    """The model of a configuration, with all its variables.

    Args:
        config: TrainConfig.
        image_shape: (H, W, C).
        pixel_range: (low, high), the stored values that become 0 and 1.

    Returns:
        An instance of a class in MODELS.

    Raises:
        GalvaeError: if the network cannot take images of this size.
    """
    arguments = {
        "image_shape": image_shape,
        "latent_dim": config.latent_dim,
        "network": config.network,
        "reconstruction": config.reconstruction.loss,
        "reconstruction_weight": config.reconstruction.weight,
        "pixel_range": pixel_range,
        "augment": config.dataset.augment,
        "seed": config.seed,
        "name": config.model.name,
    }
    if config.model.name == "ae":
        arguments["code_activation"] = config.model.code_activation
    else:
        arguments["final_beta"] = float(beta_schedule(config.beta, config.epochs)[-1])
    model = MODELS[config.model.name](**arguments)
    model.build_all()
    return model
