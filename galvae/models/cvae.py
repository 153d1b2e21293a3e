"""Conditional VAEs: the model is told the redshift of a galaxy, and generates galaxies of a given one."""

import keras
import numpy as np
from keras import ops

from galvae.errors import GalvaeError
from galvae.models.vae import VAE


class CVAE2(VAE):
    """A VAE whose encoder's features and codes are each joined by the condition.

    Conditions come in physical units; inside they are scaled by `condition_mean` and `condition_std`,
    variables that are saved with the weights.

    Args:
        condition_dim: number K of columns of the condition, redshift first.
        **kwargs: as of `VAE`.

    Reference:
        Sohn, Lee & Yan 2015 (NeurIPS); "cvae2" of vae-project, the fastest of its three and recommended there.
    """

    def __init__(self, *args, condition_dim=1, name="cvae2", **kwargs):
        self.condition_dim = condition_dim
        super().__init__(*args, name=name, **kwargs)

    @property
    def decoder_dim(self):
        return self.latent_dim + self.condition_dim

    def add_code_layers(self):
        super().add_code_layers()
        options = {"shape": (self.condition_dim,), "trainable": False, "aggregation": "none"}
        self.condition_mean = keras.Variable("zeros", name="condition_mean", dtype="float32", **options)
        self.condition_std = keras.Variable("ones", name="condition_spread", dtype="float32", **options)

    def set_condition_scale(self, conditions):
        """Scales conditions to zero mean and unit variance.

        Args:
            conditions: (n, K) of the training images.
        """
        self.condition_mean.assign(conditions.mean(axis=0))
        self.condition_std.assign(np.maximum(conditions.std(axis=0), 1e-6))

    def scaled_condition(self, condition):
        """Conditions (B, K) as the network takes them.

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
        """Conditions (B, K) in physical units, from those that the network takes or gives."""
        return scaled * self.condition_std + self.condition_mean

    def infer(self, inputs, training):
        target = self.unit_images(inputs, training)
        return self.encode_with_condition(
            self.scaled_condition(inputs.get("condition")), target, self.image_features(target)
        )

    def encode_with_condition(self, condition, target, seen):
        """What `infer` returns, of images under a condition that may be another than theirs.

        Args:
            condition: (B, K), scaled.
            target: (B, H, W, C) in network units.
            seen: what `image_features` made of them.
        """
        mean, log_variance = self.posterior(self.encoder_features(seen, condition))
        return {"target": target, "mean": mean, "log_variance": log_variance, "condition": condition}

    def reconstruct(self, inferred, codes):
        vectors = self.decoder_input(codes, inferred["condition"])
        return {**inferred, "vectors": vectors, "logits": self.decode_logits(vectors)}

    def image_features(self, target):
        """As much of the encoder's work on images (B, H, W, C) as no condition changes."""
        return ops.cast(self.encoder(target), "float32")

    def encoder_features(self, seen, condition):
        """What the posterior is computed from: the encoder's output and the scaled condition."""
        return ops.concatenate([seen, condition], axis=-1)

    def decoder_input(self, codes, condition):
        """What the decoder takes: codes and scaled condition, (B, decoder_dim)."""
        return ops.concatenate([codes, condition], axis=-1)

    def encode(self, images, condition=None):
        seen = self.image_features(self.scaling(images))
        return self.posterior(self.encoder_features(seen, self.scaled_condition(condition)))

    def decode(self, codes, condition=None):
        return ops.sigmoid(self.decode_logits(self.decoder_input(codes, self.scaled_condition(condition))))

    def get_config(self):
        return {**super().get_config(), "condition_dim": self.condition_dim}


class CVAE(CVAE2):
    """A VAE whose images get the condition as further channels, and whose codes get it as further rows.

    Each column of the condition is spread over a channel of the image's size, and over a row of the code's
    length, so that the decoder takes (1 + K) x latent_dim numbers.

    Reference:
        "cvae" of vae-project.
    """

    def __init__(self, *args, name="cvae", **kwargs):
        super().__init__(*args, name=name, **kwargs)

    @property
    def encoder_shape(self):
        return (*self.image_shape[:2], self.image_shape[2] + self.condition_dim)

    @property
    def decoder_dim(self):
        return self.latent_dim * (1 + self.condition_dim)

    def image_features(self, target):
        return target

    def encoder_features(self, seen, condition):
        channels = condition[:, None, None, :] * ops.ones((1, *self.image_shape[:2], 1))
        return self.encoder(ops.concatenate([seen, channels], axis=-1))

    def decoder_input(self, codes, condition):
        return ops.concatenate([codes, ops.repeat(condition, self.latent_dim, axis=-1)], axis=-1)
