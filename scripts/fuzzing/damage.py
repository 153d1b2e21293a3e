"""Bit flips, zeroed pages and truncations of every file of a run that commands read back, and pipes in their place."""

import os

import numpy as np

from fuzzing.runs import READ, Runs

PAGE = 4096
State = {}


def cases(count, seed):
    """Draws cases (file, kind of damage, position) over all files, most of them bit flips.

    Args:
        count: number of cases.
        seed: seed of the positions.

    Returns:
        List of (path in the run, "bit", "page", "cut", "pipe" or "device", position from 0 to 1 relative to the file's
        size).
    """
    generator = np.random.default_rng(seed)
    kinds = ("bit", "bit", "bit", "page", "bit", "pipe", "bit", "bit", "cut", "device")
    rounds = -(-count // len(READ))
    positions = generator.random(count).tolist()
    order = [(name, kinds[number % len(kinds)]) for number in range(rounds) for name in READ]
    return [(*pair, position) for pair, position in zip(order, positions, strict=False)]


def prepare(folder):
    """Creates the runs."""
    State["runs"] = Runs(folder)


def check(case):
    """Reads a run with one damaged file; returns the outcome and a text."""
    name, kind, position = case
    path = State["runs"].copy / name
    content = path.read_bytes()
    if kind == "pipe":
        path.unlink()
        os.mkfifo(path)
    elif kind == "device":
        path.unlink()
        path.symlink_to("/dev/zero")
    else:
        path.write_bytes(damaged(content, kind, position))
    try:
        return State["runs"].read_copy()
    finally:
        path.unlink()
        path.write_bytes(content)


def damaged(content, kind, position):
    """Copy of a file's content with one bit flipped, one page set to zero, or its end cut off."""
    content = bytearray(content)
    if kind == "bit":
        bit = int(position * len(content) * 8)
        content[bit // 8] ^= 1 << bit % 8
    elif kind == "page":
        start = int(position * -(-len(content) // PAGE)) * PAGE
        stop = min(start + PAGE, len(content))
        content[start:stop] = bytes(stop - start)
    else:
        del content[int(position * len(content)) :]
    return bytes(content)
