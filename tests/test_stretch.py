import numpy as np
import pytest

from galvae.stretch import from_unit, to_unit


def test_none_keeps_what_lies_outside():
    np.testing.assert_allclose(
        to_unit(np.array([-3.0, -1, 1, 3, 5]), "none", (-1, 3)), [-0.5, 0, 0.5, 1, 1.5]
    )


def test_linear_clips():
    np.testing.assert_allclose(to_unit(np.array([-3.0, -1, 1, 3, 5]), "linear", (-1, 3)), [0, 0, 0.5, 1, 1])


def test_asinh_lifts_faint_light_by_its_formula():
    # asinh(x / 0.05) / asinh(20), where asinh(x) is log(x + sqrt(x^2 + 1)).
    scaled = np.array([0.0, 0.2, 10, 20])
    expected = np.log(scaled + np.sqrt(scaled**2 + 1)) / np.log(20 + np.sqrt(401))
    values = scaled * 0.05 * 8 - 2
    np.testing.assert_allclose(to_unit(values, "asinh", (-2, 6)), expected, atol=1e-12)
    np.testing.assert_allclose(from_unit(expected, "asinh", (-2, 6)), values, atol=1e-12)
    assert expected[1] == pytest.approx(0.0538, abs=1e-4)  # one percent of the range becomes five
    outside = to_unit(np.array([-3.0, 7.0]), "asinh", (-2, 6))
    np.testing.assert_allclose(outside, [0, 1])


@pytest.mark.parametrize("stretch", ["none", "linear", "asinh"])
def test_there_and_back(stretch):
    values = np.linspace(-1, 3, 101)
    unit = to_unit(values, stretch, (-1, 3))
    assert (unit.min(), unit.max()) == (0, 1)
    assert (np.diff(unit) > 0).all()
    np.testing.assert_allclose(from_unit(unit, stretch, (-1, 3)), values, atol=1e-12)
