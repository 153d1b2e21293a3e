"""Images of several entries of the cache as one array, which is read by rows and never copied whole."""

import math

import numpy as np


class JoinedImages:
    """Arrays of images, one after the other, indexed by rows as one array is.

    An index may be an integer, a slice, an array or list of integers or of booleans, or a tuple that begins with one of
    these. A slice inside one array is a view of it; all else is a copy of the rows that are asked for, read once from
    each array.

    Args:
        arrays: list of (n, H, W, C) arrays of one shape and type but for n, which may be memory-mapped.
    """

    ndim = 4

    def __init__(self, arrays):
        self.arrays = list(arrays)
        self.starts = np.cumsum(
            [0, *map(len, self.arrays)]
        )  # first row of each array, and the number of rows
        self.shape = (int(self.starts[-1]), *self.arrays[0].shape[1:])
        self.dtype = self.arrays[0].dtype
        self.size = math.prod(self.shape)
        self.nbytes = self.size * self.dtype.itemsize

    def __len__(self):
        return self.shape[0]

    def __array__(self, *_, **__):
        raise TypeError(
            f"images of {len(self.arrays)} files are read by rows, as images[:100]; images[:] copies all {len(self):,} "
            f"({self.nbytes:,} bytes) into memory"
        )

    def __getitem__(self, rows):
        if isinstance(rows, tuple):
            rows, *others = rows
            images = self[rows]
            return images[(*(slice(None),) * (images.ndim - self.ndim + 1), *others)]
        if isinstance(rows, slice):
            return self._slice(rows)
        rows = np.asarray(rows)
        if rows.dtype == bool:
            if rows.shape != (len(self),):
                raise IndexError(f"expected {len(self)} booleans, one per image, received shape {rows.shape}")
            rows = np.flatnonzero(rows)
        if rows.size and rows.dtype.kind not in "iu":
            raise IndexError(f"expected rows as integers, slices or booleans, received {rows.dtype}")
        return self._gather(rows.astype(np.int64, copy=False))

    def _slice(self, rows):
        start, stop, step = rows.indices(len(self))
        if step != 1:
            return self._gather(np.arange(start, stop, step))
        first = self._array_of(start) if start < len(self) else len(self.arrays) - 1
        if start < stop <= self.starts[first + 1]:
            return self.arrays[first][start - self.starts[first] : stop - self.starts[first]]
        return self._gather(np.arange(start, stop))

    def _array_of(self, rows):
        """The number of the array that holds a row, or each of some rows."""
        return np.searchsorted(self.starts, rows, side="right") - 1

    def split(self, rows):
        """Which rows are in which array.

        Args:
            rows: (n,) integers from 0 to N - 1.

        Yields:
            (array, rows of it, positions of these among `rows`), once for each array that holds any.
        """
        owners = self._array_of(rows)
        order = np.argsort(owners, kind="stable")
        numbers, firsts = np.unique(owners[order], return_index=True)
        for number, positions in zip(numbers, np.split(order, firsts)[1:], strict=True):
            yield self.arrays[number], rows[positions] - self.starts[number], positions

    def _gather(self, rows):
        """A copy of some rows, (*rows.shape, H, W, C)."""
        flat = rows.ravel()
        wrong = (flat < -len(self)) | (flat >= len(self))
        if wrong.any():
            raise IndexError(f"row {flat[np.argmax(wrong)]} is out of bounds for {len(self)} images")
        flat = np.where(flat < 0, flat + len(self), flat)
        images = np.empty((len(flat), *self.shape[1:]), self.dtype)
        for array, own, positions in self.split(flat):
            images[positions] = array[own]
        return images.reshape(*rows.shape, *self.shape[1:])
