"""The base class of conditional VAEs, which receive a galaxy's redshift and generate galaxies of a given one."""

import keras
import numpy as np
from keras import ops

from galvae.errors import GalvaeError
from galvae.models.vae import VAE


class ConditionalVAE(VAE):
    """A VAE whose encoder and decoder both receive a condition, such as redshift.

    Conditions come in physical units; inside they are scaled by `condition_mean` and `condition_std`,
    variables that are saved with the weights. A class comes as a column of zeros and ones for each class, which stay
    as they are: the standard deviation of a rare class is small, and would make its column huge. Subclasses decide how
    the encoder (`image_features`, `encoder_features`) and the decoder (`decoder_input`, `decoder_dim`) receive them.

    Args:
        condition_dim: number K of columns of the condition.
        **kwargs: see `VAE`.

    Reference:
        Sohn, Lee & Yan 2015 (NeurIPS).
    """

    def __init__(self, *args, condition_dim=1, **kwargs):
        self.condition_dim = condition_dim
        super().__init__(*args, **kwargs)

    @classmethod
    def options(cls, config, condition_dim):
        return {**super().options(config, condition_dim), "condition_dim": condition_dim}

    def add_code_layers(self):
        super().add_code_layers()
        options = {"shape": (self.condition_dim,), "trainable": False, "aggregation": "none"}
        self.condition_mean = keras.Variable("zeros", name="condition_mean", dtype="float32", **options)
        # Checkpoints have it under the name condition_spread.
        self.condition_std = keras.Variable("ones", name="condition_spread", dtype="float32", **options)

    def set_condition_scale(self, conditions, classes=0):
        """Sets the scale that gives conditions zero mean and unit variance, and leaves classes as they are.

        Args:
            conditions: (n, K) of the training images, in physical units.
            classes: number of the first columns that are classes.
        """
        mean, std = conditions.mean(axis=0), np.maximum(conditions.std(axis=0), 1e-6)
        mean[:classes], std[:classes] = 0, 1
        self.condition_mean.assign(mean)
        self.condition_std.assign(std)

    def scaled_condition(self, condition):
        """Conditions (B, K) in the units of the network.

        Args:
            condition: (B, K) in physical units.

        Raises:
            GalvaeError: if there is none, or it has another number of columns.
        """
        received = "none" if condition is None else f"shape {tuple(condition.shape)}"
        if condition is None or len(condition.shape) != 2 or condition.shape[1] != self.condition_dim:
            raise GalvaeError(
                f"model {self.name}: expected a condition of shape (B, {self.condition_dim}), received {received}"
            )
        return (ops.cast(condition, "float32") - self.condition_mean) / self.condition_std

    def physical_condition(self, scaled):
        """Conditions (B, K) in physical units, from those in the units of the network."""
        return scaled * self.condition_std + self.condition_mean

    def prepare(self, inputs, training):
        condition = self.scaled_condition(inputs.get("condition"))
        return {**super().prepare(inputs, training), "condition": condition}

    def features(self, prepared):
        return self.encoder_features(self.image_features(prepared["target"]), prepared["condition"])

    def encode_with_condition(self, condition, prepared, image_features):
        """What `infer` returns, for images under a given condition, which need not be their own.

        Args:
            condition: (B, K) in the units of the network.
            prepared: what `prepare` returned.
            image_features: what `image_features` returned for its target.
        """
        posterior = self.posterior(self.encoder_features(image_features, condition))
        return {**prepared, "condition": condition, **posterior}

    def image_features(self, target):
        """The part of the encoder's work that does not depend on the condition.

        Args:
            target: (B, H, W, C) in network units.
        """
        raise NotImplementedError

    def encoder_features(self, image_features, condition):
        """The features from which the posterior is computed, (B, features).

        Args:
            image_features: what `image_features` returned.
            condition: (B, K) in the units of the network.
        """
        raise NotImplementedError

    def decoder_input(self, codes, condition):
        """The decoder's input vectors, (B, decoder_dim).

        Args:
            codes: (B, latent_dim).
            condition: (B, K) in the units of the network.
        """
        raise NotImplementedError

    def reconstruct(self, inferred, codes):
        vectors = self.decoder_input(codes, inferred["condition"])
        return {**inferred, "decoder_input": vectors, "logits": self.decode_logits(vectors)}

    def decode(self, codes, condition=None):
        return ops.sigmoid(self.decode_logits(self.decoder_input(codes, self.scaled_condition(condition))))
