import contextlib

import keras
import numpy as np

from galvae.backend.random_numbers import draw
from galvae.backend.shares import Share, computing


def drawn(count, rows=None):
    generator = keras.random.SeedGenerator(7, name="noise")
    with contextlib.nullcontext() if rows is None else computing(Share(rows)):
        return np.asarray(draw(keras.random.normal, (count, 3), generator))


def test_noise_of_an_image_is_that_of_its_row_in_the_whole_batch():
    whole = drawn(6)
    assert whole.dtype == np.float32
    np.testing.assert_array_equal(drawn(6, np.array([4, 5])), whole[4:])
    np.testing.assert_array_equal(drawn(5, np.arange(5)), whole[:5])


def test_rows_hold_inside_of_their_context_only():
    whole = drawn(6)
    drawn(6, np.array([3]))
    np.testing.assert_array_equal(drawn(6), whole)
