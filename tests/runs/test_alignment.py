"""Galaxies of another dataset as a run takes them: bands, scales, sizes and conditions; what is refused."""

import dataclasses
import functools
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits
from builders.configs import train_config
from builders.galaxies import dataset, ellipses

from galvae.data.area_average import area_average
from galvae.data.batches import Batches
from galvae.errors import GalvaeError
from galvae.runs import alignment
from galvae.runs.alignment import aligned_dataset
from galvae.runs.conditions import Conditions


@functools.cache
def hdf_section():
    """A `dataset` section."""
    return train_config("dataset=hdf").dataset


@functools.cache
def files_section():
    """A `dataset` section with a pixel range."""
    return train_config("dataset=files", "dataset.path=a.npy").dataset


def run_on(galaxies, report=None):
    """What alignment needs of a run that was trained on some galaxies."""
    ranges = [[0, 1]] * len(galaxies.condition_classes) + [[0.1, 2.0]] * len(galaxies.condition_numbers)
    state = SimpleNamespace(
        image_shape=list(galaxies.image_shape),
        pixel_range=list(galaxies.pixel_range),
        stretch=galaxies.stretch,
        condition_names=list(galaxies.condition_names),
        condition_ranges=ranges,
    )
    return SimpleNamespace(
        state=state,
        galaxies=galaxies,
        config=SimpleNamespace(dataset=SimpleNamespace(rgb=None, is_read_by_earlier_rules=False)),
        directory=SimpleNamespace(report=report or {}),
        model=SimpleNamespace(condition_dim=len(galaxies.condition_names)),
        conditions=Conditions(state.condition_names, ranges, "cvae2"),
    )


@pytest.fixture
def aligned(monkeypatch):
    """Function of the run's galaxies, the new ones and keys of the section, that aligns these."""

    def align(ours, theirs, allow=(), report=None, section=None, facts=None, **keys):
        seen = {}
        section = dataclasses.replace(section or hdf_section(), **keys)

        def load(section):
            seen["section"] = section
            splits = theirs.splits if list(theirs.splits) == ["all"] else {"all": np.arange(len(theirs))}
            values = {name: getattr(theirs, name) for name in theirs.__dataclass_fields__}
            values["image_facts"] = facts or {name: np.zeros(len(theirs)) for name in ("low", "high")}
            return type(theirs)(**{**values, "splits": splits, "report": {"notes": [], "warnings": []}})

        monkeypatch.setattr(alignment, "load_all", load)
        result = aligned_dataset(run_on(ours, report), section, allow)
        result.report["section"] = seen["section"]
        return result

    return align


def read(data, rows=None):
    """Images as the batches of a dataset give them."""
    rows = data.split("all") if rows is None else rows
    return np.concatenate([inputs["images"] for _, inputs in Batches(data, rows, 7)])


def test_bands_of_the_same_names_come_in_the_order_of_the_run_and_so_do_their_masks(aligned):
    images = ellipses(20, 8)
    masks = np.zeros(images.shape, np.uint8)
    masks[3, 1, 2, 0] = 1  # of band z
    ours = dataset(20, images=images, band_names=["g", "r", "z"])
    result = aligned(ours, dataset(20, images=images, masks=masks, band_names=["z", "g", "r"]))
    np.testing.assert_array_equal(read(result), images[..., [1, 2, 0]])
    np.testing.assert_array_equal(np.argwhere(result.masks[np.arange(20)]), [[3, 1, 2, 2]])
    assert result.band_names == ["g", "r", "z"]
    assert "reordered" in "".join(result.report["alignment"])
    assert result.content != aligned(ours, ours).content
    np.testing.assert_array_equal(result.images[5], images[5][..., [1, 2, 0]])


def test_bands_of_other_names_are_refused_unless_they_are_allowed_and_without_names_a_line_says_so(aligned):
    images = ellipses(10, 8)
    ours = dataset(10, images=images, band_names=["g", "r", "z"])
    other = dataset(10, images=images, band_names=["F435W", "F606W", "F850LP"])
    with pytest.raises(
        GalvaeError, match=r"^dataset\.channels: expected the run's bands, g, r, z, received F435W"
    ):
        aligned(ours, other)
    result = aligned(ours, other, allow=["bands"])
    np.testing.assert_array_equal(read(result), images)
    assert "by position" in "".join(result.report["alignment"])
    result = aligned(ours, dataset(10, images=images))
    assert "by their position" in "".join(result.report["alignment"])
    with pytest.raises(GalvaeError, match=r"expected images of 3 bands \(g, r, z\).* received 1 band;"):
        aligned(ours, dataset(10, images=images[..., :1]))


def test_another_pixel_range_is_rescaled_to_that_of_the_run_and_the_same_is_left_as_it_is(aligned):
    images = ellipses(20, 8)
    floats = (images / np.float32(255)).astype(np.float32)
    ours = dataset(20, images=images)
    result = aligned(ours, dataset(20, images=floats, pixel_range=(0, 1)))
    np.testing.assert_allclose(read(result), images, rtol=1e-6)
    assert result.images.dtype == read(result).dtype == np.float32
    assert result.pixel_range == (0, 255)
    assert "rescaled from the range of these images, 0 to 1" in "".join(result.report["alignment"])
    back = aligned(dataset(20, images=floats, pixel_range=(-1, 1)), ours)
    np.testing.assert_allclose(read(back), images / 255 * 2 - 1, atol=1e-6)
    assert aligned(ours, ours).images is ours.images


def test_values_far_beyond_a_range_that_nobody_has_given_are_refused(aligned):
    """As of floats from 0 to 255, which would be taken to be from 0 to 1 and multiplied by 255."""
    images = ellipses(20, 8)
    ours, floats = dataset(20, images=images), images.astype(np.float32)
    facts = {"low": np.zeros(20), "high": np.full(20, 240.0)}
    with pytest.raises(GalvaeError, match=r"^dataset\.pixel_range: .* reach from 0 to 240, received null"):
        aligned(ours, dataset(20, images=floats, pixel_range=(0, 1)), facts=facts)
    given = dataset(20, images=floats, pixel_range=(0, 1))
    section = dataclasses.replace(files_section(), pixel_range=[0, 1])
    assert aligned(ours, given, section=section, facts=facts).images.dtype == np.float32


def test_values_far_beyond_the_range_are_refused_in_that_of_the_run_too_unless_its_own_reach_as_far(aligned):
    floats = ellipses(20, 8).astype(np.float32)
    ours = dataset(20, images=floats / 255, pixel_range=(0, 1))
    facts = {"low": np.zeros(20), "high": np.where(np.arange(20) == 7, 240.0, 0.9)}
    theirs = dataset(20, images=floats, pixel_range=(0, 1))
    with pytest.raises(GalvaeError, match=r"^dataset\.pixel_range: .* reach from 0 to 240, received null"):
        aligned(ours, theirs, facts=facts)
    assert aligned(ours, theirs, report={"low": 0, "high": 200}, facts=facts).images is theirs.images
    # The only galaxy that reaches so far is not used.
    used = dataset(20, images=floats, pixel_range=(0, 1), splits={"all": np.arange(8, 20)})
    assert aligned(ours, used, facts=facts).images is floats


def test_a_run_whose_fits_images_stood_upside_down_says_so(aligned, monkeypatch):
    ours = dataset(10)
    assert not any("upside down" in line for line in aligned(ours, ours).report["alignment"])
    old = run_on(ours)
    old.config.dataset.is_read_by_earlier_rules = True
    monkeypatch.setitem(globals(), "run_on", lambda *_: old)
    assert any("upside down" in line for line in aligned(ours, ours).report["alignment"])


def test_under_the_stretch_of_the_run_values_stay_and_other_types_of_pixels_are_refused(aligned):
    floats = ellipses(20, 8).astype(np.float32)
    ours = dataset(20, images=floats, pixel_range=(3.0, 200.0), stretch="asinh")
    result = aligned(ours, dataset(20, images=floats, pixel_range=(0, 1)), report={"dtype": "float32"})
    np.testing.assert_array_equal(read(result), floats)
    assert (result.stretch, result.pixel_range) == ("asinh", (3.0, 200.0))
    assert result.report["section"].stretch == "asinh"  # so that a pixel range is not asked for
    assert "in the units of the run's images" in "".join(result.report["alignment"])
    with pytest.raises(
        GalvaeError, match="expected pixels of type float32, in whose units the run's stretch is"
    ):
        aligned(ours, dataset(20, images=ellipses(20, 8)), report={"dtype": "float32"})
    with pytest.raises(GalvaeError, match=r"^dataset\.stretch: expected none, .* \(asinh\), received linear"):
        aligned(ours, ours, stretch="linear")


def scaled(count, side, scale, reduction=1.0, **changes):
    catalogue = {"pixel_scale": np.broadcast_to(scale, count).astype(float)}
    images = ellipses(count, side)
    return dataset(count, images=images, catalogue=catalogue, reduction=reduction, **changes)


def test_larger_images_are_averaged_only_where_their_field_of_view_is_that_of_the_run(aligned):
    ours = scaled(10, 16, 0.5)
    theirs = scaled(10, 32, 0.2525)  # a field of view that is 1 % larger
    result = aligned(ours, theirs)
    np.testing.assert_array_equal(read(result), area_average(theirs.images, 16))
    assert result.image_shape == (16, 16, 3)
    assert result.reduction == 2
    assert "averaged to 16x16" in "".join(result.report["alignment"])
    for other in (scaled(10, 32, 0.27), scaled(10, 32, np.nan), scaled(10, 8, 1.0)):
        with pytest.raises(GalvaeError, match=r"^dataset\.image_size: expected images of 16x16 pixels"):
            aligned(ours, other)
    with pytest.raises(GalvaeError, match="dataset.image_size=16 averages them"):
        aligned(dataset(10, images=ellipses(10, 16)), theirs)


def test_masks_of_averaged_images_set_aside_every_pixel_of_which_a_part_is(aligned):
    theirs = scaled(10, 32, 0.25)
    masks = np.zeros(theirs.images.shape, np.uint8)
    masks[4, 9, 20, 1] = 1
    result = aligned(scaled(10, 16, 0.5), scaled(10, 32, 0.25, masks=masks))
    np.testing.assert_array_equal(np.argwhere(result.masks[np.arange(10)]), [[4, 4, 10, 1]])


def test_another_pixel_scale_is_refused_unless_it_is_allowed(aligned):
    ours = scaled(10, 16, 0.262)
    assert aligned(ours, scaled(10, 16, 0.27)).report["alignment"]
    mixed = np.where(np.arange(10) < 3, 0.524, 0.262)
    with pytest.raises(
        GalvaeError, match="received 0.524 to 0.524 for 3 of 10 galaxies, which look 0.5 times"
    ) as error:
        aligned(ours, scaled(10, 16, mixed))
    assert "allow=[pixel_scale]" in str(error.value)
    result = aligned(ours, scaled(10, 16, mixed), allow=["pixel_scale"])
    assert "encoded as they are" in "".join(result.report["alignment"])
    # A run that has seen both scales is shown both.
    assert not any("look" in line for line in aligned(scaled(10, 16, mixed), ours).report["alignment"])
    # Reduced from 0.131 arcsec to half the side: the same scale.
    assert not any("look" in line for line in aligned(ours, scaled(10, 16, 0.131, 2.0)).report["alignment"])
    unknown = aligned(ours, dataset(10, images=ellipses(10, 16)))
    assert any("not known, and not compared" in line for line in unknown.report["alignment"])


def conditioned(count=10, classes=(), members=None, redshift=None, **changes):
    """Galaxies of classes and redshifts."""
    parts = []
    if classes:
        hot = np.eye(len(classes), dtype=np.float32)[members]
        hot[np.asarray(members) < 0] = np.nan
        parts.append(hot)
    if redshift is not None:
        parts.append(np.asarray(redshift, np.float32)[:, None])
    names = [*(f"class={name}" for name in classes), *(["redshift"] if redshift is not None else [])]
    return dataset(
        count,
        condition=np.concatenate(parts, axis=1),
        condition_names=names,
        condition_units=[""] * len(names),
        **changes,
    )


def test_classes_are_matched_by_name_and_others_are_refused(aligned):
    ours = conditioned(10, ["spiral", "edge-on", "merger"], np.arange(10) % 3, np.full(10, 1.0))
    theirs = conditioned(10, ["merger", "spiral"], np.arange(10) % 2, np.linspace(0.5, 1, 10))
    result = aligned(ours, theirs)
    expected = np.zeros((10, 4), np.float32)
    expected[::2, 2], expected[1::2, 0], expected[:, 3] = 1, 1, np.linspace(0.5, 1, 10)
    np.testing.assert_array_equal(result.condition, expected)
    assert result.condition_names == ours.condition_names
    assert result.report["section"].condition == ["class", "redshift"]
    stranger = conditioned(10, ["ring", "spiral"], np.arange(10) % 2, np.full(10, 1.0))
    with pytest.raises(
        GalvaeError, match="expected the run's classes, spiral, edge-on, merger, received 'ring' for 5"
    ):
        aligned(ours, stranger)


@pytest.mark.parametrize("reverse", [False, True])
def test_classes_for_the_numbers_of_the_run_are_refused(aligned, reverse):
    pair = conditioned(10, redshift=np.ones(10)), conditioned(10, ["spiral", "merger"], np.arange(10) % 2)
    words = ["redshift", "class"]
    if reverse:
        pair, words = pair[::-1], words[::-1]
    message = rf"^dataset\.condition: expected columns for the run's {words[0]},.* received {words[1]}$"
    with pytest.raises(GalvaeError, match=message):
        aligned(*pair, condition=words[1:])


def test_unknown_conditions_are_left_out_or_get_the_mean_of_the_training_galaxies_of_the_run(aligned):
    redshift = np.linspace(0.2, 1, 10)
    ours = conditioned(10, redshift=np.linspace(1, 2, 10))
    redshift[[2, 7]] = np.nan
    result = aligned(ours, conditioned(10, redshift=redshift))
    np.testing.assert_array_equal(result.split("all"), [0, 1, 3, 4, 5, 6, 8, 9])
    assert result.report["left_out"] == 2
    assert any(
        "2 of 10 galaxies have no known redshift and are left out" in line
        for line in result.report["alignment"]
    )
    filled = aligned(ours, conditioned(10, redshift=redshift), missing_condition="mean")
    assert len(filled.split("all")) == 10
    np.testing.assert_allclose(filled.condition[[2, 7], 0], ours.condition[ours.split("train"), 0].mean())
    np.testing.assert_array_equal(filled.condition[[3, 8], 0], np.float32(redshift[[3, 8]]))
    with pytest.raises(
        GalvaeError, match=r"^dataset\.missing_condition: expected a known redshift for every image"
    ):
        aligned(ours, conditioned(10, redshift=redshift), missing_condition="error")
    with pytest.raises(GalvaeError, match="received none of 10"):
        aligned(ours, conditioned(10, redshift=np.full(10, np.nan)))


def test_a_redshift_beyond_those_of_the_run_is_said(aligned):
    ours = conditioned(10, redshift=np.linspace(0.1, 2, 10))
    result = aligned(ours, conditioned(10, redshift=np.linspace(1, 3, 10)))
    assert any("redshift of 5 of 10 galaxies is outside" in line for line in result.report["alignment"])


class WithoutGalaxies(SimpleNamespace):
    """A run of an earlier version, whose dataset has gone."""

    @property
    def galaxies(self):
        raise GalvaeError("the dataset has gone")


def test_a_run_whose_galaxies_have_gone_takes_bands_by_position(aligned, monkeypatch, caplog):
    values = {name: value for name, value in vars(run_on(scaled(10, 8, 0.5))).items() if name != "galaxies"}
    monkeypatch.setitem(globals(), "run_on", lambda *_: WithoutGalaxies(**values))
    theirs = scaled(10, 8, 0.1, band_names=["z", "r", "g"])
    result = aligned(None, theirs)
    np.testing.assert_array_equal(read(result), theirs.images)
    assert "the dataset has gone" in caplog.text
    lines = "".join(result.report["alignment"])
    assert "not known, and not compared" in lines
    assert "by their position" in lines


def test_fits_images_stand_as_the_same_ones_in_an_array_do(tmp_path):
    """FITS has its lowest row first: the encoder is to see the same sky in both."""
    images = ellipses(6, 16)[..., :1].astype(np.float32) / 255
    np.save(tmp_path / "top_down.npy", images)
    fits.writeto(tmp_path / "bottom_up.fits", images[:, ::-1, :, 0])
    run, cache = run_on(dataset(6, images=images, pixel_range=(0, 1))), f"dataset.cache_dir={tmp_path}"
    read_in = [
        aligned_dataset(
            run, train_config("dataset=files", f"dataset.path={tmp_path / name}", cache, *more).dataset
        )
        for name, more in (("top_down.npy", ["dataset.axes=NHWC"]), ("bottom_up.fits", ["dataset.axes=NHW"]))
    ]
    for data in read_in:
        np.testing.assert_array_equal(read(data), images)


def test_a_single_galaxy_is_a_dataset(tmp_path):
    images = ellipses(1, 16)
    np.save(tmp_path / "one.npy", images)
    run = run_on(dataset(6, images=ellipses(6, 16)))
    keys = ["dataset=files", f"dataset.path={tmp_path}/one.npy", "dataset.axes=NHWC"]
    keys.append(f"dataset.cache_dir={tmp_path}")
    data = aligned_dataset(run, train_config(*keys).dataset)
    np.testing.assert_array_equal(read(data), images)
