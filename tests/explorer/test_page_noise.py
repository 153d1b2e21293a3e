"""The page's noise and its Fourier transform, in JavaScript, against those of the package."""

import logging
from types import SimpleNamespace

import numpy as np
import pytest
from builders.galaxies import ellipses
from builders.javascript import context, put, take
from scipy import stats
from scipy.ndimage import gaussian_filter

from galvae.errors import GalvaeError
from galvae.explorer.generation import noise_of_run
from galvae.noise import residual_noise
from galvae.noise.covariances import spectrum_of

HEIGHT, WIDTH, BANDS = 11, 16, 3  # no power of two, and not square
SKY = 0.3  # far from 0, where noise would be cut off
DRAWS = 400


def decoded_images(count, seed=0):
    """Galaxies without symmetry, of different brightness, on an even sky."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    images = np.full((count, HEIGHT, WIDTH, BANDS), SKY, np.float32)
    for image in images:
        dy, dx, radius = y - generator.uniform(4, 6), x - generator.uniform(6, 9), generator.uniform(1, 2)
        shape = np.exp(-0.5 * (((dx + 0.5 * dy) / 1.6) ** 2 + dy**2) / radius**2)
        image += generator.uniform(0.05, 0.4) * shape[..., None] * np.float32([1, 0.8, 0.6])
    return images


def residuals_of(decoded, seed=0):
    """Noise along one diagonal, whose second band is the first one moved, skewed, stronger and even on galaxies."""
    generator = np.random.default_rng(seed + 1)
    noise = gaussian_filter(generator.normal(size=decoded.shape), (0, 0.5, 0.9, 0), mode="wrap")
    noise = noise + 0.7 * np.roll(noise, (1, 1), (1, 2))
    noise[..., 1] = 0.6 * np.roll(noise[..., 0], (1, 2), (1, 2)) + 0.8 * noise[..., 1]
    noise /= noise.std(axis=(0, 1, 2))
    above = decoded - SKY
    even = noise + 0.7 * noise[:, ::-1, ::-1]
    amplitude = generator.choice([0.8, 1.2], (len(decoded), 1, 1, 1))
    return amplitude * (0.01 * (noise + 0.2 * noise**2) + 0.2 * above * np.roll(even, 1, axis=0))


@pytest.fixture(scope="module")
def noise():
    decoded = decoded_images(150)
    with pytest.MonkeyPatch.context() as patch:  # what is compared need not be calibrated well
        patch.setattr(residual_noise, "MOST_CALIBRATED", 50)
        return residual_noise.ResidualNoise.fit(residuals_of(decoded), decoded)


@pytest.fixture(scope="module")
def page(noise):
    page = context("latent/noise.js", "latent/fourier.js")
    spec, arrays, reason = noise_of_run(SimpleNamespace(noise=noise))
    assert reason == ""
    put(page, "spec", spec)
    put(page, "arrays", arrays)
    page.eval("const noise = new Noise(spec, arrays);")
    return page


@pytest.fixture(scope="module")
def both(page, noise):
    """An image, and noise of it by Python and by the page, (DRAWS, HEIGHT, WIDTH, BANDS) each."""
    (image,) = decoded_images(1, seed=5)
    expected = noise(np.tile(image, (DRAWS, 1, 1, 1)), np.random.default_rng(0))
    return image, expected, added(page, image, DRAWS) - image


def added(page, image, count):
    """An image with the page's noise of many seeds, (count, H, W, C)."""
    put(page, "image", image)
    numbers = take(
        page,
        f"(() => {{ const all = new Float32Array({count} * image.length); for (let seed = 0; seed < {count}; seed++)"
        f" all.set(noise.add(image, {', '.join(map(str, image.shape))}, seed), seed * image.length); return all; }})()",
    )
    return numbers.reshape(count, *image.shape)


def assert_same_mean(own, expected):
    """Means over independent draws (axis 0) agree within 5 standard errors of their difference, which it returns."""
    error = np.sqrt(own.var(axis=0) / len(own) + expected.var(axis=0) / len(expected))
    np.testing.assert_array_less(np.abs(own.mean(axis=0) - expected.mean(axis=0)), 5 * error)
    return error


@pytest.mark.parametrize("shape", [(1, 1), (2, 8), (16, 4), (32, 64)])
def test_the_transform_is_that_of_numpy(page, shape):
    values = np.random.default_rng(0).normal(size=(2, *shape))
    put(page, "re", values[0])
    put(page, "im", values[1])
    page.eval(f"transform2(re, im, {shape[0]}, {shape[1]})")
    found = (take(page, "re") + 1j * take(page, "im")).reshape(shape)
    np.testing.assert_allclose(found, np.fft.fft2(values[0] + 1j * values[1]), atol=1e-11)
    page.eval(f"transform2(im, re, {shape[0]}, {shape[1]})")
    np.testing.assert_allclose(take(page, "im").reshape(shape) / np.prod(shape), values[1], atol=1e-13)
    assert page.execute("[0, 1, 2, 3, 64, 65].map(powerOfTwo)") == [1, 1, 2, 4, 64, 128]


def roots_of(page, expression, frame, bands):
    """Matrices of the page at each frequency, (*frame, bands, bands)."""
    page.eval(f"globalThis.roots = {expression};")
    roots = np.empty((*frame, bands, bands), complex)
    for a, b in np.ndindex(bands, bands):
        real, imaginary = (take(page, f"roots[{a}][{b}].{part}").reshape(frame) for part in ("re", "im"))
        roots[..., a, b] = real + 1j * imaginary
    return roots


@pytest.mark.parametrize("name", ["sky", "galaxy"])
def test_roots_are_those_of_the_spectrum_without_negative_eigenvalues(page, noise, name):
    frame = 32, 32
    roots = roots_of(page, f"noise.rootsOf('{name}', {BANDS}, {list(frame)})", frame, BANDS)
    values, vectors = np.linalg.eigh(spectrum_of(getattr(noise, name), frame))
    assert values.min() < -0.005 * values.max()  # which the estimated covariances do have
    expected = vectors * np.maximum(values, 0)[..., None, :] @ vectors.conj().swapaxes(-1, -2)
    found = (roots @ roots)[:, : frame[1] // 2 + 1]
    np.testing.assert_allclose(found, expected, atol=2e-3 * np.abs(expected).max())
    opposite = roots[np.ix_(-np.arange(32) % 32, -np.arange(32) % 32)]  # of real fields
    np.testing.assert_array_equal(opposite, roots.conj())
    np.testing.assert_allclose(roots, roots.conj().swapaxes(-1, -2), atol=1e-6)


def test_bands_without_noise_or_with_equal_noise_have_roots(page):
    covariance = np.zeros((1, 4, 4), np.float32)
    covariance[0, :3, :3] = [[1, 2, 0], [2, 4, 0], [0, 0, 9]]
    put(page, "flat", covariance)
    (roots,) = {
        tuple(root.ravel())
        for root in roots_of(page, "spectrumRoots(flat, [0, 0], 4, [2, 2])", (2, 2), 4).reshape(4, 4, 4)
    }
    expected = np.zeros((4, 4))
    expected[:3, :3] = np.array([[1, 2, 0], [2, 4, 0], [0, 0, 3 * np.sqrt(5)]]) / np.sqrt(5)
    np.testing.assert_allclose(np.reshape(roots, (4, 4)), expected, atol=1e-6)


def test_fields_of_sky_and_galaxy_are_independent_and_their_bands_moved_in_their_directions(page):
    shifts = {
        "sky": (1, -1),
        "galaxy": (1, 2),
    }  # of the second band, which is the first one's noise and its own
    arrays = {}
    for name, (y, x) in shifts.items():
        full = np.zeros((5, 5, 2, 2), np.float32)
        full[2, 2] = np.eye(2)
        full[2 + y, 2 + x, 0, 1] = 0.8
        arrays[f"noise.{name}"] = full.reshape(25, 2, 2)[12:]
    put(page, "known", arrays)
    page.eval(
        "const fields = new Noise({ reach: [2, 2] }, known).gaussianFields(126, 250, 2, generator(5));"
        "const [skyField, galaxyField] = fields;"
    )
    sky, galaxy = (take(page, name).reshape(126, 250, 2) for name in ("skyField", "galaxyField"))
    error = 5 / np.sqrt(126 * 250)

    def product(first, second, shift):
        """Mean product of a field and another one a shift away, inside of their borders."""
        return (first[4:-4, 4:-4] * np.roll(second, (-shift[0], -shift[1]), (0, 1))[4:-4, 4:-4]).mean()

    for field, shift in ((sky, shifts["sky"]), (galaxy, shifts["galaxy"])):
        for one in (field[..., 0], field[..., 1]):
            assert product(one, one, (0, 0)) == pytest.approx(1, abs=2 * error)
            assert abs(product(one, one, shift)) < error
        assert product(field[..., 0], field[..., 1], shift) == pytest.approx(0.8, abs=2 * error)
        assert abs(product(field[..., 0], field[..., 1], np.negative(shift))) < error
        assert abs(product(field[..., 1], field[..., 0], shift)) < error
    for shift in ((0, 0), *shifts.values()):
        for a, b in np.ndindex(2, 2):
            assert abs(product(sky[..., a], galaxy[..., b], shift)) < error


def test_mean_and_variance_depend_on_brightness_as_in_python(both):
    image, expected, own = both
    assert_same_mean(own.mean(axis=(1, 2)), expected.mean(axis=(1, 2)))
    above = image.mean(axis=-1) - SKY
    faint, bright = above < np.quantile(above, 0.3), above > np.quantile(above, 0.9)
    for chosen in (faint, ~faint & ~bright, bright):
        variances = [(fields[:, chosen] ** 2).mean(axis=1) for fields in (own, expected)]
        error = assert_same_mean(*variances)
        assert (error < 0.15 * variances[1].mean(axis=0)).all()
    assert expected[:, bright].std() > 2 * expected[:, faint].std()


@pytest.mark.parametrize(
    "shift", [(0, 0), (0, 1), (1, 0), (1, 1), (-1, 1), (1, 2), (-1, -2), (3, 4), (0, 15)]
)
def test_neighbouring_pixels_and_bands_are_correlated_as_in_python(both, shift):
    _, expected, own = both
    y, x = shift
    means = []
    for fields in (own, expected):
        moved = fields[:, max(y, 0) : HEIGHT + min(y, 0), max(x, 0) : WIDTH + min(x, 0)]
        still = fields[:, max(-y, 0) : HEIGHT + min(-y, 0), max(-x, 0) : WIDTH + min(-x, 0)]
        means.append(np.einsum("nyxb,nyxc->nbc", still, moved) / np.prod(moved.shape[1:3]))
    error = assert_same_mean(*means)
    assert error.max() < 0.08 * expected.var()


def test_it_is_skewed_and_alike_at_opposite_pixels_as_in_python(both):
    image, expected, own = both
    sky = image.mean(axis=-1) < np.quantile(image.mean(axis=-1), 0.3)
    assert_same_mean((own[:, sky] ** 3).mean(axis=1), (expected[:, sky] ** 3).mean(axis=1))
    assert stats.skew(expected[:, sky].ravel()) > 0.3
    weight = (image - SKY) * (image - SKY)[::-1, ::-1]
    opposite = [(fields * fields[:, ::-1, ::-1] * weight).sum(axis=(1, 2)) for fields in (own, expected)]
    error = assert_same_mean(*opposite)
    assert (opposite[1].mean(axis=0) > 6 * error).all()


def test_amplitudes_are_those_of_images_alike(page, noise, both):
    image, expected, own = both
    rms = [np.sqrt((fields**2).mean(axis=(1, 2, 3))) for fields in (own, expected)]
    assert stats.ks_2samp(*rms).pvalue > 1e-3
    put(page, "image", image)
    for jitter in np.random.default_rng(1).normal(size=(20, 2)):
        found = take(page, f"noise.amplitudes(image, aboveSky(image, 3), 3, {jitter.tolist()})")
        levels = residual_noise._levels(image[None], residual_noise._above_sky(image[None]))
        np.testing.assert_allclose(found, noise._drawn(levels, jitter[None])[0], rtol=1e-6)


def test_the_same_seed_gives_the_same_noise_and_another_image_its_own(page, both):
    image, _, own = both
    again = added(page, image, 3) - image
    np.testing.assert_array_equal(again, own[:3])
    assert np.abs(again[1] - again[0]).max() > 0.005
    # Of the seed that was drawn last, another image has the same fields.
    flat = np.full_like(image, SKY)
    flat[0, 0] += 1e-4
    page.eval("noise.add(image, 11, 16, 3, 9);")
    put(page, "image", flat)
    kept = take(page, "noise.add(image, 11, 16, 3, 9)")
    np.testing.assert_array_equal(kept, take(page, "new Noise(spec, arrays).add(image, 11, 16, 3, 9)"))


def test_images_stay_within_their_range(page):
    image = ellipses(1, (HEIGHT, WIDTH)).astype(np.float32)[0] / 255
    image = np.where(image < 0.2, 0, image)
    image[3:5, 4:7] = 1
    noisy = added(page, image, 20)
    assert noisy.min() == 0 and noisy.max() == 1
    assert 0.2 < (noisy[:, image == 0] == 0).mean() < 0.8


def test_other_sizes_than_those_of_training(page):
    assert added(page, np.full((40, 31, 3), SKY, np.float32), 2).shape == (2, 40, 31, 3)


def test_arrays_are_small(noise):
    _, arrays, _ = noise_of_run(SimpleNamespace(noise=noise))
    assert arrays["noise.sky"].dtype == np.float16
    assert arrays["noise.sky"].shape == (((2 * HEIGHT - 1) * (2 * WIDTH - 1) + 1) // 2, BANDS, BANDS)


def test_without_noise_the_reason_is_said():
    assert noise_of_run(SimpleNamespace(noise=None)) == (
        None,
        {},
        "this run has learned no noise; galvae prior run=... learns it",
    )


def test_damaged_noise_is_one_line(caplog):
    class Run:
        @property
        def noise(self):
            raise GalvaeError("noise.safetensors: expected the arrays of noise")

    with caplog.at_level(logging.WARNING):
        spec, arrays, reason = noise_of_run(Run())
    assert spec is None and arrays == {} and "galvae prior run=" in reason
    assert caplog.messages == ["the page has no noise: noise.safetensors: expected the arrays of noise"]
