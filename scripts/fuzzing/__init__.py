"""Families of cases for scripts/fuzz.py, one module each, with `cases(count, seed)`, `prepare(folder)`, `check(case)`.

`cases` returns a list of picklable cases, `prepare` is called once in each worker process, and `check` returns
(outcome, text that describes what happened).
"""

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded


def draw_cases(strategy, count, seed):
    """Draws different examples of a Hypothesis strategy, reproducibly for a given seed.

    Args:
        strategy: Hypothesis strategy.
        count: number of examples.
        seed: seed of the random numbers.

    Returns:
        List of examples whose representations differ in the first 150 characters.
    """
    examples = {}
    for part in range(count):
        if len(examples) >= count:
            break

        @seeded(seed * 1_000_000 + part)
        @settings(
            max_examples=50,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(strategy)
        def draw(example):
            examples.setdefault(f"{example!r:.150}", example)

        draw()
    return list(examples.values())[:count]
