"""The layers that networks are made of, described without Keras: a network's plan is a list of them.

`build.py` makes Keras layers of a plan; `galvae/explorer/decoder.py` reads one to decode in a browser. Feature maps are
(H, W, channels). Padding "same" and "valid" are Keras'; `filters` is the number of channels that a part returns.
"""

from typing import NamedTuple


class Dense(NamedTuple):
    """Weighted sums of all numbers, (N,) -> (units,)."""

    name: str
    units: int
    activation: str | None = None


class Reshape(NamedTuple):
    """Numbers as a feature map, (height x width x filters,) -> (height, width, filters), row by row."""

    name: str
    height: int
    width: int
    filters: int


class Flatten(NamedTuple):
    """A feature map as numbers, row by row: the inverse of `Reshape`."""

    name: str


class Conv(NamedTuple):
    """A convolution, (H, W, N) -> (H / stride, W / stride, filters), rounded up where padding is "same"."""

    name: str
    filters: int
    kernel: int
    stride: int = 1
    padding: str = "same"
    bias: bool = True
    activation: str | None = None


class Transposed(NamedTuple):
    """A transposed convolution, which undoes the change of size of `Conv`, (H, W, N) -> (stride H, stride W, filters).

    With an `output_padding` and padding "same", sides become stride x (side - 1) + kernel % 2 + output_padding.
    """

    name: str
    filters: int
    kernel: int
    stride: int = 2
    padding: str = "same"
    output_padding: int | None = None
    bias: bool = True
    activation: str | None = None


class Normalisation(NamedTuple):
    """Batch normalisation of each channel."""

    name: str
    momentum: float
    epsilon: float


class Rectifier(NamedTuple):
    """ReLU, or with a `slope` below zero, LeakyReLU."""

    name: str
    slope: float = 0.0


class Pad(NamedTuple):
    """Zeros below and to the right of a feature map, (H, W, N) -> (H + bottom, W + right, N)."""

    name: str
    bottom: int
    right: int


class Crop(NamedTuple):
    """The inverse of `Pad`: a feature map without so much of its lower and right end."""

    name: str
    bottom: int
    right: int


class SpaceToDepth(NamedTuple):
    """Squares of pixels as channels, (H, W, N) -> (H / factor, W / factor, factor^2 N)."""

    name: str
    factor: int


class DepthToSpace(NamedTuple):
    """The inverse of `SpaceToDepth`."""

    name: str
    factor: int


class MirroredEdges(NamedTuple):
    """One more row or column at each edge, mirrored there, (H, W, N) -> (H + 2, W + 2, N)."""

    name: str


class SmoothPatches(NamedTuple):
    """A 3x3 convolution that draws patches of pixels which fit together, see galvae/models/networks/smooth.py."""

    name: str
    bands: int
    factor: int
    padding: str = "same"


def cropped(name, sides, wanted):
    """The part that cuts a feature map to size, as a list; empty if the map has that size.

    Args:
        name: of the part.
        sides: (height, width) of the map.
        wanted: (height, width), no larger.
    """
    surplus = [side - whole for side, whole in zip(sides, wanted, strict=True)]
    return [Crop(name, *surplus)] if any(surplus) else []
