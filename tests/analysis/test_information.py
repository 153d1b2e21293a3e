"""Codes that `information` returns: means of the posteriors, and a sample of each for the corner plot."""

from types import SimpleNamespace

import numpy as np
from builders.galaxies import dataset
from builders.runs import run_of

from galvae.analysis.information import measure
from galvae.data.splits import make_splits

CONFIG = SimpleNamespace(seed=0, latents=5)


def test_one_sample_of_each_posterior_stands_beside_its_mean():
    data = dataset(
        500, images=np.zeros((500, 8, 8, 3), np.uint8), splits=make_splits(500, [0.5, 0.25, 0.25], 0)
    )
    mean = 0.6 * np.random.default_rng(5).standard_normal((500, 2))
    rows = data.split("test")[::-1]
    report = measure(run_of(data, mean, 0.8), rows, CONFIG, {})
    latent = report.arrays["latent"]
    np.testing.assert_allclose(latent["mean"], mean[rows], rtol=1e-6)
    np.testing.assert_allclose((latent["sample"] - mean[rows]).std(axis=0), 0.8, rtol=0.15)
    assert report.summary["active_units"] == 2
    # Deterministic codes are their own samples, and have no prior by which to count the active ones.
    report = measure(run_of(data, mean, model="ae"), rows, CONFIG, {})
    np.testing.assert_array_equal(report.arrays["latent"]["sample"], report.arrays["latent"]["mean"])
    assert report.summary["active_units"] is None and not report.lines
