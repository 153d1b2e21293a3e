"""The style that all figures share: fonts, colours, names of latent dimensions, and how a file is written."""

import contextlib
import dataclasses
import re
import textwrap
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.transforms import Bbox

from galvae.system.atomic import replacing

DPI = 200
RC = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "savefig.dpi": DPI,
    "figure.dpi": DPI,
    "pdf.fonttype": 42,  # text stays text
    "pdf.compression": 2,
    "svg.fonttype": "none",
    "svg.hashsalt": "galvae",  # the same figure gives the same file
}
# Neither the time nor the writer's version goes into a file, so that the same figure gives the same file.
METADATA = {"png": {"Software": None}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}
# Ten colours that colour-blind readers can distinguish: P. Tol's "muted" scheme (SRON/EPS/TN/09-002).
MUTED = (
    *("#332288", "#88CCEE", "#44AA99", "#117733", "#999933"),
    *("#DDCC77", "#CC6677", "#882255", "#AA4499", "#777777"),
)
TRAIN, VAL = "#332288", "#CC6677"
UNKNOWN = "#BBBBBB"  # points without a value
UNLABELLED = "unlabelled"  # name of class -1 in legends
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
NOTE_SIZE, NOTE_COLOUR = 6, "0.35"  # points, and a grey
NOTE_LINE, NOTE_GAP = 20, 5  # dots of a line of a note, and above and below it
NOTE_MARGIN = 0.05  # inches on both sides of a note
# For texts that come from data, such as ids and names of classes, whose dollar signs are no formulas.
LITERAL = {"parse_math": False}


@dataclass(frozen=True)
class Style:
    """File format and colours of a figure, as the user chooses them.

    Attributes:
        format: "png", "pdf" or "svg".
        image_map: name of matplotlib's colour map for images of one band.
        class_map: "muted", or the name of a colour map from which the colours of classes are drawn evenly.
        value_map: name of the colour map for redshifts and other numbers.
        rgb: three bands, counted from 0, that are shown as red, green and blue; None: images of three bands as they
            are, of any other number as their mean.
        stretch: the stretch of the images' intensities, "none", "linear" or "asinh", see galvae.stretch.
        display: (low, high), the intensities that an asinh stretch draws as black and white, of images whose light
            would hardly be seen otherwise, see galvae.data.display; None: intensities are drawn as they are.
    """

    format: str = "png"
    image_map: str = "gray"
    class_map: str = "muted"
    value_map: str = "viridis"
    rgb: tuple[int, int, int] | None = None
    stretch: str = "none"
    display: tuple[float, float] | None = None

    @classmethod
    def of(cls, config, data=None, display=None):
        """The style that a command's configuration asks for.

        Args:
            config: configuration with the first four attributes.
            data: dataset of the images, or its section of a configuration, with the next two; or None.
            display: see the attribute of this name.
        """
        style = cls(config.format, config.image_map, config.class_map, config.value_map)
        return style if data is None else style.for_images(data.rgb, data.stretch, display)

    def for_images(self, rgb, stretch, display=None):
        """The same style for images of other bands or intensities, see the attributes of these names."""
        return dataclasses.replace(self, rgb=rgb, stretch=stretch, display=display)

    def class_colours(self, count):
        """Colours of so many classes, (count, 4) RGBA in [0, 1]; those of "muted" repeat after the tenth."""
        if self.class_map == "muted":
            return matplotlib.colors.to_rgba_array([MUTED[index % len(MUTED)] for index in range(count)])
        return matplotlib.colormaps[self.class_map](np.linspace(0, 1, count))

    def palettes(self, counts):
        """The colours of values, of images of one band, and of classes, as tables (n, 3) of uint8.

        Args:
            counts: numbers of classes that columns have.

        Returns:
            dict with the entries values and image (256, 3), classes.N (N, 3) for each number of classes, and unknown
            (1, 3), the colour of points without a value.
        """
        steps = np.linspace(0, 1, 256)
        tables = {
            "values": matplotlib.colormaps[self.value_map](steps),
            "image": matplotlib.colormaps[self.image_map](steps),
            "unknown": matplotlib.colors.to_rgba_array(UNKNOWN),
            **{f"classes.{count}": self.class_colours(count) for count in counts},
        }
        return {name: np.round(255 * table[:, :3]).astype(np.uint8) for name, table in tables.items()}


PLAIN = Style()


def latent_name(axis, short=False):
    """Name of a latent dimension in a figure: "latent 3 (z₃)", or "z₃" where there is little room.

    The subscript is a Unicode character and not a formula, so that labels can be measured and wrapped.

    Args:
        axis: latent dimension, counted from 0.
        short: whether to return the short form.
    """
    symbol = f"z{str(axis).translate(SUBSCRIPTS)}"
    return symbol if short else f"latent {axis} ({symbol})"


def amount(information, unit):
    """Information in a latent dimension as text, such as "1.96 nats" or "variance 0.0052".

    Args:
        information: number in nats, or variance of the codes.
        unit: "nats" or "variance".
    """
    number = f"{information:.2f}" if 0.095 <= information < 1e5 else f"{information:.1g}"
    return f"variance {number}" if unit == "variance" else f"{number} {unit}"


def axis_label(axis, information, unit, change=""):
    """Label of an axis that is a latent dimension: its name, the information in it, and what it changes.

    Args:
        axis: latent dimension, counted from 0.
        information, unit: see `amount`.
        change: text such as "r50 (+)"; "" where it is unknown.
    """
    label = f"{latent_name(axis)}, {amount(information, unit)}"
    return f"{label}: {with_minus(change)}" if change else label


def with_minus(text):
    """A text with minus signs in place of the hyphens that stand for them: in "(-)" and before numbers."""
    return re.sub(r"(?<!\w)-(?=[\d.)])", "\N{MINUS SIGN}", text)


def save(figure, path, style=PLAIN, note=None):
    """Writes a figure to a file at 200 dots per inch.

    Args:
        figure: matplotlib Figure.
        path: path of the file without its extension.
        style: Style, whose format gives the extension.
        note: of which galaxies the figure is, written small into a strip that is added below it; or None.

    Returns:
        The path with its extension.
    """
    path = path.with_name(f"{path.name}.{style.format}")
    with matplotlib.rc_context(RC), replacing(path) as temporary, _noted(figure, note) as box:
        # Noisy images hardly shrink under stronger compression, which takes seconds.
        options = {"pil_kwargs": {"compress_level": 2}} if style.format == "png" else {}
        figure.savefig(temporary, metadata=METADATA[style.format], bbox_inches=box, **options)
    return path


@contextlib.contextmanager
def _noted(figure, note):
    """Has a figure a note below it, which is outside of its own area, so that no dot of it moves.

    Args:
        figure: matplotlib Figure.
        note: text, or None.

    Yields:
        Bbox of the figure with its note, in inches; None without one.
    """
    if note is None:
        yield None
        return
    width, height = figure.get_size_inches()
    characters = int((width - 2 * NOTE_MARGIN) * 72 / (0.6 * NOTE_SIZE))
    lines = textwrap.wrap(note, max(8, characters))
    strip = (NOTE_LINE * len(lines) + 2 * NOTE_GAP) / DPI
    text = figure.text(
        *(1 - NOTE_MARGIN / width, -NOTE_GAP / DPI / height, "\n".join(lines)),
        **{"ha": "right", "va": "top", "size": NOTE_SIZE, "color": NOTE_COLOUR, **LITERAL},
    )
    try:
        yield Bbox([[0, -strip], [width, height]])
    finally:
        text.remove()
