"""Keys of a training run."""

from dataclasses import dataclass, fields

from galvae.config.dataset import DatasetConfig
from galvae.config.fields import absolute, key
from galvae.config.model import ModelConfig, NetworkConfig, NoBeta
from galvae.errors import GalvaeError

TRACKERS = ("tensorboard", "wandb")  # modules of galvae.training.trackers, and the packages that these import
TRACKER = (
    "program in which the run is recorded, to be watched beside others: tensorboard, or wandb (Weights & Biases), "
    "which uses the network only if WANDB_MODE=online; install -e '.[tensorboard]' or '.[wandb]'; null: none"
)


@dataclass(kw_only=True)
class ReconstructionConfig:
    """The reconstruction term of the objective."""

    loss: str = key(
        "reconstruction loss: gaussian, the density of pixels and bands with learned noise; or binary cross-entropy or "
        "squared error, averaged over bands, whose weight against the KL term is chosen by hand",
        choices=("gaussian", "bce", "mse"),
    )
    noise: str = key(
        "what the learned noise of loss=gaussian is: one number, one for each band, the covariance of the bands, or a "
        "function of the decoded brightness for each band",
        choices=("scalar", "band", "covariance", "brightness"),
        added="scalar",
    )
    weight: float = key("factor on the reconstruction loss; 1 for gaussian, whose noise sets it", above=0)

    def check(self):
        if self.loss == "gaussian" and self.weight != 1:
            raise GalvaeError(
                "reconstruction.weight: expected 1 with reconstruction.loss=gaussian, whose weight is its learned "
                f"noise, received {self.weight:g}; beta.value weighs the KL term"
            )


@dataclass(kw_only=True)
class ScheduleConfig:
    """The learning rate over the course of a run."""

    name: str = key(
        "learning rate after the warm-up: constant, or a cosine decay to `final`",
        choices=("constant", "cosine"),
    )
    warmup: float = key(
        "fraction of the run in which the learning rate rises linearly from zero", at_least=0, at_most=0.5
    )
    final: float = key(
        "learning rate at the end of the cosine decay, as a fraction of `learning_rate`",
        at_least=0,
        at_most=1,
    )


@dataclass(kw_only=True)
class CheckpointConfig:
    """How often checkpoints are written."""

    every: int | str = key(
        "number of epochs between checkpoints, or auto: as often as takes about 1 % of the time", at_least=1
    )

    def check(self):
        if isinstance(self.every, str) and self.every != "auto":
            raise GalvaeError(
                f"checkpoint.every: expected auto or a number of epochs, received {self.every!r}"
            )


@dataclass(kw_only=True)
class TrainConfig:
    """Keys of a run that its config.yaml holds: everything that determines its result."""

    dataset: DatasetConfig = key("dataset to train on")
    model: ModelConfig = key("model to train")
    network: NetworkConfig = key("layers of the encoder and the decoder")
    beta: NoBeta = key("weight of the KL term in the loss")
    reconstruction: ReconstructionConfig = key("reconstruction term of the loss")
    schedule: ScheduleConfig = key("learning rate over the course of the run")
    checkpoint: CheckpointConfig = key("how often checkpoints are written")
    prior: str = key(
        "what is fitted to the codes after training, to generate galaxies from: auto, a Gaussian or a mixture of "
        "them; none, so that N(0, I) remains",
        choices=("auto", "none"),
        added="none",
    )
    latent_dim: int = key("number of latent dimensions", at_least=1, at_most=65536)
    epochs: int = key("number of passes over the training images", at_least=1, at_most=1_000_000)
    batch: int = key("number of images per step", at_least=1)
    accumulate: int = key(
        "number of parts in which a step computes its batch, one after the other; the result is that of the whole "
        "batch, and the memory that of one part",
        at_least=1,
        added=1,
    )
    learning_rate: float = key("largest learning rate of the optimizer, Adam", above=0)
    clip_norm: float | None = key("largest global norm of the gradient; null: no limit", above=0)
    early_stopping: int | None = key(
        "number of epochs without a better validation loss after which training stops; null: never",
        at_least=1,
    )
    init: str | None = key(
        "directory of a run, or latest, from whose best weights training starts, of the same model, network, "
        "latent_dim, image shape and conditions; null: from random weights",
        added=None,
    )
    seed: int = key(
        "seed of the weights, the order of images, the augmentation and the noise",
        at_least=0,
        at_most=2**31 - 1,
    )
    precision: str = key(
        "precision of matrix products; auto: bfloat16 where the device computes in it",
        choices=("auto", "float32", "bfloat16"),
    )
    backend: str = key("Keras backend", choices=("tensorflow", "jax"))
    on_nan: str = key(
        "what happens when a loss or a weight is not finite, or the loss explodes: stop, or rollback to the last good "
        "epoch and half the learning rate, three times at most",
        choices=("stop", "rollback"),
    )

    @property
    def part(self):
        """Number of images that are computed at once; 0 with batch=auto, until that is a number."""
        return 0 if self.batch == "auto" else self.batch // self.accumulate

    def check(self):
        self.init = absolute(self.init)
        if self.accumulate > 1 and self.network.normalises_batches:
            raise GalvaeError(
                f"accumulate: the network {self.network.name} normalises with the statistics of a batch, which its "
                f"parts do not have; expected 1, or remat=true to save memory, received {self.accumulate}"
            )
        if isinstance(self.batch, int) and self.batch % self.accumulate:
            raise GalvaeError(
                f"accumulate: expected a number that divides batch={self.batch}, received {self.accumulate}"
            )
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
                f"beta.cycles: expected at least two epochs in a cycle, received {self.beta.cycles} cycles in "
                f"{self.epochs} epochs"
            )
        if self.beta.name == "per_epoch" and len(self.beta.values) > self.epochs:
            raise GalvaeError(
                f"beta.values: more values than epochs; expected at most {self.epochs}, received "
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
    """Train a model on a dataset, or resume a run."""

    batch: int | str = key(
        "number of images per step; auto: as many as fit in the memory, a power of two for each device and part",
        at_least=1,
    )
    resume: str | None = key(
        "directory of a run to resume, with its own configuration, of which only epochs may be raised; null: a new run"
    )
    force: bool = key(
        "whether to resume a run even if another machine may still be training it, or its steps need more memory than "
        "there is"
    )
    devices: int | str = key(
        "number of GPUs that share each batch; auto: as many as can share it equally",
        at_least=1,
    )
    resident: bool | str = key(
        "whether training holds the images in the device's memory; auto: on one GPU, if they fit"
    )
    trial: str | None = key(
        "search and number of a trial, which hydra/sweeper=optuna gives to its jobs; null: the run is not a trial"
    )
    remat: bool = key(
        "whether training computes the activations of the networks again when it needs their gradients, which takes "
        "less memory and more time"
    )

    tracker: str | None = key(TRACKER, choices=TRACKERS)

    def check(self):
        super().check()
        if isinstance(self.batch, str) and self.batch != "auto":
            raise GalvaeError(f"batch: expected auto or a number of images, received {self.batch!r}")
        if isinstance(self.devices, str) and self.devices != "auto":
            raise GalvaeError(f"devices: expected auto or a number of devices, received {self.devices!r}")
        if isinstance(self.resident, str) and self.resident != "auto":
            raise GalvaeError(f"resident: expected auto, true or false, received {self.resident!r}")

    @property
    def run(self):
        """The TrainConfig, without the keys that concern this call only; batch=auto is yet to become a number."""
        return TrainConfig(**{f.name: getattr(self, f.name) for f in fields(TrainConfig)})
