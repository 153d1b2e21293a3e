"""Images whose bands, size and scale are changed when they are read, so that none are copied."""

import numpy as np

from galvae.data.area_average import area_average
from galvae.data.batches import prefetch


class ChangedImages:
    """Images of a dataset in another form; it is indexed by rows as they are.

    Args:
        stored: (N, H, W, C) array, memory-mapped.
        order: positions of the bands that are read, in their new order; None: as stored.
        size: new side in pixels, to which pixels are averaged; None: as stored.
        scale: (factor, offset) of the values, which then are float32; None: as stored.
        any_of: for masks: a new pixel is set aside if any part of it is.
    """

    base = None  # no array that `prefetch` could ask the disk for; `__getitem__` does

    def __init__(self, stored, order=None, size=None, scale=None, any_of=False):
        self._stored, self._order, self._size, self._scale, self._any = stored, order, size, scale, any_of
        count, height, width, bands = stored.shape
        self.shape = (count, size or height, size or width, bands if order is None else len(order))
        self.dtype = np.dtype(np.float32) if scale is not None else stored.dtype
        self.ndim = 4

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        if isinstance(rows, np.ndarray) and rows.dtype.kind in "iu":
            prefetch(self._stored, rows)
        images = self._stored[rows]
        if np.ndim(images) == 3:
            return self._changed(images[None])[0]
        return self._changed(images)

    def _changed(self, images):
        if self._order is not None:
            images = images[..., self._order]
        if self._size is not None:
            images = (
                (area_average(images.astype(np.float32), self._size) > 0).astype(self.dtype)
                if self._any
                else area_average(images, self._size)
            )
        if self._scale is not None:
            factor, offset = self._scale
            images = images.astype(np.float32) * np.float32(factor) + np.float32(offset)
        return images
