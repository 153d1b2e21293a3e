"""Keys of the commands that give a run away, and that say what one is."""

import re
from dataclasses import dataclass

from galvae.config.analysis import MovedConfig, OpeningConfig
from galvae.config.fields import key
from galvae.errors import GalvaeError

TARGETS = ("bundle", "onnx", "galsim")


@dataclass(kw_only=True)
class ExportConfig(OpeningConfig):
    """Make a run ready for others: a bundle, a model as ONNX, or galaxies for GalSim."""

    run: str = key("directory of the run, or latest: the newest finished one that is no job of a sweep")
    dataset: MovedConfig = key("new location of the dataset, if it has moved")
    target: str = key(
        "what is written: bundle, the run in small, which galvae opens anywhere; onnx, encoder and decoder for other "
        "programs; galsim, a bundle with a configuration of GalSim that draws its galaxies",
        choices=TARGETS,
    )
    name: str | None = key("name of the bundle; null: made of dataset, model and number of latents")
    zip: bool = key("whether the bundle is written as one .zip file")
    galaxies: bool = key(
        "whether ids, catalogue, classes and codes of the training galaxies go into the bundle; without them, those of "
        "a conditional model still give their conditions"
    )
    licence: str | None = key("licence of the model on its card, such as cc-by-4.0; null: not stated")
    description: str | None = key("first sentences of the model's card; null: one that says what it is")

    def check(self):
        if self.target == "onnx":
            if self.backend == "jax":
                raise GalvaeError("backend: expected tensorflow or null for target=onnx, received jax")
            self.backend = "tensorflow"  # which exports runs of any backend
        if self.name is not None and re.fullmatch(r"\w[\w.+-]{0,100}", self.name, re.ASCII) is None:
            raise GalvaeError(
                f"name: expected letters, digits, and . + - _ after the first, at most 101, received {self.name!r}"
            )


@dataclass(kw_only=True)
class InfoConfig:
    """Say what a run, a bundle or the cache is."""

    run: str = key("directory of a run, a bundle or its .zip file, the cache or an entry of it, or latest")
