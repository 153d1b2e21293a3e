"""Pictures of galaxies in rows: samples, reconstructions, traversals, several runs."""

import textwrap

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from galvae.figures.canvas import (
    GAP,
    LETTER,
    LINE,
    TEXT,
    WHITE,
    WIDTH,
    Canvas,
    axes_of_dots,
    picture,
    residual_rgb,
    rgb,
    whole_zoom,
)
from galvae.figures.style import DPI, PLAIN, RC
from galvae.system.atomic import replacing

WIDEST = 350  # dots of a galaxy, where several pictures of it stand under each other


def grid(images, columns=None, captions=None, style=PLAIN):
    """Images side by side, nearly square unless `columns` says otherwise.

    Args:
        images: (n, H, W, C) intensities in [0, 1].
        columns: galaxies in a row.
        captions: n short texts under the images, or None.
        style: Style.
    """
    columns = columns or int(np.ceil(np.sqrt(len(images))))
    return picture(Canvas(rgb(images, style), columns, captions=captions))


def rows(images, row_labels, column_labels=None, captions=None, style=PLAIN):
    """A row of images for each label, as a traversal of every axis.

    Args:
        images: (rows, columns, H, W, C) intensities in [0, 1].
        row_labels: a text for each row; it may have several lines.
        column_labels: a text over each column, or None.
        captions: (rows, columns) texts under the images, or None.
        style: Style.
    """
    flat = rgb(np.concatenate(list(images)), style)
    if captions is not None:
        captions = np.ravel(captions)
    return picture(Canvas(flat, images.shape[1], row_labels, column_labels, captions))


def reconstructions(originals, decoded, columns=12, captions=None, groups=None, style=PLAIN):
    """Originals above their reconstructions above what is left, in groups of three rows.

    Residuals, original minus decoded, are drawn on one symmetric scale, which is written beside them: zero is
    white for one band and grey for three.

    Args:
        originals, decoded: (n, H, W, C) intensities in [0, 1].
        columns: galaxies in a row.
        captions: n short texts, drawn under each group, or None.
        groups: a name for each group of `columns` galaxies, or None.
        style: Style.
    """
    residuals = np.asarray(originals, np.float32) - decoded
    limit = max(float(np.quantile(np.abs(residuals), 0.998)), 1e-3)
    kinds = {
        "original": rgb(originals, style),
        "decoded": rgb(decoded, style),
        f"residual\n±{limit:.2g}": residual_rgb(residuals, limit),
    }
    return _stacked(kinds, columns, captions, groups)


def compared(images, others, labels, columns=12, captions=None, style=PLAIN):
    """Each image above another one, as generated galaxies above their nearest real ones.

    Args:
        images, others: (n, H, W, C) intensities in [0, 1].
        labels: of the two kinds.
        columns: galaxies in a row.
        captions: n short texts under the pairs, or None.
        style: Style.
    """
    kinds = dict(zip(labels, (rgb(images, style), rgb(others, style)), strict=True))
    return _stacked(kinds, columns, captions)


def panels(blocks, titles, columns=None, style=PLAIN):
    """Grids of images side by side, each under its title, as samples of several runs.

    Images of different sizes are enlarged by different whole numbers, to panels of nearly one size.

    Args:
        blocks: arrays (n, H, W, C) of intensities in [0, 1], each with the same n.
        titles: one for each block; wrapped to the panel's width.
        columns: blocks in a row.
        style: Style.
    """
    columns = columns or -(-len(blocks) // -(-len(blocks) // 4))
    inner = int(np.ceil(np.sqrt(len(blocks[0]))))
    sides = [inner * block.shape[2] for block in blocks]
    wanted = max(1.5 * WIDTH / columns, (1 + GAP) * max(sides))
    pictures = [
        Canvas(rgb(block, style), inner, zoom=whole_zoom(side, wanted)).dots
        for block, side in zip(blocks, sides, strict=True)
    ]
    height, width = (max(picture.shape[axis] for picture in pictures) for axis in (0, 1))
    # Wide pictures are printed smaller, and their titles should be read all the same.
    scale = max(1.0, columns * width / WIDTH)
    letters = max(1, int(width / (LETTER * scale)))
    titles = [textwrap.fill(title, letters, break_on_hyphens=False) for title in titles]
    above = round((max(title.count("\n") for title in titles) + 1.5) * LINE * scale)
    between = round(LINE * scale)
    lines = -(-len(blocks) // columns)
    dots = np.full((lines * (height + above), columns * (width + between) - between, 3), WHITE, np.uint8)
    texts = []
    for index, (block, title) in enumerate(zip(pictures, titles, strict=True)):
        row, column = divmod(index, columns)
        y, x = row * (height + above) + above, column * (width + between)
        x += (width - block.shape[1]) // 2
        dots[y : y + block.shape[0], x : x + block.shape[1]] = block
        texts.append((x + block.shape[1] / 2, y - 0.2 * LINE * scale, title))
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(dots.shape[1] / DPI, dots.shape[0] / DPI))
        axes = axes_of_dots(figure, dots, (0, 0, 1, 1))
        for x, y, title in texts:
            axes.text(x, y, title, ha="center", va="bottom", size=TEXT * scale, linespacing=1.1)
        return figure


def animate(frames, path, columns=None, captions=None, style=PLAIN, seconds=0.1):
    """Writes frames as an animated GIF that runs forth and back for ever.

    Args:
        frames: (frames, n, H, W, C) intensities in [0, 1]; the n images of a frame stand side by side.
        path: the file, with its ending.
        columns: images in a row.
        captions: n texts under the images, or (frames, n), those of each frame; or None.
        style: Style.
        seconds: that a frame is shown.
    """
    from PIL import Image

    columns = columns or int(np.ceil(np.sqrt(frames.shape[1])))
    pictures = []
    captions = [captions] * len(frames) if np.ndim(captions) < 2 else captions
    for frame, texts in zip(frames, captions, strict=True):
        figure = picture(Canvas(rgb(frame, style), columns, captions=texts, width=WIDTH // 2))
        pictures.append(Image.fromarray(_rendered(figure)))
    order = [*pictures, *pictures[-2:0:-1]]
    with replacing(path) as beside:
        order[0].save(beside, save_all=True, append_images=order[1:], duration=round(1000 * seconds), loop=0)


def _rendered(figure):
    """A figure's dots as (height, width, 3) uint8."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    with matplotlib.rc_context(RC):
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _stacked(kinds, columns, captions=None, groups=None):
    """Several pictures of each galaxy under each other, in groups of as many rows as there are kinds."""
    count = len(next(iter(kinds.values())))
    columns = min(columns, count)
    images, labels, texts = [], [], []
    for group, start in enumerate(range(0, count, columns)):
        for index, (label, pictures) in enumerate(kinds.items()):
            row = pictures[start : start + columns]
            blank = np.full((columns - len(row), *row.shape[1:]), WHITE, np.uint8)
            images.append(np.concatenate([row, blank]))
            labels.append(f"{groups[group]}:\n{label}" if groups and index == 0 else label)
            last = captions is not None and index == len(kinds) - 1
            under = captions[start : start + columns] if last else []
            texts += [*under, *[""] * (columns - len(under))]
    texts = texts if captions is not None else None
    # Few galaxies are not enlarged to the width of a picture that is as many rows high.
    width = min(WIDTH, WIDEST * columns)
    return picture(Canvas(np.concatenate(images), columns, labels, captions=texts, width=width))
