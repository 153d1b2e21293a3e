"""Numbers of a card by which a hyperparameter search compares its trials, of validation galaxies alone."""

import dataclasses
import logging

from galvae.analysis.evaluators import card
from galvae.runs.search import NUMBERS, card_of, number_at
from galvae.runs.trained_run import TrainedRun
from galvae.system.atomic import save_json

log = logging.getLogger(__name__)


def measure(path, objectives):
    """Measures cards of a trained run, as `galvae evaluate` does, and writes their numbers into objective.json.

    Test galaxies take no part, also in cards that otherwise compare those of both splits: they must have no part in the
    choice of a run whose test galaxies are reported. The numbers are therefore not those of `galvae evaluate`.

    Args:
        path: path of the run's directory.
        objectives: list of numbers, see `galvae.runs.search.number_at`; not those of metrics.json.

    Raises:
        GalvaeError: if a card has no such number, or cannot be measured on so few galaxies.
    """
    run = TrainedRun.open(path)
    dataset = run.dataset
    run.dataset = dataclasses.replace(dataset, splits={**dataset.splits, "test": dataset.splits["test"][:0]})
    wanted = [name for name in objectives if card_of(name)]
    cards = sorted({card_of(name) for name in wanted})
    count = len(dataset.split("val"))
    log.info("measuring %s on %d validation galaxies, for the search", ", ".join(wanted), count)
    summary, _ = card(run, cards=cards, split="val")
    numbers, source = {}, f"cards=[{','.join(cards)}] of {count} validation galaxies"
    for name in wanted:
        # Some cards have entries beside each other in metrics.json, without their own name before them.
        first, _, rest = name.partition(".")
        numbers[name] = number_at(summary, name if first in summary else rest, source)
    save_json(
        run.path / NUMBERS,
        {"weights_sha256": run.weights_digest, "split": "val", "galaxies": count, "numbers": numbers},
    )
