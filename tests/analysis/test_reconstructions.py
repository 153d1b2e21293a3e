"""Examples of reconstructed galaxies: each beside its own reconstruction, caption and error."""

from types import SimpleNamespace

import numpy as np
import pytest
from builders.galaxies import redshift_dataset

from galvae.analysis.reconstructions import condition_captions, measure
from galvae.latent.codes import Codes


@pytest.fixture
def scored():
    """A run that decodes the code of a galaxy into its row and its condition, 20 rows, and their columns."""
    data, generator = redshift_dataset(), np.random.default_rng(0)
    run = SimpleNamespace(
        dataset=data,
        condition=lambda rows: data.condition[rows],
        condition_symbol="z",
        codes_at=lambda rows: Codes(rows, rows[:, None].astype(np.float32), None),
        decode=lambda codes, condition: np.concatenate([codes, condition], axis=1),
    )
    rows = generator.permutation(40)[:20]
    columns = {"mse": (generator.permutation(20) / 10, None)}
    return run, rows, columns


def test_the_best_some_typical_and_the_worst_are_shown_with_what_belongs_to_each(scored):
    run, rows, columns = scored
    columns["predicted_redshift"] = run.dataset.condition[rows, 0] + 1, ""
    report = measure(run, rows, SimpleNamespace(n=10, seed=3), columns)
    arrays, facts = report.arrays["reconstructions"], report.facts
    ordered, shown = rows[np.argsort(columns["mse"][0])], arrays["indices"]
    np.testing.assert_array_equal(shown[:3], ordered[:3])
    np.testing.assert_array_equal(shown[-3:], ordered[-3:])
    assert len(shown) == len(set(shown)) == 9 and np.isin(shown[3:6], ordered[3:-3]).all()
    np.testing.assert_allclose(arrays["originals"], run.dataset.images[shown] / 255, atol=1e-6)
    np.testing.assert_allclose(arrays["decoded"][:, 0], shown)
    redshift = np.linspace(0.1, 2, 40)[shown]
    np.testing.assert_allclose(arrays["decoded"][:, 1], redshift, rtol=1e-6)
    error = dict(zip(rows, columns["mse"][0], strict=True))
    assert arrays["mse"].tolist() == [error[row] for row in shown]
    assert facts["captions"] == [f"z {value:.2f}\npred. {value + 1:.2f}" for value in redshift]
    assert (facts["columns"], facts["groups"]) == (3, ["best", "typical", "worst"])
    other = measure(run, rows, SimpleNamespace(n=10, seed=4), columns).arrays["reconstructions"]["indices"]
    np.testing.assert_array_equal(other[[0, 1, 2, 6, 7, 8]], shown[[0, 1, 2, 6, 7, 8]])
    assert (other[3:6] != shown[3:6]).any()  # the typical ones are drawn by the seed


def test_few_galaxies_are_shown_in_the_order_of_their_errors(scored):
    run, rows, _ = scored
    columns = {"mse": (np.array([2.0, 1.0]), None)}
    report = measure(run, rows[:2], SimpleNamespace(n=10, seed=3), columns)
    arrays, facts = report.arrays["reconstructions"], report.facts
    np.testing.assert_array_equal(arrays["indices"], rows[[1, 0]])
    np.testing.assert_array_equal(arrays["decoded"][:, 0], rows[[1, 0]])
    assert facts["captions"] == [f"z {run.dataset.condition[row, 0]:.2f}" for row in rows[[1, 0]]]
    assert (facts["columns"], facts["groups"]) == (2, None)


def test_unknown_conditions_leave_their_captions_empty():
    true, predicted = np.array([0.5, np.nan]), np.array([np.nan, 0.25])
    assert condition_captions("z", true) == ["z 0.50", ""]
    assert condition_captions("z", true, predicted) == ["z 0.50", "\npred. 0.25"]
