"""The plain autoencoder, and what every other model inherits from it."""

import keras
import numpy as np
from keras import ops

from galvae.backend.replicas import replicas
from galvae.models import losses
from galvae.models.layers import CodeMoments, RandomDihedral, UnitScaling
from galvae.models.networks.build import build_decoder, build_encoder


class Autoencoder(keras.Model):
    """An encoder and a decoder trained to reproduce their input through a code of few dimensions.

    Images come in as stored (uint8 or float) and are scaled on the device; decoded images are float32 in
    [0, 1]. Subclasses add to `infer`, `sample_posterior`, `reconstruct`, `loss_terms` and `from_noise`; the training
    step stays Keras' own.

    Args:
        image_shape: (H, W, C).
        latent_dim: number of latent dimensions.
        network: the network's configuration (name, filters, kernels, ...).
        reconstruction: "bce" (binary cross-entropy) or "mse" (squared error), summed over pixels and
            averaged over channels.
        reconstruction_weight: factor of the reconstruction term in the loss.
        pixel_range: (low, high), the stored values that become 0 and 1.
        stretch: "none", "linear" or "asinh", as in galvae.stretch.
        augment: whether training images are flipped and turned at random.
        code_activation: activation of the code, None for linear.
        seed: of augmentation and noise.

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
        pixel_range=(0, 255),
        stretch="none",
        augment=False,
        code_activation=None,
        seed=0,
        name="autoencoder",
    ):
        # The model itself stays in float32, so that targets and losses do; its layers follow the policy.
        super().__init__(name=name, dtype="float32")
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
        self.encoder = build_encoder(self.encoder_shape, network)
        self.decoder = build_decoder(self.decoder_dim, self.image_shape, network)
        self.mean_head = keras.layers.Dense(
            latent_dim, activation=code_activation, dtype="float32", name="mean"
        )
        self.resident = None  # in training, the galvae.devices Resident that holds the images
        # "loss" takes the place of Keras' own in the logs, which knows no weights.
        self.trackers = [keras.metrics.Mean(name=name) for name in ("loss", *self.terms)]
        self.add_code_layers()

    @property
    def encoder_shape(self):
        """(H, W, C) of what the encoder takes."""
        return self.image_shape

    @property
    def decoder_dim(self):
        """Length of the vectors that the decoder takes."""
        return self.latent_dim

    @property
    def terms(self):
        """Names of the objective's terms, in the order in which they are logged."""
        return ["reconstruction"]

    def add_code_layers(self):
        """Creates what stands between the encoder's features and the decoder, besides the mean."""
        self.code_moments = CodeMoments(self.latent_dim, name="code_moments")

    def build_all(self):
        """Creates every variable, so that weights can be loaded before the first batch."""
        inputs = {"images": np.zeros((1, *self.image_shape), np.float32)}
        if self.condition_dim:
            inputs["condition"] = np.zeros((1, self.condition_dim), np.float32)
        self(inputs, training=False)
        self.built = True

    def call(self, inputs, training=False):
        """What the objective is computed from: `infer`, then `reconstruct` with codes drawn from the posterior.

        Args:
            inputs: dict of images (B, H, W, C) as stored, or of places (B,) among the resident ones, and, for
                conditional models, condition (B, K); where devices share a batch, also rows (B,) of these images
                in it, and their weight (B,).
            training: whether images are augmented and statistics kept.

        Returns:
            dict of tensors, as of `reconstruct`.
        """
        if "places" in inputs:
            inputs = self.resident.take(inputs)
        inferred = self.infer(inputs, training)
        return self.reconstruct(inferred, self.sample_posterior(inferred, inputs.get("rows")))

    def infer(self, inputs, training):
        """What the encoder makes of images, as a dict of tensors.

        Args:
            inputs: dict of images and condition, as of `call`.
            training: as of `call`.

        Returns:
            target (B, H, W, C) in network units, mean (B, latent_dim), and what a subclass adds.
        """
        target = self.unit_images(inputs, training)
        codes = self.mean_head(self.encoder(target))
        return {"target": target, "mean": self.code_moments(codes, training=training)}

    def sample_posterior(self, inferred, rows=None, noise=None):
        """Codes (B, latent_dim) drawn from the posterior; of a plain autoencoder, the one code that it has.

        Args:
            inferred: as `infer` returned it.
            rows: (B,) of these images in a batch that devices share.
            noise: (B, latent_dim) standard normal; None: the model draws its own.
        """
        return inferred["mean"]

    def reconstruct(self, inferred, codes):
        """What `infer` found and what the decoder makes of codes, as a dict of tensors.

        Args:
            inferred: as `infer` returned it.
            codes: (B, latent_dim).

        Returns:
            inferred, logits (B, H, W, C), and what a subclass adds.
        """
        return {**inferred, "logits": self.decode_logits(codes)}

    def unit_images(self, inputs, training):
        """Stored images as floats in network units, flipped and turned in training if so configured."""
        images = inputs["images"]
        if training and self.augmentation is not None:
            images = self.augmentation(images, inputs.get("rows"))
        return self.scaling(images)

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
        if self.reconstruction == "bce":
            reconstruction = losses.binary_cross_entropy(outputs["logits"], outputs["target"])
        else:
            reconstruction = losses.squared_error(ops.sigmoid(outputs["logits"]), outputs["target"])
        return {"reconstruction": reconstruction}

    def total_loss(self, terms, training):
        """The objective per image, (B,), from its terms."""
        return self.reconstruction_weight * terms["reconstruction"]

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        terms = self.loss_terms(y_pred)
        total = self.total_loss(terms, training)
        for tracker in self.trackers:
            tracker.update_state({"loss": total, **terms}[tracker.name], sample_weight=x.get("weight"))
        return ops.mean(total) / replicas()  # whose gradients are summed

    def encode(self, images, condition=None):
        """Codes of stored images.

        Args:
            images: (B, H, W, C) as stored.
            condition: ignored by models without a condition.

        Returns:
            mean (B, latent_dim) and log-variance (B, latent_dim) of the posterior; None for a plain
            autoencoder, whose code is a point.
        """
        return self.mean_head(self.encoder(self.scaling(images))), None

    def decode(self, codes, condition=None):
        """Images of codes.

        Args:
            codes: (B, latent_dim).
            condition: ignored by models without a condition.

        Returns:
            (B, H, W, C) float32 in [0, 1].
        """
        return ops.sigmoid(self.decode_logits(codes))

    def draw_codes(self, n, seed=None, temperature=1.0):
        """Random codes, (n, latent_dim) float32, the same on every backend for the same seed.

        A plain autoencoder has no prior: its codes come from a Gaussian with the mean and the covariance
        that the training codes had.

        Args:
            n: how many.
            seed: integer, or None for different codes each time.
            temperature: factor of the standard deviation.
        """
        noise = np.random.default_rng(seed).standard_normal((n, self.latent_dim))
        return self.from_noise(temperature * noise)

    def from_noise(self, noise):
        """Codes (n, latent_dim) float32 of standard normal noise (n, latent_dim), as `draw_codes` makes them."""
        mean, covariance = self.code_moments.moments()
        values, vectors = np.linalg.eigh(covariance)
        factor = vectors * np.sqrt(np.maximum(values, 0.0))
        return (mean + noise @ factor.T).astype(np.float32)

    def sample(self, n, condition=None, seed=None, temperature=1.0):
        """Generated images, (n, H, W, C) float32 in [0, 1]; arguments as in `draw_codes` and `decode`."""
        return self.decode(self.draw_codes(n, seed, temperature), condition)

    def set_output_bias(self, pixels):
        """Starts the decoder at a constant image, instead of spending the first epochs on the background.

        Args:
            pixels: (C,) intensities in [0, 1].
        """
        pixels = np.clip(pixels, 0.01, 0.99)
        bias = self.decoder.get_layer("decoder_image").bias
        bias.assign(np.tile(np.log(pixels / (1 - pixels)), bias.shape[0] // len(pixels)))

    def get_config(self):
        return {
            "image_shape": self.image_shape,
            "latent_dim": self.latent_dim,
            "network": self.network,
            "reconstruction": self.reconstruction,
            "reconstruction_weight": self.reconstruction_weight,
            "pixel_range": self.pixel_range,
            "stretch": self.stretch,
            "augment": self.augment,
            "code_activation": self.code_activation,
            "seed": self.seed,
            "name": self.name,
        }
