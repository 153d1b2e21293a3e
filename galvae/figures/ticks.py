"""Ticks whose labels have room: as many round numbers as fit beside each other, each as short as it can be."""

import numpy as np
from matplotlib.ticker import Formatter, Locator, MaxNLocator

MOST = 9  # ticks, less one
DIGIT = 0.64  # width of a digit, relative to the size of its font
ROOM = 1.0, 1.6  # beside a label, and from one to the next above it, in the same unit
PLAIN_NUMBERS = 1e-4, 1e6  # between which the largest number is written without a power of ten
MINUS = "\N{MINUS SIGN}"


def fit_ticks(axes, x=True, y=True, size=9):
    """Has axes choose ticks whose labels do not touch, however wide they are and whatever they show.

    Args:
        axes: matplotlib Axes.
        x, y: whether to change the axis.
        size: size of the labels' font in points.
    """
    for axis, changed in ((axes.xaxis, x), (axes.yaxis, y)):
        if changed:
            axis.set_major_locator(_FittingLocator(size))
            axis.set_major_formatter(_ShortFormatter())


def fitting_ticks(low, high, length, horizontal=True, size=9, preferred=()):
    """Numbers between two others whose labels have room beside each other: round ones, as many as fit.

    Args:
        low, high: ends of an axis.
        length: length of the axis in points.
        horizontal: whether labels stand beside each other, not above each other.
        size: size of their font in points.
        preferred: increasing numbers that are taken if they fit.

    Returns:
        (values, texts): (n,) increasing numbers and their labels.
    """
    locators = (MaxNLocator(most, steps=[1, 2, 5, 10], min_n_ticks=1) for most in range(MOST, 0, -1))
    round_numbers = (locator.tick_values(low, high) for locator in locators)
    finest, *others = (values[(values >= low) & (values <= high)] for values in round_numbers)
    ends = np.concatenate([finest[:1], finest[-1:]])
    for values in (np.asarray(preferred), finest, *others, ends):
        if len(values) > 1:
            texts = short_texts(values)
            needed = size * (label_width(texts) + ROOM[0] if horizontal else ROOM[1])
            if length * np.diff(values).min() > needed * (high - low):
                return values, texts
    return finest[:1], short_texts(finest[:1])


def label_width(texts):
    """Width of the longest of some labels, relative to the size of their font."""
    return DIGIT * max(map(len, texts), default=0)


def short_texts(values):
    """Numbers with the fewest digits that give each to within a hundredth of the distance between two.

    Args:
        values: (n,) increasing numbers; a single one is given to within a thousandth of itself.
    """
    values = np.asarray(values, float)
    largest = np.abs(values).max(initial=0)
    step = np.diff(values).min() if len(values) > 1 else 0.1 * largest
    kind = "f" if PLAIN_NUMBERS[0] <= largest < PLAIN_NUMBERS[1] or largest == 0 else "e"
    for digits in range(16):
        texts = [f"{value:.{digits}{kind}}" for value in values]
        if np.all(np.abs([float(text) for text in texts] - values) <= 0.01 * step):
            break
    return [_written(text) for text in texts]


def _written(text):
    """A formatted number without what says nothing: +, leading zeros of the exponent, the sign of zero."""
    mantissa, _, power = text.partition("e")
    if float(text) == 0:
        return "0" if power else mantissa.lstrip("-")
    return f"{mantissa}e{int(power)}".replace("-", MINUS) if power else mantissa.replace("-", MINUS)


class _FittingLocator(Locator):
    """Ticks of an axis by `fitting_ticks`.

    Args:
        size: size of the labels' font in points.
    """

    def __init__(self, size):
        self.size = size

    def __call__(self):
        low, high = sorted(self.axis.get_view_interval())
        box, horizontal = self.axis.axes.bbox, self.axis.axis_name == "x"
        length = (box.width if horizontal else box.height) * 72 / self.axis.figure.dpi
        return fitting_ticks(low, high, length, horizontal, self.size)[0]


class _ShortFormatter(Formatter):
    """Labels of ticks by `short_texts`."""

    def __call__(self, value, position=None):
        return short_texts([value])[0]

    def format_ticks(self, values):
        return short_texts(values)
