"""Texts of a figure that nobody can read: labels of ticks that touch each other or another text, or are cut off."""

import itertools

from matplotlib.backends.backend_agg import FigureCanvasAgg

LETTER = (
    0.4  # width of a narrow letter relative to the size of its font; there is as much room between two labels
)


def unreadable(figure):
    """What is wrong with the labels of a figure's ticks, as it is drawn.

    Args:
        figure: matplotlib Figure.

    Returns:
        list of texts: pairs of labels that touch, and single ones that are cut off; empty if all can be read.
    """
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer, (width, height) = canvas.get_renderer(), canvas.get_width_height()
    ticks = [label for axes in figure.axes if axes.get_visible() for label in tick_labels(axes)]
    others = [text for axes in figure.axes if axes.get_visible() for text in other_texts(axes)]
    others += [text for legend in figure.legends for text in (*legend.get_texts(), legend.get_title())]
    boxes = {text: text.get_window_extent(renderer) for text in [*ticks, *others, *figure.texts]}
    found = []
    for tick, other in itertools.chain(
        itertools.combinations(ticks, 2), itertools.product(ticks, [*others, *figure.texts])
    ):
        room = LETTER * tick.get_size() * figure.dpi / 72
        first, second = boxes[tick], boxes[other]
        if first.padded(room / 2, 0).overlaps(second.padded(room / 2, 0)):
            found.append(f"{tick.get_text()} | {other.get_text()}")
    for text, box in boxes.items():
        if box.x0 < -1 or box.y0 < -1 or box.x1 > width + 1 or box.y1 > height + 1:
            found.append(f"{text.get_text()} is cut off")
    return found


def tick_labels(axes):
    """The labels of ticks that are drawn, with the power of ten or the number that is to be added to them."""
    for axis in (axes.xaxis, axes.yaxis):
        if not (axes.axison and axis.get_visible()):
            continue
        low, high = sorted(axis.get_view_interval())
        slack = 1e-9 * (high - low)
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
            if low - slack <= tick.get_loc() <= high + slack:
                yield from (label for label in (tick.label1, tick.label2) if is_drawn(label))
        if is_drawn(axis.get_offset_text()):
            yield axis.get_offset_text()


def other_texts(axes):
    """The other texts of axes: their names, titles, those in them and in their legend."""
    titles = [axes.title, axes._left_title, axes._right_title]
    names = [axes.xaxis.label, axes.yaxis.label] if axes.axison else []
    legend = axes.get_legend()
    texts = [*titles, *names, *axes.texts, *(legend.get_texts() if legend else [])]
    return [text for text in texts if is_drawn(text)]


def is_drawn(text):
    """Whether a text can be seen and has a box: one that is written obliquely does not fill its own."""
    return text.get_visible() and bool(text.get_text().strip()) and text.get_rotation() % 90 == 0
