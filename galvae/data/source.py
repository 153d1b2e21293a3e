"""What a reader hands over: the images block by block, and what is known of them."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np


@dataclass(kw_only=True)
class Source:
    """What a reader hands over to be cached.

    Attributes:
        shape: (N, H, W, C) of all images.
        dtype: uint8 or float32.
        blocks: arrays (n, H, W, C) that follow each other, N images in all; never all in memory.
        pixel_range: (low, high), the stored values that become 0 and 1.
        labels, class_names, condition, condition_names, condition_units, catalogue, catalogue_units: as in
            GalaxyDataset.
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
