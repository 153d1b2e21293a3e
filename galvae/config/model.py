"""Keys of the models, of their networks and of the schedule of beta."""

from dataclasses import dataclass

from galvae.config.fields import key
from galvae.errors import GalvaeError


@dataclass(kw_only=True)
class ModelConfig:
    """Which model."""

    name: str = key("class of the model")


@dataclass(kw_only=True)
class AutoencoderConfig(ModelConfig):
    """The plain autoencoder."""

    code_activation: str = key("activation of the code", choices=("linear", "relu"))


@dataclass(kw_only=True)
class ConditionalConfig(ModelConfig):
    """A model conditional on redshift and whatever other columns the dataset's condition has."""

    condition_scaling: str = key(
        "of the condition inside the model: none, or to zero mean and unit variance",
        choices=("none", "standard"),
    )


@dataclass(kw_only=True)
class FancyConfig(ConditionalConfig):
    """A conditional model that also predicts its condition."""

    prediction: str = key(
        "what the condition is predicted from: the decoded image, or, as published, the decoder's own input",
        choices=("image", "published"),
    )
    prediction_weight: float = key("factor of the prediction's squared error in the loss", at_least=0)


@dataclass(kw_only=True)
class NetworkConfig:
    """What every network can be told."""

    name: str = key("family of layers")
    filters: list[int] = key(
        "filters of the encoder's convolutions; the last entry repeats as needed", at_least=1, at_most=4096
    )
    initializer: str = key("of kernels: He's rule or Keras' default", choices=("he", "glorot"))
    output_bias: str = key("start of the decoded image", choices=("median", "zero"))

    @property
    def width(self):
        """(number of features that the encoder hands to the code, key that sets it), or None."""
        return None

    def check(self):
        if not self.filters:
            raise GalvaeError("network.filters: expected at least one entry, received []")


@dataclass(kw_only=True)
class DenseConfig(NetworkConfig):
    """A network whose encoder ends in a dense layer."""

    dense: int = key("units of the encoder's dense layer", at_least=1, at_most=65536)

    @property
    def width(self):
        return self.dense, "network.dense"


@dataclass(kw_only=True)
class ConvConfig(DenseConfig):
    """Strided convolutions and a dense layer, mirrored in the decoder."""

    kernels: list[int] = key("kernel sizes; the last entry repeats as needed", at_least=1, at_most=15)
    depth: int | None = key("number of halvings; null: until a side is 4", at_least=1, at_most=10)
    output_kernel: int | None = key(
        "kernel of a last plain convolution that draws the image; null: the last transposed one does",
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

    bottleneck: int = key("channels of the narrowest feature map; 1 is published", at_least=1, at_most=4096)


@dataclass(kw_only=True)
class SlimConfig(DenseConfig):
    """Patches as channels, 3x3 convolutions, a dense layer."""

    patch: int = key("side of a patch in pixels", at_least=1, at_most=16)


@dataclass(kw_only=True)
class NoBeta:
    """No KL term (plain autoencoder)."""

    name: str = key("schedule of beta")


@dataclass(kw_only=True)
class ConstantBeta(NoBeta):
    """The same beta in every epoch."""

    value: float = key("weight of the KL term", at_least=0)

    def final(self, epochs):
        """Beta that validation uses in every epoch of a run, so that the losses of two epochs can be compared."""
        return self.value


@dataclass(kw_only=True)
class WarmupBeta(ConstantBeta):
    """A straight rise from `start` to `value` over the first epochs."""

    value: float = key("weight of the KL term at the end of the rise and after", at_least=0)
    start: float = key("weight in the first epoch", at_least=0)
    epochs: int = key("length of the rise in epochs", at_least=1)


@dataclass(kw_only=True)
class CyclicalBeta(ConstantBeta):
    """Equal cycles over the run, each a straight rise from `start` to `value` and a plateau."""

    value: float = key("weight of the KL term on the plateaus", at_least=0)
    start: float = key("weight at the start of each cycle", at_least=0)
    cycles: int = key("number of cycles in the run", at_least=1)
    rise: float = key("share of a cycle spent rising", above=0, at_most=1)


@dataclass(kw_only=True)
class PerEpochBeta(ConstantBeta):
    """One value per epoch, from a list."""

    value: float = key("weight of the KL term in the epochs after the list's end", at_least=0)
    values: list[float] = key("weight in epoch 1, 2, ...", at_least=0)

    def final(self, epochs):
        return self.values[-1] if len(self.values) == epochs else self.value
