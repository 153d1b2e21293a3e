import itertools
import math

import keras
import numpy as np
import pytest
from builders.configs import train_config
from builders.models import build
from scipy import stats

from galvae.errors import GalvaeError
from galvae.models.likelihood import FAINTEST, FIRST_STD, SMALLEST_STD, SPEED, GaussianLikelihood


def fitted(noise, images, targets, mask=None, steps=400):
    """A likelihood whose noise alone is fitted, with all images in every step."""
    likelihood = GaussianLikelihood(images.shape[-1], noise, name="likelihood")
    inputs = [keras.Input(images.shape[1:]), keras.Input(images.shape[1:])]
    given = [images, targets]
    if mask is not None:
        inputs.append(keras.Input(images.shape[1:]))
        given.append(mask)
    model = keras.Model(inputs, likelihood(*inputs))
    rate = keras.optimizers.schedules.CosineDecay(0.05, steps)
    model.compile(optimizer=keras.optimizers.Adam(rate), loss=lambda _, nats: nats)
    batch = tuple(given), np.zeros(len(images))
    model.fit((batch for _ in itertools.count()), steps_per_epoch=steps, shuffle=False, verbose=0)
    return likelihood


def test_the_loss_is_the_density_in_nats_summed_over_pixels_and_bands():
    generator = np.random.default_rng(0)
    images, targets = generator.uniform(size=(2, 3, 4, 5, 2)).astype(np.float32)
    likelihood = GaussianLikelihood(2, "band", name="likelihood")
    likelihood.coefficients.assign([[0.1, -0.2]])
    std = np.sqrt(FIRST_STD**2 * np.exp(SPEED * np.array([0.1, -0.2])) + SMALLEST_STD**2)
    density = stats.norm.logpdf(targets, images, std)
    np.testing.assert_allclose(likelihood(images, targets), -density.sum(axis=(1, 2, 3)), rtol=1e-5)
    mask = generator.integers(2, size=images.shape)
    expected = -(density * (1 - mask)).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(likelihood(images, targets, mask), expected, rtol=1e-5)


@pytest.mark.parametrize("noise", ["scalar", "band", "brightness"])
def test_the_learned_noise_is_that_of_the_residuals_outside_of_the_mask(noise):
    generator = np.random.default_rng(1)
    images = np.exp(generator.uniform(np.log(0.01), np.log(0.9), (8, 40, 50, 2))).astype(np.float32)
    true = {
        "scalar": np.full(images.shape, 0.05),
        "band": np.broadcast_to([0.02, 0.07], images.shape),
        "brightness": np.stack([0.014 + 0.06 * images[..., 0], 0.05 * images[..., 1] ** 0.3], axis=-1),
    }[noise]
    targets = (images + true * generator.standard_normal(images.shape)).astype(np.float32)
    mask = (generator.random(images.shape) < 0.3).astype(np.float32)
    targets[mask == 1] = 40.0  # would be noticed
    likelihood = fitted(noise, images, targets, mask)
    learned = np.sqrt(np.asarray(likelihood.variance(images)))
    for low, high in ((0.01, 0.03), (0.03, 0.1), (0.1, 0.3), (0.3, 0.9)):
        inside = (images > low) & (images < high)
        ratio = np.broadcast_to(learned, images.shape)[inside] / true[inside]
        assert abs(np.sqrt(np.mean(ratio**2)) - 1) < (0.03 if noise == "brightness" else 0.02), (
            low,
            ratio.mean(),
        )


def test_the_noise_has_a_lower_limit_and_no_gradient_to_the_image():
    likelihood = GaussianLikelihood(1, "brightness", name="likelihood")
    likelihood.coefficients.assign([[-1e6], [0.3], [-0.2], [0.1]])
    images = np.array([0.0, FAINTEST, 1.0], np.float32).reshape(3, 1, 1, 1)
    np.testing.assert_allclose(likelihood.variance(images), SMALLEST_STD**2, rtol=1e-2)
    likelihood.coefficients.assign([[0.0], [0.3], [-0.2], [0.1]])
    # The gradient of the density by the decoded intensity is (m - x) / variance, as if the noise were constant.
    model = keras.Sequential([keras.Input((1, 1, 1)), Shift()])
    target = np.full((1, 1, 1, 1), 0.7, np.float32)
    model.compile(optimizer=keras.optimizers.SGD(1e-3), loss=lambda x, m: likelihood(m, x))
    start = 0.25
    model.fit(np.full((1, 1, 1, 1), start, np.float32), target, verbose=0)
    moved = float(model.layers[-1].offset.value) / 1e-3
    variance = float(np.asarray(likelihood.variance(np.full((1, 1, 1, 1), start, np.float32))).ravel()[0])
    assert math.isclose(moved, (0.7 - start) / variance, rel_tol=1e-3)


class Shift(keras.layers.Layer):
    """Adds one learned number."""

    def build(self, shape):
        self.offset = self.add_weight(shape=(), initializer="zeros")

    def call(self, values):
        return values + self.offset


def test_beta_has_one_meaning_for_every_image_size():
    """An image of twice the side, each pixel repeated, has four times the nats: nothing is averaged over pixels."""
    images = np.random.default_rng(2).uniform(size=(1, 4, 6, 3)).astype(np.float32)
    likelihood = GaussianLikelihood(3, "scalar", name="likelihood")
    large = images.repeat(2, axis=1).repeat(2, axis=2)
    small_nats, large_nats = (float(likelihood(0.9 * x, x)[0]) for x in (images, large))
    assert math.isclose(large_nats, 4 * small_nats, rel_tol=1e-5)


def correlated(shape, generator):
    """Residuals of three bands with given covariance, and that covariance."""
    root = np.array([[0.03, 0, 0], [0.02, 0.01, 0], [-0.01, 0.02, 0.04]])
    return generator.standard_normal(shape) @ root.T, root @ root.T


def test_the_learned_covariance_is_that_of_the_bands_and_its_density_is_normalised():
    generator = np.random.default_rng(3)
    images = np.full((8, 40, 50, 3), 0.5, np.float32)
    residuals, covariance = correlated(images.shape, generator)
    likelihood = fitted("covariance", images, (images + residuals).astype(np.float32), steps=800)
    normal = generator.standard_normal(images.shape).astype(np.float32)
    noise = np.asarray(likelihood.draw(images, normal)).reshape(-1, 3)
    np.testing.assert_allclose(np.cov(noise.T), covariance, atol=0.03 * covariance.max())
    np.testing.assert_allclose(noise.std(axis=0), np.sqrt(np.diag(covariance)), rtol=0.02)
    received = float(np.mean(likelihood(images, images + residuals.astype(np.float32))))
    expected = -stats.multivariate_normal.logpdf(residuals, cov=covariance).sum(axis=(1, 2)).mean()
    assert math.isclose(received, expected, rel_tol=1e-3)


def test_a_band_that_is_set_aside_says_nothing_of_the_others():
    likelihood = GaussianLikelihood(3, "covariance", name="likelihood")
    likelihood.mixing.assign(np.full((3, 3), 0.05, np.float32))
    images = np.full((1, 4, 4, 3), 0.5, np.float32)
    mask = np.zeros_like(images)
    mask[..., 0] = 1
    values = [
        float(
            likelihood(
                images,
                np.concatenate([np.full((1, 4, 4, 1), x, np.float32), 1.1 * images[..., 1:]], -1),
                mask,
            )[0]
        )
        for x in (0.5, 40.0)
    ]
    assert values[0] == values[1]


def test_a_model_tells_the_noise_that_it_has_learned_or_refuses():
    model = build("vae", reconstruction="gaussian", noise="band")
    model.likelihood.coefficients.assign([[0.0, 0.1, -0.1]])
    images = np.full((2, 16, 16, 3), 0.5, np.float32)
    noise = np.asarray(model.noise(images, np.full_like(images, -2.0)))
    assert noise.shape == (2, 16, 16, 3)
    expected = np.sqrt(FIRST_STD**2 * np.exp(SPEED * np.array([0.0, 0.1, -0.1])) + SMALLEST_STD**2)
    np.testing.assert_allclose(noise[1, 3, 5], -2 * expected, rtol=1e-5)
    with pytest.raises(GalvaeError, match="noise: expected a run with reconstruction.loss=gaussian"):
        build("vae", reconstruction="mse").noise(images, images)


def test_a_weight_beside_the_learned_noise_is_refused():
    with pytest.raises(
        GalvaeError, match="reconstruction.weight: expected 1 with reconstruction.loss=gaussian"
    ):
        train_config("reconstruction.loss=gaussian", "reconstruction.weight=15")
