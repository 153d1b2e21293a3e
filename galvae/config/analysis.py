"""Keys of the commands that read runs and draw figures of them."""

from dataclasses import dataclass

from galvae.config.fields import key, make_absolute
from galvae.errors import GalvaeError

IMAGE_MAPS = ("gray", "gray_r", "hot", "inferno", "magma", "viridis")
CLASS_MAPS = ("muted", "tab10", "jet", "viridis")
VALUE_MAPS = ("viridis", "cividis", "plasma", "inferno", "magma", "jet", "hot")
SPLITS = ("train", "val", "test", "all")
COLOUR = "class, a condition such as redshift, or a column of the catalogue; null: class, else the condition"


@dataclass(kw_only=True)
class MovedConfig:
    """Where the dataset lies now."""

    path: str | None = key("the file or folder; null: where the run found it")
    table: str | None = key("its table; null: where the run found it")
    archive: str | None = key("the COSMOS sample's folder; null: where the run found it")
    cache_dir: str | None = key("where prepared arrays are kept; null: as the run")

    def check(self):
        make_absolute(self)


@dataclass(kw_only=True)
class FiguresConfig:
    """What every command that draws figures of runs can be told."""

    dataset: MovedConfig = key("where the dataset lies now, if it has moved")
    seed: int = key("of all that is drawn at random", at_least=0, at_most=2**31 - 1)
    format: str = key("of the figures", choices=("png", "pdf", "svg"))
    image_map: str = key("colour map of images of one band", choices=IMAGE_MAPS)
    class_map: str = key("colours of classes; muted: ten for colour-blind readers", choices=CLASS_MAPS)
    value_map: str = key("colour map of redshifts and other numbers", choices=VALUE_MAPS)
    backend: str | None = key("of Keras; null: as the run", choices=("tensorflow", "jax"))


@dataclass(kw_only=True)
class RunConfig(FiguresConfig):
    """What every command that reads one run can be told."""

    run: str = key("the run's directory, or latest")


@dataclass(kw_only=True)
class EvaluateConfig(RunConfig):
    """Score every galaxy of a split: losses, image quality, latent codes."""

    split: str = key("galaxies to evaluate", choices=SPLITS)
    n: int = key(
        "galaxies drawn with their reconstructions, best and worst included", at_least=3, at_most=200
    )
    colour: str | None = key(f"of the latent scatter: {COLOUR}")
    latents: int = key("most informative latent dimensions in the figure of pairs", at_least=2, at_most=12)
    bootstrap: int = key("resamples behind the intervals of the means", at_least=100, at_most=10_000)
    condition_grid: int = key(
        "conditions at which cvae and cvae2 are tried to predict a galaxy's own, evenly over the training "
        "range; 0: no prediction",
        at_least=0,
        at_most=200,
    )


@dataclass(kw_only=True)
class SampleConfig(RunConfig):
    """Draw generated galaxies from a run."""

    n: int = key("number of images", at_least=1, at_most=1_000_000)
    temperature: float = key("factor of the codes' standard deviation", at_least=0)
    redshift: float | list[float] | None = key(
        "a block of n images for each, from a conditional run; null: redshifts of its training galaxies"
    )
    nearest: bool = key("show and list the training galaxy that is nearest to each generated one")

    def check(self):
        if isinstance(self.redshift, float):
            self.redshift = [self.redshift]
        if self.redshift == []:
            raise GalvaeError("redshift: expected at least one number or null, received []")


@dataclass(kw_only=True)
class TraverseConfig(RunConfig):
    """Walk through the latent space: along axes, a plane, redshift, or from galaxy to galaxy."""

    steps: int = key("images along each axis", at_least=2, at_most=50)
    span: float = key(
        "reach of an axis on either side, in standard deviations of the prior (ae: of its codes)", above=0
    )
    axes: list[int] | None = key("latent dimensions to walk; two: their plane as well; null: all", at_least=0)
    at: int | str | None = key("id of the galaxy whose code the other dimensions keep; null: zero")
    from_: int | str | None = key("id of the galaxy where a path begins")
    to: int | str | None = key("id of the galaxy where it ends")
    redshift: float | None = key("condition of the galaxies; null: that of `at`, else the training mean")
    redshifts: list[float] | None = key(
        "first and last condition of the walk along it; null: the training range"
    )
    colour: str | None = key(f"of the plane's scatter: {COLOUR}")
    gif: bool = key("animate the walks too")

    def check(self):
        if (self.from_ is None) != (self.to is None):
            raise GalvaeError(
                f"from, to: expected both ends of a path, received from={self.from_} to={self.to}"
            )
        if self.axes is not None and (not self.axes or len(set(self.axes)) < len(self.axes)):
            raise GalvaeError(f"axes: expected different latent dimensions, as [0,3], received {self.axes}")
        if self.redshifts is not None and len(self.redshifts) != 2:
            raise GalvaeError(f"redshifts: expected two numbers, as [0,2.5], received {self.redshifts}")


@dataclass(kw_only=True)
class UmapConfig(RunConfig):
    """Lay the latent space out in a plane, and draw galaxies of any region of it."""

    split: str = key("galaxies to embed", choices=SPLITS)
    n_neighbors: int = key("neighbours that define a galaxy's surroundings", at_least=2, at_most=1000)
    min_dist: float = key("least distance of points in the plane", at_least=0, at_most=1)
    metric: str = key("of distances between codes", choices=("euclidean", "manhattan", "chebyshev"))
    n_epochs: int = key("passes of the layout's optimisation", at_least=1, at_most=100_000)
    fitted: int = key(
        "galaxies that the layout is optimised for, at most; further ones are placed in it", at_least=100
    )
    colour: str | None = key(f"of the scatter: {COLOUR}")
    grid: int = key("images along a side of the mosaic and of the montage", at_least=2, at_most=100)
    points: list[list[float]] | None = key("places [x,y] of the plane to decode; null: a grid")
    box: list[float] | None = key("region [x0,x1,y0,y1] to decode, and to list the galaxies of")

    def check(self):
        if self.box is not None and not (
            len(self.box) == 4 and self.box[0] < self.box[1] and self.box[2] < self.box[3]
        ):
            raise GalvaeError(f"box: expected [x0,x1,y0,y1] with x0 < x1 and y0 < y1, received {self.box}")
        if self.points is not None and (not self.points or any(len(point) != 2 for point in self.points)):
            raise GalvaeError(f"points: expected pairs, as [[0,1],[2,3]], received {self.points}")
        if self.points is not None and self.box is not None:
            raise GalvaeError("points, box: expected one of them, received both")


@dataclass(kw_only=True)
class CompareConfig(FiguresConfig):
    """Set the runs of a sweep side by side: samples, losses, rate and distortion."""

    runs: str | list[str] = key("a sweep's directory, or a list of runs")
    n: int = key("samples of each run", at_least=1, at_most=400)
    temperature: float = key("factor of the codes' standard deviation", at_least=0)
    galaxies: int = key("validation galaxies on which active units are counted, at most", at_least=2)
