import math

import numpy as np
import pytest

from galvae.models.layers import (
    CodeMoments,
    DepthToSpace,
    MirroredEdges,
    RandomDihedral,
    Sampling,
    SmoothPatches,
    SpaceToDepth,
    UnitScaling,
)
from galvae.stretch import to_unit


def test_scaling_maps_the_stored_range_to_zero_and_one():
    images = np.array([[0, 51, 255]], np.uint8)
    np.testing.assert_allclose(
        UnitScaling((0, 255), "none", name="scaling")(images), [[0, 0.2, 1]], rtol=1e-6
    )
    np.testing.assert_allclose(UnitScaling((-1, 3), "none", name="scaling")(np.array([[1.0]])), [[0.5]])


@pytest.mark.parametrize(("shape", "orders"), [((4, 4), 8), ((4, 6), 4)])
def test_augmentation_reaches_the_whole_group_equally_often(shape, orders):
    image = np.arange(np.prod(shape), dtype=np.uint8).reshape(1, *shape, 1)
    count = 4000
    rotated = np.asarray(RandomDihedral(0, name="augmentation")(np.repeat(image, count, axis=0)))
    assert rotated.dtype == np.uint8
    assert (np.sort(rotated.reshape(count, -1)) == np.arange(np.prod(shape))).all()
    kinds, counts = np.unique(rotated.reshape(count, -1), axis=0, return_counts=True)
    assert len(kinds) == orders
    assert counts.min() > 0.8 * count / orders
    rotations = [np.rot90(image[0, ..., 0], k) for k in range(0, 4, 1 if orders == 8 else 2)]
    expected = {view.tobytes() for rotation in rotations for view in (rotation, rotation[:, ::-1])}
    assert {kind.tobytes() for kind in kinds} == expected


def test_sampling_has_the_mean_and_the_variance_that_it_was_given():
    mean = np.full((20_000, 2), [1.0, -2.0], np.float32)
    log_variance = np.full((20_000, 2), np.log([0.25, 4.0]), np.float32)
    layer = Sampling(0, name="sampling")
    codes = np.asarray(layer(mean, log_variance))
    np.testing.assert_allclose(codes.mean(axis=0), [1, -2], atol=0.05)
    np.testing.assert_allclose(codes.var(axis=0), [0.25, 4], rtol=0.05)
    assert not np.array_equal(codes, np.asarray(layer(mean, log_variance)))


def test_code_moments_are_those_of_the_codes():
    generator = np.random.default_rng(0)
    covariance = np.array([[2.0, 0.6], [0.6, 0.5]])
    layer = CodeMoments(2, name="moments")
    for _ in range(300):
        codes = generator.multivariate_normal([3, -1], covariance, size=100).astype(np.float32)
        np.testing.assert_array_equal(layer(codes, training=True), codes)
    mean, moments = layer.moments()
    np.testing.assert_allclose(mean, [3, -1], atol=0.05)
    np.testing.assert_allclose(moments, covariance, atol=0.1)
    layer(codes + 100, training=False)
    np.testing.assert_array_equal(layer.moments()[0], mean)


def test_each_batch_reduces_the_weight_of_all_earlier_codes_by_one_percent():
    layer = CodeMoments(1, name="moments")
    for value in (1.0, 3.0):
        layer(np.full((4, 1), value, np.float32), training=True)
    mean, covariance = layer.moments()
    np.testing.assert_allclose(mean, [(0.99 * 1 + 3) / 1.99], rtol=1e-5)
    np.testing.assert_allclose(covariance, [[(0.99 * 1 + 9) / 1.99 - mean[0] ** 2]], rtol=1e-4)


def test_code_moments_are_unbiased_after_one_batch():
    layer = CodeMoments(1, name="moments")
    layer(np.array([[1.0], [3.0]], np.float32), training=True)
    mean, covariance = layer.moments()
    np.testing.assert_allclose(mean, [2], rtol=1e-6)
    np.testing.assert_allclose(covariance, [[1]], rtol=1e-5)


def test_patches_become_channels_and_pixels_again():
    images = np.random.default_rng(0).normal(size=(2, 8, 12, 3)).astype(np.float32)
    patches = np.asarray(SpaceToDepth(4, name="fold")(images))
    assert patches.shape == (2, 2, 3, 48)
    np.testing.assert_array_equal(patches[1, 1, 2].reshape(4, 4, 3), images[1, 4:8, 8:12])
    np.testing.assert_array_equal(DepthToSpace(4, name="unfold")(patches), images)


def smooth_patches(factor, inputs=2, seed=0):
    """A layer that draws patches of one band, with a random bias for every pixel."""
    layer = SmoothPatches(1, factor, padding="valid", kernel_initializer="he_normal", name="image")
    layer.build((None, None, None, inputs))
    layer.bias.assign(np.random.default_rng(seed).normal(size=factor**2))
    return layer


def drawn(layer, features):
    """The image of the features' patches, (B, H, W)."""
    return np.asarray(DepthToSpace(layer.factor, name="pixels")(layer(features.astype(np.float32))))[..., 0]


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
def test_smooth_patches_leave_no_grid_in_constant_and_linear_features(factor):
    layer = smooth_patches(factor)
    rows = np.broadcast_to(np.arange(6)[None, :, None, None], (1, 6, 6, 2)) * [1.0, -0.5]
    for features in (np.ones((1, 6, 6, 2)), rows, rows.transpose(0, 2, 1, 3)):
        image = drawn(layer, features)
        for axis in (1, 2):
            # Away from the ends of the kernels the image is flat, or a plane.
            assert np.abs(np.diff(image, 2, axis=axis)).max() < 1e-5 * np.abs(image).max()
    assert np.abs(np.diff(image)).min() > 0.01  # in the gradient's direction


def test_the_patches_around_a_feature_are_a_kernel_without_power_on_the_grid():
    factor = 4
    layer = smooth_patches(factor, inputs=1)
    features = np.zeros((1, 7, 7, 1))
    features[0, 3, 3] = 1
    image = drawn(layer, features)[0]
    pixels = image - image[0, 0]  # which is the bias
    assert set(np.nonzero(pixels.any(axis=1))[0]) == set(range(4, 16))  # of 20 rows, 3 x 4 around the feature
    power = np.abs(np.fft.fft2(pixels)) ** 2
    assert power[5::5].max() < 1e-9 * power.max()  # 1/4, 1/2 and 3/4 cycles per pixel
    assert power[:, 5::5].max() < 1e-9 * power.max()


def test_kernels_start_smooth_and_with_the_variance_of_their_rule():
    layer = smooth_patches(4, inputs=64)
    kernel = np.asarray(layer.kernel)
    assert kernel.std() == pytest.approx(math.sqrt(2 / (9 * 64)), rel=0.1)  # He's
    np.testing.assert_allclose(layer.smooth_kernel(), kernel, atol=1e-6)
    noise = np.random.default_rng(0).normal(size=kernel.shape)
    layer.kernel.assign(kernel + noise)
    changed = np.asarray(layer.smooth_kernel()) - kernel
    assert np.square(changed).sum() == pytest.approx(
        np.square(noise).sum() / 4, rel=0.1
    )  # 6 of 12 pixels per axis
    assert (changed * noise).sum() == pytest.approx(
        np.square(changed).sum(), rel=1e-3
    )  # an orthogonal projection


def test_edges_are_mirrored():
    features = np.arange(6, dtype=np.float32).reshape(1, 2, 3, 1)
    expected = [[0, 0, 1, 2, 2], [0, 0, 1, 2, 2], [3, 3, 4, 5, 5], [3, 3, 4, 5, 5]]
    np.testing.assert_array_equal(MirroredEdges(name="edges")(features)[0, ..., 0], expected)


@pytest.mark.parametrize("stretch", ["none", "linear", "asinh"])
def test_scaling_on_the_device_is_that_of_numpy(stretch):
    values = np.linspace(-2, 5, 50, dtype=np.float32)[None]
    scaled = UnitScaling((-1, 3), stretch, name="scaling")(values)
    np.testing.assert_allclose(scaled, to_unit(values, stretch, (-1, 3)), rtol=1e-5, atol=1e-6)
