"""Compilation of the functions of this package by numba, which keeps the machine code for later processes."""

import hashlib
from pathlib import Path

from numba import njit

# Machine code of a function contains that of the functions it calls and the constants it uses, but numba renews what
# it has kept only when the function's own file changes. With all files in the name, a change of any renews it.
SOURCES = hashlib.sha256(
    b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
).hexdigest()[:12]


def kernel(function):
    """Compiles a function on its first call, or loads its machine code from the disk; it runs without Python's lock.

    Divisions by zero give NaN or infinity, as in NumPy. The code is kept in $NUMBA_CACHE_DIR, else beside the source,
    else in the user's cache folder; where no folder can be written, every process compiles anew, which takes seconds.
    """
    function.__qualname__ += f"_{SOURCES}"
    try:
        return njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # numba's, when it finds no folder
        return njit(nogil=True, error_model="numpy")(function)
