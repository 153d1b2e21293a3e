"""Names by which columns of redshifts and of sky positions are recognised."""

REDSHIFTS = (
    *("redshift", "redshifts", "z"),
    *("zphot", "zspec", "z_phot", "z_spec", "photoz", "specz", "photo_z", "spec_z"),
)
RIGHT_ASCENSIONS = ("ra", "ra_deg", "raj2000", "ra_j2000", "alpha_j2000", "_raj2000")
DECLINATIONS = ("dec", "dec_deg", "dej2000", "decj2000", "dec_j2000", "delta_j2000", "_dej2000")


def is_redshift(name):
    """Whether a column's name says that it holds redshifts."""
    return is_named(name, REDSHIFTS)


def is_named(name, names):
    """Whether a column's name is in a list, ignoring case and, in HDF5 files, the column's group.

    Args:
        name: name of the column, such as "catalogue/RA".
        names: names in lower case.
    """
    return name.split("/")[-1].lower() in names
