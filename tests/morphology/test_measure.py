"""Images measured whole: what changes a measure, what must not, and what comes of images without a galaxy."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from builders.galaxies import ellipses
from builders.profiles import gaussian, measured, pixels, spiral
from numba.core.caching import CacheImpl
from scipy.ndimage import gaussian_filter
from scipy.special import gammainc, gammaincinv

from galvae.morphology import compiled
from galvae.morphology.measure import measure_blocks, sky_sigma
from galvae.morphology.measures import MEASURES, compared_names, measure_names, measure_of

THRESHOLD = 0.02
DIRECTIONS = ("e1", "e2")
POSITION = ("sky",)


def galaxy(side=64):
    """A galaxy without any symmetry and with structure, of peak 1, (H, W)."""
    height, width = np.broadcast_to(side, 2)
    centre = width / 2 - 1.5, height / 2 + 0.7
    image = spiral(side, centre, 5)
    image += 0.35 * pixels(lambda x, y: np.exp(-0.5 * ((x - 6) ** 2 + (y + 3) ** 2 / 2)), side, centre)
    return gaussian_filter(image, 1)


def values_of(image, threshold=THRESHOLD, **options):
    """Measures of one image, by name."""
    return {name: column[0] for name, column in measured(image[None], threshold, **options).values.items()}


def assert_same(found, expected, but=(), rtol=1e-6, atol=1e-6):
    for name in expected.keys() - set(but):
        assert found[name] == pytest.approx(expected[name], rel=rtol, abs=atol, nan_ok=True), name


def test_flux_size_and_colours_of_an_exponential_galaxy():
    bands, radius = {"g": 2.0, "r": 5.0, "z": 8.0}, 6.0
    b = gammaincinv(2, 0.5)
    stamp = pixels(lambda x, y: np.exp(-b * np.hypot(x, y) / radius), 101, (49.8, 50.3), 11)
    image = stamp[..., None] * list(bands.values()) + [0.3, -0.1, 7.0]
    found = values_of(image, 0.01, bands=bands)
    # The Petrosian radius of an exponential disc is 2.16 half-light radii, see test_profile.
    total = 5 * 2 * np.pi * (radius / b) ** 2
    share = gammainc(2, b * 1.5 * 2.16)
    assert found["flux"] == pytest.approx(share * total, rel=0.005)
    assert found["r50"] == pytest.approx(gammaincinv(2, 0.5 * share) * radius / b, rel=0.01)
    assert found["colour_g_r"] == pytest.approx(np.log10(2 / 5), abs=1e-4)
    assert found["colour_r_z"] == pytest.approx(np.log10(5 / 8), abs=1e-4)
    assert found["sky"] == pytest.approx(7.2 / 3, abs=2e-3)
    assert found["asymmetry"] == pytest.approx(0, abs=0.03)  # a cusp off the grid
    assert (found["e1"], found["e2"]) == pytest.approx((0, 0), abs=1e-3)
    assert found["neighbors"] == 0


def test_shape_and_peak_of_a_sheared_gaussian():
    image = 300 * gaussian(64, (31.2, 32.6), 4, (0.2, 0.3))
    found = values_of(image)
    assert found["ellipticity"] == pytest.approx(np.hypot(0.2, 0.3), abs=2e-3)
    assert np.arctan2(found["e2"], found["e1"]) == pytest.approx(np.arctan2(0.3, 0.2), abs=1e-3)
    assert found["rho4"] == pytest.approx(2, abs=0.005)
    assert found["peak"] == pytest.approx(
        gaussian_filter(image, 1, mode="mirror", truncate=3).max(), rel=1e-6
    )


def test_moved_turned_and_mirrored_galaxies_have_the_same_measures():
    image = galaxy()
    expected = values_of(image)
    assert all(np.isfinite(expected[name]) for name in MEASURES)
    assert abs(expected["e1"]) > 0.02 and abs(expected["e2"]) > 0.02
    for moved in (np.roll(image, (2, -3), (0, 1)), np.roll(image, (-1, 4), (0, 1))):
        assert_same(values_of(moved), expected, POSITION, 1e-4, 1e-4)
    signs = {
        (1, 1): image[::-1, ::-1],
        (1, -1): image[::-1],
        (-1, -1): np.rot90(image),
        (-1, 1): image.T,
    }
    for (sign1, sign2), turned in signs.items():
        found = values_of(turned)
        assert_same(found, expected, DIRECTIONS, 1e-4, 1e-4)
        assert found["e1"] == pytest.approx(sign1 * expected["e1"], abs=1e-5)
        assert found["e2"] == pytest.approx(sign2 * expected["e2"], abs=1e-5)


def test_brighter_galaxies_on_another_sky_differ_in_flux_and_peak_alone():
    image = galaxy()
    expected, found = values_of(image), values_of(7 * image + 3, 7 * THRESHOLD)
    for name in ("flux", "peak"):
        assert found[name] == pytest.approx(7 * expected[name], rel=1e-5)
    assert found["sky"] == pytest.approx(3 + 7 * expected["sky"], rel=1e-5)
    assert_same(found, expected, ("flux", "peak", "sky", "sky_sigma"), 1e-4, 1e-4)


def test_the_type_and_layout_of_the_pixels_do_not_matter():
    images = ellipses(3, (40, 48))
    expected = measured(images, 8.0, bands="grz")
    floats = np.asfortranarray(images.astype(np.float64))
    for same in (images.astype(np.float32), floats, images.astype(">i2")):
        np.testing.assert_array_equal(
            measured(same, 8.0, bands="grz").matrix(measure_names("grz")),
            expected.matrix(measure_names("grz")),
        )


def test_blocks_and_their_sizes_do_not_matter():
    images = ellipses(150, 24)
    expected = measured(images, 8.0, bands="grz")
    parts = measure_blocks([(images[:7], None), (images[7:7], None), (images[7:], None)], 150, 8.0, "grz")
    for name in expected.values:
        np.testing.assert_array_equal(parts.values[name], expected.values[name])
    assert len(parts) == 150 and not parts.empty.any()
    assert len(parts.at([3, 1])) == 2 and parts.at([3, 1]).values["flux"][1] == parts.values["flux"][1]


def test_a_neighbour_is_counted_and_changes_little_else():
    image = galaxy(80)
    expected = values_of(image)
    beside = image + 300 * gaussian(80, (63, 24), 2) + 500 * gaussian(80, (9, 70), 1.5)
    found = values_of(beside)
    assert expected["neighbors"] == 0 and found["neighbors"] == 2
    assert_same(found, expected, ("neighbors", "sky", "sky_sigma"), 0.03, 0.01)
    excluded = np.zeros((1, 80, 80), bool)
    excluded[0, 14:35, 54:73] = True
    masked = values_of(np.where(excluded[0], 1e9, beside), excluded=excluded)
    assert masked["neighbors"] == 1
    assert_same(masked, expected, ("neighbors", "sky", "sky_sigma"), 0.03, 0.01)


def test_excluded_pixels_of_a_galaxy_change_little():
    image = galaxy()
    excluded = np.zeros((1, 64, 64), bool)
    excluded[0, 36:39, 36:40] = True
    found = values_of(np.where(excluded[0], 1e9, image), excluded=excluded)
    assert_same(found, values_of(image), ("asymmetry", "clumpiness", "m20", "gini", *DIRECTIONS), 0.05, 0.02)


def test_a_galaxy_that_reaches_the_border_is_marked():
    images = np.stack([galaxy(), np.roll(galaxy(), 14, axis=1), 300 * gaussian(64, (32, 32), 30)])
    result = measured(images, THRESHOLD)
    assert result.at_border.tolist() == [False, True, True]
    assert not result.empty.any()


def test_noise_of_a_symmetric_galaxy_is_no_structure():
    generator = np.random.default_rng(0)
    clean = 60 * gaussian(48, (23.4, 23.8), 4)
    for smoothing in (0, 0.8):
        noise = gaussian_filter(generator.normal(size=(60, 48, 48)), (0, smoothing, smoothing))
        images = clean + 0.03 * noise / noise.std()
        result = measured(images, 0.12)
        assert not result.empty.any()
        assert np.mean(result.values["sky_sigma"]) == pytest.approx(0.03, rel=0.1)
        # The best centre makes the asymmetry of noise smaller than that of the sky.
        assert -0.06 < np.mean(result.values["asymmetry"]) < 0.01
        assert abs(np.mean(result.values["clumpiness"])) < 0.02
        assert np.mean(result.values["flux"]) == pytest.approx(60, rel=0.03)
    assert sky_sigma(images[..., None]) == pytest.approx(result.values["sky_sigma"])


BLANK = {
    "constant": np.full((32, 32, 3), 5.0),
    "zero": np.zeros((32, 32, 3)),
    "negative": -ellipses(1, 32)[0].astype(float),
    "far from the middle": np.roll(ellipses(1, 32)[0], 18, axis=1) * (np.arange(32) > 28)[:, None],
    "five pixels": np.zeros((5, 5, 3)),
    "one pixel": np.ones((1, 1, 3)),
    "two rows": np.zeros((2, 40, 3)),
}


@pytest.mark.parametrize("name", BLANK)
def test_without_a_galaxy_everything_but_the_sky_is_nan(name):
    result = measured(BLANK[name][None], 8.0, bands="grz")
    assert result.empty.all() and not result.at_border.any()
    for measure, column in result.values.items():
        assert np.isnan(column).all() == (measure not in ("sky", "sky_sigma", "neighbors")), measure
    assert np.isnan(result.matrix(compared_names("grz"))).all()


def test_all_pixels_excluded_is_no_galaxy_and_no_images_are_no_measurements():
    result = measured(ellipses(1, 24), 8.0, bands="grz", excluded=np.ones((1, 24, 24), bool))
    assert result.empty.all()
    assert len(measure_blocks([], 0, 8.0, "grz")) == 0


@pytest.mark.parametrize("shape", [(5, 5), (7, 30), (33, 20)])
def test_small_and_oblong_images_are_measured(shape):
    height, width = shape
    image = 50 * gaussian(shape, (width / 2 - 0.5, height / 2 - 0.5), min(shape) / 8)
    found = values_of(image, 0.2)
    assert found["flux"] > 0 and found["peak"] > 0 and found["r50"] < min(shape)


def test_one_band_has_no_colour_and_an_empty_band_has_none_either():
    images = np.stack([galaxy(), 2 * galaxy(), 0 * galaxy()], axis=-1)[None]
    assert not [name for name in measured(images[..., :1], THRESHOLD).values if name.startswith("colour")]
    found = {name: column[0] for name, column in measured(images, THRESHOLD, bands="grz").values.items()}
    assert found["colour_g_r"] == pytest.approx(np.log10(0.5))
    assert np.isnan(found["colour_r_z"])
    assert np.isfinite(found["flux"])


def test_names_and_descriptions_of_all_measures():
    assert measure_names(["g", "r"]) == [*MEASURES, "colour_g_r"]
    assert len(compared_names(["g", "r", "z"])) == 13 and len(compared_names(["0"])) == 11
    assert set(compared_names(["0", "1"])) <= set(measure_names(["0", "1"]))
    colour = measure_of("colour_F606W_F814W_2")
    assert colour.signed and not colour.log and "band F606W over that in band F814W_2" in colour.text
    result = measured(ellipses(4, 24), 8.0, bands="grz")
    matrix = result.matrix(["flux", "r50"])
    np.testing.assert_array_equal(matrix[:, 0], np.log10(result.values["flux"]))
    np.testing.assert_array_equal(matrix[:, 1], result.values["r50"])


def test_functions_are_compiled_where_no_folder_can_keep_them(monkeypatch):
    def double(x):
        return 2 * x

    monkeypatch.setattr(CacheImpl, "_locator_classes", [])
    assert compiled.kernel(double)(3) == 6


@pytest.mark.slow
def test_compiled_code_is_renewed_when_a_constant_of_another_file_changes(tmp_path):
    folder = tmp_path / "galvae" / "morphology"
    folder.mkdir(parents=True)
    shutil.copy(Path(compiled.__file__), folder)
    (folder.parent / "__init__.py").touch()
    (folder / "__init__.py").touch()
    imports = "from galvae.morphology.compiled import kernel\n"
    (folder / "low.py").write_text(f"{imports}FACTOR = 2\n\n\n@kernel\ndef low(x):\n    return FACTOR * x\n")
    (folder / "high.py").write_text(
        f"{imports}from galvae.morphology.low import low\n\n\n@kernel\ndef high(x):\n    return low(x)\n"
    )

    def result():
        command = [sys.executable, "-c", "from galvae.morphology.high import high; print(high(5))"]
        return int(subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout)

    assert result() == 10
    kept = sorted(path.name for path in folder.rglob("*.nbc"))
    assert result() == 10
    assert sorted(path.name for path in folder.rglob("*.nbc")) == kept != []
    (folder / "low.py").write_text((folder / "low.py").read_text().replace("= 2", "= 3"))
    assert result() == 15
