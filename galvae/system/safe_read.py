"""Reading untrusted (third-party) files: their kind, size and layout are checked before memory is taken.

Nothing in them is executed: arrays of Python objects, compressed members and unknown types are refused.

The libraries' own readers are not strict enough. `numpy.load` returns the raw bytes of a member that is not an array,
accepts record types, trailing bytes and 10^12 strings of zero length, and evaluates the header with Python's parser,
which raises exceptions of many types. `safetensors.safe_open` accepts duplicate names, and maps the file into memory,
so that a file which is truncated later ends the process with SIGBUS.
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
DEEPEST_JSON = 20  # levels of nested objects and lists
# Bytes of the names, shapes and types in a safetensors file: room for thousands of arrays, read in half a second.
LARGEST_HEADER = 1_000_000
LARGEST_ENTRY = 300  # bytes for each of them beside its name
LARGEST_METADATA = 10_000  # bytes for what belongs to no array
TYPES = {"BOOL": "|b1"} | {
    f"{kind.upper()}{8 * size}": f"<{kind}{size}"
    for kind, sizes in {"f": (2, 4, 8), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8)}.items()
    for size in sizes
}
# The header that NumPy writes before an array; its own reader takes many more forms.
ARRAY_HEADER = re.compile(
    rb"\{'descr': '([<|][biufU]\d{1,9})', 'fortran_order': (True|False), "
    rb"'shape': \(((?:\d{1,19}, ?)*\d{0,19})\), \} *\n"
)
DAMAGED = (
    *(OSError, ValueError, TypeError, KeyError, AttributeError, EOFError, OverflowError, RecursionError),
    *(RuntimeError, NotImplementedError, struct.error, zipfile.BadZipFile),
)


def open_file(path, largest=None):
    """Opens a regular file for reading; refuses pipes and devices, which might never end.

    Args:
        path: path of the file.
        largest: largest size in bytes; None: any.

    Returns:
        The open binary file.

    Raises:
        OSError: if it cannot be opened.
        ValueError: if it is not a regular file, or too large.
    """
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("not a regular file")
    if largest is not None and status.st_size > largest:
        raise ValueError(f"{status.st_size} bytes, more than {largest}")
    return open(path, "rb")


def read_json(path, largest=LARGEST_JSON):
    """Reads the object in a JSON file.

    Args:
        path: path of the file.
        largest: largest size in bytes.

    Returns:
        dict.

    Raises:
        GalvaeError: if it is missing, too large, nested too deep, or holds anything but one object.
    """
    try:
        with open_file(path, largest) as file:
            values = json.loads(file.read(), object_pairs_hook=_unique)
        if not isinstance(values, dict):
            raise ValueError("not an object")
        _check_depth(values)
    except DAMAGED as error:
        raise GalvaeError(f"{path}: expected a JSON object, received {_damage(error)}") from error
    return values


def read_npz(path, names):
    """Reads the arrays of an .npz file, as written by `galvae.system.atomic.save_arrays` and `numpy.savez`.

    Every member is read whole, so that its checksum is compared.

    Args:
        path: path of the file.
        names: names of the arrays; the file may hold no others. None: any.

    Returns:
        dict of arrays, by name.

    Raises:
        GalvaeError: if the file is missing or damaged, or holds other arrays, objects or compressed arrays.
    """
    try:
        with open_file(path) as file, zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            stored = sorted(member.filename for member in members)
            if names is not None and stored != sorted(f"{name}.npy" for name in names):
                raise ValueError(f"the members {', '.join(member.filename for member in members[:20])}")
            size = os.fstat(file.fileno()).st_size
            if any(member.compress_type for member in members) or size < sum(
                member.file_size for member in members
            ):
                raise ValueError("members that declare more than the file holds")
            return {member.filename[:-4]: _array(archive.read(member)) for member in members}
    except DAMAGED as error:
        listed = "arrays" if names is None else f"the arrays {', '.join(names)}"
        raise GalvaeError(f"{path}: expected {listed}, received {_damage(error)}") from error


def _array(content):
    """The array of a member of an .npz file."""
    import numpy as np  # late: completion imports this module, but reads no arrays

    if content[:8] != b"\x93NUMPY\x01\x00":
        raise ValueError("not an array in NumPy's format 1.0")
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


def largest_header(names):
    """Largest size of the header of a safetensors file that holds arrays of some names and no others, in bytes.

    Args:
        names: the names of the arrays.
    """
    return LARGEST_METADATA + sum(len(json.dumps(name)) + LARGEST_ENTRY for name in names)


def weights_header(path, largest=LARGEST_HEADER):
    """Shapes and types of the arrays in a safetensors file, from its header alone.

    Args:
        path: path of the file.
        largest: largest size of the header in bytes, see `largest_header`.

    Returns:
        dict of (shape, NumPy type, first byte), by name, in the order of the arrays in the file.

    Raises:
        GalvaeError: if the file is missing, or the header does not describe all of it exactly.
    """
    import numpy as np  # late: see `_array`

    try:
        entries, length, size = _header_of(path, largest)
        entries.pop("__metadata__", None)
        header, end = {}, 0
        for name, entry in sorted(entries.items(), key=lambda item: item[1]["data_offsets"]):
            shape, dtype, offsets = entry["shape"], np.dtype(TYPES[entry["dtype"]]), entry["data_offsets"]
            if any(type(number) is not int or number < 0 for number in [*shape, *offsets]):
                raise ValueError(f"{name} of shape {shape} at {offsets}")
            if offsets != [end, end + math.prod(shape) * dtype.itemsize]:
                raise ValueError(f"{name} of shape {shape} at {offsets}, expected to start at {end}")
            header[name] = tuple(shape), dtype, 8 + length + end
            end = offsets[1]
        if 8 + length + end != size:
            raise ValueError(f"{size} bytes, of which the header describes {8 + length + end}")
    except DAMAGED as error:
        raise GalvaeError(f"{path}: expected a safetensors file, received {_damage(error)}") from error
    return header


def weights_metadata(path):
    """The texts that a safetensors file holds beside its arrays.

    Args:
        path: path of the file.

    Returns:
        dict of text, by name.

    Raises:
        GalvaeError: if the file is missing or damaged, or has none.
    """
    try:
        metadata = _header_of(path, LARGEST_HEADER)[0]["__metadata__"]
        if not all(isinstance(value, str) for value in metadata.values()):
            raise ValueError("metadata that are no texts")
    except DAMAGED as error:
        raise GalvaeError(
            f"{path}: expected a safetensors file with metadata, received {_damage(error)}"
        ) from error
    return metadata


def _header_of(path, largest):
    """Entries in the header of a safetensors file, the header's length and the file's size, in bytes."""
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        (length,) = struct.unpack("<Q", file.read(8))
        if length > min(size - 8, largest):
            raise ValueError(f"a header of {length} bytes in {size}, more than {largest} for its arrays")
        return json.loads(file.read(length), object_pairs_hook=_unique), length, size


def read_weights(path):
    """Reads all arrays of a safetensors file.

    Args:
        path: path of the file.

    Returns:
        dict of arrays, by name.

    Raises:
        GalvaeError: if the file is missing, or the header does not describe all of it exactly.
    """
    import numpy as np  # late: see `_array`

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


def _check_depth(values):
    """Refuses JSON that is nested deeper than any of ours, on which code that follows its levels might fail.

    Raises:
        ValueError: if it is.
    """
    level = [values]
    for _ in range(DEEPEST_JSON):
        entries = (values.values() if isinstance(values, dict) else values for values in level)
        level = [entry for values in entries for entry in values if isinstance(entry, dict | list)]
        if not level:
            return
    raise ValueError(f"more than {DEEPEST_JSON} levels")


def _unique(pairs):
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a name that appears twice")
    return values


def _damage(error):
    """What is wrong with a file, in a few words."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    text = line_of(error)
    return f"a damaged one ({text if len(text) <= 200 else text[:197] + '...'})"
