"""The fuzzer's families: each module has `cases(count, seed)`, `prepare(folder)` and `check(case)`.

`cases` gives a list of picklable cases, `prepare` is called once in each process that tries them, and `check` returns
(outcome, what came of the case).
"""

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded


def drawn(strategy, count, seed):
    """`count` examples of a strategy, the same ones for the same seed; of those that begin alike only one."""
    found = {}
    for part in range(count):
        if len(found) >= count:
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
            found.setdefault(f"{example!r:.150}", example)

        draw()
    return list(found.values())[:count]
