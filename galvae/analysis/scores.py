"""How well a model reconstructs each galaxy: the objective and the quality of the reconstruction."""

import numpy as np
from keras import ops

from galvae.analysis import image_quality
from galvae.analysis.report import Report
from galvae.analysis.statistics import summary
from galvae.data.batches import batches
from galvae.latent.inference import batch_size, compiled_for
from galvae.models import losses

QUALITY = {
    "mse": losses.mean_squared_error,
    "psnr": image_quality.peak_signal_to_noise,
    "ssim": image_quality.structural_similarity,
    "r2": image_quality.r_squared,
}
UNITS = {"psnr": "dB"}  # astropy has no unit for the nats of the objective


def measure(run, indices, config, columns):
    """Measures how well galaxies are reconstructed, as means with bootstrap intervals and as scores of each.

    Args:
        run, indices, config, columns: see `galvae.analysis.evaluators`.

    Returns:
        Report.
    """
    scores = score_dataset(run.model, run.dataset, run.codes_at(indices))
    results = {name: summary(values, config.bootstrap, config.seed) for name, values in scores.items()}
    bands = band_scores(run.dataset)
    return Report(
        question="How well does the model reconstruct galaxies that it has not seen?",
        perfect="mse 0, ssim 1, r2 1; psnr and bce reach the values of the images' own noise",
        chance="r2 0: every galaxy is reconstructed as a constant image of its mean intensity",
        summary={"scores": results},
        columns={name: (values, UNITS.get(name)) for name, values in scores.items()},
        lines=[
            *_lines({name: results[name] for name in results if name not in bands}),
            *_band_line(results, bands),
        ],
    )


def column_names(run):
    """Names of the columns that `measure` returns."""
    return ["loss", *run.model.terms, "bce", *QUALITY, *band_scores(run.dataset)]


def score_dataset(model, dataset, codes):
    """Computes the objective of each image and the quality of its reconstruction.

    The objective's terms are computed as in validation, with one code drawn from each posterior. The quality
    is that of the decoded posterior mean: bce (binary cross-entropy, summed over pixels and averaged over
    channels), mse, psnr, ssim and r2, in network units, and for images of several bands the mse of each. Pixels that a
    mask sets aside count in none of them; in ssim, whose windows need every pixel, they count as reconstructed
    without an error.

    Args:
        model: a model of galvae.models.
        dataset: GalaxyDataset.
        codes: Codes of the images to score.

    Returns:
        dict of arrays (n,): loss, its terms, bce, mse, psnr, ssim, r2, and those that `band_scores` names.
    """
    bands = band_scores(dataset)

    def score(inputs, mean, log_variance, noise):
        posterior = model.with_posterior(inputs, mean, log_variance)
        terms = model.loss_terms(model.reconstruct(posterior, model.sample_posterior(posterior, noise=noise)))
        result = {"loss": model.total_loss(terms, training=False), **terms}
        outputs = model.reconstruct(posterior, mean)
        logits, target, mask = outputs["logits"], outputs["target"], outputs.get("mask")
        decoded = ops.sigmoid(logits)
        result["bce"] = losses.binary_cross_entropy(logits, target, mask)
        result |= {name: quality(decoded, target, mask) for name, quality in QUALITY.items()}
        if bands:
            errors = image_quality.mean_squared_error_per_band(decoded, target, mask)
            result |= {name: errors[:, band] for band, name in enumerate(bands)}
        return result

    score = compiled_for(score, model, len(codes.indices))
    # The noise is an argument because a function compiled by JAX must not change the state of the model's random
    # generator.
    generator = np.random.default_rng(model.seed)
    scored, start = [], 0
    for inputs in batches(dataset, codes.indices, "evaluating", batch_size(model)):
        part = slice(start, start + len(inputs["images"]))
        log_variance = None if codes.log_variance is None else codes.log_variance[part]
        noise = generator.standard_normal((len(inputs["images"]), model.latent_dim), np.float32)
        result = score(inputs, codes.mean[part], log_variance, noise)
        scored.append({name: np.asarray(values) for name, values in result.items()})
        start = part.stop
    return {name: np.concatenate([batch[name] for batch in scored]) for name in scored[0]}


def band_scores(dataset):
    """Names of the mean squared errors of single bands: mse_g, mse_r, ... or, without names of bands, mse_0, mse_1, ...

    Args:
        dataset: GalaxyDataset.

    Returns:
        list with a name for each band; empty for images of one band.
    """
    count, names = dataset.image_shape[-1], dataset.band_names
    if count == 1:
        return []
    return [f"mse_{name}" for name in (names if len(set(names)) == count else range(count))]


def _lines(results):
    for name, result in results.items():
        if result["mean"] is not None:
            interval = (
                "" if result["low"] is None else f"  (95 %: {result['low']:.5g} to {result['high']:.5g})"
            )
            undefined = result["undefined"]
            left_out = f"; {undefined} without a finite value left out" if undefined else ""
            yield f"  {name:16} {result['mean']:.5g}{interval}{left_out}"
        else:
            yield f"  {name:16} no galaxy has a finite value"


def _band_line(results, bands):
    errors = [f"{name} {results[name]['mean']:.3g}" for name in bands if results[name]["mean"] is not None]
    return [f"  {'by band':16} {', '.join(errors)}"] if errors else []
