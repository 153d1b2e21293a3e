from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

from galvae.config.model import ConstantBeta, CyclicalBeta, PerEpochBeta, WarmupBeta
from galvae.training.schedules import beta_schedule, learning_rate_schedule


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


@pytest.mark.parametrize("epochs", [7, 20, 100, 200, 300])
@pytest.mark.parametrize("cycles", [1, 3, 6, 9, 12])
def test_every_cycle_starts_low_whatever_the_rounding(epochs, cycles):
    config = CyclicalBeta(name="cyclical", value=1.0, start=0.0, cycles=cycles, rise=0.5)
    values = beta_schedule(config, epochs)
    # In exact arithmetic: epoch e of cycle c lies at the share e * cycles / epochs - c of it.
    phases = [Fraction(epoch * cycles, epochs) % 1 for epoch in range(epochs)]
    np.testing.assert_allclose(values, [min(1, float(phase) / 0.5) for phase in phases])


def test_validation_uses_the_beta_that_the_schedule_leads_to(caplog):
    warmup = WarmupBeta(name="warmup", value=2.0, start=0.0, epochs=4)
    assert warmup.final(3) == 2.0
    beta_schedule(warmup, 3)
    assert "beta.value=2 is not reached" in caplog.text
    per_epoch = PerEpochBeta(name="per_epoch", value=1.0, values=[0.1, 0.3])
    assert per_epoch.final(2) == 0.3
    assert per_epoch.final(5) == 1.0
    assert CyclicalBeta(name="cyclical", value=1.0, start=0, cycles=2, rise=0.5).final(9) == 1.0


def test_learning_rate_rises_and_falls_along_its_curve():
    def curve(name, warmup, final=0.1, epochs=10, steps=10):
        schedule = SimpleNamespace(name=name, warmup=warmup, final=final)
        config = SimpleNamespace(epochs=epochs, learning_rate=2.0, schedule=schedule)
        rate = learning_rate_schedule(config, steps)
        return np.array([float(rate(step)) for step in range(epochs * steps + 1)])

    cosine = curve("cosine", 0.2)
    np.testing.assert_allclose(cosine[:21], np.linspace(0, 2, 21), rtol=1e-5)
    progress = np.arange(81) / 80
    np.testing.assert_allclose(cosine[20:], 2 * (0.1 + 0.9 * (1 + np.cos(np.pi * progress)) / 2), rtol=1e-5)
    np.testing.assert_allclose(curve("constant", 0.0), 2.0)
    np.testing.assert_allclose(curve("constant", 0.1)[10:], 2.0)
    assert curve("cosine", 0.0)[0] == 2.0
    assert curve("cosine", 0.0)[-1] == pytest.approx(0.2)
