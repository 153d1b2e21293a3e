"""A bundle of a trained run: what others need to use it without its training data, and nothing about its maker.

It is the directory of a run in small, with the same names: config.yaml, environment.json, metrics.json,
data_report.json, split.npz, one checkpoint without the state of the optimizer, priors, noise, the reference by which
new galaxies are judged, galaxies and their codes, the numbers of its last evaluation, and card.md.
"""

import contextlib
import dataclasses
import logging
import math
import os
import re
import shutil
from pathlib import Path

import numpy as np

from galvae.config.check import write_config
from galvae.config.fields import path_keys
from galvae.data.galaxies import StoredGalaxies
from galvae.data.splits import save_splits
from galvae.errors import GalvaeError
from galvae.export.model_card import model_card
from galvae.latent.codes import identity
from galvae.latent.umap_storage import newest_stored, stored_paths
from galvae.runs import axis_names, bundles, checkpoints, noise, reference
from galvae.runs.directory import RunDirectory
from galvae.runs.evaluations import RESULTS, evaluations
from galvae.runs.galaxies import store_galaxies
from galvae.runs.links import link_below
from galvae.runs.priors import CHOSEN, stored_prior
from galvae.runs.priors import FILE as PRIOR_FILE
from galvae.system.atomic import save_json
from galvae.system.safe_read import read_json

ENVIRONMENT = (
    *("run_id", "galvae", "git_commit", "python", "packages"),
    *("backend", "kind", "count", "precision", "seed"),
)
REFERENCE = f"{reference.FOLDER}/{reference.FILE}"
NOISE = f"{noise.FOLDER}/{noise.FILE}"
AXES = f"{axis_names.FOLDER}/{axis_names.FILE}"
# Folders at the beginning of an absolute path in a text; "km/s" and "https://..." have none.
FOLDERS = re.compile(r"""(?:file://|(?<![\w./~]))~?/(?:[^\s/'",;]+/)*(?=[^\s/'",;]+)""")

log = logging.getLogger(__name__)


def export_bundle(run, folder, name, about, galaxies=True, packed=False):
    """Writes a bundle of a run, whole or not at all.

    Codes of all galaxies and the reference are computed first where the run lacks them. What belongs to earlier weights
    or cannot be read is left out, with a warning.

    Args:
        run: TrainedRun.
        folder: path of an existing folder.
        name: name of the bundle.
        about: dict with what only its maker knows, see `galvae.export.model_card.model_card`.
        galaxies: whether ids, catalogue, classes and codes of its galaxies go along.
        packed: whether it becomes a .zip file.

    Returns:
        Path of the bundle.

    Raises:
        GalvaeError: if the run links to files elsewhere, or its galaxies are neither kept with it nor at hand.
    """
    final = Path(folder) / name
    building = Path(folder) / f".{os.getpid()}" / name
    building.mkdir(parents=True)
    try:
        _write(run, building, about, galaxies)
        bundles.seal(building, {"name": name, "galaxies": galaxies})
        RunDirectory.open(building).checkpoint()  # it opens, as it will elsewhere
        if packed:
            final = final.with_name(f"{name}.zip")
            bundles.pack(building, building.with_suffix(".packed"))
            os.replace(building.with_suffix(".packed"), final)
        else:
            os.rename(building, final)
    finally:
        shutil.rmtree(building.parent)
    return final


def _write(run, folder, about, galaxies):
    """Writes all files of a bundle but its list into an empty folder; see `export_bundle`."""
    weights, state = run.weights_digest, run.state
    write_config(_without_folders(run.config), folder / "config.yaml")
    environment = run.directory.environment
    kept = {key: environment[key] for key in ENVIRONMENT if key in environment}
    if "init" in environment:  # the run from whose weights this one started
        kept["init"] = without_folders(environment["init"], run)
    resumed = [{key: one.get(key) for key in ("epoch", "epochs")} for one in environment["resumed"]]
    save_json(folder / "environment.json", {**kept, "resumed": resumed})
    metrics = {
        key: value for key, value in run.directory.metrics.items() if key != "pid" and _is_numbers(value)
    }
    save_json(folder / "metrics.json", {"status": run.directory.status, **metrics})
    report = _report(run, galaxies)
    save_json(folder / "data_report.json", report)
    checkpoints.copy_for_bundle(run.checkpoint, folder / "checkpoints")

    described = _galaxies(run, galaxies)
    store_galaxies(folder, described, state.dataset_sha256)
    save_splits(described.splits, folder / "split.npz")
    if galaxies:
        with _left_out("codes of its galaxies"):
            codes = run.codes("all")
            (folder / "codes").mkdir()
            codes.save(folder / "codes" / "all.npz", identity(weights, state.dataset_sha256, "all"))
        _, path = newest_stored(stored_paths(run.path), weights)
        if path is not None:
            _copy(run, path.relative_to(run.path), folder / "umap" / "embedding.npz")
    with _left_out("the reference by which new galaxies are judged"):
        if reference.stored_reference(run) is None:
            reference.keep_reference(run)
        _copy(run, REFERENCE, folder / REFERENCE)
    with _left_out("noise"):
        if run.noise is not None:
            _copy(run, NOISE, folder / NOISE)
    with _left_out("the names of its latent axes"):
        if axis_names.kept_axis_names(run) is not None:
            _copy(run, AXES, folder / AXES)
    _copy_priors(run, folder)
    evaluation = next(
        (one for one in reversed(evaluations(run.path, state.best_epoch, weights)) if not one.old), None
    )
    if evaluation is not None:
        (folder / "evaluate").mkdir()
        results = {**without_folders(evaluation.results, run), "run": folder.name}
        save_json(folder / "evaluate" / RESULTS, results)
    card = model_card(run, described, report, evaluation, about)
    (folder / "card.md").write_text(without_folders(card, run), encoding="utf-8")


def without_folders(value, run):
    """A JSON-able value in which no text names a folder of the machine on which a run was trained.

    Of absolute paths the last part stays, as of those that the run's configuration names.

    Args:
        value: JSON-able value.
        run: TrainedRun.
    """
    known = [getattr(run.config.dataset, name) for name in path_keys(run.config.dataset)]
    known = [str(Path(path).parent) for path in [*known, run.path.absolute()] if path]
    known = sorted({*known, os.getcwd(), str(Path.home())} - {"/"}, key=len, reverse=True)
    known = re.compile("|".join(re.escape(folder) + "/?" for folder in known))

    def reduced(value):
        if isinstance(value, str):
            return FOLDERS.sub("", known.sub("", value))
        if isinstance(value, list):
            return [reduced(entry) for entry in value]
        if isinstance(value, dict):
            return {reduced(key): reduced(entry) for key, entry in value.items()}
        return value

    return reduced(value)


def _without_folders(config):
    """A configuration whose paths are names of files, as no digest counts them; the cache folder's is none."""
    section = config.dataset
    paths = {name: getattr(section, name) for name in path_keys(section)}
    names = {name: Path(path).name for name, path in paths.items() if path is not None}
    section = dataclasses.replace(section, **names | {"cache_dir": None})
    init = getattr(config, "init", None)
    return dataclasses.replace(config, dataset=section, **({} if init is None else {"init": Path(init).name}))


def _is_numbers(value):
    """Whether a value is a number, a list of numbers, or None."""
    if isinstance(value, list):
        return all(map(_is_numbers, value))
    return value is None or (isinstance(value, int | float) and math.isfinite(value))


def _report(run, galaxies):
    """The content of data_report.json; without galaxies, or where some are in no split, nothing that names one."""
    with contextlib.suppress(GalvaeError):
        report = without_folders(read_json(run.path / "data_report.json"), run)
        findings = report.get("findings")
        whole = len(run.galaxies.split("all")) == len(run.galaxies)
        if (galaxies and whole) or not isinstance(findings, dict):
            return report
        findings = {name: {key: one.get(key) for key in ("count", "text")} for name, one in findings.items()}
        texts = {} if galaxies else {"notes": [], "warnings": []}
        return {**report, **texts, "findings": findings}
    return {}


def _galaxies(run, everything):
    """Galaxies that go along; without `everything`, only the conditions from which a conditional model samples.

    Of galaxies in no split, as `dataset.select` leaves out, only the rows stay, so that others keep their numbers.
    """
    found = _blanked(run.galaxies)
    if everything:
        return dataclasses.replace(found, catalogue=_without_paths(found.catalogue, run))
    condition = found.condition
    if condition is not None and not run.model.condition_dim:
        condition = np.full_like(condition, np.nan)
    if run.model.condition_dim:
        log.info(
            "the conditions of %d galaxies go along, since samples are drawn under those of training galaxies; "
            "their ids and all else do not",
            len(found.split("all")),
        )
    return StoredGalaxies(
        name=found.name,
        count=len(found),
        image_shape=found.image_shape,
        pixel_range=found.pixel_range,
        stretch=found.stretch,
        band_names=found.band_names,
        rgb=found.rgb,
        condition=condition,
        condition_names=found.condition_names,
        condition_units=found.condition_units,
        splits=found.splits,
    )


def _blanked(galaxies):
    """Galaxies without what belongs to those in no split: texts are empty, numbers NaN or 0, labels -1."""
    outside = ~np.isin(np.arange(len(galaxies)), galaxies.split("all"))
    if not outside.any():
        return galaxies

    def blanked(values, blank=None):
        values = np.array(values)
        if blank is None:
            blank = np.nan if values.dtype.kind == "f" else np.zeros((), values.dtype)
        values[outside] = blank
        return values

    ids = galaxies.ids.astype(str)  # texts, since 0 might be the id of another galaxy
    return dataclasses.replace(
        galaxies,
        labels=None if galaxies.labels is None else blanked(galaxies.labels, -1),
        condition=None if galaxies.condition is None else blanked(galaxies.condition),
        catalogue={name: blanked(values) for name, values in {**galaxies.catalogue, "id": ids}.items()},
    )


def _without_paths(catalogue, run):
    """A catalogue in whose texts absolute paths are reduced to the names of the files."""
    reduced = dict(catalogue)
    for name, values in catalogue.items():
        if values.dtype.kind not in "US":
            continue
        texts = values.astype(str)
        names = [os.path.basename(text) if text.startswith("/") else text for text in texts.tolist()]
        names = np.array(without_folders(names, run), str)
        if (names != texts).any():
            log.info("column %s: paths are reduced to the names of the files", name)
            reduced[name] = names
    return reduced


def _copy_priors(run, folder):
    """Copies the fitted priors of the run's present weights, and what was chosen among them."""
    for path in sorted(run.path.glob(f"priors/*/{PRIOR_FILE}")):
        with _left_out(f"the prior {path.parent.name}"):
            stored_prior(run, path.parent.name)  # of these weights, and whole
            name = path.relative_to(run.path)
            _copy(run, name, folder / name)
    path = run.path / "priors" / CHOSEN
    if path.exists():
        chosen = read_json(path)
        if (folder / "priors" / str(chosen.get("chosen")) / PRIOR_FILE).exists():
            save_json(folder / "priors" / CHOSEN, without_folders(chosen, run))


def _copy(run, name, target):
    """Copies a file of a run, to which no link leads: it would give away what lies elsewhere."""
    link = link_below(run.path, run.path / name)
    if link is not None:
        raise GalvaeError(f"run: {link}: expected a file of the run, received a link; replace it by a copy")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(run.path / name, target)


@contextlib.contextmanager
def _left_out(what):
    """Goes on without a part of a bundle that the run does not have, with a warning."""
    try:
        yield
    except GalvaeError as error:
        log.warning("the bundle goes without %s: %s", what, error)
