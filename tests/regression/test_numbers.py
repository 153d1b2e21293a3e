"""Losses, scores and UMAP layouts are those of galvae 0.1, which `builders.recorded` wrote to numbers.json.

On the machine that recorded them they agreed to the last digit; the tolerance is for other processors.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from builders.recorded import MODELS, measure

RECORDED = json.loads((Path(__file__).parent / "numbers.json").read_text())
TOLERANCE = 1e-4
# The layout is a sum of thousands of small steps: rounding is magnified.
PLANE_TOLERANCE = 0.05
SLOW = set(MODELS) - {"vae"}


def flatten(values, prefix=""):
    """Nested dicts and lists as one dict of their numbers and texts."""
    if isinstance(values, dict | list):
        pairs = values.items() if isinstance(values, dict) else enumerate(values)
        return {k: v for key, value in pairs for k, v in flatten(value, f"{prefix}/{key}").items()}
    return {prefix: values}


@pytest.mark.parametrize(
    "model", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in MODELS]
)
def test_numbers_are_those_of_0_1(model, galvae, tmp_path):
    def run(*words):
        status, _, err = galvae(*words)
        assert status == 0, err

    found, expected = measure(run, model, tmp_path), dict(RECORDED[model])
    if "plane" in expected:
        np.testing.assert_allclose(found.pop("plane"), expected.pop("plane"), atol=PLANE_TOLERANCE)
    found, expected = flatten(found), flatten(expected)
    assert found.keys() >= expected.keys()
    for name, value in expected.items():
        if isinstance(value, float):
            assert found[name] == pytest.approx(value, rel=TOLERANCE, abs=1e-6), name
        else:
            assert found[name] == value, name
