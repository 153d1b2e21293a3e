"""The variational autoencoder; with a beta other than one, the beta-VAE."""

import keras
from keras import ops

from galvae.models import losses
from galvae.models.autoencoder import Autoencoder
from galvae.models.layers import Sampling

LOG_VARIANCE_BOUND = 10.0


class VAE(Autoencoder):
    """An autoencoder whose latent code is a distribution that the KL term keeps close to the standard normal.

    The objective per image is weight x reconstruction + beta x KL. `beta` is a variable that training sets
    each epoch; validation uses `final_beta`, to which the schedule leads, so that epochs can be compared.

    Args:
        final_beta: weight of the KL term in validation.
        **kwargs: see `Autoencoder`.

    Reference:
        Kingma & Welling 2014 (arXiv:1312.6114); Higgins et al. 2017 (beta-VAE, ICLR). The log-variance is
        bounded to +-10, because an unbounded one gave losses of 5e10 in the first epoch of a published run.
    """

    def __init__(self, *args, final_beta=1.0, name="vae", **kwargs):
        self.final_beta = final_beta
        super().__init__(*args, name=name, **kwargs)

    @classmethod
    def options(cls, config, condition_dim):
        return {"final_beta": config.beta.final(config.epochs)}

    @property
    def terms(self):
        return ["reconstruction", "kl"]

    def add_code_layers(self):
        # A zero kernel starts every posterior at unit variance, which avoids NaN after long training.
        self.log_variance_head = keras.layers.Dense(
            self.latent_dim, kernel_initializer="zeros", dtype="float32", name="log_variance"
        )
        self.sampling = Sampling(self.seed + 1, name="sampling")
        # An initializer, not a value, so that `outline` can create it without one.
        options = {"trainable": False, "dtype": "float32", "aggregation": "none"}
        self.beta = keras.Variable(
            keras.initializers.Constant(self.final_beta), shape=(), name="beta", **options
        )

    def build_all(self):
        super().build_all()
        self.sampling.seed_generator.next()  # which earlier versions spent here: a seed keeps its noise

    def posterior(self, features, training=False):
        log_variance = losses.soft_clip(self.log_variance_head(features), LOG_VARIANCE_BOUND)
        return {"mean": self.mean_head(features), "log_variance": log_variance}

    def sample_posterior(self, inferred, noise=None):
        return self.sampling(inferred["mean"], inferred["log_variance"], noise)

    def loss_terms(self, outputs):
        kl = ops.sum(losses.kl_divergence(outputs["mean"], outputs["log_variance"]), axis=-1)
        return {**super().loss_terms(outputs), "kl": kl}

    def total_loss(self, terms, training):
        beta = self.beta if training else self.final_beta
        return super().total_loss(terms, training) + beta * terms["kl"]
