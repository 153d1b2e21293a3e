"""Configurations: as the command line composes them, or small ones made by hand."""

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from galvae.config.check import from_dict
from galvae.config.dataset import READING, StampsConfig
from galvae.config.defaults import CONF
from galvae.config.model import ConvConfig
from galvae.config.train import TrainCommand

# Values of the keys that all datasets share.
COMMON = {
    "augment": True,
    "split": [0.8, 0.1, 0.1],
    "split_seed": 0,
    "split_by": None,
    "cache_dir": None,
    "stretch": "none",
    "condition": [],
    "missing_condition": "drop",
    "nan": "error",
    "drop": None,
    "rgb": None,
    "select": None,
    "verify": "auto",
}
# Values of the keys that all datasets share which are read from files, and of those that are read from arrays.
SOURCE = {"reading": READING, **COMMON}
ARRAYS = {"axes": None, "row_0": None, **SOURCE}

# Overrides that make a run take seconds; it generates galaxies from N(0, I), without noise.
SMALL = (
    *(
        "network=conv",
        "network.filters=[4,8]",
        "network.kernels=[3]",
        "network.dense=16",
        "epochs=2",
        "batch=32",
    ),
    *("latent_dim=8", "learning_rate=0.002", "clip_norm=null", "prior=none"),
    *("reconstruction.loss=mse", "reconstruction.weight=15"),
)


def composed(command, *overrides):
    """What Hydra composes of conf/ and overrides, as a dict that nothing has checked."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return OmegaConf.to_container(compose(command, list(overrides)), resolve=True)


def train_command(*overrides):
    """Configuration of the command `train`, what belongs to the call and not to the run included."""
    return from_dict(TrainCommand, composed("train", *overrides))


def train_config(*overrides):
    """Configuration of a run, as its config.yaml keeps it."""
    return train_command(*overrides).run


def conv(**changes):
    """Configuration of the network `conv`, small unless told otherwise."""
    values = {
        "name": "conv",
        "filters": [4, 8],
        "kernels": [3],
        "dense": 16,
        "depth": None,
        "output_kernel": None,
        "initializer": "he",
        "output_bias": "median",
    }
    return ConvConfig(**{**values, **changes})


def stamps(folder, **changes):
    """Configuration of the dataset `cosmos`, whose cache lies in a folder."""
    values = {
        "name": "cosmos",
        "path": None,
        "images": None,
        "redshift": None,
        "archive": None,
        "download": False,
        "image_size": None,
    }
    return StampsConfig(**{**values, **ARRAYS, "cache_dir": str(folder / "cache"), **changes})
