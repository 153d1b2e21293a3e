"""Results of `galvae evaluate` in a run's directory: of which weights they are, and whether they are old."""

import contextlib
import math
from dataclasses import dataclass
from pathlib import Path

from galvae.errors import GalvaeError
from galvae.runs.links import link_below
from galvae.system.atomic import save_json
from galvae.system.safe_read import read_json

RESULTS = "metrics.json"
OLD = " (old)"  # mark in a table
LARGEST_RESULTS = 10_000_000  # bytes
# Numbers of the physics card that compare runs of any loss, image size and model, by their keys in the results.
CARD = ("card.w1", "card.w1_error", "card.auc", "card.auc_error", "card.floor.w1", "card.floor.auc")


@dataclass(frozen=True)
class Evaluation:
    """Results of one call of `galvae evaluate`.

    Attributes:
        folder: path of their directory.
        epoch: epoch of the weights that were evaluated.
        old: whether the run has been trained further since, to other weights.
        results: content of their metrics.json.
    """

    folder: Path
    epoch: int
    old: bool
    results: dict


def evaluations(path, best_epoch, weights):
    """The evaluations in a run's directory, those that cannot be read left out.

    Args:
        path: the run's directory.
        best_epoch: epoch of the run's present weights, by which results of galvae 0.1, without a digest, are judged.
        weights: SHA-256 of these weights, see `galvae.runs.checkpoints.weights_digest`.

    Returns:
        list of Evaluation.
    """
    found = []
    # One level deeper too: a sweep of evaluations has a directory for each job.
    for file in sorted([*path.glob(f"evaluate*/{RESULTS}"), *path.glob(f"evaluate*/*/{RESULTS}")]):
        if link_below(path, file) is not None:  # perhaps out of a run that somebody else made
            continue
        try:
            results = read_json(file, LARGEST_RESULTS)
        except GalvaeError:
            continue
        epoch, digest = results.get("epoch"), results.get("weights_sha256")
        if isinstance(epoch, int):
            old = epoch != best_epoch if digest is None else digest != weights
            found.append(Evaluation(file.parent, epoch, old, results))
    return found


def mark_old(path, best_epoch, weights):
    """Marks the evaluations of a run's earlier weights as old, in their metrics.json.

    Args:
        path, best_epoch, weights: see `evaluations`.

    Returns:
        A line that names them; None if there is none.
    """
    old = [evaluation for evaluation in evaluations(path, best_epoch, weights) if evaluation.old]
    for evaluation in old:
        with contextlib.suppress(OSError):  # in a run of somebody else, which can only be read
            save_json(
                evaluation.folder / RESULTS,
                {**evaluation.results, "old": f"weights now of epoch {best_epoch}"},
            )
    if not old:
        return None
    names = ", ".join(
        f"{evaluation.folder.relative_to(path)} (epoch {evaluation.epoch})" for evaluation in old
    )
    return (
        f"old: {names}, since the run has been trained further and its weights are now of epoch {best_epoch}; "
        f"galvae evaluate run={path} evaluates them"
    )


def evaluated_epoch(path, best_epoch, weights):
    """The epoch that was evaluated last in a run's directory, as a text marked where it is old; None without any."""
    found = sorted(evaluations(path, best_epoch, weights), key=lambda one: (not one.old, one.epoch))
    return None if not found else f"epoch {found[-1].epoch}{OLD if found[-1].old else ''}"


def card_numbers(path, best_epoch, weights):
    """Numbers of the last physics card of a run's present weights, by name in CARD; empty without any.

    Args:
        path, best_epoch, weights: see `evaluations`.
    """
    for evaluation in reversed(evaluations(path, best_epoch, weights)):
        numbers = {}
        for name in CARD:
            entry = evaluation.results
            for key in name.split("."):
                entry = entry.get(key) if isinstance(entry, dict) else None
            if isinstance(entry, int | float) and math.isfinite(entry):
                numbers[name] = entry
        if numbers and not evaluation.old:
            return numbers
    return {}
