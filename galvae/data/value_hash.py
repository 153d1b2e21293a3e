"""A hash of ids and other values, the same for ever, on every machine and however an array stores them.

Runs and users rely on it: a galaxy's split must not change with its data's order, number, width or byte order. Known
answers in `tests/data/test_value_hash.py` pin it.
"""

import numpy as np

ROWS = 2**16  # values hashed at a time, which stay in the processor's cache
DIGITS = 20  # characters of the longest integer of 64 bits, -9223372036854775808
# Odd numbers without a pattern: the golden ratio, and those of MurmurHash3's finalizer by Austin Appleby.
GOLDEN, FIRST, SECOND = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53))


def hashes(values, seed=0):
    """Hashes of texts and integers, in which neighbouring values and neighbouring seeds have nothing in common.

    An integer has the hash of the text that writes it in decimal, so that a table may change from one to the other.

    Args:
        values: (N,) array of texts (NumPy's type U, of any width and byte order), or of integers.
        seed: integer from 0 to 2**32 - 1.

    Returns:
        (N,) uint64, uniform over all 64 bits.
    """
    hashed = np.empty(len(values), np.uint64)
    salt = _mixed(np.array([seed], np.uint64) * GOLDEN + GOLDEN)
    for start in range(0, len(values), ROWS):
        part = slice(start, start + ROWS)
        hashed[part] = _mixed(_mixed(_of_texts(values[part])) ^ salt)
    return hashed


def fractions(hashed):
    """Hashes as numbers in [0, 1), (N,) float64: their upper 53 bits, which it holds exactly."""
    return (hashed >> np.uint64(11)) * 2.0**-53


def _of_texts(values):
    """What tells some values from each other, as (n,) uint64; their texts are taken two characters at a time.

    They are taken from the last to the first: the zeros with which NumPy fills up a text leave the state at 0, so that
    the width of the array does not count.
    """
    width = DIGITS if values.dtype.kind in "iu" else values.dtype.itemsize // 4
    texts = values.astype(f"<U{max(2, width + width % 2)}", order="C", copy=False)
    state = np.zeros(len(texts), np.uint64)
    for pair in texts.view("<u8").reshape(len(texts), -1).T[::-1]:
        state ^= pair
        state *= GOLDEN
        state ^= state >> np.uint64(32)
    return state


def _mixed(state):
    """Every bit of the result depends on every bit of the state (n,) uint64, and no two states have one result."""
    for factor in (FIRST, SECOND):
        state = (state ^ (state >> np.uint64(33))) * factor
    return state ^ (state >> np.uint64(33))
