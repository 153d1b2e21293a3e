import numpy as np
import pytest

from galvae.stretch import SOFTENING, from_unit, to_unit


def test_none_keeps_what_lies_outside():
    np.testing.assert_allclose(
        to_unit(np.array([-3.0, -1, 1, 3, 5]), "none", (-1, 3)), [-0.5, 0, 0.5, 1, 1.5]
    )


def test_linear_clips():
    np.testing.assert_allclose(to_unit(np.array([-3.0, -1, 1, 3, 5]), "linear", (-1, 3)), [0, 0, 0.5, 1, 1])


def test_asinh_lifts_faint_light_by_its_formula():
    values = np.array([0.0, 0.01, 0.5, 1.0])
    expected = np.arcsinh(values / SOFTENING) / np.arcsinh(1 / SOFTENING)
    np.testing.assert_allclose(to_unit(values * 8 - 2, "asinh", (-2, 6)), expected)
    assert expected[1] > 5 * values[1]


@pytest.mark.parametrize("stretch", ["none", "linear", "asinh"])
def test_there_and_back(stretch):
    values = np.linspace(-1, 3, 101)
    unit = to_unit(values, stretch, (-1, 3))
    assert (unit.min(), unit.max()) == (0, 1)
    assert (np.diff(unit) > 0).all()
    np.testing.assert_allclose(from_unit(unit, stretch, (-1, 3)), values, atol=1e-12)
