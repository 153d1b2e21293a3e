import pytest

from galvae.data.column_names import (
    DECLINATIONS,
    FILE_NAMES,
    IDS,
    REDSHIFTS,
    RIGHT_ASCENSIONS,
    is_named,
    is_other_quantity,
    is_redshift,
)

EVERY = (REDSHIFTS, RIGHT_ASCENSIONS, DECLINATIONS, IDS, FILE_NAMES)


@pytest.mark.parametrize(
    "name",
    [
        *("redshift", "Redshifts", "z", "Z", "ZPHOT", "z_spec", "photoz", "spec_z", "cat/photo_z"),
        *("zbest", "Z_BEST", "photoz_best", "zred", "lp_zBEST", "zpdf", "redshift_spec", "true_redshift"),
    ],
)
def test_names_of_redshifts(name):
    assert is_redshift(name) and not is_other_quantity(name)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "zphot_err",
            "z_err",
            "e_z",
            "redshift_error",
            "err_z",
            "zErr",
            "z_sigma",
            "photoz_l68",
            "z_flag",
            "zwarn",
        ),
        *(
            "zmag",
            "z_mag",
            "mag_z",
            "MAG_AUTO",
            "mag_auto_z",
            "cModelMag_z",
            "flux_z",
            "FLUX_AUTO",
            "g",
            "redshift/mass",
        ),
        *(
            "half_light_radius",
            "hlr",
            "r50",
            "petroR50_r",
            "weight",
            "WHT_weight",
            "size",
            "area",
            "snr",
            "zsnr",
            "sersic_n",
        ),
        *(
            "ellipticity",
            "e1",
            "q",
            "ra",
            "cat/DEC",
            "objid",
            "dr7objid",
            "number",
            "filename",
            "file_loc",
            "log_mass",
        ),
    ],
)
def test_names_of_other_quantities(name):
    assert is_other_quantity(name) and not is_redshift(name)


@pytest.mark.parametrize("name", ["", "targets", "labels", "second", "data", "zgrid", "col1", "y"])
def test_names_that_say_nothing(name):
    assert not is_redshift(name) and not is_other_quantity(name)


def test_names_are_recognised_in_any_case_and_group():
    assert is_named("Catalogue/RAJ2000", RIGHT_ASCENSIONS) and is_named("cat/OBJID", IDS)
    assert not is_named("RAJ2000/error", RIGHT_ASCENSIONS) and not is_named("id/mass", IDS)
    names = [name for several in EVERY for name in several]
    assert len(set(names)) == len(names)
    assert all(name == name.lower() for name in names)
