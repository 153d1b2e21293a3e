"""How far the latent codes of galaxies lie from the prior that new galaxies are drawn from."""

import numpy as np

from galvae.analysis.report import UNMEASURED, Report
from galvae.analysis.statistics import summary
from galvae.data.dataset import evenly
from galvae.latent.prior_distance import wasserstein
from galvae.latent.priors.mixture import MixturePrior

CHOOSING = 5  # one in so many training galaxies chooses among the densities
MOST_FITTED, MOST_HELD_OUT = 10_000, 5_000  # galaxies
FEW = 20  # fewer galaxies on either side give no density, or no error
REFERENCE = 100_000  # codes of the prior, whose own distance from it is small
SMALLEST_STD = (
    1e-6  # of a prior that has a density; the codes of an autoencoder's dead dimension are all the same
)
# Mean W1 of decoded and of sampled galaxies and the share of samples without a galaxy, Hubble stamps of 32 px, one
# training each of 8 or 16 latents, by the lower bound in nats: 0.4: 0.23, 0.38, 3 %; 2.1 (a plain autoencoder with its
# Gaussian): 0.44, 0.48, 5 %; 5.1: 0.33, 0.99, 27 %; 8.9: 0.25, 1.11, 41 %; 14.7: 0.21, 1.30, 57 %.
WARNINGS = {
    4.0: "samples will not look like galaxies; fit a prior",
    1.0: "samples will be worse than decoded galaxies; fit a prior",
}


def measure(run, indices, config, columns):
    """Measures how far the codes of galaxies, one sample of each posterior, lie from the run's prior.

    A density is fitted to codes of the training split; validation and test split together say how much better than the
    prior it describes new ones. The split that the command evaluates does not matter. Where galaxies have a condition,
    both are densities of codes given it, and the prior's samples are drawn under the conditions of the galaxies.

    Args:
        run, indices, config, columns: see `galvae.analysis.evaluators`.

    Returns:
        Report.
    """
    texts = {
        "question": "Are random codes of the prior like the codes of galaxies?",
        "perfect": "0 nats: the codes of galaxies are distributed as the prior",
        "chance": "as many nats as there are: from four nats on, samples do not look like galaxies",
    }
    dataset, prior, has_posterior = run.dataset, run.prior(config.prior), "kl" in run.model.terms
    train, held_out = (
        dataset.split("train"),
        dataset.held_out,
    )
    train = train[evenly(len(train), MOST_FITTED)]
    held_out = held_out[evenly(len(held_out), MOST_HELD_OUT)]
    reason, constant = None, np.flatnonzero(prior.std < SMALLEST_STD)
    if min(len(train), len(held_out)) < FEW:
        reason = (
            f"{len(train)} training galaxies and {len(held_out)} of validation and test are too few; {FEW} of each "
            "are needed"
        )
    elif len(constant):
        reason = f"the prior has no scatter in {len(constant)} of {run.model.latent_dim} latent dimensions"
    if reason is not None:
        return Report(
            **texts,
            summary={"prior": {UNMEASURED: reason}},
            lines=[f"  prior            not measured: {reason}"],
        )
    codes = run.codes("all")
    samples = codes.sample(config.seed)
    fitted, new = (samples[np.searchsorted(codes.indices, rows)] for rows in (train, held_out))
    conditions = run.condition(train), run.condition(held_out)
    nats, density = divergence(fitted, new, prior, config.bootstrap, config.seed, *conditions)
    drawn = np.concatenate([fitted, new]).astype(np.float64)
    own = None if conditions[0] is None else np.concatenate(conditions)
    repeated = None if own is None else own[np.arange(REFERENCE) % len(own)]
    reference = prior.sample(REFERENCE, repeated, config.seed).astype(np.float64)
    distance, floor = (
        wasserstein(codes, reference) / reference.std(axis=0)
        for codes in (drawn, prior.sample(len(drawn), own, config.seed + 1))
    )
    result = {
        "prior": prior.label,
        "posterior": has_posterior,
        "nats": {**nats, "n": len(new)},
        "density": density,
        "latents": {
            "n": len(drawn),
            "mean": drawn.mean(axis=0).tolist(),
            "std": drawn.std(axis=0).tolist(),
            "w1": distance.tolist(),
            "w1_floor": float(floor.mean()),
        },
    }
    return Report(
        **texts,
        summary={"prior": result},
        arrays={
            "prior": {
                "indices": np.concatenate([train, held_out]),
                "sample": drawn.astype(np.float32),
                "latent_mean": drawn.mean(axis=0),
                "latent_std": drawn.std(axis=0),
                "w1": distance,
            }
        },
        facts={
            "reference": reference.astype(np.float32),
            "prior": prior.label,
            "posterior": has_posterior,
            "nats": nats,
        },
        lines=[_line(nats, prior.label, len(new), has_posterior)],
    )


def divergence(fitted, held_out, prior, resamples, seed, condition=None, held_out_condition=None):
    """Lower bound on the Kullback-Leibler divergence of the distribution of codes from a prior.

    The divergence is the mean of log q - log p over codes of q. With any other density r for the unknown q the mean is
    smaller, by the divergence of q from r, so that the best r that is fitted to other codes gives a lower bound. Those
    tried are the prior itself and mixtures of Gaussians, one of which is a full Gaussian; a part of the codes that they
    are fitted to chooses among them. Given a condition, all are densities of codes at that condition.

    Args:
        fitted: (n, latent_dim) codes to which densities are fitted.
        held_out: (m, latent_dim) other codes, on which the bound is measured.
        prior: Prior.
        resamples: number of bootstrap resamples.
        seed: seed of the fits and of the bootstrap.
        condition, held_out_condition: (n, K) and (m, K) in physical units, or None.

    Returns:
        (nats, density): dict with value, low and high (95 % interval by a bootstrap over the held-out codes), and the
        density in words.

    Reference:
        Hoffman & Johnson 2016, "ELBO surgery" (the divergence of the aggregate posterior from the prior); Donsker &
        Varadhan 1975 (the bound).
    """
    choosing = np.arange(len(fitted)) % CHOOSING == 0
    parts = [(fitted[rows], None if condition is None else condition[rows]) for rows in (~choosing, choosing)]
    density = MixturePrior.fit(*parts[0], seed, parts[1])
    if density.log_prob(*parts[1]).mean() <= prior.log_prob(*parts[1]).mean():
        return {"value": 0.0, "low": 0.0, "high": 0.0}, "the prior itself"
    new = held_out, held_out_condition
    result = summary(density.log_prob(*new) - prior.log_prob(*new), resamples, seed)
    nats = {"value": result["mean"], "low": result["low"], "high": result["high"]}
    return nats, f"a {density.label}"


def _line(nats, name, count, has_posterior):
    texts = (f": {text}" for least, text in WARNINGS.items() if nats["low"] > least)
    warning = next(texts, "")
    without = "" if has_posterior else "; a plain autoencoder has no posterior, its codes are measured"
    return (
        f"  prior            codes lie at least {max(nats['value'], 0):.3g} nats from {name}{warning} "
        f"(95 %: {nats['low']:.3g} to {nats['high']:.3g}; {count} galaxies{without})"
    )
