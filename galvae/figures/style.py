"""The one style of all figures: fonts, colours, and how a file is written."""

from dataclasses import dataclass

import matplotlib
import numpy as np

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
    "svg.hashsalt": "galvae",  # the same figure is the same file
}
# Neither the time nor the version of the writer goes into a file: the same figure is the same file.
METADATA = {"png": {"Software": None}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}
# Ten colours that colour-blind readers tell apart: P. Tol's "muted" scheme (SRON/EPS/TN/09-002).
MUTED = (
    *("#332288", "#88CCEE", "#44AA99", "#117733", "#999933"),
    *("#DDCC77", "#CC6677", "#882255", "#AA4499", "#777777"),
)
TRAIN, VAL = "#332288", "#CC6677"
UNKNOWN = "#BBBBBB"  # points without a value


@dataclass(frozen=True)
class Style:
    """What a user can choose of a figure's looks.

    Attributes:
        format: "png", "pdf" or "svg".
        image_map: matplotlib's name of the colour map of images of one band.
        class_map: "muted" or a colour map from which the classes' colours are taken evenly.
        value_map: colour map of redshifts and other numbers.
    """

    format: str = "png"
    image_map: str = "gray"
    class_map: str = "muted"
    value_map: str = "viridis"

    @classmethod
    def of(cls, config):
        """The style that a command's configuration asks for."""
        return cls(config.format, config.image_map, config.class_map, config.value_map)

    def class_colours(self, count):
        """(count, 4) colours; those of "muted" repeat after the tenth."""
        if self.class_map == "muted":
            return matplotlib.colors.to_rgba_array([MUTED[index % len(MUTED)] for index in range(count)])
        return matplotlib.colormaps[self.class_map](np.linspace(0, 1, count))


PLAIN = Style()


def amount(information, unit):
    """How much a latent dimension tells, in words, as "1.96 nats" or "variance 0.0052"."""
    number = f"{information:.2f}" if information >= 0.095 else f"{information:.1g}"
    return f"variance {number}" if unit == "variance" else f"{number} {unit}"


def save(figure, path, style=PLAIN):
    """Writes a figure, 200 dots per inch.

    Args:
        figure: the Figure.
        path: the file without an ending.
        style: Style, whose format gives the ending.

    Returns:
        The path with its ending.
    """
    path = path.with_name(f"{path.name}.{style.format}")
    with matplotlib.rc_context(RC), replacing(path) as beside:
        # Noisy pictures hardly get smaller by packing them harder, but cost seconds.
        options = {"pil_kwargs": {"compress_level": 2}} if style.format == "png" else {}
        figure.savefig(beside, metadata=METADATA[style.format], **options)
    return path
