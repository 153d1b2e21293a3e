"""Arrays as gzipped parts, which the page's `web/data/blocks.js` puts together again."""

import gzip
import itertools
import json

import numpy as np

# Bytes of an array in one part: what cannot be compressed grows by less than 1 in 1,000, to at most 2 MB.
RUN = 1_990_000
LEVEL = 6  # of compression; the highest takes twice as long for labels and gains nothing for numbers
TYPES = {"f2": "<f2", "f4": "<f4", "f8": "<f8", "u1": "|u1", "i2": "<i2", "i4": "<i4"}


class Parts:
    """Compresses arrays one after another, and keeps what a page has to know about them.

    Attributes:
        entries: of the arrays so far, by name: `dtype` (a key of TYPES, or text), `shape`, and `parts`, the names of
            their parts in order.
    """

    def __init__(self):
        self.entries = {}
        self._numbers = itertools.count()

    def of(self, name, array):
        """The parts of an array.

        Args:
            name: of the array; the names of its parts are made of numbers alone.
            array: NumPy array of a type in TYPES, or list of texts.

        Yields:
            (name of the part, bytes): each a run of the array's little-endian bytes in C order, or of the JSON of the
            list, as a gzip file of its own. The same array gives the same bytes.

        Raises:
            ValueError: if the array has another type.
        """
        if isinstance(array, list):
            kind, shape = "text", [len(array)]
            content = memoryview(json.dumps(array, separators=(",", ":")).encode("ascii"))
        else:
            kind, shape = array.dtype.str[1:], list(array.shape)
            if kind not in TYPES:
                raise ValueError(f"array {name} has type {array.dtype}, expected one of {', '.join(TYPES)}")
            content = memoryview(np.ascontiguousarray(array, TYPES[kind]).reshape(-1).view(np.uint8))
        parts = []
        self.entries[name] = {"dtype": kind, "shape": shape, "parts": parts}
        for start in range(0, len(content), RUN):
            parts.append(f"part-{next(self._numbers)}")
            yield parts[-1], gzip.compress(content[start : start + RUN], LEVEL, mtime=0)
