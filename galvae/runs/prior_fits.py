"""Priors fitted to the codes of a run: measured, chosen among, and stored in its directory."""

import logging
import time

import numpy as np

from galvae.data.dataset import evenly
from galvae.errors import GalvaeError
from galvae.latent.inference import encode_dataset
from galvae.latent.orientations import orientations_of
from galvae.latent.prior_distance import wasserstein_resampled
from galvae.latent.priors.normal import NormalPrior
from galvae.latent.priors.of_model import PRIORS
from galvae.runs import fitted
from galvae.runs.priors import CHOSEN, FILE
from galvae.system.atomic import save_json

MOST_VALIDATION = 4_000  # codes, of all orientations of a galaxy together
REFERENCE = 50_000  # samples of each prior, whose own distance from it is small
RESAMPLES = 100  # of the bootstrap

log = logging.getLogger(__name__)


def fit_priors(run, names, seed, most=None):
    """Fits priors to the codes of a run's training galaxies, measures them on validation galaxies and chooses one.

    Codes are samples of the posteriors, in all orientations of an image if the run was trained with them. The prior
    with the smallest W1 is chosen; among those whose W1 is larger by less than the error of the difference, the one
    with the largest likelihood. W1 is the mean over latent dimensions of the one-dimensional Wasserstein distance
    between samples of the prior, at the conditions of the validation galaxies, and the codes of these, in standard
    deviations of the training codes; its errors are those of a bootstrap over validation galaxies, the same for all.

    Args:
        run: TrainedRun.
        names: names of priors in PRIORS.
        seed: seed of the fits, samples and bootstrap.
        most: largest number of codes that priors are fitted to, evenly chosen; None: all.

    Returns:
        JSON-able report: `chosen`, a name; `priors`, for each name its label, seconds, w1, gap (w1 minus that of the
        training codes), nats (log-likelihood of a validation code) and above_normal (nats minus those of N(0, I)), each
        with its `_error`; `normal`, the same of N(0, I); `training_codes`, its w1: a perfect prior;
        and the numbers of galaxies, orientations and codes.

    Raises:
        GalvaeError: if there is one training galaxy, a code is not finite, or the run cannot be written to.
    """
    train, val = run.galaxies.split("train"), run.galaxies.split("val")
    if len(train) < 2:
        raise GalvaeError(
            "prior: expected a run of two or more training galaxies, received one; prior=normal of galvae sample needs "
            "no fit"
        )
    root = fitted.folder(run, "priors")  # first, so that a run that cannot be written to costs no time
    generator, count = np.random.default_rng(seed), _orientations(run)
    # Every galaxy in as many orientations as the others, or one more; which of them is random.
    pairs = evenly(len(train) * count, most or len(train) * count)
    shuffled = generator.permuted(np.tile(np.arange(count), (len(train), 1)), axis=1)
    codes, condition = _samples(run, train[pairs // count], shuffled.ravel()[pairs], seed)
    val = val[evenly(len(val), max(1, MOST_VALIDATION // count))]
    validation = _samples(run, np.repeat(val, count), np.tile(np.arange(count), len(val)), seed + 1)

    priors, seconds = {"normal": NormalPrior(run.model.latent_dim)}, {}
    for name in names:
        started = time.perf_counter()
        priors[name] = PRIORS[name].fit(codes, condition, seed, validation)
        seconds[name] = time.perf_counter() - started
    measures, training, resampled = _measure(list(priors.values()), codes, validation, len(val), seed)
    measures = dict(zip(priors, measures, strict=True))
    report = {
        "chosen": _best(list(priors), names, measures, resampled),
        "priors": {
            name: {"label": priors[name].label, "seconds": seconds[name], **measures[name]} for name in names
        },
        "normal": measures["normal"],
        "training_codes": training,
        "condition": list(run.state.condition_names),
        "n": {
            "training_galaxies": len(np.unique(pairs // count)),
            "training_codes": len(codes),
            "validation_galaxies": len(val),
            "validation_codes": len(validation[0]),
            "orientations": count,
        },
        "seed": seed,
    }
    for name in names:
        path = fitted.folder(run, "priors", name) / FILE
        fitted.save(path, priors[name].arrays(), fitted.identity(run), report["priors"][name])
    save_json(root / CHOSEN, report)
    return report


def lines(report):
    """The report of fitted priors in words, a line for each and one for what they are compared with.

    Args:
        report: see `fit_priors`.
    """
    n, perfect = report["n"], report["training_codes"]
    texts = [
        f"  {name:9s} W1 {_text(one, 'w1')}, {_text(one, 'gap', '+')} from that of training galaxies; "
        f"{_text(one, 'nats', digits=2)} nats per galaxy, {_text(one, 'above_normal', '+', 2)} above N(0, I) "
        f"({one['label']}, {one['seconds']:.0f} s)"
        for name, one in report["priors"].items()
    ]
    return [
        *texts,
        f"  chosen: {report['chosen']}; codes of training galaxies themselves, a perfect prior, have W1 "
        f"{_text(perfect, 'w1')} ({n['validation_galaxies']:,} validation galaxies; fitted to {n['training_codes']:,} "
        f"codes of {n['training_galaxies']:,} galaxies in {n['orientations']} orientation"
        f"{'s' * (n['orientations'] > 1)})",
    ]


def _text(numbers, name, sign="", digits=3):
    return f"{numbers[name]:{sign}.{digits}f} ± {numbers[f'{name}_error']:.{digits}f}"


def _orientations(run):
    """In how many orientations a run's images are encoded: all if it was trained with flips and rotations, else one.

    Without images, priors are fitted to the codes that the run keeps, those of one orientation.
    """
    count = len(orientations_of(run.model.image_shape, run.config.dataset.augment))
    if count > 1 and run.images_missing:
        log.info("priors are fitted to the codes of one orientation of %d", count)
        return 1
    return count


def _samples(run, rows, rotated, seed):
    """A sample of the posterior of each image (n,) in its orientation (n,), and its condition, see `Prior.fit`."""
    if run.images_missing:
        return run.codes_at(rows).sample(seed), run.condition(rows)
    return encode_dataset(run.model, run.dataset, rows, rotated).sample(seed), run.condition(rows)


def _measure(priors, codes, validation, galaxies, seed):
    """Measures priors on validation codes.

    Args:
        priors: list of Prior, N(0, I) first.
        codes: (n, latent_dim) training codes.
        validation: (codes, condition) of validation galaxies, all orientations of a galaxy together.
        galaxies: number of validation galaxies.
        seed: seed of samples and bootstrap.

    Returns:
        (measures, training, resampled): a dict for each prior and one for the training codes, see `fit_priors`; and the
        bootstrap resamples of each prior's W1, (priors, RESAMPLES).
    """
    new, condition = validation
    repeated = -(-REFERENCE // len(new))
    asked = None if condition is None else np.tile(condition, (repeated, 1))
    references = [prior.sample(repeated * len(new), asked, seed) for prior in priors]
    w1, resampled = wasserstein_resampled(
        new.reshape(galaxies, -1, new.shape[1]), [*references, codes], codes.std(axis=0), RESAMPLES, seed
    )
    nats = [prior.log_prob(new, condition).reshape(galaxies, -1).mean(axis=1) for prior in priors]
    measures = [
        {
            **_with_error("w1", w1[index], resampled[index].std()),
            **_with_error("gap", w1[index] - w1[-1], (resampled[index] - resampled[-1]).std()),
            **_with_error("nats", own.mean(), own.std() / np.sqrt(galaxies)),
            **_with_error("above_normal", (own - nats[0]).mean(), (own - nats[0]).std() / np.sqrt(galaxies)),
        }
        for index, own in enumerate(nats)
    ]
    return measures, _with_error("w1", w1[-1], resampled[-1].std()), resampled[:-1]


def _with_error(name, value, error):
    return {name: float(value), f"{name}_error": float(error)}


def _best(priors, names, measures, resampled):
    """The name of the prior to choose, see `fit_priors`."""
    smallest = min(names, key=lambda name: measures[name]["w1"])
    own = dict(zip(priors, resampled, strict=True))

    def agrees(name):
        difference = measures[name]["w1"] - measures[smallest]["w1"]
        return difference <= (own[name] - own[smallest]).std()

    return max(filter(agrees, names), key=lambda name: measures[name]["nats"])
