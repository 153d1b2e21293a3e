"""Files that somebody else may have made: their kind, size and layout are checked before memory is taken.

Nothing in them is executed: arrays of Python objects, compressed members and unknown types are refused.
"""

import json
import math
import os
import re
import stat
import struct
import zipfile

from galvae.errors import GalvaeError, line_of

LARGEST_JSON = 100_000_000  # bytes
LARGEST_HEADER = 10_000_000  # bytes of the names, shapes and types in a safetensors file
TYPES = {"BOOL": "|b1"} | {
    f"{kind.upper()}{8 * size}": f"<{kind}{size}"
    for kind, sizes in {"f": (2, 4, 8), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8)}.items()
    for size in sizes
}
# What NumPy writes before an array; its own reader takes many more forms, by way of Python's grammar.
ARRAY_HEADER = re.compile(
    rb"\{'descr': '([<|][biufU]\d{1,9})', 'fortran_order': (True|False), "
    rb"'shape': \(((?:\d{1,19}, ?)*\d{0,19})\), \} *\n"
)
DAMAGED = (
    *(OSError, ValueError, TypeError, KeyError, AttributeError, EOFError, OverflowError, RecursionError),
    *(RuntimeError, NotImplementedError, struct.error, zipfile.BadZipFile),
)


def open_file(path, largest=None):
    """A regular file open for reading; a pipe or a device, which might never end, is refused.

    Args:
        path: the file.
        largest: bytes that it may have at most.

    Raises:
        OSError: if it cannot be opened.
        ValueError: if it is no regular file, or too large.
    """
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("no regular file")
    if largest is not None and status.st_size > largest:
        raise ValueError(f"{status.st_size} bytes, more than {largest}")
    return open(path, "rb")


def read_json(path, largest=LARGEST_JSON):
    """A JSON file's object as a dict.

    Args:
        path: the file.
        largest: bytes that it may have at most.

    Raises:
        GalvaeError: if it is missing, too large, or holds anything but one object.
    """
    try:
        with open_file(path, largest) as file:
            values = json.loads(file.read(), object_pairs_hook=_unique)
        if not isinstance(values, dict):
            raise ValueError("no object")
    except DAMAGED as error:
        raise GalvaeError(f"{path}: expected a JSON object, received {_damage(error)}") from error
    return values


def read_npz(path, names):
    """Arrays of an .npz file as `galvae.atomic.save_arrays` and `numpy.savez` write it.

    Every member is read whole, so that its checksum is compared.

    Args:
        path: the file.
        names: of the arrays; the file may hold no others.

    Returns:
        dict of arrays.

    Raises:
        GalvaeError: if the file is missing or damaged, or holds other arrays, objects or compressed ones.
    """
    try:
        with open_file(path) as file, zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if sorted(member.filename for member in members) != sorted(f"{name}.npy" for name in names):
                raise ValueError(f"the members {', '.join(member.filename for member in members[:20])}")
            size = os.fstat(file.fileno()).st_size
            if any(member.compress_type for member in members) or size < sum(
                member.file_size for member in members
            ):
                raise ValueError("members that declare more than the file holds")
            return {member.filename[:-4]: _array(archive.read(member)) for member in members}
    except DAMAGED as error:
        raise GalvaeError(
            f"{path}: expected the arrays {', '.join(names)}, received {_damage(error)}"
        ) from error


def _array(content):
    """The array of a member of an .npz file."""
    import numpy as np  # late: --help and completion read configurations, but no arrays

    if content[:8] != b"\x93NUMPY\x01\x00":
        raise ValueError("no array in NumPy's format 1.0")
    (length,) = struct.unpack("<H", content[8:10])
    header = ARRAY_HEADER.fullmatch(content[10 : 10 + length])
    if header is None:
        raise ValueError("an array of another type or layout")
    dtype = np.dtype(header[1].decode())
    shape = tuple(int(length) for length in header[3].replace(b",", b" ").split())
    if not dtype.itemsize or math.prod(shape) * dtype.itemsize != len(content) - 10 - length:
        raise ValueError(f"an array of another size than its shape {shape}")
    order = "F" if header[2] == b"True" else "C"
    return np.ndarray(shape, dtype, content, 10 + length, order=order).copy(order)


def weights_header(path):
    """Shapes and types of the arrays in a safetensors file, of which only the header is read.

    Returns:
        name -> (shape, NumPy type, first byte), in the order in which the arrays lie in the file.

    Raises:
        GalvaeError: if the file is missing, or the header does not describe all of it exactly.
    """
    import numpy as np

    try:
        with open_file(path) as file:
            size = os.fstat(file.fileno()).st_size
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(size - 8, LARGEST_HEADER):
                raise ValueError(f"a header of {length} bytes in {size}")
            entries = json.loads(file.read(length), object_pairs_hook=_unique)
        entries.pop("__metadata__", None)
        found, end = {}, 0
        for name, entry in sorted(entries.items(), key=lambda item: item[1]["data_offsets"]):
            shape, dtype, offsets = entry["shape"], np.dtype(TYPES[entry["dtype"]]), entry["data_offsets"]
            if any(type(number) is not int or number < 0 for number in [*shape, *offsets]):
                raise ValueError(f"{name} of shape {shape} at {offsets}")
            if offsets != [end, end + math.prod(shape) * dtype.itemsize]:
                raise ValueError(f"{name} of shape {shape} at {offsets}, expected to start at {end}")
            found[name] = tuple(shape), dtype, 8 + length + end
            end = offsets[1]
        if 8 + length + end != size:
            raise ValueError(f"{size} bytes, of which the header describes {8 + length + end}")
    except DAMAGED as error:
        raise GalvaeError(f"{path}: expected a safetensors file, received {_damage(error)}") from error
    return found


def read_weights(path):
    """All arrays of a safetensors file, by name; arguments and errors as of `weights_header`."""
    import numpy as np

    header = weights_header(path)
    try:
        with open_file(path) as file:
            arrays = {}
            for name, (shape, dtype, start) in header.items():
                file.seek(start)
                arrays[name] = np.fromfile(file, dtype, math.prod(shape)).reshape(shape)
    except DAMAGED as error:
        raise GalvaeError(f"{path}: expected a safetensors file, received {_damage(error)}") from error
    return arrays


def _unique(pairs):
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a name that stands twice")
    return values


def _damage(error):
    """What is wrong, in a few words."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    text = line_of(error)
    return f"a damaged one ({text if len(text) <= 200 else text[:197] + '...'})"
