"""Keys of the models, of their networks and of the schedules of beta."""

from dataclasses import dataclass

from galvae.config.fields import key
from galvae.errors import GalvaeError


@dataclass(kw_only=True)
class ModelConfig:
    """Keys of every model."""

    name: str = key("name of the model")


@dataclass(kw_only=True)
class AutoencoderConfig(ModelConfig):
    """The plain autoencoder."""

    code_activation: str = key("activation of the latent code", choices=("linear", "relu"))


@dataclass(kw_only=True)
class ConditionalConfig(ModelConfig):
    """A model conditional on the dataset's condition: redshift, and other columns if there are any."""

    condition_scaling: str = key(
        "scaling of the condition inside the model: none, or standard: to zero mean and unit variance",
        choices=("none", "standard"),
    )


@dataclass(kw_only=True)
class FancyConfig(ConditionalConfig):
    """A conditional model that also predicts its condition."""

    prediction: str = key(
        "what the condition is predicted from: image (decoded and real images) or published (the decoder's input)",
        choices=("image", "published"),
    )
    prediction_weight: float = key(
        "factor on the squared error of the predicted condition in the loss", at_least=0
    )


@dataclass(kw_only=True)
class NetworkConfig:
    """Keys of every network."""

    name: str = key("name of the network")
    filters: list[int] = key(
        "numbers of filters of the encoder's convolutions; the last one repeats as needed",
        at_least=1,
        at_most=4096,
    )
    initializer: str = key(
        "initialisation of kernels: He's rule, or Glorot's, which is Keras' default", choices=("he", "glorot")
    )
    output_bias: str = key(
        "initial bias of the decoder's output: that of the median training pixel, or zero",
        choices=("median", "zero"),
    )

    @property
    def width(self):
        """Number of the encoder's features and the key that sets it, (int, str); None if no key does."""
        return None

    @property
    def normalises_batches(self):
        """Whether it has batch normalisation, so that what it makes of an image depends on its batch."""
        return False

    def check(self):
        if not self.filters:
            raise GalvaeError("network.filters: expected at least one entry, received []")


@dataclass(kw_only=True)
class DenseConfig(NetworkConfig):
    """A network whose encoder ends in a dense layer."""

    dense: int = key("number of units in the encoder's dense layer", at_least=1, at_most=65536)

    @property
    def width(self):
        return self.dense, "network.dense"


@dataclass(kw_only=True)
class ConvConfig(DenseConfig):
    """Strided convolutions and a dense layer, mirrored in the decoder."""

    kernels: list[int] = key("kernel sizes in pixels; the last one repeats as needed", at_least=1, at_most=15)
    depth: int | None = key(
        "number of halvings of the image; null: until its side is 4", at_least=1, at_most=10
    )
    output_kernel: int | None = key(
        "kernel size of a final convolution that draws the image; null: the last transposed convolution draws it",
        at_least=1,
        at_most=15,
    )

    def check(self):
        super().check()
        if not self.kernels:
            raise GalvaeError("network.kernels: expected at least one entry, received []")


@dataclass(kw_only=True)
class DcganConfig(NetworkConfig):
    """Strided convolutions with batch normalisation and a narrow bottleneck."""

    bottleneck: int = key(
        "number of channels of the narrowest feature map; 1 as published", at_least=1, at_most=4096
    )

    @property
    def normalises_batches(self):
        return True


@dataclass(kw_only=True)
class SlimConfig(DenseConfig):
    """Image patches as channels, 3x3 convolutions, a dense layer."""

    patch: int = key("side of an image patch in pixels", at_least=1, at_most=16)
    refine: str = key(
        "kernels that draw the decoded patches: smooth, without the grid that those of none leave between them",
        choices=("none", "smooth"),
        added="none",
    )
    padding: str = key(
        "what the decoder's last convolution sees beyond the edges: reflect, its input mirrored there, or zeros, "
        "which leave a frame",
        choices=("zeros", "reflect"),
        added="zeros",
    )


@dataclass(kw_only=True)
class NoBeta:
    """No KL term (plain autoencoder)."""

    name: str = key("name of the schedule of beta")


@dataclass(kw_only=True)
class ConstantBeta(NoBeta):
    """The same beta in every epoch."""

    value: float = key("weight of the KL term", at_least=0)

    def final(self, epochs):
        """Beta in the validation loss of every epoch, so that the losses of two epochs can be compared."""
        return self.value


@dataclass(kw_only=True)
class WarmupBeta(ConstantBeta):
    """A linear rise from `start` to `value` over the first epochs."""

    value: float = key("weight of the KL term from the end of the rise on", at_least=0)
    start: float = key("weight of the KL term in the first epoch", at_least=0)
    epochs: int = key("length of the rise in epochs", at_least=1)


@dataclass(kw_only=True)
class CyclicalBeta(ConstantBeta):
    """Equal cycles over the run, each with a linear rise from `start` to `value` and a plateau."""

    value: float = key("weight of the KL term on the plateaus", at_least=0)
    start: float = key("weight of the KL term at the start of each cycle", at_least=0)
    cycles: int = key("number of cycles in the run", at_least=1)
    rise: float = key("fraction of a cycle that the rise takes", above=0, at_most=1)


@dataclass(kw_only=True)
class PerEpochBeta(ConstantBeta):
    """One value per epoch, from a list."""

    value: float = key("weight of the KL term after the last epoch of the list", at_least=0)
    values: list[float] = key("weights of the KL term in epoch 1, 2, ...", at_least=0)

    def final(self, epochs):
        return self.values[-1] if len(self.values) == epochs else self.value
