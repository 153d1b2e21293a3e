"""Keys of the commands that search a run's galaxies: those like a given one, and those unlike all others."""

from dataclasses import dataclass

from galvae.config.analysis import PRIOR, PRIORS, SPLITS, RunConfig
from galvae.config.dataset import FilesConfig
from galvae.config.fields import absolute, key
from galvae.errors import GalvaeError


@dataclass(kw_only=True)
class NeighborsConfig(RunConfig):
    """Find the galaxies whose codes are nearest to those of a galaxy, or of an image of your own."""

    id: int | str | list[int | str] | None = key(
        "id of a galaxy of the run, or a list of ids; null: path= is given"
    )
    path: str | None = key(
        "an image of your own (PNG, JPEG, WebP, TIFF or FITS), or a folder or file of several, as dataset=files reads "
        "them; null: id= is given"
    )
    images: FilesConfig = key("how path= is read, as dataset=files reads it")
    n: int = key("number of neighbours of each galaxy", at_least=1, at_most=1000)
    metric: str = key(
        "distance between codes: cosine, about the mean of the training codes, or mahalanobis, under the aggregate "
        "posterior",
        choices=("cosine", "mahalanobis"),
    )
    invariant: bool = key(
        "whether a galaxy is searched for in its eight flips and 90-degree rotations, of which the nearest counts"
    )
    split: str = key("split whose galaxies are searched", choices=SPLITS)

    def check(self):
        if (self.id is None) == (self.path is None) or self.id == []:
            received = "none" if self.path is None else "both"
            raise GalvaeError(
                f"id, path: expected one of them, the id of a galaxy of the run or an image, received {received}"
            )
        self.path = absolute(self.path)


@dataclass(kw_only=True)
class AnomaliesConfig(RunConfig):
    """Rank galaxies by how odd they are: badly reconstructed for their flux and size, or with rare codes."""

    split: str = key("split whose galaxies are ranked", choices=SPLITS)
    n: int = key("number of galaxies of each score in the figure", at_least=1, at_most=20)
    prior: str | None = key(PRIOR, choices=PRIORS)
