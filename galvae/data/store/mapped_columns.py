"""The columns of a cache entry, of which long ones are memory-mapped in place: ten million galaxies take no memory.

`columns.npz` is an uncompressed .zip archive of .npy files, so that each array lies whole in it.
"""

import math
import struct
import zipfile

import numpy as np

LONG = 2**24  # bytes of a column from which on it is mapped, not read
ZIP_HEADER = (
    "<4s22xHH"  # before each member of a .zip archive, with the lengths of its name and of its extra field
)
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def open_columns(path):
    """The arrays of columns.npz; those of 16 MB or more are read from the disk when they are used, and read-only.

    Args:
        path: the file.

    Returns:
        (columns, any_mapped): name -> array, and whether any is mapped.

    Raises:
        OSError, ValueError, zipfile.BadZipFile: if it is damaged, or holds objects.
    """
    columns, mapped = {}, False
    with open(path, "rb") as file, zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            with archive.open(member) as content:
                if member.file_size < LONG:
                    column = np.lib.format.read_array(content, allow_pickle=False)
                else:
                    column, mapped = _mapped(file, member, content), True
            columns[member.filename.removesuffix(".npy")] = column
    return columns, mapped


def _mapped(file, member, content):
    """The array of a member of an open archive, memory-mapped; it need not be aligned, which NumPy copes with.

    Args:
        file: the open file.
        member: zipfile.ZipInfo.
        content: the member, open at its beginning.
    """
    version = np.lib.format.read_magic(content)
    if version not in HEADERS:
        raise ValueError(f"an array in NumPy's format {version}")
    shape, is_fortran, dtype = HEADERS[version](content)
    start, size = content.tell(), math.prod(shape) * dtype.itemsize
    if dtype.hasobject or member.compress_type != zipfile.ZIP_STORED or start + size != member.file_size:
        raise ValueError(
            f"{member.filename}, which is compressed, holds objects or has another size than its shape"
        )
    file.seek(member.header_offset)
    signature, *lengths = struct.unpack(ZIP_HEADER, file.read(struct.calcsize(ZIP_HEADER)))
    if signature != b"PK\3\4":
        raise ValueError(f"{member.filename}, which does not begin where the archive says")
    offset = member.header_offset + struct.calcsize(ZIP_HEADER) + sum(lengths) + start
    # Not NumPy's own class of mapped arrays, which figures and tables would inherit.
    return np.asarray(np.memmap(file, dtype, "r", offset, shape, "F" if is_fortran else "C"))
