"""Keys of the command that writes the explorer's page."""

from dataclasses import dataclass

from galvae.config.analysis import COLOUR, ColoursConfig
from galvae.config.fields import key
from galvae.errors import GalvaeError


@dataclass(kw_only=True)
class ExploreConfig(ColoursConfig):
    """Write the latent space as a page for the browser, which decodes galaxies itself."""

    loads_keras = False  # the command does so where a run lacks what the page needs

    run: str = key("directory of the run, or latest: the newest finished one that is no job of a sweep")
    open: bool = key("whether to open the page in the browser")
    serve: bool = key(
        "whether to hand the page out at an address of this machine, 127.0.0.1, until Ctrl-C; a page of more than "
        "`inline` galaxies needs it, or another web server"
    )
    port: int = key("port of that address; 0: any free one", at_least=0, at_most=65_535)
    umap: bool = key(
        "whether the page opens on the UMAP plane, which is computed if the run has none of its present weights; "
        "false: on the two most informative latent dimensions"
    )
    measures: bool | None = key(
        "whether sizes, shapes and colours of the galaxies are in the page; null: if they have been measured before, "
        "or the galaxies are at most 5,000"
    )
    thumbnails: int = key(
        "largest number of galaxies whose images are in the page, spread evenly; the others are shown as they are "
        "decoded",
        at_least=0,
        at_most=100_000,
    )
    inline: int = key(
        "largest number of galaxies of a page that is a single file; more make a folder of files",
        at_least=0,
        at_most=2_000_000,
    )
    columns: list[str] | None = key(
        "columns of the catalogue and measures that go into the page, as [mass,r50]; null: all"
    )
    colour: str | None = key(COLOUR)

    def check(self):
        if self.columns is not None and len(set(self.columns)) < len(self.columns):
            raise GalvaeError(f"columns: expected different names, received {self.columns}")
