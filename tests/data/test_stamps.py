"""Stamps in vae-project's HDF5 layout: every variation that is read and every one that is refused."""

import tracemalloc

import h5py
import numpy as np
import pytest
from builders import configs
from builders.galaxies import ellipses
from builders.surveys import SAMPLES

from galvae.data.load import load_dataset
from galvae.data.readers import stamps
from galvae.errors import GalvaeError

COUNT, SIDE = 12, 24  # a blank line is then less than 5 %


@pytest.fixture
def light():
    """Noise around zero and a blob, (12, 24, 24) float32 of values that float16 holds exactly."""
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    noise = np.random.default_rng(0).integers(-20, 20, (COUNT, SIDE, SIDE)) + 0.5
    return ((noise + np.round(40 * np.exp(-(x**2 + y**2) / 18))) / 256).astype(np.float32)


@pytest.fixture
def redshift():
    return np.linspace(0.125, 1.5, COUNT, dtype=np.float32)


@pytest.fixture
def load(tmp_path):
    """Writes data sets and loads them; settings of the configuration are keywords."""

    def write_and_load(arrays, name="cosmos", **settings):
        path = tmp_path / "stamps.h5"
        with h5py.File(path, "w") as file:
            for key, array in arrays.items():
                file[key] = array
        return load_dataset(configs.stamps(tmp_path, path=str(path), name=name, **settings))

    return write_and_load


@pytest.mark.parametrize("name", ["hst", "cosmos"])
def test_two_data_sets(load, light, redshift, name):
    data = load({"images": light, "redshift": redshift}, name)
    assert data.images.dtype == np.float32
    np.testing.assert_array_equal(data.images[..., 0], light)
    np.testing.assert_array_equal(data.to_unit(data.images), data.images)
    np.testing.assert_array_equal(data.condition, redshift[:, None])
    assert (data.condition_names, data.condition_units) == (["redshift"], [""])
    np.testing.assert_array_equal(data.catalogue["id"], np.arange(COUNT))
    np.testing.assert_array_equal(data.catalogue["redshift"], redshift)
    assert data.images.min() < 0


@pytest.mark.parametrize("block", [1, 3 * SIDE * SIDE * 4, stamps.BLOCK])
@pytest.mark.parametrize(
    "change",
    [
        lambda a: a[..., None],
        lambda a: a[:, None],
        lambda a: a[None],
        lambda a: np.moveaxis(a, 0, 2)[:, :, None],
    ],
    ids=["NHW1", "N1HW", "1NHW", "HW1N"],
)
def test_transposed_axes(load, light, redshift, change, block, monkeypatch):
    monkeypatch.setattr(stamps, "BLOCK", block)
    data = load({"images": change(light), "redshift": redshift})
    np.testing.assert_array_equal(data.images[..., 0], light)


def test_galaxies_last_are_read_when_asked_for(load, light, redshift):
    arrays = {"images": np.moveaxis(light, 0, 2), "redshift": redshift}
    data = load(arrays, axes="HWN")
    np.testing.assert_array_equal(data.images[..., 0], light)
    np.testing.assert_array_equal(data.condition[:, 0], redshift)
    refused(load, arrays, "dataset.axes: ", "(24, 24, 12)", "HWN: 12 galaxies of 24x24 pixels")


@pytest.mark.parametrize("axes", [None, "HWN"])
def test_a_cube_is_read_in_no_order_but_the_one_asked_for(load, axes):
    cube = ellipses(24, SIDE, bands=1)[..., 0].astype(np.float32)  # (24, 24, 24)
    if axes is None:
        refused(load, {"images": cube}, "dataset.axes: ", "NHW: ", "HWN: ")
        np.testing.assert_array_equal(load({"images": cube}, axes="NHW").images[..., 0], cube)
    else:
        stored = np.moveaxis(cube, 0, 2)
        np.testing.assert_array_equal(load({"images": stored}, axes=axes).images[..., 0], cube)


def test_images_whose_first_row_is_the_lowest_are_turned_over(load, redshift):
    upright = ellipses(COUNT, SIDE, bands=1)[..., 0].astype(np.float32)
    data = load({"images": upright[:, ::-1], "redshift": redshift}, row_0="bottom")
    np.testing.assert_array_equal(data.images[..., 0], upright)
    assert set(data.catalogue["stored_rows"]) == {"bottom-up"}
    assert "stored_rows" not in load({"images": upright, "redshift": redshift}).catalogue


@pytest.mark.parametrize("dtype", ["<f2", ">f2", ">f4", "<f8", ">f8"])
def test_types_and_byte_orders(load, light, redshift, dtype):
    data = load({"images": light.astype(dtype), "redshift": redshift.astype(dtype)})
    assert data.images.dtype.str == "<f4"
    np.testing.assert_array_equal(data.images[..., 0], light)
    np.testing.assert_allclose(data.condition[:, 0], redshift, rtol=1e-3)


@pytest.mark.parametrize("keys", [("images", "REDSHIFT"), ("x", "redshift"), ("stamps", "z")], ids="-".join)
def test_redshifts_are_known_by_their_name(load, light, redshift, keys):
    data = load({keys[0]: light, keys[1]: redshift[:, None]})
    np.testing.assert_array_equal(data.images[..., 0], light)
    np.testing.assert_array_equal(data.condition[:, 0], redshift)
    assert f"redshifts from {keys[1]!r}" in data.report["notes"]


@pytest.mark.parametrize("keys", [("a", "b"), ("images", "targets"), ("x", "y")], ids="-".join)
def test_the_second_of_two_arrays_holds_redshifts_whatever_its_name(load, light, redshift, keys):
    redshift[2] = -99
    data = load({keys[0]: light, keys[1]: redshift[:, None]})
    np.testing.assert_array_equal(data.condition[:, 0], np.where(redshift == -99, np.nan, redshift))
    assert f"redshifts from {keys[1]!r}, the second of two arrays" in data.report["notes"]


@pytest.mark.parametrize("name", ["mag_auto", "half_light_radius", "weight", "zphot_err", "objid", "ra"])
def test_a_lone_column_of_another_quantity_is_no_redshift(load, light, redshift, name):
    data = load({"a": light, name: redshift})
    assert data.condition is None and data.condition_names == []
    np.testing.assert_array_equal(data.catalogue[name], redshift)
    (warning,) = data.report["warnings"]
    assert warning.startswith(f"no redshifts are used, since {name!r} names another quantity")
    np.testing.assert_array_equal(load({"a": light, name: redshift}, redshift=name).condition[:, 0], redshift)


@pytest.mark.parametrize(
    ("images", "other", "values", "reason"),
    [
        ("a", "b", np.arange(COUNT) * 1000.0, "whole numbers up to 11000, as ids are"),
        ("a", "b", np.linspace(18.5, 25.2, COUNT), "about 21.9"),
        ("b", "a", np.linspace(0.1, 1, COUNT), "none of a has a redshift's name"),
    ],
    ids=["float ids", "magnitudes", "images second"],
)
def test_what_no_redshifts_can_be_is_not_taken_for_them(load, light, images, other, values, reason):
    data = load({images: light, other: values})
    assert data.condition is None
    (warning,) = data.report["warnings"]
    assert reason in warning and "dataset.redshift=" in warning


def test_of_three_arrays_none_is_guessed(load, light, redshift):
    data = load({"a": light, "b": redshift, "c": np.arange(COUNT)})
    assert data.condition is None and "none of b has a redshift's name" in data.report["warnings"][0]


def test_one_data_set_has_no_condition(load, light):
    data = load({"images": light})
    assert data.condition is None and data.condition_names == []
    assert list(data.catalogue) == ["id"]


def test_other_columns_go_to_the_catalogue(load, light, redshift):
    others = {
        "dec": np.linspace(-1, 1, COUNT).astype(">f8"),
        "field": np.array([f"F{n}" for n in range(COUNT)], object),
        "count": np.arange(COUNT) * 7,
        "redshift": redshift,
        "other_length": np.arange(5),
    }
    light[4] = 0
    data = load({"images": light, **others})
    rows = np.delete(np.arange(COUNT), 4)
    assert set(data.catalogue) == {"id", "dec", "field", "count", "redshift"}
    np.testing.assert_array_equal(data.catalogue["id"], rows)
    np.testing.assert_array_equal(data.catalogue["count"], rows * 7)
    np.testing.assert_array_equal(data.catalogue["dec"], others["dec"][rows])
    assert data.catalogue["dec"].dtype.isnative
    assert data.catalogue["field"].tolist() == [f"F{n}" for n in rows]
    np.testing.assert_array_equal(data.condition[:, 0], redshift[rows])


def test_ids_beside_the_stamps_are_kept(load, light, redshift):
    ids = 1237648720142532814 + np.arange(COUNT)
    light[4] = 0
    data = load({"images": light, "objid": ids, "redshift": redshift})
    np.testing.assert_array_equal(data.catalogue["id"], np.delete(ids, 4))
    assert data.catalogue["id"].dtype == np.int64 and "ids from 'objid'" in data.report["notes"]
    ids[3] = ids[2]  # repeated ones identify nothing
    data = load({"images": light, "id": ids})
    assert data.catalogue["id"].tolist() == [*range(4), *range(5, COUNT)]
    np.testing.assert_array_equal(data.catalogue["id_"], np.delete(ids, 4))


def test_names_decide_where_they_are_given(load, light, redshift):
    data = load(
        {"a": light, "b": light + 1, "c": redshift, "d": redshift + 1, "g/e": light + 2},
        images="b",
        redshift="d",
    )
    np.testing.assert_array_equal(data.images[..., 0], light + 1)
    np.testing.assert_array_equal(data.condition[:, 0], redshift + 1)
    np.testing.assert_array_equal(data.catalogue["c"], redshift)


def test_columns_without_a_redshifts_name_are_no_redshifts(load, light, redshift):
    data = load({"images": light, "dec": redshift, "ra": redshift})
    assert data.condition is None
    (warning,) = data.report["warnings"]
    assert "no redshifts are used, since none of dec, ra has a redshift's name; dataset.redshift=" in warning


@pytest.mark.parametrize("name", ["z", "Z_PHOT", "photoz", "spec_z"])
def test_the_redshifts_are_the_only_ones_with_such_a_name(load, light, redshift, name):
    data = load({"images": light, "dec": redshift + 1, name: redshift})
    np.testing.assert_array_equal(data.condition[:, 0], redshift)


def test_of_several_redshifts_the_one_that_is_spelled_out_is_taken(load, light, redshift):
    data = load({"images": light, "photo_z": redshift + 1, "Redshift": redshift, "z_spec": redshift + 2})
    np.testing.assert_array_equal(data.condition[:, 0], redshift)
    assert "redshifts from 'Redshift', not from 'photo_z', 'z_spec'" in data.report["notes"]


def test_of_several_abbreviated_redshifts_none_is_taken(load, light, redshift):
    data = load({"images": light, "ra": redshift, "z_phot": redshift, "z_spec": redshift})
    assert data.condition is None
    assert "since more than one of ra, z_phot, z_spec has a redshift's name" in data.report["warnings"][0]


def test_image_size_is_an_area_average(load, light, redshift):
    data = load({"images": light, "redshift": redshift}, image_size=8)
    expected = light.reshape(COUNT, 8, 3, 8, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(data.images[..., 0], expected, atol=1e-6)


def test_unknown_redshifts_are_nan_and_counted(load, light, redshift):
    redshift[[1, 3, 5, 7]] = [-1, np.nan, -99, 9.99]
    redshift[[9, 11]] = 0, -0.001
    data = load({"images": light, "redshift": redshift})
    assert np.flatnonzero(np.isnan(data.condition[:, 0])).tolist() == [1, 3, 5, 7]
    known = np.delete(np.arange(COUNT), [1, 3, 5, 7])
    np.testing.assert_array_equal(data.condition[known, 0], redshift[known])
    assert data.report["condition redshift"]["missing"] == 4
    counted = [note for note in data.report["notes"] if "values of redshift" in note]
    assert len(counted) == 2
    assert counted[0].startswith("3 of 12 values of redshift (") and counted[0].endswith("count as unknown")
    assert counted[1].startswith("1 of 12 values of redshift are slightly negative")


@pytest.mark.parametrize("block", [1, 5 * SIDE * SIDE * 4, stamps.BLOCK])
def test_constant_stamps_are_dropped_from_every_column(load, light, redshift, block, monkeypatch):
    monkeypatch.setattr(stamps, "BLOCK", block)
    light[[0, 1, 2, 3, 4, 11]] = 0
    light[7] = 0.25
    data = load({"images": light, "redshift": redshift}, split=[0.4, 0.3, 0.3])
    rows = [5, 6, 8, 9, 10]
    np.testing.assert_array_equal(data.images[..., 0], light[rows])
    np.testing.assert_array_equal(data.condition[:, 0], redshift[rows])
    assert data.catalogue["id"].tolist() == rows
    (warning,) = data.report["warnings"]
    assert warning.startswith(
        "7 of 12 images are blank and left out: row 0 of stamps.h5, row 1 of stamps.h5, "
    )


def test_partly_blank_stamps_are_counted_and_left_out_when_asked_for(load, light, redshift):
    light[0, 3] = 0  # one row
    light[1, :, 15] = 0  # one column
    light[2].flat[::19] = 0  # 31 of 576 pixels: 5.4 %
    light[3].flat[::23] = 0  # 26 of 576: 4.5 %
    data = load({"images": light, "redshift": redshift})
    np.testing.assert_array_equal(data.images[..., 0], light)
    (warning,) = data.report["warnings"]
    assert warning.startswith("3 of 12 images are partly blank, and used: row 0 of stamps.h5, ")
    data = load({"images": light, "redshift": redshift}, drop="blank")
    np.testing.assert_array_equal(data.images[..., 0], light[3:])
    assert data.report["warnings"][0].startswith("3 of 12 images are cut and left out: row 0 of stamps.h5, ")


def test_pixels_that_are_not_finite_are_filled_with_sky_and_set_aside(load, light, redshift):
    light[2, 8:11, 9] = np.nan
    light[5, 0, 0] = np.inf
    light[7] = np.nan  # becomes constant
    data = load({"images": light, "redshift": redshift}, nan="fill")
    kept = np.delete(np.arange(COUNT), 7)
    aside = ~np.isfinite(light[kept])
    np.testing.assert_array_equal(data.masks[..., 0], aside)
    np.testing.assert_array_equal(data.images[..., 0][~aside], light[kept][~aside])
    sky = np.ones((SIDE, SIDE), bool)
    sky[2:-2, 2:-2] = False  # a tenth of the side
    assert set(data.images[2, 8:11, 9, 0]) == {np.median(light[2][sky])}
    assert data.catalogue["id"].tolist() == kept.tolist()


def test_a_smaller_pixel_is_set_aside_if_any_part_of_it_is(load, light):
    light[2, 8, 9] = np.nan
    data = load({"images": light}, nan="fill", image_size=8)
    assert np.argwhere(data.masks[...]).tolist() == [[2, 2, 3, 0]]


def test_options_leave_the_names_of_earlier_entries_as_they_were(tmp_path):
    (tmp_path / "stamps.h5").write_bytes(b"any")
    config = configs.stamps(tmp_path, path=str(tmp_path / "stamps.h5"))
    assert set(stamps.fingerprint(config)) == {"file", "images", "redshift", "image_size"}
    changed = configs.stamps(tmp_path, path=str(tmp_path / "stamps.h5"), axes="HWN", row_0="bottom")
    assert stamps.fingerprint(changed)["options"] == {"axes": "HWN", "row_0": "bottom"}


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_pixels_must_be_finite(load, light, redshift, value):
    images = light.astype(np.float64)
    images[8, 2, 3] = value
    with pytest.raises(GalvaeError, match=r"NaN or infinity in row 8 of stamps.h5"):
        load({"images": images, "redshift": redshift})


def test_only_constant_stamps(load, light):
    with pytest.raises(
        GalvaeError, match="expected images with light, received 12, all of which are left out"
    ):
        load({"images": np.zeros_like(light)})


def refused(load, arrays, *words, **settings):
    with pytest.raises(GalvaeError) as caught:
        load(arrays, **settings)
    message = str(caught.value)
    assert "\n" not in message
    for word in ("stamps.h5", *words):
        assert word in message, message


def test_two_arrays_of_images(load, light, redshift):
    refused(
        load,
        {"a": light, "b": light[..., None], "z": redshift},
        "dataset.images: ",
        "a (12, 24, 24), b (12, 24, 24, 1), z (12,)",
        "dataset.images=",
    )


def test_no_images(load, redshift):
    refused(
        load, {"z": redshift}, "dataset.images: ", "expected one data set of 3 or 4 axes, received z (12,)"
    )
    refused(load, {"group/images": redshift}, "received none")


@pytest.mark.parametrize(
    ("change", "received"),
    [
        (lambda a: a[:, :15], "(12, 15, 24) of float32"),
        (lambda a: np.stack([a, a, a], axis=-1), "(12, 24, 24, 3) of float32"),
        (lambda a: a.astype(np.uint8), "(12, 24, 24) of uint8"),
        (lambda a: a[:0], "(0, 24, 24) of float32"),
    ],
    ids=["oblong", "colour", "bytes", "empty"],
)
def test_other_layouts(load, light, change, received):
    refused(load, {"images": change(light)}, "dataset.images: ", "square stamps of one band", received)


@pytest.mark.parametrize("length", [11, 13])
def test_redshifts_of_another_length(load, light, length):
    wrong = np.linspace(0, 1, length)
    words = ("dataset.redshift: ", "expected 12 numbers in 'z'", f"received shape ({length},)")
    refused(load, {"images": light, "z": wrong}, *words)
    refused(load, {"images": light, "z": wrong, "a": wrong}, *words)


def test_names_that_are_not_there(load, light, redshift):
    arrays = {"images": light, "z": redshift}
    refused(load, arrays, "dataset.images: ", "no data set 'i'", "received images, z", images="i")
    refused(load, arrays, "dataset.redshift: ", "no data set 'r'", "received images, z", redshift="r")
    refused(load, arrays, "dataset.images: ", "received (12,) of float32 in 'z'", images="z")
    refused(load, arrays, "dataset.redshift: ", "received shape (12, 24, 24)", redshift="images")


def test_a_size_above_the_stamps(load, light):
    with pytest.raises(GalvaeError, match=r"dataset.image_size: .* at least 32 pixels, received 24x24"):
        load({"images": light}, image_size=32)


def test_a_missing_or_damaged_file(tmp_path):
    path = tmp_path / "stamps.h5"
    with pytest.raises(GalvaeError, match=r"dataset.path: .*stamps.h5: No such file"):
        load_dataset(configs.stamps(tmp_path, path=str(path)))
    path.write_bytes(b"\x89HDF no more")
    with pytest.raises(GalvaeError, match=r"stamps.h5: truncated, damaged or not an HDF5 file"):
        load_dataset(configs.stamps(tmp_path, path=str(path)))


def test_memory_is_that_of_a_block(tmp_path, monkeypatch):
    monkeypatch.setattr(stamps, "BLOCK", 500_000)
    images = np.random.default_rng(0).normal(size=(2000, 64, 64)).astype(np.float32)  # 33 MB
    with h5py.File(tmp_path / "stamps.h5", "w") as file:
        file["images"] = images
    del images
    tracemalloc.start()
    source = stamps.read(configs.stamps(tmp_path, path=str(tmp_path / "stamps.h5")))
    count = sum(len(block) for block in source.blocks)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 2000
    assert peak < 5_000_000


def test_stamps_as_a_survey_has_them(tmp_path):
    path = SAMPLES / "stamps.h5"
    data = load_dataset(configs.stamps(tmp_path, path=str(path), image_size=24))
    with h5py.File(path) as file:
        images, redshift = file["images"][()], file["redshift"][()]
    assert data.images.shape == (12, 24, 24, 1)
    np.testing.assert_allclose(
        data.images[..., 0], images.reshape(12, 24, 2, 24, 2).mean(axis=(2, 4)), atol=1e-5
    )
    np.testing.assert_array_equal(data.condition[:, 0], redshift)
    assert data.report["warnings"][0].startswith(
        "1 of 12 images is partly blank, and used: row 11 of stamps.h5"
    )
