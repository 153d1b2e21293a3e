"""galvae traverse: walk through the latent space."""

import numpy as np

from galvae import figures
from galvae.data.dataset import evenly
from galvae.errors import GalvaeError
from galvae.runs import trained_run
from galvae.system.atomic import save_arrays

MEASURED = 10_000  # galaxies that tell how informative each axis is, at most
WALKERS = 8  # random codes that are shown along the condition


def main(config, output_dir):
    """Draws a walk along every axis, and those along a plane, the condition or a path that were asked for.

    Args:
        config: TraverseConfig.
        output_dir: where the files go.
    """
    run, model, state = trained_run.load(config.run, config.backend)
    dataset = run.load_dataset(config.dataset)
    walks = Walks(config, run, model, state, dataset, output_dir)
    walks.along_axes()
    pair = config.axes if config.axes is not None else range(model.latent_dim)
    if len(pair) == 2:
        walks.over_plane(*pair)
    if model.condition_dim:
        walks.along_condition()
    if config.from_ is not None:
        walks.from_galaxy_to_galaxy()


class Walks:
    """The walks through one model's latent space, which share an origin, a condition and a style.

    Args:
        config: TraverseConfig.
        run, model, state: as `trained_run.load` gives them.
        dataset: GalaxyDataset.
        output_dir: where the files go.

    Raises:
        GalvaeError: if an axis or an id does not exist, or the galaxy's condition is not known.
    """

    def __init__(self, config, run, model, state, dataset, output_dir):
        from galvae.latent.codes import encode_dataset
        from galvae.latent.information import information, information_unit, prior

        if config.axes is not None and max(config.axes) >= model.latent_dim:
            raise GalvaeError(
                f"axes: expected latent dimensions from 0 to {model.latent_dim - 1}, received {config.axes}"
            )
        self.config, self.run, self.model, self.state, self.dataset = config, run, model, state, dataset
        self.output_dir, self.style = output_dir, figures.Style.of(config)
        everything = dataset.split("all")
        self.shown = everything[evenly(len(everything), MEASURED)]
        self.column = dataset.column(config.colour, self.shown)
        self.at = None if config.at is None else dataset.find(config.at)
        self.ends = None if config.from_ is None else [dataset.find(end) for end in (config.from_, config.to)]
        self.condition = self.fixed_condition()
        self.mean, log_variance = encode_dataset(model, dataset, self.shown)
        self.told, self.unit = information(self.mean, log_variance), information_unit(model)
        self.centre, self.spread = prior(model)
        self.offsets = np.linspace(-config.span, config.span, config.steps)
        self.origin = self.centre if self.at is None else self.codes_of([self.at])[0]

    def along_axes(self):
        """Every axis in turn, the others at the origin; the most informative first."""
        from galvae.latent.walks import axis_codes

        config = self.config
        axes = np.argsort(-self.told, kind="stable")
        axes = axes if config.axes is None else axes[np.isin(axes, config.axes)]
        values = self.centre[axes, None] + self.offsets * self.spread[axes, None]
        codes = axis_codes(self.origin, axes, values)
        images = self.decoded(codes)
        labels = [f"code {axis}\n{figures.amount(self.told[axis], self.unit)}" for axis in axes]
        self.save("traverse", images, codes, axes=axes, offsets=self.offsets, information=self.told[axes])
        self.animate("traverse", images, [f"code {axis}" for axis in axes])
        captions = None
        if self.at is not None:
            # The galaxy itself and its reconstruction, on a row of their own.
            row = np.full_like(images[:1], np.nan)
            row[0, 0] = self.dataset.to_unit(self.dataset.images[self.at])
            row[0, 1] = self.decoded(self.origin[None, None])[0, 0]
            images, labels = np.concatenate([images, row]), [*labels, f"id {config.at}"]
            captions = np.full(images.shape[:2], "", object)
            captions[-1, :2] = "original", "decoded"
        columns = [f"{offset:+.1f}" for offset in self.offsets]
        figure = figures.rows(images, labels, columns, captions, self.style)
        figures.save(figure, self.output_dir / "traverse", self.style)

    def over_plane(self, first, second):
        """A grid over the plane of two axes, the others at the origin."""
        from galvae.latent.walks import plane_codes

        x, y = (self.centre[axis] + self.offsets * self.spread[axis] for axis in (first, second))
        codes = plane_codes(self.origin, (first, second), x, y)
        images = self.decoded(codes)
        names = [f"code {axis} ({figures.amount(self.told[axis], self.unit)})" for axis in (first, second)]
        self.save("plane", images, codes, axes=[first, second], x=x, y=y)
        plane = figures.plane(images, x, y, names, style=self.style)
        figures.save(plane, self.output_dir / "plane", self.style)
        points = self.mean[:, [first, second]]
        beside = figures.plane_and_scatter(images, x, y, names, points, self.column, self.style)
        figures.save(beside, self.output_dir / "plane_scatter", self.style)
        save_arrays(self.output_dir / "plane_scatter.npz", indices=self.shown, codes=points)

    def along_condition(self):
        """The galaxy's code, or a few random ones, at conditions from one end of the range to the other."""
        config = self.config
        train = self.dataset.condition[self.dataset.split("train"), 0]
        ends = config.redshifts or (train.min(), train.max())
        values = np.linspace(*ends, config.steps).astype(np.float32)
        walkers = [self.origin] if self.at is not None else self.model.draw_codes(WALKERS, config.seed)
        codes = np.repeat(np.asarray(walkers)[:, None], config.steps, axis=1)
        condition = self.conditions(np.tile(values, len(codes)))
        images = self.decoded(codes, condition)
        name = trained_run.short_name(self.state["condition_names"][0])
        self.save("condition", images, codes, condition=condition.reshape(*codes.shape[:2], -1))
        labels = (
            [f"galaxy {row + 1}" for row in range(len(codes))] if self.at is None else [f"id {config.at}"]
        )
        columns = [f"{name} {value:.2f}" for value in values]
        self.animate("condition", images, np.repeat(columns, len(codes)).reshape(-1, len(codes)))
        figure = figures.rows(images, labels, columns, style=self.style)
        figures.save(figure, self.output_dir / "condition", self.style)

    def from_galaxy_to_galaxy(self):
        """The path between two galaxies' codes, with the galaxies themselves at its ends."""
        from galvae.latent.walks import slerp

        config = self.config
        start, end = self.codes_of(self.ends)
        share = np.linspace(0, 1, config.steps)[:, None]
        # A plain autoencoder's codes have no sphere to follow.
        path = slerp(start, end, config.steps) if self.unit == "nats" else (1 - share) * start + share * end
        condition = None
        if self.model.condition_dim:
            first, last = self.dataset.condition[self.ends]
            condition = ((1 - share) * first + share * last).astype(np.float32)
        images = self.decoded(path[None], condition)
        self.save("between", images, path[None], ids=self.dataset.ids[self.ends].astype(str))
        self.animate("between", images, [[f"{value:.2f}"] for value in share[:, 0]])
        real = self.dataset.to_unit(self.dataset.images[self.ends])
        strip = np.concatenate([real[:1], images[0], real[1:]])
        captions = [f"id {config.from_}", *[f"{value:.2f}" for value in share[:, 0]], f"id {config.to}"]
        figure = figures.grid(strip, len(strip), captions, self.style)
        figures.save(figure, self.output_dir / "between", self.style)

    def fixed_condition(self):
        """Condition of the galaxies where it is not walked along, (K,), or None."""
        dataset, asked = self.dataset, self.config.redshift
        if not self.model.condition_dim:
            if asked is not None or self.config.redshifts is not None:
                trained_run.redshift_conditions(self.run, self.model, self.state, [asked or 0.0])
            return None
        for galaxy in [*([self.at] if self.at is not None else []), *(self.ends or [])]:
            if not np.isfinite(dataset.condition[galaxy]).all():
                raise GalvaeError(
                    f"id {dataset.ids[galaxy]}: expected a galaxy whose {', '.join(dataset.condition_names)} "
                    "is known, received one without"
                )
        condition = dataset.condition[dataset.split("train")].mean(axis=0)
        if self.at is not None:
            condition = dataset.condition[self.at]
        return condition if asked is None else self.conditions([asked], condition)[0]

    def conditions(self, redshifts, others=None):
        """Conditions at redshifts, (n, K), other columns as they are fixed."""
        others = self.condition if others is None else others
        others = np.tile(others, (len(redshifts), 1))
        return trained_run.redshift_conditions(self.run, self.model, self.state, redshifts, others)

    def codes_of(self, galaxies):
        """Posterior means of galaxies, (n, latent_dim)."""
        from galvae.latent.codes import encode_dataset

        return encode_dataset(self.model, self.dataset, np.asarray(galaxies))[0]

    def decoded(self, codes, condition=None):
        """Images of codes (rows, columns, latent_dim), as (rows, columns, H, W, C)."""
        from galvae.latent.codes import decode_codes

        flat = codes.reshape(-1, codes.shape[-1]).astype(np.float32)
        if condition is None and self.condition is not None:
            condition = np.tile(self.condition, (len(flat), 1))
        images = decode_codes(self.model, flat, condition)
        return images.reshape(*codes.shape[:-1], *images.shape[1:])

    def save(self, name, images, codes, **arrays):
        """The numbers behind a figure."""
        if self.condition is not None:
            arrays.setdefault("condition", self.condition)
        save_arrays(self.output_dir / f"{name}.npz", images=images, codes=codes, **arrays)

    def animate(self, name, images, captions=None):
        """A walk as an animation, if that was asked for: a frame for each step, the rows side by side."""
        if self.config.gif:
            path = self.output_dir / f"{name}.gif"
            figures.animate(images.swapaxes(0, 1), path, captions=captions, style=self.style)
