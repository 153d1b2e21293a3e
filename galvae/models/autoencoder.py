"""The plain autoencoder, and the parts that every other model inherits from it."""

import keras
import numpy as np
from keras import ops

from galvae.backend.model import BatchModel
from galvae.errors import GalvaeError
from galvae.models import losses
from galvae.models.layers import CodeMoments, RandomDihedral, UnitScaling
from galvae.models.likelihood import GaussianLikelihood
from galvae.models.networks.build import build_decoder, build_encoder


class Autoencoder(BatchModel):
    """An encoder and a decoder trained to reproduce their input through a latent code of few dimensions.

    Images come in as stored (uint8 or float) and are scaled on the device; decoded images are float32 in
    [0, 1]. The data flow is `infer`, `sample_posterior`, `reconstruct`; the objective is `total_loss` of
    `loss_terms`. Subclasses add to these.

    Args:
        image_shape: (H, W, C).
        latent_dim: number of latent dimensions.
        network: the network's configuration (name, filters, kernels, ...).
        reconstruction: "bce" (binary cross-entropy) or "mse" (squared error), summed over pixels and
            averaged over channels; or "gaussian" (negative logarithm of a density), summed over both.
        reconstruction_weight: factor of the reconstruction term in the loss.
        noise: "scalar", "band", "covariance" or "brightness", what the learned noise of "gaussian" depends on.
        pixel_range: (low, high), the stored values that become 0 and 1.
        stretch: "none", "linear" or "asinh", see galvae.stretch.
        augment: whether training images are flipped and rotated at random.
        code_activation: activation of the latent code; None: linear.
        seed: seed of augmentation and noise.
        name: name of the model.

    Raises:
        GalvaeError: if the network cannot take images of this size.
    """

    condition_dim = 0

    def __init__(
        self,
        image_shape,
        latent_dim,
        network,
        reconstruction="bce",
        reconstruction_weight=1.0,
        noise="scalar",
        pixel_range=(0, 255),
        stretch="none",
        augment=False,
        code_activation=None,
        seed=0,
        name="autoencoder",
    ):
        super().__init__(name)
        self.image_shape = tuple(image_shape)
        self.latent_dim = latent_dim
        self.network = network
        self.reconstruction = reconstruction
        self.reconstruction_weight = reconstruction_weight
        self.pixel_range = tuple(pixel_range)
        self.stretch = stretch
        self.augment = augment
        self.code_activation = code_activation
        self.seed = seed
        self.scaling = UnitScaling(self.pixel_range, stretch, name="scaling")
        self.augmentation = RandomDihedral(seed, name="augmentation") if augment else None
        self.likelihood = (
            GaussianLikelihood(self.image_shape[-1], noise, name="likelihood")
            if reconstruction == "gaussian"
            else None
        )
        self.encoder = build_encoder(self.encoder_shape, network)
        self.decoder = build_decoder(self.decoder_dim, self.image_shape, network)
        self.mean_head = keras.layers.Dense(
            latent_dim, activation=code_activation, dtype="float32", name="mean"
        )
        self.add_code_layers()

    @classmethod
    def options(cls, config, condition_dim):
        """Constructor arguments that are particular to this class, from a configuration.

        Args:
            config: TrainConfig.
            condition_dim: number of columns of the dataset's condition.

        Returns:
            dict.
        """
        return {"code_activation": config.model.code_activation}

    @property
    def encoder_shape(self):
        """Shape (H, W, C) of the encoder's input."""
        return self.image_shape

    @property
    def decoder_dim(self):
        """Length of the decoder's input vectors."""
        return self.latent_dim

    @property
    def terms(self):
        return ["reconstruction"]

    def add_code_layers(self):
        """Creates the layers between the encoder's features and the decoder, besides `mean_head`."""
        self.code_moments = CodeMoments(self.latent_dim, name="code_moments")

    def build_all(self):
        """Creates every variable, so that weights can be loaded before the first batch."""
        self.trace()
        self.built = True

    def trace(self):
        """Calls the model without computing anything; JAX would compile each operation for itself."""
        inputs = {"images": keras.Input(self.image_shape)}
        if self.condition_dim:
            inputs["condition"] = keras.Input((self.condition_dim,))
        self(inputs, training=False)

    def forward(self, inputs, training):
        inferred = self.infer(inputs, training)
        return self.reconstruct(inferred, self.sample_posterior(inferred))

    def infer(self, inputs, training):
        """The posterior of each image, and what the objective compares the decoded image with.

        Args:
            inputs: dict of images (B, H, W, C) as stored; for conditional models, condition (B, K); and mask
                (B, H, W, C), 1 where a pixel is set aside, if there is one.
            training: whether images are augmented and running statistics updated.

        Returns:
            dict of what `prepare` returns, mean (B, latent_dim), and what a subclass adds.
        """
        prepared = self.prepare(inputs, training)
        return {**prepared, **self.posterior(self.features(prepared), training)}

    def with_posterior(self, inputs, mean, log_variance=None):
        """What `infer` returns outside of training, for images whose posterior is given, without running the encoder.

        Args:
            inputs: see `infer`.
            mean: (B, latent_dim), as `encode` returned it.
            log_variance: (B, latent_dim), as `encode` returned it; None for a plain autoencoder.

        Returns:
            dict, see `infer`.
        """
        posterior = {"mean": mean} if log_variance is None else {"mean": mean, "log_variance": log_variance}
        return {**self.prepare(inputs, training=False), **posterior}

    def prepare(self, inputs, training):
        """Converts a batch to the units of the network.

        Args:
            inputs, training: see `infer`.

        Returns:
            dict of target (B, H, W, C), flipped and rotated at random in training if so configured; mask (B, H, W, C),
            flipped and rotated as its image, if there is one; and for conditional models, condition (B, K).
        """
        images, mask = inputs["images"], inputs.get("mask")
        if training and self.augmentation is not None:
            if mask is None:
                images = self.augmentation(images)
            else:  # as further channels of their images, masks follow every flip
                both = ops.concatenate([images, ops.cast(mask, images.dtype)], axis=-1)
                images, mask = ops.split(self.augmentation(both), 2, axis=-1)
        prepared = {"target": self.scaling(images)}
        return prepared if mask is None else {**prepared, "mask": mask}

    def features(self, prepared):
        """The encoder's output, from which the posterior is computed, (B, features).

        Args:
            prepared: what `prepare` returned.
        """
        return self.encoder(prepared["target"])

    def posterior(self, features, training=False):
        """Parameters of q(code | image); of a plain autoencoder, its deterministic code.

        Args:
            features: (B, features), the encoder's output.
            training: whether running statistics are updated.

        Returns:
            dict of mean (B, latent_dim), and what a subclass adds.
        """
        return {"mean": self.code_moments(self.mean_head(features), training=training)}

    def sample_posterior(self, inferred, noise=None):
        """Latent codes drawn from the posterior, (B, latent_dim); the deterministic ones of a plain autoencoder.

        Args:
            inferred: what `infer` returned.
            noise: (B, latent_dim) standard normal; None: the model draws its own.
        """
        return inferred["mean"]

    def reconstruct(self, inferred, codes):
        """Decodes latent codes and collects the tensors that the objective needs.

        Args:
            inferred: what `infer` returned.
            codes: (B, latent_dim).

        Returns:
            dict of the tensors of `inferred`, logits (B, H, W, C), and what a subclass adds.
        """
        return {**inferred, "logits": self.decode_logits(codes)}

    def decode_logits(self, codes):
        """Decoder's output before the sigmoid, (B, H, W, C) float32."""
        return ops.cast(self.decoder(codes), "float32")

    def loss_terms(self, outputs):
        """Terms of the objective per image.

        Args:
            outputs: what `call` returned.

        Returns:
            dict of (B,) arrays, in the order of `terms`.
        """
        logits, target, mask = outputs["logits"], outputs["target"], outputs.get("mask")
        if self.reconstruction == "bce":
            reconstruction = losses.binary_cross_entropy(logits, target, mask)
        elif self.reconstruction == "mse":
            reconstruction = losses.squared_error(ops.sigmoid(logits), target, mask)
        else:
            reconstruction = self.likelihood(ops.sigmoid(logits), target, mask)
        return {"reconstruction": reconstruction}

    def total_loss(self, terms, training):
        """The objective per image, (B,).

        Args:
            terms: what `loss_terms` returned.
            training: whether this is a training step.
        """
        return self.reconstruction_weight * terms["reconstruction"]

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        terms = self.loss_terms(y_pred)
        return self.mean_over_batch({"loss": self.total_loss(terms, training), **terms}, x)

    def encode(self, images, condition=None):
        """Parameters of the posterior of stored images.

        Args:
            images: (B, H, W, C) as stored.
            condition: (B, K) in physical units; ignored by models without a condition.

        Returns:
            mean (B, latent_dim) and log-variance (B, latent_dim); None in its place for a plain autoencoder, whose
            code is deterministic.
        """
        inferred = self.infer({"images": images, "condition": condition}, training=False)
        return inferred["mean"], inferred.get("log_variance")

    def decode(self, codes, condition=None):
        """Images decoded from latent codes.

        Args:
            codes: (B, latent_dim).
            condition: (B, K) in physical units; ignored by models without a condition.

        Returns:
            (B, H, W, C) float32 in [0, 1].
        """
        return ops.sigmoid(self.decode_logits(codes))

    def noise(self, images, normal):
        """Noise that the likelihood gives decoded images, (B, H, W, C) in network units.

        Args:
            images: (B, H, W, C) decoded intensities in [0, 1].
            normal: (B, H, W, C) standard normal numbers.

        Raises:
            GalvaeError: if the model has not learned its noise.
        """
        if self.likelihood is None:
            raise GalvaeError(
                "noise: expected a run with reconstruction.loss=gaussian, which learns its noise, received one with "
                f"reconstruction.loss={self.reconstruction}"
            )
        return self.likelihood.draw(images, normal)

    def set_output_bias(self, pixels):
        """Starts the decoder at a constant image, instead of spending the first epochs on the background.

        Args:
            pixels: (C,) intensities in [0, 1].
        """
        pixels = np.clip(pixels, 0.01, 0.99)
        bias = self.decoder.get_layer("decoder_image").bias
        bias.assign(np.tile(np.log(pixels / (1 - pixels)), bias.shape[0] // len(pixels)))
