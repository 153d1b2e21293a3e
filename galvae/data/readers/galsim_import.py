"""galsim, the optional package behind simulated galaxies and the COSMOS archive."""

from galvae.errors import GalvaeError, line_of


def import_galsim(needed_by):
    """Imports galsim, an optional package.

    Args:
        needed_by: key or dataset for which it is needed, as the error message names it.

    Returns:
        The galsim module.

    Raises:
        GalvaeError: if galsim is not installed.
    """
    try:
        import galsim  # an optional package
    except ImportError as error:
        raise GalvaeError(
            f"{needed_by}: expected galsim to be installed (pip install -e '.[galsim]'), received: {line_of(error)}"
        ) from error
    return galsim
