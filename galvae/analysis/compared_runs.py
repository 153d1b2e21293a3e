"""Measures several runs for a comparison: a table row each, and samples drawn with the same seed."""

import logging
import math
from dataclasses import dataclass, field

import numpy as np

from galvae.analysis.comparison import comparable, descriptions, differing_keys, short_names
from galvae.analysis.run_table import RESULTS, as_text, column_of, has_number, results
from galvae.config.check import flatten
from galvae.errors import GalvaeError
from galvae.latent.information import active_units
from galvae.runs.directory import RunDirectory
from galvae.runs.evaluations import CARD, OLD, card_numbers, evaluated_epoch
from galvae.runs.find import find_runs
from galvae.runs.trained_run import TrainedRun

EVALUATED = "evaluated"  # column of the table, where any run has been evaluated
MOST_KINDS = 4  # of runs that cannot be compared, each of which has its own panel

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ComparedRuns:
    """Configurations, results and samples of several runs.

    Attributes:
        settings: name of each readable run -> its flattened configuration.
        keys: configuration keys that differ between them.
        rows: one dict per run, name of the table's column -> value.
        samples: name -> dict of codes (n, latent_dim), images (n, H, W, C) and, for a conditional run, condition
            (n, K), for the runs that could be drawn.
        noise: (n, largest latent_dim) standard normal numbers of the seed; those from which the samples of runs with
            so many latents come.
        display_ranges: name -> the intensities that figures of the run draw as black and white, see
            `galvae.data.display`.
    """

    settings: dict
    keys: list
    rows: list
    samples: dict
    noise: np.ndarray
    display_ranges: dict = field(default_factory=dict)

    @property
    def columns(self):
        """Names of the table's columns."""
        present = [name for name in (*CARD, EVALUATED) if any(row.get(name) is not None for row in self.rows)]
        return list(dict.fromkeys(["run", *map(column_of, ["latent_dim", *self.keys]), *RESULTS, *present]))

    def sample_arrays(self, order):
        """Samples of all runs as arrays for one .npz file.

        Args:
            order: names of the runs.

        Returns:
            dict with runs, the names; noise; and codes_0, images_0, ... of each run, in their order.
        """
        numbered = {
            f"{key}_{index}": array
            for index, name in enumerate(order)
            for key, array in self.samples[name].items()
        }
        return {"runs": np.array(order), "noise": self.noise, **numbered}

    def losses_by_latent_dim(self):
        """Validation losses of the runs against their number of latent dimensions.

        Losses that cannot be compared stand in panels of their own; too many of them are left out, with a line.

        Returns:
            (latent_dim, panels, groups): see `galvae.figures.loss_against_latent_dim`; None if there is none to draw.
        """
        rows = self._rows_with("val_loss")
        panels = []
        for term in ("loss", "reconstruction") if rows else ():
            values = np.array([row.get(f"val_{term}", math.nan) for row in rows])
            texts = self._kinds(term, rows, f"validation {term}")
            for kind in dict.fromkeys(texts):
                chosen = np.array([text == kind for text in texts])
                panels.append((f"validation {term}", kind, np.where(chosen, values, math.nan)))
        if not panels:
            return None
        names = descriptions(self.settings, self.keys, "latent_dim")
        return [row["latent_dim"] for row in rows], panels, [names[row["run"]] for row in rows]

    def rate_distortion(self):
        """Reconstruction against KL divergence of the runs that have one.

        Returns:
            (rate, distortion, groups, labels, label_name, kinds): see `galvae.figures.rate_distortion`; None, with a
            line that says why, if there is none to draw.
        """
        rows = self._rows_with("val_kl", "val_reconstruction")
        if not rows:
            log.info("no rate-distortion curve: none of the runs has a KL divergence")
            return None
        kinds = self._kinds("reconstruction", rows, "the rate-distortion curve")
        if not kinds:
            return None
        along = next((key for key in ("latent_dim", "beta.value") if key in self.keys), "latent_dim")
        names = descriptions({row["run"]: self.settings[row["run"]] for row in rows}, self.keys, along)
        rate, distortion = ([row[name] for row in rows] for name in ("val_kl", "val_reconstruction"))
        groups, labels = [names[row["run"]] for row in rows], [as_text(row[along]) for row in rows]
        return rate, distortion, groups, labels, along, kinds

    def _kinds(self, term, rows, what):
        """A text for each row, the same for those whose values of a term can be compared.

        Args:
            term: see `galvae.analysis.comparison.comparable`.
            rows: of the table.
            what: what is drawn, for the line that says that it is left out.

        Returns:
            list of texts; empty, with a line, if there are more of them than panels.
        """
        by_run = comparable(self.settings, self.keys, term)
        kinds = [by_run[row["run"]] for row in rows]
        if len(set(kinds)) > MOST_KINDS:
            log.info(
                "%s is not drawn: the runs are of %d kinds that cannot be compared", what, len(set(kinds))
            )
            return []
        return kinds

    def _rows_with(self, *names):
        """Rows of the readable runs that have finite numbers in all of the named columns."""
        rows = [row for row in self.rows if row["run"] in self.settings]
        return [row for row in rows if all(has_number(row, name) for name in names)]


def compare_runs(config):
    """Measures several runs.

    Each run takes as many columns of one array of standard normal numbers as it has latent dimensions, so that
    two VAEs share the numbers of the dimensions that both have. Conditional runs get the conditions of training
    galaxies drawn with the same seed, which are the same galaxies for all runs of one split.

    Args:
        config: CompareConfig.

    Returns:
        ComparedRuns.

    Raises:
        GalvaeError: if there is no run that can be read.
    """
    paths = find_runs(config.runs)
    directories = open_directories(dict(zip(short_names(paths), paths, strict=True)))
    readable = {name: directory for name, directory in directories.items() if directory is not None}
    settings = {name: flatten(directory.config) for name, directory in readable.items()}
    keys = differing_keys(list(settings.values()))
    backend = config.backend or next(iter(readable.values())).config.backend
    largest = max(values["latent_dim"] for values in settings.values())
    noise = np.random.default_rng(config.seed).standard_normal((config.n, largest))
    rows, samples = [], {}
    for name in directories:
        row = {"run": name, "status": "unreadable"}
        if name in readable:
            row |= {column_of(key): settings[name].get(key) for key in ("latent_dim", *keys)}
            alone = len(readable) == 1
            measured, drawn = measure_run(readable[name], name, config, backend, alone)
            row |= measured
            if drawn is not None:
                samples[name] = drawn
        rows.append(row)
    display_ranges = {name: directory.display_range for name, directory in readable.items()}
    return ComparedRuns(settings, keys, rows, samples, noise, display_ranges)


def open_directories(paths):
    """Opens run directories by name; those whose configuration cannot be read are None, with a warning.

    Args:
        paths: dict of name -> path of the directory.

    Returns:
        dict of name -> RunDirectory or None.

    Raises:
        GalvaeError: if none can be read.
    """
    directories, errors = dict.fromkeys(paths), []
    for name, path in paths.items():
        try:
            directories[name] = RunDirectory.open(path)
        except GalvaeError as error:
            errors.append(error)
    if len(errors) == len(directories) > 1:
        raise GalvaeError(f"none of {len(directories)} runs can be read: {errors[0]}")
    if len(errors) == len(directories):
        raise errors[0]
    for error in errors:
        log.warning("a run is left out: %s", error)
    return directories


def measure_run(directory, name, config, backend, alone):
    """Measures one run: its row of the table, and its samples.

    Args:
        directory: RunDirectory.
        name: name of the run.
        config: CompareConfig.
        backend: name of the Keras backend.
        alone: whether this is the only run, for which a missing dataset is an error.

    Returns:
        (row, samples): dict of the table's columns, and samples, see `ComparedRuns.samples`; None if the run cannot be
        drawn.

    Raises:
        GalvaeError: if the dataset cannot be opened, or the weights give no numbers, and there is no other run.
    """
    row = {"status": directory.status, **results(directory.metrics, [])}
    if directory.config.beta.name == "none":  # a plain autoencoder, whose active units 0.1 counted
        row.pop("active_units", None)
    try:
        run = TrainedRun.open(directory, backend, vars(config.dataset), config.force)
    except GalvaeError as error:
        log.warning("%s (%s) is not drawn: %s", name, directory.status, error)
        return row, None
    row |= results({"peak_memory_mb": run.state.peak_memory_mb}, run.state.history)
    row |= card_numbers(run.path, run.state.best_epoch, run.weights_digest)
    row[EVALUATED] = evaluated_epoch(run.path, run.state.best_epoch, run.weights_digest)
    if row[EVALUATED] and row[EVALUATED].endswith(OLD):
        log.warning(
            "%s: its evaluation is old, of %s; its weights are now of epoch %d",
            *(name, row[EVALUATED].removesuffix(OLD), run.state.best_epoch),
        )
    try:
        validation = run.galaxies.split("val")[: config.galaxies]
        if "kl" in run.model.terms:
            row["active_units"] = int(active_units(run.codes_at(validation).mean).sum())
        row["parameters"] = run.model.count_params()
        condition = run.random_condition(config.n, config.seed) if run.model.condition_dim else None
        codes = run.prior(config.prior).sample(config.n, condition, config.seed, config.temperature)
        samples = {"codes": codes, "images": run.decode(codes, condition)}
    except GalvaeError as error:
        if alone:
            raise
        log.warning("%s is not drawn: %s", name, error)
        return row, None
    if condition is not None:
        samples["condition"] = condition
    return row, samples
