"""What hydra/sweeper=optuna says of a search: a table of its trials, the best of them, and what may deceive."""

import csv
import io
import logging

from hydra_plugins._space import points
from optuna.trial import TrialState

from galvae.system.atomic import replacing

TABLE = "trials.csv"
SHOWN = 10  # trials of a Pareto front that are printed
# Groups and sections whose values change what the validation loss is a sum of.
LOSS_KEYS = ("beta", "reconstruction", "model", "dataset", "recipe", "experiment")
STATES = {
    TrialState.COMPLETE: "finished",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}
SUCCEEDED = (TrialState.COMPLETE, TrialState.PRUNED)

log = logging.getLogger(__name__)


def words_of(values):
    """Words of a command line that give keys their values."""
    return [f"{key}={value}" for key, value in values.items()]


def text_of(values, objectives):
    """Objectives and their values, as text."""
    return ", ".join(f"{name} {value:.6g}" for name, value in zip(objectives, values, strict=True))


def warn(sweeper, space, slots):
    """Says what may make the numbers of trials other than they seem.

    Args:
        sweeper: hydra_plugins.optuna.OptunaSweeper.
        space: see `hydra_plugins._space.read_space`.
        slots: number of trials at a time.
    """
    searched = [key for key in space if key.lstrip("+").startswith(LOSS_KEYS)]
    losses = [name for name in sweeper.objectives if name.startswith(("val_", "scores.loss"))]
    if searched and (losses or sweeper.pruner):
        log.warning(
            "%s may change what %s is a sum of, and its weights: the smallest need not be the best; "
            "hydra.sweeper.objective=card.sampled.w1 compares galaxies",
            *(
                ", ".join(searched),
                losses[0] if losses else "the validation loss, by which trials are stopped,",
            ),
        )
    noisy = [key for key in searched if not key.lstrip("+").startswith(("beta", "dataset"))]
    if noisy and "card.w1" in sweeper.objectives:
        log.warning(
            "%s may change what card.w1 is of: galaxies with noise where a run learns it, else without; "
            "hydra.sweeper.objective=card.sampled.w1 is of galaxies without noise",
            ", ".join(noisy),
        )
    if points(space) < sweeper.trials:
        log.warning(
            "hydra.sweeper.trials=%d: the search space has only %d points, so some are trained again, alike",
            *(sweeper.trials, points(space)),
        )
    if sweeper.pruner and sweeper.objectives != ["val_loss"]:
        log.warning(
            "hydra.sweeper.pruner=%s stops trials by val_loss, which only stands in for %s",
            *(sweeper.pruner, sweeper.objectives[0]),
        )
    if slots > max(1, sweeper.trials // 3):
        log.warning(
            "%d of %d trials at a time: those of a batch do not know each other's results; a smaller "
            "hydra.launcher.jobs lets the search learn more often",
            *(slots, sweeper.trials),
        )


def drawn(trials, space):
    """The trials whose keys have all been drawn: one that was interrupted before counts for none."""
    return [trial for trial in trials if space.keys() <= trial.params.keys()]


def write_table(path, trials, objectives, space):
    """Writes a table with a row for each trial.

    Args:
        path: path of the CSV file.
        trials: list of Optuna's FrozenTrial.
        objectives: names of the numbers that are compared.
        space: keys that are searched over.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["trial", "status", *objectives, *space, "directory", "error"])
    for trial in trials:
        values = trial.values if trial.state == TrialState.COMPLETE else [""] * len(objectives)
        given = [trial.params.get(key, "") for key in space]
        error = (
            "" if trial.state in SUCCEEDED else trial.user_attrs.get("error", "")
        )  # maybe of an earlier call
        held = trial.user_attrs.get("directory", ""), error
        writer.writerow([trial.number, STATES[trial.state], *values, *given, *held])
    with replacing(path) as beside:
        beside.write_text(text.getvalue(), encoding="utf-8")


def print_best(study, space, objectives, folder):
    """Prints the best trial, or those of the Pareto front, if any trial has finished.

    Args:
        study: Optuna's study.
        space: see `hydra_plugins._space.read_space`.
        objectives: names of the numbers that are compared.
        folder: absolute path of the search's directory.

    Returns:
        Whether one has.
    """
    ended = [trial for trial in drawn(study.get_trials(deepcopy=False), space) if trial.state.is_finished()]
    if not any(trial.state == TrialState.COMPLETE for trial in ended):
        return False
    best = study.best_trials if len(objectives) > 1 else [study.best_trial]
    what = "best" if len(objectives) == 1 else f"Pareto front, {len(best)}"
    print(f"{what} of {len(ended)} trials, all in {TABLE}:")
    for trial in best[:SHOWN]:
        print(f"  trial {trial.number}: {text_of(trial.values, objectives)}")
        print(f"    {' '.join(words_of(trial.params))}")
        print(f"    {folder / trial.user_attrs['directory']}")
    return True
