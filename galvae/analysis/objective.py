"""Numbers of a card by which a hyperparameter search compares its trials, of validation galaxies alone."""

import dataclasses
import logging

from galvae.analysis.evaluators import card
from galvae.analysis.galaxy_sets import FEWEST
from galvae.errors import GalvaeError
from galvae.runs.search import NUMBERS, NotMeasured, card_of, number_at
from galvae.runs.trained_run import TrainedRun
from galvae.system.atomic import save_json

log = logging.getLogger(__name__)


def measure(path, objectives):
    """Measures cards of a trained run, as `galvae evaluate` does, and writes their numbers into objective.json.

    A number that this run does not have, as where its codes decode to NaN, is written as the reason.

    Test galaxies take no part, also in cards that otherwise compare those of both splits: they must have no part in the
    choice of a run whose test galaxies are reported. The numbers are therefore not those of `galvae evaluate`.

    Args:
        path: path of the run's directory.
        objectives: list of numbers, see `galvae.runs.search.number_at`; not those of metrics.json.

    Raises:
        GalvaeError: if a card has no such number, or cannot be measured on so few galaxies, in any trial.
    """
    run = TrainedRun.open(path)
    dataset = run.dataset
    run.dataset = dataclasses.replace(dataset, splits={**dataset.splits, "test": dataset.splits["test"][:0]})
    wanted = [name for name in objectives if card_of(name)]
    cards = sorted({card_of(name) for name in wanted})
    count = len(dataset.split("val"))
    if "card" in cards and count < FEWEST:
        raise GalvaeError(
            f"hydra.sweeper.objective: {', '.join(wanted)}: expected {FEWEST} validation galaxies or more, which alone "
            f"count in a search, received {count}; dataset.split=... gives more"
        )
    log.info("measuring %s on %d validation galaxies, for the search", ", ".join(wanted), count)
    summary, _ = card(run, cards=cards, split="val")
    numbers, missing, source = {}, {}, f"cards=[{','.join(cards)}] of {count} validation galaxies"
    for name in wanted:
        # Some cards have entries beside each other in metrics.json, without their own name before them.
        first, _, rest = name.partition(".")
        try:
            numbers[name] = number_at(summary, name if first in summary else rest, source)
        except NotMeasured as error:
            log.warning("%s", error)
            missing[name] = str(error)
    of = {"weights_sha256": run.weights_digest, "split": "val", "galaxies": count}
    save_json(run.path / NUMBERS, {**of, "numbers": numbers, "not measured": missing})
