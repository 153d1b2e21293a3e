"""The order of axes: chosen only where no other is possible, else asked for; images are read in it."""

import numpy as np
import pytest

from galvae.data.formats.axes import ImageStack, choose_axes
from galvae.errors import GalvaeError


@pytest.mark.parametrize(
    ("shape", "order"),
    [
        ((40, 64, 64, 3), "NHWC"),
        ((40, 20, 24, 16), "NHWC"),
        ((40, 3, 64, 64), "NCHW"),
        ((64, 64, 3, 100), "HWCN"),
        ((100, 64, 64), "NHW"),
    ],
)
def test_an_order_that_alone_is_possible_is_taken(shape, order):
    assert choose_axes(shape, "a.h5") == order


@pytest.mark.parametrize(
    ("shape", "candidates"),
    [
        (
            (40, 3, 16, 16),
            ["NHWC: 40 galaxies of 3x16 pixels, 16 bands", "NCHW: 40 galaxies of 16x16 pixels, 3 bands"],
        ),
        ((40, 16, 16, 3), ["NHWC: 40 galaxies of 16x16 pixels, 3 bands", "NCHW"]),
        (
            (8, 8, 3),
            ["NHW: 8 galaxies of 8x3", "HWN: 3 galaxies of 8x8", "HWC: 1 galaxy of 8x8 pixels, 3 bands"],
        ),
        ((32, 32, 35), ["NHW: 32 galaxies of 32x35", "HWN: 35 galaxies of 32x32"]),
        ((64, 64, 64), ["NHW", "HWN"]),
        ((10, 64, 64), ["NHW", "CHW: 1 galaxy of 64x64 pixels, 10 bands"]),
        ((100, 64, 80), ["NHW: 100 galaxies of 64x80"]),
    ],
)
def test_an_order_among_several_is_asked_for(shape, candidates):
    with pytest.raises(GalvaeError, match="dataset.axes: a.h5: .*set dataset.axes=") as error:
        choose_axes(shape, "a.h5")
    assert all(candidate in str(error.value) for candidate in candidates), error.value
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("shape", [(5, 5), (40, 64, 64, 30), (0, 64, 64, 3), (2, 3, 4, 5, 6)])
def test_shapes_of_no_images(shape):
    with pytest.raises(GalvaeError, match=r"expected images of shape \(N, H, W\)"):
        choose_axes(shape, "a.h5")


@pytest.mark.parametrize(
    ("axes", "shape"), [("NHWC", (40, 64, 64)), ("NHWC", (40, 64, 64, 30)), ("HWN", (0, 8, 8))]
)
def test_a_request_that_the_shape_cannot_have(axes, shape):
    with pytest.raises(GalvaeError, match=f"expected {len(axes)} axes {axes}"):
        choose_axes(shape, "a.h5", axes)


@pytest.mark.parametrize("order", ["NHWC", "NCHW", "HWCN", "CWHN", "NHW", "HWN", "WHN", "HWC", "CHW", "HW"])
def test_each_order_gives_galaxies_rows_columns_bands(order):
    lengths = {"N": 7, "H": 5, "W": 4, "C": 3}
    shape = tuple(lengths[letter] if letter in order else 1 for letter in "NHWC")
    images = np.arange(np.prod(shape)).reshape(shape)
    positions = ["NHWC".index(letter) for letter in order]
    others = [axis for axis in range(4) if axis not in positions]  # of length 1
    stored = np.transpose(images, positions + others).reshape([lengths[letter] for letter in order])
    stack = ImageStack(stored, order, "a.h5")
    assert stack.shape == shape and len(stack) == shape[0]
    np.testing.assert_array_equal(stack[:], images)
    np.testing.assert_array_equal(stack[2:5], images[2:5])
