"""Bit flips, zeroed pages and truncations of every file that is read back of a run."""

import numpy as np

from fuzzing.runs import READ, Runs

PAGE = 4096
State = {}


def cases(count, seed):
    """(file, damage, place): the files in turn, three quarters of the damages one bit, the rest pages and cuts."""
    generator = np.random.default_rng(seed)
    kinds = ("bit", "bit", "bit", "page", "bit", "bit", "bit", "cut")
    rounds = -(-count // len(READ))
    places = generator.random(count).tolist()
    order = [(name, kinds[turn % len(kinds)]) for turn in range(rounds) for name in READ]
    return [(*pair, place) for pair, place in zip(order, places, strict=False)]


def prepare(folder):
    """Makes the runs."""
    State["runs"] = Runs(folder)


def check(case):
    """The outcome of reading a run with one damaged file."""
    name, kind, place = case
    path = State["runs"].copy / name
    whole = path.read_bytes()
    path.write_bytes(damaged(whole, kind, place))
    try:
        return State["runs"].judged()
    finally:
        path.write_bytes(whole)


def damaged(content, kind, place):
    """A file's content with one bit turned, one page of zeros, or without its end."""
    content = bytearray(content)
    if kind == "bit":
        bit = int(place * len(content) * 8)
        content[bit // 8] ^= 1 << bit % 8
    elif kind == "page":
        start = int(place * -(-len(content) // PAGE)) * PAGE
        stop = min(start + PAGE, len(content))
        content[start:stop] = bytes(stop - start)
    else:
        del content[int(place * len(content)) :]
    return bytes(content)
