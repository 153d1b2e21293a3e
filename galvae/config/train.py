"""Keys of a training run."""

from dataclasses import dataclass, fields

from galvae.config.dataset import DatasetConfig
from galvae.config.fields import key
from galvae.config.model import ModelConfig, NetworkConfig, NoBeta
from galvae.errors import GalvaeError


@dataclass(kw_only=True)
class ReconstructionConfig:
    """The reconstruction term of the objective."""

    loss: str = key("binary cross-entropy or squared error, summed over pixels", choices=("bce", "mse"))
    weight: float = key("factor of the term in the loss", above=0)


@dataclass(kw_only=True)
class ScheduleConfig:
    """The learning rate over the run."""

    name: str = key("course after the warm-up; cosine falls to `final`", choices=("constant", "cosine"))
    warmup: float = key("share of the run in which the rate rises from zero", at_least=0, at_most=0.5)
    final: float = key("last rate as a share of `learning_rate` (cosine)", at_least=0, at_most=1)


@dataclass(kw_only=True)
class CheckpointConfig:
    """When checkpoints are written."""

    every: int | str = key(
        "epochs between checkpoints, or auto: as often as costs about 1 % of the time", at_least=1
    )

    def check(self):
        if isinstance(self.every, str) and self.every != "auto":
            raise GalvaeError(
                f"checkpoint.every: expected auto or a number of epochs, received {self.every!r}"
            )


@dataclass(kw_only=True)
class TrainConfig:
    """What a run is made of: all that its config.yaml holds."""

    dataset: DatasetConfig = key("dataset")
    model: ModelConfig = key("model")
    network: NetworkConfig = key("layers of encoder and decoder")
    beta: NoBeta = key("weight of the KL term")
    reconstruction: ReconstructionConfig = key("reconstruction term")
    schedule: ScheduleConfig = key("learning rate")
    checkpoint: CheckpointConfig = key("checkpoints")
    latent_dim: int = key("number of latent dimensions", at_least=1, at_most=65536)
    epochs: int = key("passes over the training images", at_least=1, at_most=1_000_000)
    batch: int = key("images per step", at_least=1)
    learning_rate: float = key("of Adam, at its peak", above=0)
    clip_norm: float | None = key("largest global norm of the gradient; null: no limit", above=0)
    early_stopping: int | None = key(
        "epochs without a better validation loss after which to stop; null: never", at_least=1
    )
    seed: int = key("of weights, order, augmentation and noise", at_least=0, at_most=2**31 - 1)
    precision: str = key(
        "of the arithmetic; auto: bfloat16 where the device has it", choices=("auto", "float32", "bfloat16")
    )
    backend: str = key("of Keras", choices=("tensorflow", "jax"))
    on_nan: str = key(
        "when a loss or a weight is not finite, or the loss explodes: stop, or go back to the last good epoch "
        "and on with half the learning rate, three times at most",
        choices=("stop", "rollback"),
    )

    def check(self):
        if self.model.name == "ae" and self.beta.name != "none":
            raise GalvaeError(
                f"beta: the model ae has no KL term; expected no beta=..., received beta={self.beta.name}"
            )
        if self.model.name != "ae" and self.beta.name == "none":
            raise GalvaeError(
                f"beta: the model {self.model.name} has a KL term; expected constant, warmup, cyclical or "
                "per_epoch, received none"
            )
        if self.beta.name == "cyclical" and 2 * self.beta.cycles > self.epochs:
            raise GalvaeError(
                f"beta.cycles: expected two epochs or more in a cycle, received {self.beta.cycles} cycles in "
                f"{self.epochs} epochs"
            )
        if self.beta.name == "per_epoch" and len(self.beta.values) > self.epochs:
            raise GalvaeError(
                f"beta.values: more than there are epochs; expected at most {self.epochs}, received "
                f"{len(self.beta.values)}"
            )
        if self.network.width is not None and self.latent_dim > self.network.width[0]:
            units, name = self.network.width
            raise GalvaeError(
                f"latent_dim: more than the network's width; expected at most {units} ({name}), received "
                f"{self.latent_dim}"
            )


@dataclass(kw_only=True)
class TrainCommand(TrainConfig):
    """Train a model on a dataset, or go on with a run."""

    resume: str | None = key(
        "directory of a run to go on with, by its own configuration; only epochs may grow"
    )
    force: bool = key("go on with a run that another machine may still be training")
    devices: int | str = key(
        "number of GPUs that share each batch, or auto: all that can do so equally", at_least=1
    )
    resident: bool | str = key("whether the device holds the images in training; auto: a GPU, where they fit")

    def check(self):
        super().check()
        if isinstance(self.devices, str) and self.devices != "auto":
            raise GalvaeError(f"devices: expected auto or a number of devices, received {self.devices!r}")
        if isinstance(self.resident, str) and self.resident != "auto":
            raise GalvaeError(f"resident: expected auto, true or false, received {self.resident!r}")

    @property
    def run(self):
        """The TrainConfig of it, without what is said of this call only."""
        return TrainConfig(**{f.name: getattr(self, f.name) for f in fields(TrainConfig)})
