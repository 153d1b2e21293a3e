"""The two conditional VAEs of vae-project, which differ in how encoder and decoder receive the condition."""

from keras import ops

from galvae.models.conditional_vae import ConditionalVAE


class CVAE(ConditionalVAE):
    """A conditional VAE that repeats the condition, as constant channels of the image and beside the latent code.

    For the encoder, each column becomes a further channel of the image's size. For the decoder, it is repeated as
    often as there are latent dimensions, so that the decoder takes (1 + K) x latent_dim numbers.

    Args:
        **kwargs: see `ConditionalVAE`.

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

    def encoder_features(self, image_features, condition):
        channels = condition[:, None, None, :] * ops.ones((1, *self.image_shape[:2], 1))
        return self.encoder(ops.concatenate([image_features, channels], axis=-1))

    def decoder_input(self, codes, condition):
        return ops.concatenate([codes, ops.repeat(condition, self.latent_dim, axis=-1)], axis=-1)


class CVAE2(ConditionalVAE):
    """A conditional VAE that appends the condition to the encoder's features and to the latent code.

    Args:
        **kwargs: see `ConditionalVAE`.

    Reference:
        "cvae2" of vae-project, the fastest of its three and recommended there.
    """

    def __init__(self, *args, name="cvae2", **kwargs):
        super().__init__(*args, name=name, **kwargs)

    @property
    def decoder_dim(self):
        return self.latent_dim + self.condition_dim

    def image_features(self, target):
        return ops.cast(self.encoder(target), "float32")

    def encoder_features(self, image_features, condition):
        return ops.concatenate([image_features, condition], axis=-1)

    def decoder_input(self, codes, condition):
        return ops.concatenate([codes, condition], axis=-1)
