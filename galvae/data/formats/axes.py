"""The order of the axes of stored images: found from their lengths where these allow one order, else asked for."""

import math

import numpy as np

from galvae.errors import GalvaeError

MOST_BANDS = 16
LARGEST_IMAGE = 100_000_000  # values; a small compressed file can declare far more
# The orders that files of images have, by number of axes: galaxies first or last, bands first or last, one galaxy.
ORDERS = {3: ("NHW", "HWN", "HWC", "CHW"), 4: ("NHWC", "NCHW", "HWCN")}
ORDERS_OF_ONE = {2: ("HW",), 3: ("CHW", "HWC")}  # the same of files that hold one galaxy each


def choose_axes(shape, where, requested=None, orders=ORDERS):
    """The order of an array's axes, as letters: N galaxies, H rows, W columns, C bands.

    Without a request, an order is chosen only if no other one is possible. Orders whose bands are more than MOST_BANDS
    are not; of an array of three axes, neither are those whose images are not square.

    Args:
        shape: of the array.
        where: file and name of the array, for messages.
        requested: `dataset.axes`, or None.
        orders: the orders to choose from, by number of axes.

    Returns:
        Text, such as "NHWC".

    Raises:
        GalvaeError: if the array has another number of axes than requested, or if several orders or none are possible.
    """
    shape = tuple(shape)
    if requested is not None:
        if len(requested) != len(shape) or 0 in shape or _bands(requested, shape) > MOST_BANDS:
            raise GalvaeError(
                f"dataset.axes: {where}: expected {len(requested)} axes {requested}, at most {MOST_BANDS} bands C, "
                f"received shape {shape}"
            )
        return requested
    candidates = [
        order for order in orders.get(len(shape), ()) if 0 not in shape and _bands(order, shape) <= MOST_BANDS
    ]
    possible = [order for order in candidates if len(shape) != 3 or _is_square(order, shape)]
    # Where galaxies may be on any axis, three axes of which they are not the first are too rare to be guessed.
    several = any("N" in order for order in candidates)
    if len(possible) == 1 and (possible[0][0] == "N" or len(shape) == 4 or not several):
        return possible[0]
    if not candidates:
        one = orders is ORDERS_OF_ONE
        listed = "(H, W), (C, H, W) or (H, W, C)" if one else "(N, H, W), (N, H, W, C) or (N, C, H, W)"
        raise GalvaeError(
            f"dataset.axes: {where}: expected images of shape {listed} with at most {MOST_BANDS} bands C, received "
            f"{shape}"
        )
    readings = "; ".join(f"{order}: {described(order, shape)}" for order in candidates)
    raise GalvaeError(
        f"dataset.axes: {where}: expected the order of axes of the shape {shape}, which does not tell it, received "
        f"null; set dataset.axes= to one of {readings}"
    )


def _bands(order, shape):
    return dict(zip(order, shape, strict=True)).get("C", 1)


def _is_square(order, shape):
    lengths = dict(zip(order, shape, strict=True))
    return lengths["H"] == lengths["W"]


def described(order, shape):
    """What a shape means in an order of axes, in words: "40 galaxies of 16x16 pixels, 3 bands"."""
    lengths = {"N": 1, "C": 1, **dict(zip(order, shape, strict=True))}
    galaxies = f"{lengths['N']:,} galax{'y' if lengths['N'] == 1 else 'ies'}"
    bands = f"{lengths['C']} band{'s' if lengths['C'] > 1 else ''}"
    return f"{galaxies} of {lengths['H']}x{lengths['W']} pixels, {bands}"


def order_of_one(shape, where, requested=None):
    """The order of the axes of a file's only galaxy, see `choose_axes`, with a 1 for each axis that is left out.

    Axes of length 1 are left out as long as two others remain, as of radio images of shape (1, 1, H, W).

    Args:
        shape: of the array.
        where: the file, for messages.
        requested: `dataset.axes`, or None. It has a letter for each axis, or for each that is not left out.

    Returns:
        Text, such as "11HW" or "CHW".

    Raises:
        GalvaeError: if no order or several are possible, or if the image is empty or too large.
    """
    shape = tuple(shape)
    if not 0 < math.prod(shape) <= LARGEST_IMAGE:
        raise GalvaeError(
            f"dataset.path: {where}: expected an image of 1 to {LARGEST_IMAGE} values, received {shape}"
        )
    if requested is not None and "N" in requested:
        raise GalvaeError(
            f"dataset.axes: {where}: expected the axes of one galaxy, HW, CHW or HWC, received {requested}"
        )
    left_out = [axis for axis, length in enumerate(shape) if length == 1][: max(0, len(shape) - 2)]
    if requested is not None and len(requested) == len(shape):
        left_out = []
    elif requested is not None:
        left_out = left_out[: max(0, len(shape) - len(requested))]
    lengths = tuple(length for axis, length in enumerate(shape) if axis not in left_out)
    letters = iter(choose_axes(lengths, where, requested, ORDERS_OF_ONE))
    return "".join("1" if axis in left_out else next(letters) for axis in range(len(shape)))


def arranged(array, order):
    """An array of one galaxy as (H, W, C).

    Args:
        array: of any order of axes.
        order: see `order_of_one`.
    """
    array = np.squeeze(array, tuple(axis for axis, letter in enumerate(order) if letter == "1"))
    letters = order.replace("1", "")
    if "C" not in letters:
        array, letters = array[..., None], letters + "C"
    return np.transpose(array, [letters.index(letter) for letter in "HWC"])


class ImageStack:
    """An array of images with its axes in any order, read when sliced as (n, H, W, C).

    Args:
        array: anything with `shape` and `dtype` that can be sliced along one axis.
        order, where: see `choose_axes`.

    Attributes:
        shape: (N, H, W, C).
        dtype: as stored.
    """

    def __init__(self, array, order, where):
        self.array, self.order, self.dtype = array, order, array.dtype
        lengths = {"N": 1, "C": 1, **dict(zip(order, array.shape, strict=True))}
        self.shape = tuple(lengths[letter] for letter in "NHWC")
        if math.prod(self.shape[1:]) > LARGEST_IMAGE:
            raise GalvaeError(
                f"dataset.path: {where}: expected images of at most {LARGEST_IMAGE} values, received "
                f"{tuple(array.shape)}"
            )

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        order = self.order
        if order[0] == "N":
            block = self.array[rows]
        elif "N" in order:
            block = self.array[(slice(None),) * order.index("N") + (rows,)]
        else:
            block, order = np.asarray(self.array[()])[None][rows], "N" + order
        for letter in "NHWC":
            if letter not in order:
                block, order = block[..., None], order + letter
        return np.transpose(block, [order.index(letter) for letter in "NHWC"])
