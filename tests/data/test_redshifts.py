"""Redshifts: which values mean "unknown" in every reader, and what is said about them."""

import numpy as np
import pytest

from galvae.data.redshifts import known_redshifts, with_known_redshifts
from galvae.data.source import Source

UNKNOWN = [-1, -99, -9999, 9.99, -0.5, -0.011, np.nan, np.inf, 99, 999]
KNOWN = [0, 0.5, 7.1, -0.001, -0.01, 9.98, 12.0]


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_codes_are_unknown_and_real_redshifts_are_kept(dtype):
    values = np.array([*UNKNOWN, *KNOWN], dtype)
    found = known_redshifts(values)
    assert found.dtype == dtype
    assert np.isnan(found[: len(UNKNOWN)]).all()
    np.testing.assert_array_equal(found[len(UNKNOWN) :], values[len(UNKNOWN) :])


def test_integers_become_floats():
    np.testing.assert_array_equal(known_redshifts(np.array([1, -1, -99, 2])), [1, np.nan, np.nan, 2])


def source(**changes):
    values = {"shape": (4, 8, 8, 1), "dtype": "f4", "blocks": [], "pixel_range": (0, 1)}
    return Source(**values, **changes)


def test_conditions_and_columns_with_a_redshifts_name_are_cleaned_and_counted():
    values = np.array([0.5, -99, -0.002, -99])
    given = source(
        condition=np.stack([values + 20, values], axis=1).astype("f4"),
        condition_names=["mag", "zphot"],
        catalogue={
            "zphot": values,
            "mag": values,
            "z": np.array([1, -1, 2, 3]),
            "z_name": np.array(list("abcd")),
        },
        notes=["before"],
    )
    done = with_known_redshifts(given)
    np.testing.assert_array_equal(done.condition[:, 1], np.float32([0.5, np.nan, -0.002, np.nan]))
    np.testing.assert_array_equal(done.condition[:, 0], np.float32([20.5, -79, 19.998, -79]))
    np.testing.assert_array_equal(done.catalogue["zphot"], [0.5, np.nan, -0.002, np.nan])
    np.testing.assert_array_equal(done.catalogue["mag"], values)
    np.testing.assert_array_equal(done.catalogue["z"], [1, np.nan, 2, 3])
    assert done.notes == [
        "before",
        "2 of 4 values of zphot (-99) count as unknown",
        "1 of 4 values of zphot are slightly negative, and kept",
        "1 of 4 values of z (-1) count as unknown",
    ]
    assert given.catalogue["z"].tolist() == [1, -1, 2, 3] and given.notes == ["before"]
