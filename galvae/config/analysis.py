"""Keys of the commands that read runs and draw figures of them."""

from dataclasses import dataclass

from galvae.config.fields import key, make_absolute, path_keys
from galvae.config.train import TRACKER, TRACKERS
from galvae.errors import GalvaeError

IMAGE_MAPS = ("gray", "gray_r", "hot", "inferno", "magma", "viridis")
CLASS_MAPS = ("muted", "tab10", "jet", "viridis")
VALUE_MAPS = ("viridis", "cividis", "plasma", "inferno", "magma", "jet", "hot")
SPLITS = ("train", "val", "test", "all")
# Evaluators of galvae.analysis.evaluators, in their order; that module is not imported here, since it loads Keras.
CARDS = (
    *("scores", "conditions", "information", "reconstructions", "morphology"),
    *("card", "axes", "probes", "memorisation", "prior"),
)
PRIORS = ("normal", "gaussian", "mixture", "flow")  # of galvae.latent.priors.of_model
NOISES = ("none", "model", "full")  # of galvae.runs.noise
PRIOR = (
    "distribution from which codes are drawn: normal, N(0, I), or one that galvae prior has fitted; null: the one that "
    "it chose, else that with which the model was trained"
)
COLOUR = (
    "colour of each galaxy's point: class, a condition such as redshift, a column of the catalogue, or a measure of "
    "its morphology such as r50; null: class if there are classes, else the first condition, else r50"
)
SELECT = (
    "galaxies whose rows of the table are written as {} too, for dataset.select=: an expression over its columns, as "
    "{}; null: none"
)
SAME = "same as {}, for the redshift of a run that is conditional on one"


@dataclass(kw_only=True)
class MovedConfig:
    """New location of a run's dataset."""

    path: str | None = key("path of the images, if they have moved; null: as when the run was trained")
    table: str | None = key("path of the table, if it has moved; null: as when the run was trained")
    ids: str | None = key("path of the .npy file of ids, if it has moved; null: as when the run was trained")
    archive: str | None = key(
        "folder of the COSMOS sample, if it has moved; null: as when the run was trained"
    )
    select: str | None = key(
        "path of the table of ids that the run was trained on, if it has moved; null: as when the run was trained"
    )
    cache_dir: str | None = key("folder of prepared arrays; null: as when the run was trained")

    def check(self):
        if self.ids is not None and "ids" not in path_keys(self):
            raise GalvaeError(f"dataset.ids: expected the path of a .npy file, received {self.ids!r}")
        make_absolute(self)


@dataclass(kw_only=True)
class OpeningConfig:
    """Keys of every command that opens runs.

    Attributes:
        loads_keras: whether Keras is loaded before the command begins.
    """

    loads_keras = True

    backend: str | None = key(
        "Keras backend; null: the one that the run was trained on", choices=("tensorflow", "jax")
    )
    force: bool = key("whether to open a run that declares more memory than its own data need")


@dataclass(kw_only=True)
class ColoursConfig(OpeningConfig):
    """Keys of every command that shows galaxies of runs."""

    dataset: MovedConfig = key("new location of the dataset, if it has moved")
    image_map: str = key("colour map of images with one band", choices=IMAGE_MAPS)
    class_map: str = key("colours of classes; muted: ten for colour-blind readers", choices=CLASS_MAPS)
    value_map: str = key("colour map of redshifts and other numbers", choices=VALUE_MAPS)


@dataclass(kw_only=True)
class FiguresConfig(ColoursConfig):
    """Keys of every command that draws figures of runs."""

    seed: int = key("seed of all random choices", at_least=0, at_most=2**31 - 1)
    format: str = key("file format of the figures", choices=("png", "pdf", "svg"))


@dataclass(kw_only=True)
class RunConfig(FiguresConfig):
    """Keys of every command that reads one run."""

    run: str = key("directory of the run, or latest: the newest finished one that is no job of a sweep")


@dataclass(kw_only=True)
class EvaluateConfig(RunConfig):
    """Measure what a run has learned, and how real its galaxies are."""

    split: str = key("split whose galaxies are scored", choices=SPLITS)
    n: int = key(
        "number of galaxies drawn beside their reconstructions, best and worst included",
        at_least=3,
        at_most=200,
    )
    cards: list[str] | None = key(
        "what is measured, such as [scores,card]; null: everything. card: how real generated galaxies are; axes: what "
        "each latent dimension changes; probes: what codes know of classes and conditions; conditions: whether they "
        "are obeyed; prior: how far codes lie from it",
        choices=CARDS,
    )
    prior: str | None = key(PRIOR, choices=PRIORS)
    samples: int = key("largest number of generated galaxies that are measured", at_least=50, at_most=100_000)
    morphology: str = key(
        "code that measures flux, size and structure for the table of galaxies; statmorph (install -e '.[statmorph]') "
        "takes half a second for each galaxy",
        choices=("galvae", "statmorph"),
    )
    invariant: bool = key("whether probes average codes over the eight flips and 90-degree rotations")
    tracker: str | None = key(
        f"{TRACKER}; the numbers and figures go into the record of the run", choices=TRACKERS
    )
    colour: str | None = key(COLOUR)
    select: str | None = key(SELECT.format("selected.ecsv", "'r50<4 & mse>0.01'"))
    latents: int = key(
        "largest number of latent dimensions in the corner plot, the most informative first",
        at_least=2,
        at_most=12,
    )
    bootstrap: int = key(
        "number of resamples for the confidence intervals of the means", at_least=100, at_most=10_000
    )
    condition_grid: int = key(
        "number of trial values, evenly spaced over the training range, among which the most likely condition of "
        "each galaxy is sought (cvae, cvae2); 0: none",
        at_least=0,
        at_most=200,
    )

    def check(self):
        if self.cards is not None and (not self.cards or len(set(self.cards)) < len(self.cards)):
            raise GalvaeError(f"cards: expected different names, as [scores,card], received {self.cards}")


@dataclass(kw_only=True)
class SampleConfig(RunConfig):
    """Draw generated galaxies from a run."""

    n: int = key("number of images", at_least=1, at_most=1_000_000)
    prior: str | None = key(PRIOR, choices=PRIORS)
    temperature: float = key("factor on the standard deviation of the latent codes", at_least=0)
    condition: float | str | list[float | str] | dict[str, float | str | list[float | str]] | None = key(
        "value or values of a conditional model's first condition, n galaxies for each: classes, which come first, by "
        "number or name, or all, else numbers; or a mapping of several conditions, as {class:3,redshift:0.5}, of whose "
        "lists every combination is drawn; null: conditions of training galaxies drawn at random"
    )
    redshift: float | list[float] | None = key(SAME.format("condition={redshift:...}"))
    noise: str | None = key(
        "noise that is added to decoded images: none; model, that of the likelihood (reconstruction.loss=gaussian); "
        "full, correlated noise learned from the residuals of validation galaxies; null: full where the run has "
        "learned it, else none",
        choices=NOISES,
    )
    neighbours: bool = key(
        "whether to add field galaxies, other generated ones that are smaller and fainter, off the middle, as many as "
        "training galaxies have neighbours"
    )
    fits: bool = key(
        "whether to write samples.fits too: images in stored units, and a catalogue with the code of each galaxy"
    )
    nearest: bool = key("whether to draw and list the training galaxy nearest to each generated one")

    def check(self):
        for name in ("condition", "redshift"):
            value = getattr(self, name)
            if value in ([], {}) or (isinstance(value, dict) and [] in value.values()):
                raise GalvaeError(f"{name}: expected at least one value or null, received {value}")
        _copy_alias(self, "redshift", "condition")


@dataclass(kw_only=True)
class TraverseConfig(RunConfig):
    """Walk through the latent space: along axes, a plane, a condition, or from galaxy to galaxy."""

    steps: int = key("number of images along each axis", at_least=2, at_most=50)
    span: float | None = key(
        "half-length of each axis about the prior's mean, in standard deviations of the prior (ae: of its latent "
        "codes); null: around the median code, within the 0.5 to 99.5 percentiles of the dataset's codes",
        above=0,
    )
    prior: str | None = key(PRIOR, choices=PRIORS)
    axes: list[int] | None = key(
        "latent dimensions to walk along; if there are two, their plane is drawn too; null: all", at_least=0
    )
    at: int | str | None = key(
        "id of the galaxy through whose latent code the axes pass; null: through the median code of the dataset, or "
        "with span= the prior's mean"
    )
    from_: int | str | None = key("id of the galaxy where a path begins; null: no path")
    to: int | str | None = key("id of the galaxy where the path ends; null: no path")
    condition: float | str | dict[str, float | str] | None = key(
        "value of a conditional model's first condition: a class, which comes first, by number or name, else a number; "
        "or a mapping of several conditions, as {class:3,redshift:0.5}; null: that of the galaxy `at`, else the mean, "
        "or the most frequent class, of the training galaxies"
    )
    conditions: list[float] | None = key(
        "first and last value of the walk along the first condition that is a number, in a row for each class if there "
        "are any; null: the range of the training galaxies"
    )
    redshift: float | None = key(SAME.format("condition={redshift:...}"))
    redshifts: list[float] | None = key(SAME.format("conditions"))
    colour: str | None = key(COLOUR)
    gif: bool = key("whether to write the walks as animations too")

    def check(self):
        if (self.from_ is None) != (self.to is None):
            raise GalvaeError(
                f"from, to: expected both ends of a path, received from={self.from_} to={self.to}"
            )
        if self.axes is not None and (not self.axes or len(set(self.axes)) < len(self.axes)):
            raise GalvaeError(f"axes: expected different latent dimensions, as [0,3], received {self.axes}")
        for name in ("conditions", "redshifts"):
            ends = getattr(self, name)
            if ends is not None and len(ends) != 2:
                raise GalvaeError(f"{name}: expected two numbers, as [0,2.5], received {ends}")
        _copy_alias(self, "redshift", "condition")
        _copy_alias(self, "redshifts", "conditions")


@dataclass(kw_only=True)
class PriorConfig(RunConfig):
    """Fit the distribution of a run's codes, from which its galaxies are then generated."""

    prior: str = key(
        "what is fitted and then chosen: normal, N(0, I); gaussian, one with all correlations; mixture, of Gaussians; "
        "flow, a normalizing flow; auto: gaussian, mixture and flow, of which the one is chosen whose samples are most "
        "like the codes of validation galaxies",
        choices=("auto", *PRIORS),
    )
    most: int = key("largest number of codes that priors are fitted to", at_least=100)


@dataclass(kw_only=True)
class UmapConfig(RunConfig):
    """Embed the latent space in a plane by UMAP, and draw galaxies of any region of it."""

    split: str = key("split whose galaxies are embedded", choices=SPLITS)
    n_neighbors: int = key(
        "number of nearest neighbours that UMAP preserves around each galaxy", at_least=2, at_most=1000
    )
    min_dist: float = key("smallest distance between neighbouring points of the plane", at_least=0, at_most=1)
    metric: str = key("distance between latent codes", choices=("euclidean", "manhattan", "chebyshev"))
    n_epochs: int = key("number of epochs in which the layout is optimised", at_least=1, at_most=100_000)
    fitted: int = key(
        "largest number of galaxies for which the layout is optimised; the others are placed in it afterwards",
        at_least=100,
    )
    colour: str | None = key(COLOUR)
    grid: int = key("number of images along a side of the mosaic and of the montage", at_least=2, at_most=100)
    points: list[list[float]] | None = key("positions [x,y] in the plane to decode; null: a grid")
    box: list[float] | None = key(
        "region [x0,x1,y0,y1] of the plane to decode, whose galaxies are listed too; null: all of the plane"
    )
    select: str | None = key(SELECT.format("selected.ecsv", "'umap_x>0 & redshift<1'"))

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
    """Compare the runs of a sweep: samples, losses, rate and distortion."""

    runs: str | list[str] = key("directory of a sweep, latest: the newest one, or a list of runs")
    n: int = key("number of images sampled from each run", at_least=1, at_most=400)
    prior: str | None = key(PRIOR, choices=PRIORS)
    temperature: float = key("factor on the standard deviation of the latent codes", at_least=0)
    galaxies: int = key(
        "largest number of validation galaxies on which active latent dimensions are counted", at_least=2
    )


def _copy_alias(config, alias, name):
    """Copies the value of an alias to the key that it stands for.

    The alias keeps its value, so that a command can refuse it where the first condition is no redshift.

    Raises:
        GalvaeError: if both are given.
    """
    if getattr(config, alias) is None:
        return
    if getattr(config, name) is not None:
        raise GalvaeError(f"{name}, {alias}: expected one of them, received both")
    value = getattr(config, alias)
    setattr(config, name, {"redshift": value} if name == "condition" else value)
