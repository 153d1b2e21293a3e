"""The search space of hydra/sweeper=optuna, from words in Hydra's grammar of overrides."""

import math
from decimal import Decimal

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import RangeSweep
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from galvae.errors import GalvaeError

TAGS = {"log", "int"}


def read_space(words, config_loader):
    """Splits words into those that are searched over and those that all trials have in common.

    Args:
        words: overrides, as typed; of those that give one key, the last counts.
        config_loader: Hydra's, which knows the choices of a group.

    Returns:
        (space, fixed): Optuna's distribution by key, and the value of every other key, as text.

    Raises:
        GalvaeError: if no key has several values, or those of one cannot be searched over.
    """
    space, fixed = {}, {}
    for override in OverridesParser.create(config_loader=config_loader).parse_overrides(words):
        key = override.get_key_element()
        space.pop(key, None)
        fixed.pop(key, None)
        if override.is_sweep_override():
            space[key] = _distribution(key, override)
        else:
            fixed[key] = override.get_value_element_as_str()
    if not space:
        raise GalvaeError(
            "hydra/sweeper=optuna: expected a key with several values, as 'latent_dim=choice(8,16,32)' or "
            "'learning_rate=tag(log,interval(1e-4,1e-2))', received none"
        )
    return space, fixed


def describe(distribution):
    """A distribution in few words, the same for the same values however they were typed."""
    if isinstance(distribution, CategoricalDistribution):
        return f"choice({','.join(distribution.choices)})"
    kind = "int" if isinstance(distribution, IntDistribution) else "float"
    default = 1 if kind == "int" else None
    step = "" if distribution.step == default else f", step {distribution.step:g}"
    return f"{kind} from {distribution.low!r} to {distribution.high!r}{step}{', log' * distribution.log}"


def points(space):
    """The number of different trials that a search space has; infinite with an interval."""
    return math.prod(map(_count, space.values()))


def _count(distribution):
    if isinstance(distribution, CategoricalDistribution):
        return len(distribution.choices)
    if distribution.step is None:
        return math.inf
    return round((distribution.high - distribution.low) / distribution.step) + 1


def hint(space, message):
    """What would mend a message that refuses the value of a key, where an interval has drawn no integer; else empty."""
    key = message.partition(":")[0]
    interval = space.get(key)
    if not isinstance(interval, FloatDistribution) or interval.step is not None or "integer" not in message:
        return ""
    return f"; {key}=int(interval({interval.low:g},{interval.high:g})) draws integers"


def _distribution(key, override):
    """Optuna's distribution for the values of an override.

    Raises:
        GalvaeError: if they cannot be searched over.
    """
    sweep = override.value()
    tags = set(getattr(sweep, "tags", ()))
    if tags - TAGS:
        raise GalvaeError(f"{key}: expected the tags log and int, received {', '.join(sorted(tags - TAGS))}")
    if override.is_discrete_sweep() and not isinstance(sweep, RangeSweep):
        if tags:
            raise GalvaeError(
                f"{key}: expected tags of an interval or a range only, received {', '.join(sorted(tags))} of a choice"
            )
        choices = list(dict.fromkeys(override.sweep_string_iterator()))
        if not choices:
            raise GalvaeError(f"{key}: expected one value or more, received a glob(...) that matches none")
        return CategoricalDistribution(choices)
    if isinstance(sweep, RangeSweep):
        low, high, step = _ends(key, sweep)
    else:
        low, high, step = sweep.start, sweep.end, None
    whole = "int" in tags or (isinstance(low, int) and isinstance(high, int))
    return _numbers(key, low, high, step, whole, "log" in tags)


def _ends(key, sweep):
    """The smallest and the largest value of a range, which ends before `stop` as it does in a sweep, and its step."""
    start, stop, step = (Decimal(str(value)) for value in (sweep.start, sweep.stop, sweep.step))
    count = math.ceil((stop - start) / step) if step else 0
    if count < 1:
        raise GalvaeError(
            f"{key}: expected a range of one value or more, received range({start},{stop},{step})"
        )
    kind = int if isinstance(sweep.start, int) and isinstance(sweep.step, int) else float
    low, high = sorted((start, start + (count - 1) * step))
    return kind(low), kind(high), kind(abs(step))


def _numbers(key, low, high, step, whole, log):
    """Optuna's distribution for numbers from `low` to `high`, both included.

    Raises:
        GalvaeError: if they are no such numbers.
    """
    wrong = None
    if not (math.isfinite(low) and math.isfinite(high)):
        wrong = "finite ends"
    elif low > high:
        wrong = "the smaller end first"
    elif whole and (low != int(low) or high != int(high)):
        wrong = "integers as the ends of an interval of integers"
    elif log and low <= 0:
        wrong = "ends above 0 with the tag log"
    elif log and step not in (None, 1):
        wrong = "no step with the tag log"
    elif log and step is not None and not whole:
        wrong = "an interval with the tag log, not a range of steps"
    if wrong:
        raise GalvaeError(f"{key}: expected {wrong}, received {low!r} to {high!r}")
    if whole:
        return IntDistribution(int(low), int(high), log=log, step=int(step or 1))
    return FloatDistribution(float(low), float(high), log=log, step=step)
