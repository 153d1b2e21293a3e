"""What the page generates galaxies with: the prior of the codes and the noise of real images, as plain arrays.

The page draws codes in closed form, from N(0, I) or a mixture of Gaussians (`web/latent/prior.js`), and noise as
`galvae.noise.residual_noise` does (`web/latent/noise.js`). What is the same in every draw is computed here.
"""

import logging

import numpy as np

from galvae.errors import GalvaeError
from galvae.latent.priors.gaussian import GaussianPrior
from galvae.latent.priors.mixture import MIN_VARIANCE
from galvae.latent.priors.normal import NormalPrior
from galvae.noise.residual_noise import SCORES
from galvae.runs.priors import FILE, chosen_prior, stored_prior

log = logging.getLogger(__name__)


def prior_of_run(run, codes):
    """The prior from which the page draws random galaxies.

    It is the one that was chosen for the run, else that of its training. In place of a flow, whose networks are not in
    the page, stands the mixture that was fitted beside it, else the Gaussian; its label says so.

    Args:
        run: StoredRun.
        codes: (n, latent_dim) codes of its galaxies.

    Returns:
        (spec, arrays): a JSON-able dict of `kind` ("normal" or "mixture"), `label`, `latent_dim` and `condition_dim`
        (0: the prior does not depend on a condition); and a dict of arrays. Those of a mixture of k Gaussians are in
        standard units, from which prior.shift and prior.scale (latent_dim + K,) lead to physical ones:

        - prior.log_weights (k,), prior.means (k, latent_dim + K), of codes and then the condition;
        - prior.roots (k, latent_dim (latent_dim + 1) / 2), lower triangles L, row after row, where L L' is the
          covariance of the codes at a condition;
        - prior.gains (k, latent_dim, K), by which a difference of conditions moves the mean of the codes;
        - prior.whitening (k, K, K), which gives a difference of conditions the covariance 1.
    """
    try:
        prior, label = _prior(run, codes)
    except GalvaeError as error:
        prior, label = _without_fit(run, codes)
        log.warning("random galaxies of the page are drawn from another prior, %s: %s", label, error)
    if isinstance(prior, NormalPrior):
        return _spec("normal", label, prior.latent_dim, 0, {})
    arrays = _mixture_arrays(prior)
    return _spec("mixture", label, prior.latent_dim, len(prior.shift) - prior.latent_dim, arrays)


def noise_of_run(run):
    """The noise that the page can add to decoded galaxies, as it was learned from the run's residuals.

    Args:
        run: StoredRun.

    Returns:
        (spec, arrays, reason): a JSON-able dict of `reach` [y, x] of the covariances in pixels, `parity`, and `scores`
        [first, last] standard deviations at which noise.quantiles (n, C) stand; and a dict of arrays: noise.sky and
        noise.galaxy (lags, C, C) are covariances from the distance (0, 0) on, row after row: those at opposite
        distances are transposed; the others are those of ResidualNoise. Without noise, spec is None, and the reason
        says why.
    """
    try:
        noise = run.noise
    except GalvaeError as error:
        log.warning("the page has no noise: %s", error)
        return None, {}, "the file of this run's noise cannot be used; galvae prior run=... learns it again"
    if noise is None:
        return None, {}, "this run has learned no noise; galvae prior run=... learns it"
    arrays = {
        "noise.sky": _half(noise.sky).astype(np.float16),
        "noise.galaxy": _half(noise.galaxy).astype(np.float16),
        **{
            f"noise.{name}": np.asarray(getattr(noise, name), np.float32)
            for name in ("quantiles", "brightness", "excess", "levels", "amplitudes")
        },
    }
    spec = {
        "reach": [length // 2 for length in noise.sky.shape[:2]],
        "parity": noise.parity.tolist(),
        "scores": [float(SCORES[0]), float(SCORES[-1])],
    }
    return spec, arrays, ""


def _prior(run, codes):
    """The prior of a run that the page can draw from, and its label."""
    name = chosen_prior(run)
    if name is None:
        return _without_fit(run, codes)
    if name != "flow":
        prior = stored_prior(run, name)
        return prior, prior.label
    for other in ("mixture", "gaussian"):
        if (run.path / "priors" / other / FILE).exists():
            prior = stored_prior(run, other)
            return prior, f"{prior.label}; the run's flow is not in this page"
    prior, label = _moments(codes)
    return prior, f"{label}; the run's flow is not in this page"


def _without_fit(run, codes):
    """The prior of a run to which none was fitted, and its label."""
    if run.has_posterior:
        prior = NormalPrior(run.latent_dim)
        return prior, prior.label
    return _moments(codes)


def _moments(codes):
    """A Gaussian with the mean and covariance of codes, and its label."""
    return GaussianPrior.fit(codes), "Gaussian with the mean and covariance of this run's codes"


def _spec(kind, label, latent_dim, condition_dim, arrays):
    return {"kind": kind, "label": label, "latent_dim": latent_dim, "condition_dim": condition_dim}, arrays


def _mixture_arrays(prior):
    """The arrays of a mixture, see `prior_of_run`.

    Reference:
        Bishop 2006, Pattern Recognition and Machine Learning, eqs. 2.81 and 2.82 (conditional Gaussian).
    """
    columns = slice(prior.latent_dim, None)
    gains, covariances = zip(*map(prior.given_condition, range(len(prior.weights))), strict=True)
    values, vectors = np.linalg.eigh(prior.covariances[:, columns, columns])
    values = np.maximum(values, MIN_VARIANCE)
    whitening = np.swapaxes(vectors, 1, 2) / np.sqrt(values)[..., None]
    # With the determinant of the condition's covariance, on which its density depends too.
    log_weights = np.log(prior.weights) - 0.5 * np.log(values).sum(axis=1)
    arrays = {
        "log_weights": log_weights - log_weights.max(),
        "means": prior.means,
        "shift": prior.shift,
        "scale": prior.scale,
    }
    if values.size:
        arrays |= {"gains": np.stack(gains), "whitening": whitening}
    arrays = {f"prior.{name}": array.astype(np.float32) for name, array in arrays.items()}
    return {**arrays, "prior.roots": _triangles(np.stack(covariances)).astype(np.float16)}


def _triangles(covariances):
    """Lower triangles of covariances (k, d, d), which may be singular: see prior.roots of `prior_of_run`."""
    values, vectors = np.linalg.eigh(covariances)
    roots = vectors * np.sqrt(np.maximum(values, 0))[:, None]
    upper = np.linalg.qr(np.swapaxes(roots, 1, 2), mode="r")
    upper = upper * np.where(np.diagonal(upper, axis1=1, axis2=2) < 0, -1, 1)[..., None]
    rows, columns = np.tril_indices(covariances.shape[-1])
    return upper[:, columns, rows]


def _half(covariance):
    """Half of covariances (2 reach_y + 1, 2 reach_x + 1, C, C), see `noise_of_run`."""
    lags = covariance.reshape(-1, *covariance.shape[2:])
    lags = 0.5 * (lags + np.swapaxes(lags[::-1], 1, 2))
    return lags[len(lags) // 2 :]
