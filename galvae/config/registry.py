"""The schemas of all commands and of the choices in their groups; their values stand in conf/.

galvae.config.check turns what Hydra composed, or a run's own config.yaml, into these dataclasses.
"""

from galvae.config.analysis import (
    CompareConfig,
    EvaluateConfig,
    PriorConfig,
    SampleConfig,
    TraverseConfig,
    UmapConfig,
)
from galvae.config.dataset import (
    FilesConfig,
    Galaxy10Config,
    HdfConfig,
    MnistConfig,
    PrepareConfig,
    SimulatedConfig,
    StampsConfig,
)
from galvae.config.encode import EncodeConfig
from galvae.config.explore import ExploreConfig
from galvae.config.export import ExportConfig, InfoConfig
from galvae.config.model import (
    AutoencoderConfig,
    ConditionalConfig,
    ConstantBeta,
    ConvConfig,
    CyclicalBeta,
    DcganConfig,
    FancyConfig,
    ModelConfig,
    NoBeta,
    PerEpochBeta,
    SlimConfig,
    WarmupBeta,
)
from galvae.config.search import AnomaliesConfig, NeighborsConfig
from galvae.config.train import TrainCommand

COMMANDS = {
    "train": TrainCommand,
    "prior": PriorConfig,
    "evaluate": EvaluateConfig,
    "sample": SampleConfig,
    "traverse": TraverseConfig,
    "umap": UmapConfig,
    "compare": CompareConfig,
    "explore": ExploreConfig,
    "export": ExportConfig,
    "info": InfoConfig,
    "prepare": PrepareConfig,
    "encode": EncodeConfig,
    "neighbors": NeighborsConfig,
    "anomalies": AnomaliesConfig,
}
PRINTING = {"info"}  # commands that print, and leave no results

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


def choices(group, schema):
    """The schemas of a group's choices, by name; empty if the section is not a group.

    Args:
        group: dotted name of the section.
        schema: its declared type; a section that only shares a group's name has no choices.
    """
    schemas = GROUPS.get(group, {})
    return schemas if all(issubclass(choice, schema) for choice in schemas.values()) else {}
