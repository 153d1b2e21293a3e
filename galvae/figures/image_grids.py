"""Images of galaxies in rows: samples, reconstructions, traversals, several runs."""

import textwrap

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from galvae.figures.canvas import (
    CHARACTER_WIDTH,
    GAP,
    LINE_HEIGHT,
    WHITE,
    WIDTH,
    Canvas,
    figure_of_dots,
    residual_rgb,
    rgb,
    shown_bands,
    whole_zoom,
)
from galvae.figures.style import PLAIN, RC, amount, latent_name, with_minus
from galvae.system.atomic import replacing

STACKED_WIDTH = 350  # dots per galaxy, at most, where several images of it stand below each other
MOST_BANDS = 6  # bands whose residuals have a row each
MAX_ROW = 20  # largest number of images of a block that are drawn in one row


def grid(images, columns=None, captions=None, style=PLAIN):
    """Images side by side in a grid, nearly square unless the number of columns is given.

    Args:
        images: (n, H, W, C) intensities in [0, 1].
        columns: images in a row, or None.
        captions: n short texts under the images, or None.
        style: Style.
    """
    columns = columns or int(np.ceil(np.sqrt(len(images))))
    return Canvas(rgb(images, style), columns, captions=captions).figure()


def rows(images, row_labels, column_labels=None, captions=None, style=PLAIN):
    """Labelled rows of images, such as a traversal of each latent dimension.

    Args:
        images: (rows, columns, H, W, C) intensities in [0, 1].
        row_labels: text for each row, of one or several lines.
        column_labels: text above each column, or None.
        captions: (rows, columns) texts under the images, or None.
        style: Style.
    """
    colours = rgb(np.concatenate(list(images)), style)
    if captions is not None:
        captions = np.ravel(captions)
    return Canvas(colours, images.shape[1], row_labels, column_labels, captions).figure()


def latent_walks(
    images, axes, positions, values, information, unit="nats", names=None, galaxy=None, style=PLAIN
):
    """Walks along latent dimensions, a row each, with the galaxy at their origin below them.

    Args:
        images: (axes, steps, H, W, C) intensities in [0, 1].
        axes: (axes,) latent dimensions.
        positions: (steps,) positions along them, in standard deviations of the prior; or two texts, what the first and
            the last position are.
        values: (axes, steps) coordinates, which are written below the images; or None.
        information: (axes,) information in these dimensions.
        unit: unit of `information`: "nats", or "variance" of codes without a posterior.
        names: (axes,) texts, what each dimension changes, "" where unknown; or None.
        galaxy: (label, images): text, and the original and the decoded galaxy (2, H, W, C), or the latter alone; or
            None.
        style: Style.
    """
    count, steps = images.shape[:2]
    labels = [
        f"{latent_name(axis)}\n{amount(value, unit)}\n{with_minus(name)}".rstrip()
        for axis, value, name in zip(axes, information, [""] * count if names is None else names, strict=True)
    ]
    if isinstance(positions[0], str):
        positions = [positions[0], *[""] * (steps - 2), positions[1]]
    else:
        positions = [with_minus(f"{position:+.1f}") for position in positions]
    captions = None
    if values is not None:
        captions = np.array([[with_minus(f"{value:+.2f}") for value in row] for row in values], object)
    if galaxy is not None:
        label, pair = galaxy
        row = np.full_like(images[:1], np.nan)
        row[0, : len(pair)] = pair
        images, labels = np.concatenate([images, row]), [*labels, label]
        below = np.full((1, steps), "", object)
        below[0, : len(pair)] = ("original", "decoded")[-len(pair) :]
        captions = np.concatenate(
            [np.full((count, steps), "", object) if captions is None else captions, below]
        )
    return rows(images, labels, positions, captions, style)


def reconstructions(
    originals, decoded, columns=12, captions=None, groups=None, style=PLAIN, mask=None, band_names=()
):
    """Galaxies above their reconstructions and the residuals, in groups of rows.

    Residuals, original minus decoded, have a symmetric colour scale, in each group its own, whose limit is written
    beside them: zero is white for one band and grey for three. Of images with another number of bands, each band has a
    row of its own, up to MOST_BANDS; of more, the bands that the style shows share one.

    Args:
        originals, decoded: (n, H, W, C) intensities in [0, 1].
        columns: galaxies in a row.
        captions: n short texts under the groups, or None.
        groups: name for each group of `columns` galaxies, or None: all of them share a scale of residuals.
        style: Style.
        mask: (n, H, W, C) booleans of pixels that are set aside, which are drawn without a residual; or None.
        band_names: names of the C bands; empty: they are counted from 0.
    """
    residuals = np.asarray(originals, np.float32) - decoded
    if mask is not None:
        residuals[mask] = 0
    bands = residuals.shape[-1]
    if bands == 2 or 3 < bands <= MOST_BANDS:
        rows = {f"residual {name}": [band] for band, name in enumerate(band_names or range(bands))}
    else:
        residuals = shown_bands(residuals, style)
        rows = {"residual": slice(None)}
    original_rgb, decoded_rgb = rgb(originals, style), rgb(decoded, style)
    blocks = []
    for start in range(0, len(residuals), columns):
        own = slice(start, start + columns)
        label = f"{groups[len(blocks)]}:\noriginal" if groups else "original"
        block = {label: original_rgb[own], "decoded": decoded_rgb[own]}
        limit = _residual_limit(residuals[own] if groups else residuals)
        for name, band in rows.items():
            block[f"{name}\n±{limit:.2g}"] = residual_rgb(residuals[own][..., band], limit)
        blocks.append(block)
    return _stacked(blocks, min(columns, len(residuals)), captions)


def _residual_limit(residuals):
    """The residual of full colour, which one in 500 exceeds."""
    return max(float(np.quantile(np.abs(residuals), 0.998)), 1e-3)


def compared(images, others, labels, columns=12, captions=None, style=PLAIN):
    """Pairs of images above each other, such as generated galaxies and the real ones nearest to them.

    Args:
        images, others: (n, H, W, C) intensities in [0, 1].
        labels: texts beside the upper and the lower images.
        columns: pairs in a row.
        captions: n short texts under the pairs, or None.
        style: Style.
    """
    drawn = [rgb(images, style), rgb(others, style)]
    parts = [slice(start, start + columns) for start in range(0, len(images), columns)]
    blocks = [dict(zip(labels, (colours[part] for colours in drawn), strict=True)) for part in parts]
    return _stacked(blocks, min(columns, len(images)), captions)


def blocks(images, titles, style=PLAIN):
    """Blocks of images, such as samples of several redshifts: a row each or, where rows are too long, a panel each.

    In rows, the same image of every block is in the same column. A single block is a grid without its title.

    Args:
        images: (blocks, n, H, W, C) intensities in [0, 1].
        titles: text for each block.
        style: Style.
    """
    if len(images) == 1:
        return grid(images[0], style=style)
    if images.shape[1] <= MAX_ROW:
        return rows(images, titles, style=style)
    return panels(images, titles, style=style)


def beside(left, right, row_labels, titles, style=PLAIN):
    """Two groups of images side by side in labelled rows, such as generated and real galaxies of each class.

    Args:
        left, right: (rows, columns, H, W, C) intensities in [0, 1]; an image that contains NaN is drawn white.
        row_labels: text for each row.
        titles: texts above the two groups.
        style: Style.
    """
    images = np.concatenate([left, np.full_like(left[:, :1], np.nan), right], axis=1)
    columns = images.shape[1]
    canvas = Canvas(rgb(np.concatenate(list(images)), style), columns, row_labels, [""] * columns)
    for title, ends in zip(titles, ((0, left.shape[1] - 1), (left.shape[1] + 1, columns - 1)), strict=True):
        canvas.texts.append((canvas.centres[list(ends), 0].mean(), LINE_HEIGHT, title, "center", "baseline"))
    return canvas.figure()


def panels(blocks, titles, columns=None, style=PLAIN):
    """Grids of images side by side, each under a title, such as samples of several runs.

    Images of different sizes are enlarged by different whole numbers, so that all panels have nearly the
    same size. The margin around them is as wide as the gap between them.

    Args:
        blocks: arrays (n, H, W, C) of intensities in [0, 1], each with the same n.
        titles: text for each block, wrapped to the panel's width.
        columns: panels in a row.
        style: Style, or a list with one for each block.
    """
    styles = style if isinstance(style, list) else [style] * len(blocks)
    columns = columns or -(-len(blocks) // -(-len(blocks) // 4))
    inner = int(np.ceil(np.sqrt(len(blocks[0]))))
    pixels = [inner * block.shape[2] for block in blocks]
    panel_width = max(1.5 * WIDTH / columns, (1 + GAP) * max(pixels))
    grids = [
        Canvas(rgb(block, own), inner, zoom=whole_zoom(count, panel_width)).dots
        for block, own, count in zip(blocks, styles, pixels, strict=True)
    ]
    height, width = (max(panel.shape[axis] for panel in grids) for axis in (0, 1))
    # Wide figures are printed smaller: larger characters keep their titles legible.
    scale = max(1.0, columns * width / WIDTH)
    characters = max(1, int(width / (1.15 * CHARACTER_WIDTH * scale)))  # digits and capitals are wide
    titles = [textwrap.fill(title, characters, break_on_hyphens=False) for title in titles]
    gap = round(1.5 * LINE_HEIGHT * scale)
    above = gap + round((max(title.count("\n") for title in titles) + 1) * LINE_HEIGHT * scale)
    lines = -(-len(blocks) // columns)
    size = lines * (above + height) + gap, columns * (gap + width) + gap
    dots = np.full((*size, 3), WHITE, np.uint8)
    texts = []
    for index, (panel, title) in enumerate(zip(grids, titles, strict=True)):
        row, column = divmod(index, columns)
        y, x = row * (height + above) + above, column * (width + gap) + gap
        x += (width - panel.shape[1]) // 2
        dots[y : y + panel.shape[0], x : x + panel.shape[1]] = panel
        position = (x + panel.shape[1] / 2, y - 0.4 * LINE_HEIGHT * scale)
        texts.append((*position, title, {"ha": "center", "va": "bottom"}))
    return figure_of_dots(dots, texts, scale)


def animate(frames, path, columns=None, captions=None, style=PLAIN, seconds=0.1):
    """Writes frames as an animated GIF that runs forwards and backwards in an endless loop.

    Args:
        frames: (frames, n, H, W, C) intensities in [0, 1]; the n images of a frame stand side by side.
        path: path of the file with its extension.
        columns: images in a row, or None for a nearly square grid.
        captions: n texts under the images, or (frames, n) texts for each frame, or None.
        style: Style.
        seconds: duration of a frame.
    """
    columns = columns or int(np.ceil(np.sqrt(frames.shape[1])))
    captions = [captions] * len(frames) if np.ndim(captions) < 2 else captions
    rendered = []
    for frame, texts in zip(frames, captions, strict=True):
        canvas = Canvas(rgb(frame, style), columns, captions=texts, width=WIDTH // 2)
        rendered.append(Image.fromarray(_rendered(canvas.figure())))
    first, *others = [*rendered, *rendered[-2:0:-1]]
    with replacing(path) as temporary:
        first.save(temporary, save_all=True, append_images=others, duration=round(1000 * seconds), loop=0)


def _rendered(figure):
    """The dots of a figure, (height, width, 3) uint8."""
    with matplotlib.rc_context(RC):
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _stacked(blocks, columns, captions=None):
    """Several images of each galaxy below each other, in blocks of as many rows.

    Args:
        blocks: for each block a dict of label -> (m, H, W, 3) uint8 images of its m galaxies, in the order of its rows;
            only in the last, m may be smaller than `columns`.
        columns: galaxies in a row.
        captions: short texts under the galaxies, or None.
    """
    images, labels, texts = [], [], []
    for block in blocks:
        for label, row in block.items():
            blank = np.full((columns - len(row), *row.shape[1:]), WHITE, np.uint8)
            images.append(np.concatenate([row, blank]))
            labels.append(label)
            texts += [""] * columns
        if captions is not None:  # under the lowest row of the block
            own = captions[: len(row)]
            captions = captions[len(row) :]
            texts[-columns:] = [*own, *[""] * (columns - len(own))]
    # Few galaxies are not enlarged to the full width, which would make a figure of great height.
    width = min(WIDTH, STACKED_WIDTH * columns)
    return Canvas(np.concatenate(images), columns, labels, captions=texts, width=width).figure()
