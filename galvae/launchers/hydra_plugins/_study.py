"""The study of hydra/sweeper=optuna: opened or begun, its sampler, and what makes it one search and no other."""

import dataclasses

import numpy as np
import optuna
from hydra_plugins._space import describe

from galvae.config.train import TrainCommand, TrainConfig
from galvae.errors import GalvaeError
from galvae.runs import search as record
from galvae.runs.study import JOURNAL, open_storage, pruner
from galvae.system.atomic import save_json

NAME = "galvae"  # of a study in a file of its own
ATTRIBUTE = "galvae"  # of a study: what makes it this search and no other
MOST_KEYS = 3  # differing keys in an error message
# Keys of a call, which change no result, and may differ between the calls that a search is resumed by.
FREE_KEYS = {f.name for f in dataclasses.fields(TrainCommand)} - {
    f.name for f in dataclasses.fields(TrainConfig)
}


def open_study(folder, sweeper, space, fixed):
    """Opens the study of an earlier call, or begins one, and writes search.json for its trials.

    Args:
        folder: path of the sweep's directory.
        sweeper: hydra_plugins.optuna.OptunaSweeper.
        space, fixed: see `hydra_plugins._space.read_space`.

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
    there, here = study.user_attrs.get(ATTRIBUTE), _identity(sweeper, space, fixed)
    if there is None and not study.get_trials(deepcopy=False):
        study.set_user_attr(ATTRIBUTE, here)
    elif there != here:
        raise GalvaeError(_difference(folder, there, here))
    search = record.Search(
        storage=where,
        study=name,
        objectives=sweeper.objectives,
        pruner=stops,
        sign=-1 if sweeper.directions == ["maximize"] else 1,
    )
    save_json(folder / record.RECORD, dataclasses.asdict(search))
    if sweeper.storage:
        (folder / record.RECORD).chmod(0o600)  # a URL may hold a password
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


def _identity(sweeper, space, fixed):
    """What makes a study this search: its space, what is fixed, and what is compared, as texts by key."""
    return {
        "hydra.sweeper.objective": ",".join(sweeper.objectives),
        "hydra.sweeper.direction": ",".join(sweeper.directions),
        **{key: value for key, value in fixed.items() if key.lstrip("+~") not in FREE_KEYS},
        **{key: describe(distribution) for key, distribution in space.items()},
    }


def _difference(folder, there, here):
    """The message for a study of another search."""
    there = there if isinstance(there, dict) else {}
    names = [name for name in {**there, **here} if there.get(name) != here.get(name)]
    differing = ", ".join(
        f"{name}={here.get(name, 'none')} (there {there.get(name, 'none')})" for name in names[:MOST_KEYS]
    )
    more = f" and {len(names) - MOST_KEYS} more" if len(names) > MOST_KEYS else ""
    return (
        f"{folder} holds the study of another search; expected the same keys and values, or another "
        f"hydra.sweep.dir=..., received {differing}{more}"
    )
