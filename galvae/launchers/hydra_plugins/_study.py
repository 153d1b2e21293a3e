"""The study of hydra/sweeper=optuna: opened or begun, its sampler, and what makes it one search and no other."""

import dataclasses
import json
import logging

import numpy as np
import optuna
from hydra_plugins._space import describe
from optuna.trial import TrialState

from galvae.config.check import flatten
from galvae.config.train import TrainCommand, TrainConfig
from galvae.errors import GalvaeError
from galvae.runs import search as record
from galvae.runs.study import JOURNAL, open_storage, pruner
from galvae.system.atomic import replacing

NAME = "galvae"  # of a study in a file of its own
ATTRIBUTE = "galvae"  # of a study: what makes it this search and no other
HOW = "galvae how"  # of a study: how trials are chosen and stopped, which may change between calls
COMPARED = {"hydra.sweeper.objective", "hydra.sweeper.direction"}
MOST_KEYS = 3  # differing keys in an error message
# Keys of a call, which change no result, and may differ between the calls that a search is resumed by.
FREE_KEYS = {f.name for f in dataclasses.fields(TrainCommand)} - {
    f.name for f in dataclasses.fields(TrainConfig)
}

log = logging.getLogger(__name__)


def open_study(folder, sweeper, space, common):
    """Opens the study of an earlier call, or begins one, and writes search.json for its trials.

    As long as no trial has ended with a number, a study of other objectives begins anew.

    Args:
        folder: path of the sweep's directory.
        sweeper: hydra_plugins.optuna.OptunaSweeper.
        space: see `hydra_plugins._space.read_space`.
        common: dict of the keys that all trials have in common, and their values as texts.

    Returns:
        (study, storage) of Optuna.

    Raises:
        GalvaeError: if there is one of another search, or a sweep that is no search.
    """
    where = sweeper.storage or JOURNAL
    name = sweeper.study or (str(folder) if sweeper.storage else NAME)
    if (folder / "jobs.json").exists() and not (folder / record.RECORD).exists():
        raise GalvaeError(
            f"hydra.sweep.dir: {folder}: expected a new directory or that of a search, received a sweep that is none"
        )
    stops = None
    if sweeper.pruner:
        epochs = sweeper.config.epochs
        grace = max(1, epochs // 10) if sweeper.grace is None else sweeper.grace
        stops = {"name": sweeper.pruner, "grace": grace, "epochs": epochs}
    storage = open_storage(where, folder)
    options = {
        "study_name": name,
        "storage": storage,
        "pruner": pruner(**stops) if stops else optuna.pruners.NopPruner(),
    }
    try:
        study = optuna.load_study(**options)
    except KeyError:
        study = optuna.create_study(**options, directions=sweeper.directions)
    there, here = study.user_attrs.get(ATTRIBUTE), _identity(folder, sweeper, space, common)
    states = {trial.state for trial in study.get_trials(deepcopy=False)}
    measured = states & {TrialState.COMPLETE, TrialState.PRUNED}
    if there is not None and COMPARED.issuperset(_differing(there, here)) and there != here and not measured:
        log.info("no trial has finished, so that the search begins anew with its objective")
        optuna.delete_study(study_name=name, storage=storage)
        study, there, states = optuna.create_study(**options, directions=sweeper.directions), None, set()
    if there is None and not states:
        study.set_user_attr(ATTRIBUTE, here)
    elif there != here:
        what = f"{folder} holds" if sweeper.storage is None else f"hydra.sweeper.storage: {name!r} is"
        raise GalvaeError(_difference(what, there, here))
    _note_changes(study, sweeper)
    search = record.SearchRecord(
        storage=where,
        study=name,
        objectives=sweeper.objectives,
        pruner=stops,
        sign=-1 if sweeper.directions == ["maximize"] else 1,
    )
    with replacing(folder / record.RECORD) as beside:
        beside.touch(0o600 if sweeper.storage else 0o666)  # a URL may hold a password
        beside.write_text(json.dumps(dataclasses.asdict(search), indent=1) + "\n", encoding="utf-8")
    return study, storage


def sampler(name, seed, number, startup):
    """The sampler of Optuna that draws the keys of one trial.

    It is made anew for each, from the seed and the trial's number, so that an interrupted search draws the keys that it
    would have drawn without.

    Args:
        name: "tpe": from where good trials are denser than others (Bergstra et al. 2011), also with several objectives;
            "nsga2": by crossing the trials of a Pareto front (Deb et al. 2002); "random".
        seed: seed of the search.
        number: number of the trial.
        startup: number of trials that are drawn at random first; the size of a generation of nsga2.
    """
    drawn = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    if name == "tpe":
        return optuna.samplers.TPESampler(n_startup_trials=startup, seed=drawn)
    if name == "nsga2":
        return optuna.samplers.NSGAIISampler(population_size=max(2, startup), seed=drawn)
    return optuna.samplers.RandomSampler(seed=drawn)


def in_common(configurations):
    """The keys that change the result of a trial, and their values as text, those of several choices joined.

    Args:
        configurations: list of nested dicts, one for each choice of a group that is searched over.
    """
    found, free = [flatten(one) for one in configurations], {*FREE_KEYS, "dataset.verify"}
    return {
        key: " or ".join(dict.fromkeys(str(one.get(key, "none")) for one in found))
        for key in sorted(set().union(*found))
        if not {key, key.partition(".")[0]} & free
    }


def _note_changes(study, sweeper):
    """Says which keys, that may change between the calls of a search, have changed, and records them."""
    names = ("sampler", "seed", "startup", "pruner", "grace")
    here = {f"hydra.sweeper.{name}": getattr(sweeper, name) for name in names}
    there = study.user_attrs.get(HOW, {})
    if there != here:
        study.set_user_attr(HOW, here)
    changed = ", ".join(
        f"{name}={here[name]} (before {there[name]})" for name in _differing(there, here) if there
    )
    if changed:
        log.warning("the search goes on with %s", changed)


def _identity(folder, sweeper, space, common):
    """What makes a study this search: its space, what is fixed, and what is compared, as texts by key.

    A database may be that of several directories, whose trials must not be taken for each other's.
    """
    return {
        "hydra.sweeper.objective": ",".join(sweeper.objectives),
        "hydra.sweeper.direction": ",".join(sweeper.directions),
        **({"hydra.sweep.dir": str(folder)} if sweeper.storage else {}),
        **{key: describe(distribution) for key, distribution in space.items()},
        **{key: value for key, value in common.items() if key not in space},
    }


def _differing(there, here):
    """The keys whose values differ between two dicts."""
    return [name for name in {**here, **there} if there.get(name) != here.get(name)]


def _difference(what, there, here):
    """The message for a study of another search."""
    there = there if isinstance(there, dict) else {}
    names = _differing(there, here)
    differing = ", ".join(
        f"{name}={here.get(name, 'none')} (there {there.get(name, 'none')})" for name in names[:MOST_KEYS]
    )
    more = f" and {len(names) - MOST_KEYS} more" if len(names) > MOST_KEYS else ""
    return (
        f"{what} the study of another search; expected the same keys and values, or another "
        f"hydra.sweep.dir=... or hydra.sweeper.study=..., received {differing}{more}"
    )
