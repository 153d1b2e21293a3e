"""The schema of every command's configuration: types, ranges and meanings; values live in conf/.

galvae.validation turns what Hydra composed, or a run's own config.yaml, into the dataclasses below.
"""

import math
import os
from dataclasses import dataclass, field
from pathlib import Path

from galvae.errors import GalvaeError

PATHS = ("cache_dir", "path", "table", "archive")  # keys of a dataset that are stored absolute
LATEST = Path("outputs/train/latest")  # where train points to the newest finished run


def key(meaning, *, at_least=None, above=None, at_most=None, choices=None):
    """A configuration key: what it means and which values it takes (bounds hold for each entry of a list)."""
    return field(
        metadata={
            "meaning": meaning,
            "at_least": at_least,
            "above": above,
            "at_most": at_most,
            "choices": choices,
        }
    )


def absolute(path):
    """An absolute path with `~` expanded, so that a run's configuration holds wherever it is read; or None."""
    return None if path is None else os.path.abspath(Path(path).expanduser())


# --- dataset ---------------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class DatasetConfig:
    """What every dataset can be told."""

    name: str = key("reader of the images")
    image_size: int | None = key(
        "side in pixels that images are brought to; null: as stored", at_least=8, at_most=4096
    )
    augment: bool = key("flip and turn training images at random, on the device")
    split: list[float] = key("shares of train, val and test", above=0, at_most=1)
    split_seed: int = key(
        "seed of the split (not `seed`: a sweep over seeds shares its test set)",
        at_least=0,
        at_most=2**32 - 1,
    )
    cache_dir: str | None = key("where prepared arrays are kept; null: $GALVAE_CACHE or ~/.cache/galvae")
    stretch: str = key(
        "of stored values before the network: none, or between percentiles of the training images",
        choices=("none", "linear", "asinh"),
    )
    missing_condition: str = key(
        "what a conditional model does with images whose condition is unknown",
        choices=("drop", "error", "mean"),
    )

    def check(self):
        if len(self.split) != 3 or not math.isclose(sum(self.split), 1, abs_tol=1e-6):
            raise GalvaeError(
                f"dataset.split: expected three shares that sum to 1, as [0.8,0.1,0.1], received {self.split}"
            )
        for name in PATHS:
            if hasattr(self, name):
                setattr(self, name, absolute(getattr(self, name)))


@dataclass(kw_only=True)
class HdfConfig(DatasetConfig):
    """Stamps cut from the Hubble Deep Field."""

    def check(self):
        super().check()
        if self.image_size is None or self.image_size > 512:
            raise GalvaeError(
                f"dataset.image_size: expected at most 512 pixels for hdf, received {self.image_size or 'null'}"
            )


@dataclass(kw_only=True)
class Galaxy10Config(DatasetConfig):
    """The Galaxy10 DECaLS file."""

    path: str | None = key("the HDF5 file; null: astroNN's cache folder, else a download (2.7 GB)")


@dataclass(kw_only=True)
class FilesConfig(DatasetConfig):
    """The user's own images."""

    path: str = key("HDF5, .npy or .npz file, or a folder of PNG, JPEG or FITS images")
    images: str | None = key("name of the images inside an HDF5 or .npz file; null: the only array of images")
    table: str | None = key("CSV, ECSV or FITS table with a row per image (for .npy files and folders)")
    labels: str | None = key("column or array of classes; `folder`: a folder's sub-folders are the classes")
    class_names: list[str] | None = key("names of classes 0, 1, ...; null: as found")
    condition: list[str] = key("columns or arrays that condition the model, redshift first")
    ids: str | None = key("column or array of ids; of a folder's table, the column of file names")
    pixel_range: list[float] | None = key(
        "stored values that become 0 and 1; null: [0,255] for uint8, [0,65535] for uint16, [0,1] for floats"
    )

    def check(self):
        super().check()
        if self.pixel_range is not None and not (
            len(self.pixel_range) == 2 and self.pixel_range[0] < self.pixel_range[1]
        ):
            raise GalvaeError(
                f"dataset.pixel_range: expected two increasing numbers, received {self.pixel_range}"
            )


@dataclass(kw_only=True)
class StampsConfig(DatasetConfig):
    """Hubble stamps with redshifts, from vae-project's HDF5 layout or from the public COSMOS archive."""

    path: str | None = key("the HDF5 file; null: the archive")
    images: str | None = key("its data set of images; null: the first in key order")
    redshift: str | None = key("its data set of redshifts; null: the second in key order, if there is one")
    archive: str | None = key("folder of the COSMOS training sample (needs galsim); null: in the cache")
    download: bool = key("fetch the archive first if it is not there (4 GB)")


@dataclass(kw_only=True)
class SimulatedConfig(DatasetConfig):
    """Galaxies drawn from known factors with galsim."""

    image_size: int = key("side of the stamps in pixels", at_least=8, at_most=4096)
    count: int = key("number of galaxies", at_least=3, at_most=10_000_000)
    bands: int = key("1 or 3", at_least=1, at_most=3)
    seed: int = key("of the galaxies and their noise", at_least=0, at_most=2**31 - 1)
    noise: float = key("standard deviation of the sky, as a share of full scale", at_least=0, at_most=1)
    psf: float = key("full width at half maximum of the point spread function in pixels", above=0, at_most=20)
    max_redshift: float = key("redshifts are uniform between 0 and this", above=0, at_most=10)
    workers: int | None = key("processes that draw; null: one per processor", at_least=1, at_most=1024)

    def check(self):
        super().check()
        if self.bands == 2:
            raise GalvaeError("dataset.bands: expected 1 or 3, received 2")


@dataclass(kw_only=True)
class MnistConfig(DatasetConfig):
    """Handwritten digits."""

    path: str | None = key("mnist.npz; null: downloaded (11 MB)")


# --- model, network, beta --------------------------------------------------------------------------------


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


# --- training --------------------------------------------------------------------------------------------


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
        "epochs between checkpoints, or auto: as often as costs under 2 % of the time", at_least=1
    )

    def check(self):
        if isinstance(self.every, str) and self.every != "auto":
            raise GalvaeError(
                f"checkpoint.every: expected auto or a number of epochs, received {self.every!r}"
            )


@dataclass(kw_only=True)
class TrainConfig:
    """Train a model on a dataset."""

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
        if self.network.width is not None and self.latent_dim > self.network.width[0]:
            units, name = self.network.width
            raise GalvaeError(
                f"latent_dim: more than the network's width; expected at most {units} ({name}), received "
                f"{self.latent_dim}"
            )


@dataclass(kw_only=True)
class SampleConfig:
    """Draw generated galaxies from a run."""

    run: str = key("the run's directory, or latest")
    n: int = key("number of images", at_least=1, at_most=1_000_000)
    seed: int = key("of the codes", at_least=0)
    temperature: float = key("factor of the codes' standard deviation", at_least=0)
    redshift: float | list[float] | None = key(
        "a block of n images for each, from a conditional run; null: redshifts of its training galaxies"
    )
    backend: str | None = key("of Keras; null: as the run", choices=("tensorflow", "jax"))

    def check(self):
        if isinstance(self.redshift, float):
            self.redshift = [self.redshift]
        if self.redshift == []:
            raise GalvaeError("redshift: expected at least one number or null, received []")


@dataclass(kw_only=True)
class PrepareConfig:
    """Download, check and cache a dataset, and say what is in it."""

    dataset: DatasetConfig = key("dataset")


COMMANDS = {"train": TrainConfig, "sample": SampleConfig, "prepare": PrepareConfig}

GROUPS = {
    "dataset": {
        "hdf": HdfConfig,
        "galaxy10": Galaxy10Config,
        "hst": StampsConfig,
        "cosmos": StampsConfig,
        "mnist": MnistConfig,
        "simulated": SimulatedConfig,
        "files": FilesConfig,
    },
    "model": {
        "ae": AutoencoderConfig,
        "vae": ModelConfig,
        "beta_vae": ModelConfig,
        "cvae": ConditionalConfig,
        "cvae2": ConditionalConfig,
        "fancy_cvae": FancyConfig,
    },
    "network": {"conv": ConvConfig, "dcgan": DcganConfig, "slim": SlimConfig},
    "beta": {
        "none": NoBeta,
        "constant": ConstantBeta,
        "warmup": WarmupBeta,
        "cyclical": CyclicalBeta,
        "per_epoch": PerEpochBeta,
    },
}
