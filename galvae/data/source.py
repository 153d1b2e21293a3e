"""The output of a reader: images block by block, with labels, conditions and catalogue columns."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np


@dataclass(kw_only=True)
class Source:
    """The images and columns that a reader returns to be cached.

    Attributes:
        shape: (N, H, W, C) of all images.
        dtype: uint8 or float32.
        blocks: consecutive arrays (n, H, W, C), N images in all; only one block is in memory at a time.
        pixel_range: (low, high), the stored values that become 0 and 1.
        labels, class_names, condition, condition_names, condition_units, catalogue, catalogue_units: see
            `GalaxyDataset`.
    """

    shape: tuple[int, int, int, int]
    dtype: str
    blocks: Iterable[np.ndarray]
    pixel_range: tuple[float, float]
    labels: np.ndarray | None = None
    class_names: list[str] | None = None
    condition: np.ndarray | None = None
    condition_names: list[str] = field(default_factory=list)
    condition_units: list[str] = field(default_factory=list)
    catalogue: dict[str, np.ndarray] = field(default_factory=dict)
    catalogue_units: dict[str, str] = field(default_factory=dict)
