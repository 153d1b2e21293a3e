"""Names by which columns are recognised: redshifts, positions, ids, file names, and what is none of them."""

import re


def _words(text):
    """The words of a text, which is shorter to read than a list of them."""
    return tuple(text.split())


REDSHIFTS = (
    *("redshift", "redshifts", "z"),
    *("zphot", "zspec", "z_phot", "z_spec", "photoz", "specz", "photo_z", "spec_z"),
    *("zred", "zbest", "z_best", "best_z", "zfinal", "z_final", "zpeak", "z_peak", "z_true", "ztrue"),
    *("photz", "phot_z", "zphoto", "z_photo", "photozs", "speczs", "photoz_best", "specz_best", "zphot_best"),
    *("redshift_best", "redshift_spec", "redshift_phot", "redshift_photo", "redshift_true", "true_redshift"),
    *("spec_redshift", "phot_redshift", "photo_redshift", "specredshift", "photoredshift", "redshift_median"),
    *("zcmb", "z_cmb", "zhel", "z_hel", "zhelio", "z_helio", "photoz_median", "photoz_mean", "zphot_median"),
    *("zpdf", "zpdf_med", "lp_zbest", "lp_zpdf", "lephare_zbest", "ez_z_phot"),  # LePhare and EAZY
)
RIGHT_ASCENSIONS = ("ra", "ra_deg", "raj2000", "ra_j2000", "alpha_j2000", "_raj2000")
DECLINATIONS = ("dec", "dec_deg", "dej2000", "decj2000", "dec_j2000", "delta_j2000", "_dej2000")
IDS = _words(
    "id ids id_str ident identifier number name names objname object_name objid objids obj_id object_id objectid "
    "object_ids objid_str galaxy_id galaxyid galid gal_id galaxy_name source_id sourceid src_id targetid "
    "target_id cosmos_id specobjid specobj_id photoobjid photoobj_id dr7objid dr8objid dr12objid dr16objid dr7_id "
    "dr8_id dr7_objid dr8_objid iauname iau_name designation asset_id id_original subject_id catalog_id "
    "catalogue_id cat_id sga_id uid uuid dr8id dr7id"
)
FILE_NAMES = _words(
    "filename filenames file_name file_names file files file_loc file_path filepath image image_name image_file "
    "image_path image_filename imagename imagefile imagepath img img_path img_name img_file path paths png_loc "
    "jpg_loc fits_loc cutout cutout_path cutout_file cutout_name stamp stamp_file stamp_path fname fits_file "
    "local_path"
)
# Quantities that are no redshifts: words that say so wherever they stand in a name, and those that do as a part of it
# between underscores and the like.
_ANYWHERE = re.compile(
    "radius|radii|weight|flux|error|sigma|magnitude|sersic|ellip|inclination|area|exposure|seeing|density|mass|"
    "luminosity|colou?r|temperature|probab|distance|velocity|metallicity|concentration|asymmetry|fraction|flag|"
    "warning|quality|confidence|morpholog|pixel|background|kron|petro|extinction|attenuation|uncert|chi2|chisq"
)
_PARTS = _words(
    "abmag age airmass angle axis ba class classes conf count counts date dec depth e e1 e2 ebv err errs ew fwhm "
    "g1 g2 gain gamma glat glon hi high hlr hubble id ids index ivar kappa kind l68 l95 lat lo lon low lower mag "
    "mags max min mjd noise odds p16 p84 pa phi prob psf q qop r50 r90 ra rad ratio re reff rms rotation s2n "
    "scale seed sfr shear size sky sn snr ssfr std stddev theta time type u68 u95 upper var warn x zwarn zwarning"
)
_BANDS = frozenset("ugrijhk")  # a column called g is a magnitude; z may be either, and is a redshift


def is_redshift(name):
    """Whether a column's name says that it holds redshifts, rather than their errors or magnitudes in the z band."""
    return is_named(name, REDSHIFTS)


def is_other_quantity(name):
    """Whether a column's name says that it holds something else than redshifts: magnitudes, errors, radii, ids, ...

    A name that says neither, such as "targets", is no other quantity, and no redshift by `is_redshift`.

    Args:
        name: name of the column; the group of an HDF5 file before it does not count.
    """
    if is_redshift(name):
        return False
    last = name.split("/")[-1].lower()
    if (
        last in _BANDS
        or is_named(name, (*IDS, *FILE_NAMES, *RIGHT_ASCENSIONS, *DECLINATIONS))
        or _ANYWHERE.search(last)
    ):
        return True
    parts = [part for part in re.split(r"[^a-z0-9]+", last) if part]
    return any(
        part in _PARTS or re.match("mag|err", part) or re.search("(mag|err|snr|objid)$", part)
        for part in parts
    )


def is_in_degrees(unit):
    """Whether a position on the sky is in degrees, as one without a unit ("") is taken to be."""
    return unit.lower() in ("", "deg", "degree", "degrees")


def is_named(name, names):
    """Whether a column's name is in a list, ignoring case and, in HDF5 files, the column's group.

    Args:
        name: name of the column, such as "catalogue/RA".
        names: names in lower case.
    """
    return name.split("/")[-1].lower() in names
