"""What the header and data units of a FITS file hold, found from their headers alone, and how pixels are scaled.

Astropy takes ten times as long to find one image among thousands of small files.
"""

import math
import os
import re
from typing import NamedTuple

import numpy as np

BLOCK = 2880  # bytes, of which headers and data have a whole number
LONGEST_HEADER = 1000  # blocks
MOST_COUNTED = 999  # axes or columns, by the standard
PIXEL_TYPES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}  # by BITPIX


class Unit(NamedTuple):
    """A header and data unit.

    Attributes:
        number: from 0.
        name: EXTNAME, or "".
        shape: of its image, slowest axis first; () if it holds none.
        type: NumPy's name of its stored pixels.
        start: byte at which its data begin.
        cards: keyword, padded to 8 bytes -> the other 72 bytes of its card.
        is_packed: whether the image is compressed, in a table.
    """

    number: int
    name: str
    shape: tuple[int, ...]
    type: str
    start: int
    cards: dict[bytes, bytes]
    is_packed: bool

    @property
    def label(self):
        """How messages name the unit."""
        named = f"{self.number} ({self.name})" if self.name else str(self.number)
        return f"extension {named}" if self.number or self.name else "the primary image"


def units_of(file):
    """The units of an open FITS file, whose headers alone are read.

    Raises:
        ValueError: if a header is damaged, or if the file ends before the data of a unit.
    """
    size, start, units = file.seek(0, os.SEEK_END), 0, []
    while start < size:
        file.seek(start)
        expected, first = b"XTENSION" if units else b"SIMPLE  ", file.read(8)
        if units and not expected.startswith(first):
            break  # what comes after the last unit belongs to none
        if first != expected:
            raise ValueError(f"it does not begin with {expected.decode().strip()}")
        file.seek(start)
        cards = _header(file)
        unit, length = _unit(len(units), cards, file.tell())
        if unit.start + length > size:
            raise ValueError("it is truncated")
        units.append(unit)
        start = unit.start + length + -length % BLOCK
    return units


def _header(file):
    """The cards of the header at which an open file stands, by keyword; the first of several."""
    cards = {}
    for _ in range(LONGEST_HEADER):
        block = file.read(BLOCK)
        if len(block) < BLOCK:
            raise ValueError("it is truncated")
        for start in range(0, BLOCK, 80):
            keyword = block[start : start + 8]
            if keyword == b"END     ":
                return cards
            cards.setdefault(keyword, block[start + 8 : start + 80])
    raise ValueError(f"a header has more than {LONGEST_HEADER} blocks")


def _unit(number, cards, start):
    """The unit of a header, and the length of its data in bytes."""
    bits, lengths = _value(cards, b"BITPIX  "), _lengths(cards, b"NAXIS")
    if bits not in PIXEL_TYPES:
        raise ValueError(f"BITPIX is {bits}")
    if len(lengths) > MOST_COUNTED or _value(cards, b"TFIELDS ", 0) > MOST_COUNTED:
        raise ValueError(f"it has more than {MOST_COUNTED} axes or columns")  # over which astropy would loop
    name = re.match(rb"= *'((?:[^']|'')*)'", cards.get(b"EXTNAME ", b""))
    name = "" if name is None else name[1].decode("ascii", "replace").replace("''", "'").strip()
    kind = cards.get(b"XTENSION", b"= 'IMAGE").split(b"'")[1].strip()
    # Random groups, of which the first axis is 0, have no image.
    counted = lengths[:-1] if number == 0 and len(lengths) > 1 and lengths[-1] == 0 else lengths
    length = math.prod(counted) if lengths else 0
    length = abs(bits) // 8 * _value(cards, b"GCOUNT  ", 1) * (_value(cards, b"PCOUNT  ", 0) + length)
    if length < 0:
        raise ValueError("the length of its data is negative")
    is_packed = cards.get(b"ZIMAGE  ", b"")[1:].split(b"/")[0].strip() == b"T"
    if is_packed:
        bits, lengths = _value(cards, b"ZBITPIX "), _lengths(cards, b"ZNAXIS")
        name = "" if name == "COMPRESSED_IMAGE" else name
    is_image = is_packed or (kind in (b"IMAGE", b"IUEIMAGE") and 0 not in lengths)
    return Unit(number, name, lengths if is_image else (), PIXEL_TYPES[bits], start, cards, is_packed), length


def _lengths(cards, keyword):
    """The lengths of the axes, slowest first."""
    count = _value(cards, keyword.ljust(8))
    lengths = tuple(_value(cards, (keyword + str(axis).encode()).ljust(8)) for axis in range(count, 0, -1))
    if any(length < 0 for length in lengths):
        raise ValueError(f"the lengths of its axes are {lengths}")
    return lengths


def _value(cards, keyword, default=None, kind=int):
    """The number of a card."""
    text = cards.get(keyword)
    if text is None:
        if default is None:
            raise ValueError(f"it has no {keyword.decode('ascii', 'replace').strip()}")
        return default
    return kind(text[1:].split(b"/")[0].strip().replace(b"D", b"E"))


def scaled(stored, cards):
    """Pixels scaled by BSCALE and BZERO, in the byte order of this machine; integers that equal BLANK become NaN.

    The types of scaled pixels are those that astropy has: unsigned integers where BZERO means these, else float32 for
    integers of at most 16 bits, float64 for longer ones.
    """
    pixels = stored.astype(stored.dtype.newbyteorder("="))
    scale, zero = _value(cards, b"BSCALE  ", 1.0, float), _value(cards, b"BZERO   ", 0.0, float)
    bits, is_integer = 8 * pixels.dtype.itemsize, pixels.dtype.kind in "iu"
    blank = _value(cards, b"BLANK   ", _value(cards, b"ZBLANK  ", "none")) if is_integer else "none"
    if (scale, zero, blank) == (1, 0, "none"):
        return pixels
    if pixels.dtype.kind == "i" and (scale, zero, blank) == (1, 2.0 ** (bits - 1), "none"):
        unsigned = np.dtype(f"u{bits // 8}")
        return pixels.view(unsigned) ^ unsigned.type(2 ** (bits - 1))
    values = pixels.astype(np.float32 if bits <= 16 else np.float64) if is_integer else pixels
    with np.errstate(over="ignore", invalid="ignore"):
        values = values * values.dtype.type(scale) + values.dtype.type(zero)
    if blank != "none":
        values[pixels == blank] = np.nan
    return values
