"""Captions on a sheet of galaxies, to compare these with what one knows of them."""

import re

from galvae.data.column_names import is_redshift
from galvae.data.summary import galaxy_columns

EXTENSION = re.compile(r"\.[A-Za-z]\w{2,4}(\.[fg]z)?$")


def captions(dataset, indices, line):
    """Texts under galaxies: a line each for the id, the redshift or else the first condition, and the class.

    Args:
        dataset: GalaxyDataset.
        indices: (n,) galaxies.
        line: characters that fit into a line.
    """
    columns = {name: texts.tolist() for name, texts in galaxy_columns(dataset, indices, digits=3).items()}
    lines = [[shortened(text, line) for text in columns["id"]]]
    numbers = [name for name in columns if name not in ("id", "class", "file", "split")]
    if numbers:
        name = next(filter(is_redshift, numbers), numbers[0])
        label = "z =" if is_redshift(name) else shortened(name, line - 6)
        lines.append(
            [f"{label} {text}" if text else f"{label.removesuffix(' =')} unknown" for text in columns[name]]
        )
    if "class" in columns:  # last, since it may take two lines
        lines.append([shortened(text, 2 * line) for text in columns["class"]])
    return ["\n".join(galaxy).rstrip() for galaxy in zip(*lines, strict=True)]


def shortened(text, longest):
    """A text of at most `longest` characters: a path's last part, without its extension, its start and longer end."""
    text = text.rsplit("/", 1)[-1]
    if len(text) > longest:
        text = EXTENSION.sub("", text)
    if len(text) <= longest:
        return text
    start = longest // 3
    return f"{text[:start]}\N{HORIZONTAL ELLIPSIS}{text[start + 1 - longest :]}"
