"""FITS files of unknown origin, opened without astropy's warnings, and closed even if astropy refuses them."""

import contextlib
import gzip
import io
import warnings

from galvae.errors import GalvaeError

LARGEST_UNPACKED = 2**31  # bytes of a file packed by gzip


@contextlib.contextmanager
def open_hdus(path):
    """The header and data units of a FITS file, as an astropy HDUList.

    Raises:
        GalvaeError: if gzip packed the file and it unpacks to more than LARGEST_UNPACKED bytes.
        Exception: whatever astropy raises on a damaged file.
    """
    from astropy.io import fits  # takes 0.2 s, and most readers need none

    with quiet_astropy(), open_packed(path) as file, fits.open(file, memmap=False) as hdus:
        yield hdus


@contextlib.contextmanager
def open_packed(path):
    """A FITS file open for reading, unpacked if its name ends in .gz.

    It is opened here, since astropy leaves files open that it refuses. A packed file is read to its end, where
    gzip keeps its checksum.

    Raises:
        GalvaeError: if it unpacks to more than LARGEST_UNPACKED bytes.
    """
    with open(path, "rb") as file:
        if not str(path).lower().endswith(".gz"):
            yield file
            return
        with gzip.open(file) as packed:
            content = packed.read(LARGEST_UNPACKED + 1)
        if len(content) > LARGEST_UNPACKED:
            raise GalvaeError(f"expected a file of at most {LARGEST_UNPACKED} bytes, unpacked, received more")
        yield io.BytesIO(content)


@contextlib.contextmanager
def quiet_astropy():
    """Silences astropy's warnings about unusual headers, but raises the one about a truncated file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", message=".*truncated")
        yield
