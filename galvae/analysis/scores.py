"""Scores of a trained model, galaxy by galaxy."""

import numpy as np
from keras import ops

from galvae.analysis import image_quality
from galvae.latent import codes
from galvae.models import losses

QUALITY = {
    "bce": lambda outputs: losses.binary_cross_entropy(outputs["logits"], outputs["target"]),
    "mse": lambda outputs: image_quality.mean_squared_error(*_images(outputs)),
    "psnr": lambda outputs: image_quality.peak_signal_to_noise(*_images(outputs)),
    "ssim": lambda outputs: image_quality.structural_similarity(*_images(outputs)),
    "r2": lambda outputs: image_quality.r_squared(*_images(outputs)),
}
UNITS = {"psnr": "dB"}  # the nats of the objective are no unit of astropy's


def score_dataset(model, dataset, indices):
    """The objective, the quality of the reconstruction, and the posterior of each image.

    The objective's terms are computed as in validation, with one code drawn from each posterior. The quality
    is that of the decoded posterior mean: bce (binary cross-entropy, summed over pixels and averaged over
    channels), mse, psnr, ssim and r2, in network units.

    Args:
        model: a model of galvae.models.
        dataset: GalaxyDataset.
        indices: (n,) images.

    Returns:
        dict of arrays (n,): loss, its terms, bce, mse, psnr, ssim, r2; and mean (n, latent_dim), for models with
        a posterior log_variance (n, latent_dim), for fancy_cvae predicted (n, K) in physical units.
    """

    def score(inputs, noise):
        inferred = model.infer(inputs, training=False)
        terms = model.loss_terms(model.reconstruct(inferred, model.sample_posterior(inferred, noise=noise)))
        found = {"loss": model.total_loss(terms, training=False), **terms}
        outputs = model.reconstruct(inferred, inferred["mean"])
        found.update({name: quality(outputs) for name, quality in QUALITY.items()})
        for name in ("mean", "log_variance"):
            if name in outputs:
                found[name] = outputs[name]
        if "predicted" in outputs:
            predicted = model.predict_condition(inputs["images"])
            if predicted is None:
                predicted = model.physical_condition(outputs["predicted"])
            found["predicted"] = predicted
        return found

    score = codes.for_many(score, len(indices))
    # Given from outside: a compiled function of JAX must leave no state, such as the model's own generator, behind.
    generator = np.random.default_rng(model.seed)
    batches = []
    for inputs in codes.batches(dataset, indices, "evaluating"):
        noise = generator.standard_normal((len(inputs["images"]), model.latent_dim), np.float32)
        batches.append({name: np.asarray(values) for name, values in score(inputs, noise).items()})
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def _images(outputs):
    return ops.sigmoid(outputs["logits"]), outputs["target"]
