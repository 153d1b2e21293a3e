"""Walks through the latent space of a run: along dimensions, over a plane, along the condition, between galaxies."""

import functools
import logging
from dataclasses import dataclass, field

import numpy as np

from galvae.analysis.axis_effects import NO_EFFECTS, WALKED, measure_effects, reference_codes
from galvae.analysis.held_out import held_out_galaxies
from galvae.analysis.samples import check_redshift_keys
from galvae.config.defaults import command_config
from galvae.data.conditions import CLASS
from galvae.errors import GalvaeError
from galvae.latent.information import information, information_unit
from galvae.latent.walks import axis_codes, plane_codes, slerp

# Of the posterior samples of the galaxies in each dimension: outside of them, a decoder has seen next to nothing.
PERCENTILES = (0.5, 99.5)
RANDOM_STARTS = 8  # random codes decoded along the condition

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Walk:
    """Galaxies decoded along a walk.

    Attributes:
        name: name of the walk's files.
        images: (rows, columns, H, W, C) intensities in [0, 1].
        codes: (rows, columns, latent_dim).
        arrays: further arrays for the walk's .npz file.
        row_labels, column_labels: texts beside the rows and above the columns, of a walk along the condition.
        around: around which codes it is, in words; None: around the code in which the axes intersect.
    """

    name: str
    images: np.ndarray
    codes: np.ndarray
    arrays: dict = field(default_factory=dict)
    row_labels: list = field(default_factory=list)
    column_labels: list = field(default_factory=list)
    around: str | None = None


class Traversal:
    """Walks through the latent space of one run, with a common origin and condition.

    Args:
        run: TrainedRun.
        config: TraverseConfig.

    Attributes:
        axes: requested latent dimensions, in the order of the request.
        codes: Codes of the galaxies by which axes are scaled, see `galvae.analysis.axis_effects.reference_codes`.
        information: (latent_dim,) information in each dimension, in `unit`.
        unit: unit of `information`, "nats" or "variance".
        prior: Prior from which random codes are drawn, and by whose mean and scatter `span` goes.
        offsets: (steps,) positions along an axis: in standard deviations of the prior from its mean if `span` is given,
            else as the share, 0 to 1, of the way between PERCENTILES of posterior samples.
        values: (latent_dim, steps) coordinates at these positions.
        at: row index of the galaxy at the origin, or None.
        ends: row indices of the two galaxies at the ends of a path, or None.
        origin: (latent_dim,) code in which the axes intersect: that of the galaxy `at`, else the mean of the prior if
            `span` is given, else the median of the posterior means.
        condition: (K,) condition at which galaxies are decoded outside of the walk along the condition, or None.

    Raises:
        GalvaeError: if an axis or an id does not exist, a galaxy has no known condition, or a condition is requested
            that the run does not have.
    """

    def __init__(self, run, config):
        check_redshift_keys(run, config)
        if config.axes is not None and max(config.axes) >= run.model.latent_dim:
            raise GalvaeError(
                f"axes: expected latent dimensions from 0 to {run.model.latent_dim - 1}, received {config.axes}"
            )
        self.run, self.config = run, config
        self.axes = list(range(run.model.latent_dim)) if config.axes is None else config.axes
        galaxies = run.galaxies
        self.at = None if config.at is None else galaxies.find(config.at)
        self.ends = (
            None if config.from_ is None else [galaxies.find(end) for end in (config.from_, config.to)]
        )
        self.condition = self._fixed_condition()
        codes = self.codes = reference_codes(run)
        self.information = information(codes.mean, codes.log_variance)
        self.unit = information_unit(self.codes.log_variance)
        self.prior = run.prior(config.prior)
        if config.span is None:
            self.offsets = np.linspace(0, 1, config.steps)
            low, high = np.percentile(codes.sample(config.seed), PERCENTILES, axis=0)
            self.values = low[:, None] + (high - low)[:, None] * self.offsets
            self.origin = np.median(codes.mean, axis=0)
        else:
            self.offsets = np.linspace(-config.span, config.span, config.steps)
            self.values = self.prior.mean[:, None] + self.prior.std[:, None] * self.offsets
            self.origin = self.prior.mean
        if self.at is not None:
            self.origin = run.codes_at([self.at]).mean[0]

    @functools.cached_property
    def names(self):
        """Name of each requested latent dimension, dimension -> text, see `galvae.analysis.axis_effects.name_axis`.

        They are measured around held-out galaxies, as `galvae evaluate` does. Where nothing can be measured, the texts
        are empty, and a line in the log says why.
        """
        if self.run.images_missing:
            log.info("the axes have no names, since images are measured for them")
            return dict.fromkeys(self.axes, "")
        around, _ = held_out_galaxies(self.run.dataset, WALKED)
        effects = measure_effects(self.run, around, self.codes, self.axes, self.config.seed)
        if effects.names is None:
            log.info("the axes have no names: %s", NO_EFFECTS)
            return dict.fromkeys(self.axes, "")
        log.info(
            "axes are named after what they change most around %d galaxies, decoded and measured",
            len(effects.indices),
        )
        return dict(zip(self.axes, effects.names, strict=True))

    def along_axes(self):
        """Walks along the requested latent dimensions, most informative first, with the others at the origin.

        Returns:
            Walk, whose arrays hold axes (rows,), names (rows,), offsets (steps,), values (rows, steps) and
            information (rows,).
        """
        axes = np.argsort(-self.information, kind="stable")
        axes = axes[np.isin(axes, self.axes)]
        values = self.values[axes]
        arrays = {
            "axes": axes,
            "names": np.array([self.names[axis] for axis in axes]),
            "offsets": self.offsets,
            "values": values,
            "information": self.information[axes],
        }
        return self._walk("traverse", axis_codes(self.origin, axes, values), arrays)

    def over_plane(self, first, second):
        """Grid over the plane of two latent dimensions, with the others at the origin.

        Args:
            first, second: latent dimensions.

        Returns:
            Walk, whose arrays hold axes (2,), x and y (steps,).
        """
        x, y = self.values[[first, second]]
        codes = plane_codes(self.origin, (first, second), x, y)
        return self._walk("plane", codes, {"axes": [first, second], "x": x, "y": y})

    def along_condition(self):
        """Walks along the first condition that is a number; a class is no continuum, and each has a row of its own.

        Without classes, a row is the galaxy at the origin or, without one, one of a few random codes. With classes, all
        rows are of the code at the origin or, where there is no number to walk along, of the same random codes.

        Returns:
            Walk, whose arrays hold condition (rows, columns, K).
        """
        config, galaxies, conditions = self.config, self.run.galaxies, self.run.conditions
        classes = conditions.learned
        number = next((name for name in conditions.names if name != CLASS), None)
        starts, names, around = np.asarray(self.origin)[None], [f"id {config.at}"], None
        if self.at is None and not (classes and number):
            given = self.run.random_condition(RANDOM_STARTS, config.seed)
            starts, around = self.prior.sample(RANDOM_STARTS, given, config.seed), "random codes of the prior"
            names = [f"galaxy {row + 1}" for row in range(RANDOM_STARTS)]
        if number is None:
            columns, asked, codes = names, {}, np.tile(starts, (len(classes), 1, 1))
        else:
            train = galaxies.condition[galaxies.split("train"), conditions.columns.index(number)]
            ends = config.conditions or (train.min(), train.max())
            values = np.linspace(*ends, config.steps).astype(np.float32)
            columns = [f"{conditions.symbol} {value:.2f}" for value in values]
            codes = np.repeat(np.tile(starts, (len(classes) or 1, 1))[:, None], config.steps, axis=1)
            asked = {number: np.tile(values, len(codes))}
        if classes:
            asked[CLASS] = np.repeat(classes, codes.shape[1])
            names = [conditions.classes[label] for label in classes]
        condition = self.run.at_condition(asked, self.condition)
        arrays = {"condition": condition.reshape(*codes.shape[:2], -1)}
        return Walk("condition", self.decode(codes, condition), codes, arrays, names, columns, around)

    def between_galaxies(self):
        """Path between the codes of two galaxies, and between their conditions.

        Returns:
            Walk of one row, whose arrays hold ids (2,) of the galaxies.
        """
        galaxies, steps = self.run.galaxies, self.config.steps
        start, end = self.run.codes_at(self.ends).mean
        fraction = np.linspace(0, 1, steps)[:, None]
        # The codes of a plain autoencoder do not lie near a sphere.
        straight = (1 - fraction) * start + fraction * end
        path = slerp(start, end, steps) if self.unit == "nats" else straight
        condition = None
        if self.run.model.condition_dim:
            first, last = galaxies.condition[self.ends]
            condition = ((1 - fraction) * first + fraction * last).astype(np.float32)
            count = len(self.run.conditions.classes)  # which are one or the other
            condition[:, :count] = np.where(fraction < 0.5, first, last)[:, :count]
        images = self.decode(path[None], condition)
        ids = {"ids": galaxies.ids[self.ends].astype(str)}
        return Walk("between", images, path[None], self._with_condition(ids))

    def decode(self, codes, condition=None):
        """Decodes the codes of a walk, (rows, columns, H, W, C) float32 intensities in [0, 1].

        Args:
            codes: (rows, columns, latent_dim).
            condition: (rows x columns, K); None: the traversal's fixed condition.
        """
        flat = codes.reshape(-1, codes.shape[-1])
        if condition is None and self.condition is not None:
            condition = np.tile(self.condition, (len(flat), 1))
        images = self.run.decode(flat, condition)
        return images.reshape(*codes.shape[:-1], *images.shape[1:])

    def original_and_decoded(self):
        """The galaxy at the origin, where its image is at hand, and its reconstruction, (2 or 1, H, W, C) in [0, 1]."""
        return np.concatenate([self.originals([self.at]), self.decode(self.origin[None, None])[0]])

    def originals(self, indices):
        """Images of galaxies in [0, 1], (n, H, W, C); none, (0, H, W, C), if the dataset is not at hand.

        Args:
            indices: n row indices.
        """
        if self.run.images_missing:
            log.info("real galaxies are not drawn")
            return np.empty((0, *self.run.model.image_shape), np.float32)
        return self.run.dataset.to_unit(self.run.dataset.images[indices])

    def _walk(self, name, codes, arrays):
        return Walk(name, self.decode(codes), codes, self._with_condition(arrays))

    def _with_condition(self, arrays):
        return arrays if self.condition is None else {**arrays, "condition": self.condition}

    def _fixed_condition(self):
        """Condition at which galaxies are decoded outside of the walk along the condition, (K,), or None."""
        galaxies, requested, run = self.run.galaxies, self.config.condition, self.run
        if not run.model.condition_dim:
            given = self.config.conditions or requested
            if given is not None:
                run.conditions.requests(given)  # raises GalvaeError
            return None
        if self.config.conditions and not galaxies.condition_numbers:
            raise GalvaeError(
                "conditions: expected none, because the run's only condition is its class, received "
                f"{self.config.conditions}"
            )
        for galaxy in [*([self.at] if self.at is not None else []), *(self.ends or [])]:
            if not np.isfinite(galaxies.condition[galaxy]).all():
                raise GalvaeError(
                    f"id {galaxies.ids[galaxy]}: expected a galaxy with a known "
                    f"{', '.join(run.conditions.names)}, received one without"
                )
        condition = run.conditions.typical(galaxies.condition[galaxies.split("train")])
        if self.at is not None:
            condition = galaxies.condition[self.at]
        if requested is None:
            return condition
        return run.at_condition(requested if isinstance(requested, dict) else [requested], condition)[0]


def traverse(run, **keys):
    """Galaxies decoded along a walk through the latent space, as `galvae traverse` draws them.

    Args:
        run: TrainedRun.
        keys: of the command, such as axes=[0, 3], steps=7, span=3 or at="G007". With `conditions` or `redshifts` the
            walk is along the condition, with `from_` and `to` from galaxy to galaxy, else along latent dimensions, the
            most informative first.

    Returns:
        dict, as the command's .npz file holds it: `images` (rows, steps, H, W, C), intensities in [0, 1]; `codes`
        (rows, steps, latent_dim); and of a walk along dimensions `axes` (rows,), `names` of what each changes,
        `offsets` (steps,), `values` (rows, steps) of the coordinate, `information` (rows,), and for a conditional
        model `condition` (K,).

    Raises:
        GalvaeError: if there is no such key, value, dimension, galaxy or condition.
    """
    traversal = Traversal(run, command_config("traverse", run.path, keys))
    if traversal.ends is not None:
        walk = traversal.between_galaxies()
    elif traversal.config.conditions is not None:
        walk = traversal.along_condition()
    else:
        walk = traversal.along_axes()
    return {"images": walk.images, "codes": walk.codes, **walk.arrays}
