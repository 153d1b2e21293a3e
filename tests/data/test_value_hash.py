"""The hash that decides splits: pinned for ever, whatever array holds the values, and without a pattern."""

import numpy as np
import pytest

from galvae.data.value_hash import fractions, hashes

# A change of any of these numbers would move galaxies of every user from one split to another.
KNOWN = {
    "": (0, 7175312947680778460),
    "a": (0, 17812489191714378742),
    "12": (0, 9826538769029963083),
    "0012": (0, 7621966021269799017),
    "Ωé": (0, 13107435833304373769),
    "S1237648720142532814": (7, 17593125342309494791),
}


def by_definition(text, seed):
    """The hash of one text, in Python's integers."""

    def mixed(state):
        for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
            state = ((state ^ state >> 33) * factor) % 2**64
        return state ^ state >> 33

    state, padded = 0, text + "\0" * (len(text) % 2)
    for first, second in zip(padded[-2::-2], padded[::-2], strict=True):
        state = ((state ^ ord(first) ^ ord(second) << 32) * 0x9E3779B97F4A7C15) % 2**64
        state ^= state >> 32
    return mixed(mixed(state) ^ mixed((seed + 1) * 0x9E3779B97F4A7C15 % 2**64))


@pytest.mark.parametrize("text", KNOWN)
def test_hashes_are_the_same_for_ever(text):
    seed, known = KNOWN[text]
    assert hashes(np.array([text]), seed).tolist() == [known] == [by_definition(text, seed)]


def test_integers_have_the_hash_of_their_text():
    extremes = [-(2**63), 2**63 - 1, -5, 0, 12]
    expected = [by_definition(str(number), 3) for number in extremes]
    assert hashes(np.array(extremes), 3).tolist() == expected
    assert hashes(np.array(extremes).astype(">i8"), 3).tolist() == expected
    assert hashes(np.array([2**64 - 1], np.uint64)).tolist() == [by_definition(str(2**64 - 1), 0)]
    assert hashes(np.array([-5, 12], np.int8), 3).tolist() == expected[2:3] + expected[4:]


def test_hashes_do_not_depend_on_the_array_that_holds_the_texts():
    texts = np.array(["g7", "g70", "", "a longer name", "é\0b"] * 3)
    expected = [by_definition(text, 0) for text in texts.tolist()]
    raw = np.zeros(texts.nbytes + 3, np.uint8)
    unaligned = np.ndarray(texts.shape, texts.dtype, raw, 3)
    unaligned[:] = texts
    for same in (texts, texts.astype("U14"), texts.astype(">U33"), np.repeat(texts, 2)[::2], unaligned):
        assert hashes(same).tolist() == expected
    assert hashes(texts[::-1]).tolist() == expected[::-1]


def test_long_arrays_are_hashed_as_short_ones(monkeypatch):
    values = np.arange(1000)
    expected = hashes(values)
    monkeypatch.setattr("galvae.data.value_hash.ROWS", 7)
    assert hashes(values).tolist() == expected.tolist()
    assert len(hashes(values[:0])) == 0 == len(hashes(values[:0].astype(str)))


def test_fractions_are_those_of_all_hashes():
    assert fractions(np.array([0, 2**63, 2**64 - 1], np.uint64)).tolist() == [0, 0.5, 1 - 2.0**-53]


@pytest.mark.parametrize("kind", ["row numbers", "SDSS", "text", "file names", "seeds"])
def test_neighbouring_values_and_seeds_are_independent(kind):
    count, numbers = 40_000, np.arange(40_000)
    if kind == "seeds":
        values = np.array([hashes(np.array(["g1"]), seed)[0] for seed in range(count // 10)])
    else:
        names = {"row numbers": numbers, "SDSS": 1237648720142532814 + numbers}
        names["text"] = np.char.add("G", np.char.zfill(numbers.astype(str), 7))
        names["file names"] = np.char.add(numbers.astype(str), ".fits")
        values = hashes(names[kind])
    places = fractions(values)
    for step in (1, 2, 10):  # each with its neighbour, in 10 x 10 cells: chi-squared of 99 degrees of freedom
        cells = np.histogram2d(places[step:], places[:-step], 10, ((0, 1), (0, 1)))[0]
        expected = cells.sum() / 100
        assert 50 < ((cells - expected) ** 2 / expected).sum() < 160  # 4 standard deviations of 14
    for bit in range(64):
        share = (values >> np.uint64(bit) & np.uint64(1)).mean()
        assert abs(share - 0.5) < 5 * 0.5 / np.sqrt(len(values))
    assert len(np.unique(values)) == len(values)
