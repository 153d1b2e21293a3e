import pytest

from galvae.data.column_names import DECLINATIONS, REDSHIFTS, RIGHT_ASCENSIONS, is_named, is_redshift


@pytest.mark.parametrize(
    "name", ["redshift", "Redshifts", "z", "ZPHOT", "z_spec", "photoz", "spec_z", "cat/photo_z"]
)
def test_names_of_redshifts(name):
    assert is_redshift(name)


@pytest.mark.parametrize("name", ["redshift_error", "mag_z", "zmag", "size", "redshift/mass", ""])
def test_other_names(name):
    assert not is_redshift(name)


def test_names_are_recognised_in_any_case_and_group():
    assert is_named("Catalogue/RAJ2000", RIGHT_ASCENSIONS)
    assert not is_named("RAJ2000/error", RIGHT_ASCENSIONS)
    everything = (*REDSHIFTS, *RIGHT_ASCENSIONS, *DECLINATIONS)
    assert len(set(everything)) == len(everything)
    assert all(name == name.lower() for name in everything)
