import numpy as np
import pytest

from galvae.config import ConstantBeta, CyclicalBeta, PerEpochBeta, WarmupBeta
from galvae.errors import GalvaeError
from galvae.schedules import beta_schedule


def test_constant():
    np.testing.assert_array_equal(beta_schedule(ConstantBeta(name="constant", value=0.1), 3), [0.1] * 3)


def test_warmup_is_a_straight_line_to_the_value():
    config = WarmupBeta(name="warmup", value=2.0, start=0.0, epochs=4)
    np.testing.assert_allclose(beta_schedule(config, 7), [0, 0.5, 1, 1.5, 2, 2, 2])


def test_cycles_rise_and_rest():
    config = CyclicalBeta(name="cyclical", value=1.0, start=0.2, cycles=2, rise=0.5)
    cycle = [0.2, 0.6, 1, 1]
    np.testing.assert_allclose(beta_schedule(config, 8), cycle + cycle)


def test_values_per_epoch_then_the_last_value():
    config = PerEpochBeta(name="per_epoch", value=1.0, values=[0.0, 0.3])
    np.testing.assert_array_equal(beta_schedule(config, 4), [0, 0.3, 1, 1])
    with pytest.raises(GalvaeError, match="expected at most 1, received 2"):
        beta_schedule(config, 1)
