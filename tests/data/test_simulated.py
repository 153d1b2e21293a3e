"""Simulated galaxies: what the catalogue says of them is measured in their pixels."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from builders.configs import COMMON, SOURCE

from galvae.config.dataset import Galaxy10Config, SimulatedConfig
from galvae.data.load import load_dataset
from galvae.data.readers import simulated
from galvae.errors import GalvaeError

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "write_simulated.py"


def configuration(**changes):
    values = {
        "image_size": 32,
        "count": 12,
        "bands": 3,
        "seed": 0,
        "noise": 0.01,
        "psf": 2.0,
        "max_redshift": 1.2,
        "workers": 1,
    }
    return SimulatedConfig(name="simulated", **{**COMMON, **values, **changes})


def images(config):
    return np.concatenate(list(simulated.read(config).blocks))


@pytest.fixture(scope="module")
def sharp():
    """Configuration, factors and noise-free linear light of galaxies that are large and whole in their stamps.

    Half-light radii of 5 to 12 pixels in stamps of 128.
    """
    config = configuration(image_size=128, noise=0.0, psf=1.5, max_redshift=2.0)
    known = [simulated.factors(config, index)[0] for index in range(250)]
    known = [one for one in known if 5 < one["half_light_radius"] < 12]
    light = np.stack([simulated.light(config, one) for one in known]).astype(np.float64)
    assert len(known) > 80
    return config, {name: np.array([one[name] for one in known]) for name in known[0]}, light


def moments(stamps, psf):
    """Semi-axes (root mean square) and angle of the light, the point spread function and pixel removed."""
    y, x = np.mgrid[: stamps.shape[1], : stamps.shape[2]] - (stamps.shape[1] - 1) / 2
    total = stamps.sum(axis=(1, 2))
    xx, yy, xy = ((stamps * product).sum(axis=(1, 2)) / total for product in (x * x, y * y, x * y))
    blur = psf**2 / (8 * np.log(2)) + 1 / 12
    mean, half = (xx + yy) / 2 - blur, np.hypot((xx - yy) / 2, xy)
    return np.sqrt(mean + half), np.sqrt(mean - half), np.degrees(np.arctan2(2 * xy, xx - yy)) / 2


def ellipse(known, side):
    """Elliptical radius of every pixel in units of the half-light radius, (n, side, side)."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    angle = np.radians(known["position_angle"])[:, None, None]
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    axis_ratio, radius = (1 - known["ellipticity"])[:, None, None], known["half_light_radius"][:, None, None]
    return np.hypot(along, across / axis_ratio) / radius


def test_the_seed_decides():
    first = images(configuration())
    np.testing.assert_array_equal(images(configuration()), first)
    assert (images(configuration(seed=1)) != first).mean() > 0.3


@pytest.mark.parametrize("bands", [1, 3])
def test_neither_count_nor_workers_nor_blocks_change_a_galaxy(bands, monkeypatch):
    expected = images(configuration(bands=bands))
    monkeypatch.setattr(simulated, "BLOCK", 5)
    source = simulated.read(configuration(bands=bands, count=17, workers=2 if bands == 3 else 1))
    blocks = list(source.blocks)
    assert [len(block) for block in blocks] == [5, 5, 5, 2]
    np.testing.assert_array_equal(np.concatenate(blocks)[:12], expected)
    few = simulated.read(configuration(bands=bands)).catalogue
    assert all((source.catalogue[name][:12] == few[name]).all() for name in few)


def test_few_blocks_are_drawn_ahead_and_an_early_end_stops_the_workers(monkeypatch):
    class Pool:
        submitted = stopped = 0

        def __init__(self, *arguments, **settings):
            pass

        def submit(self, function, *arguments):
            Pool.submitted += 1
            self.result = lambda: function(*arguments)
            return self

        def shutdown(self, cancel_futures):
            Pool.stopped += cancel_futures

    monkeypatch.setattr(simulated, "ProcessPoolExecutor", Pool)
    monkeypatch.setattr(simulated, "BLOCK", 1)
    blocks = simulated.read(configuration(count=1000, workers=3)).blocks
    for _ in range(4):
        next(blocks)
    assert Pool.submitted == 2 * 3 + 4
    blocks.close()
    assert Pool.stopped == 1


def test_a_worker_loads_neither_keras_nor_a_backend():
    code = "import sys, galsim, galvae.data.readers.simulated; print({'keras', 'tensorflow', 'jax'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_half_of_the_light_lies_within_the_half_light_ellipse(sharp):
    config, known, light = sharp
    intensity = light.mean(axis=-1)
    within = (intensity * (ellipse(known, config.image_size) < 1)).sum(axis=(1, 2)) / known["flux"]
    # The point spread function spreads a little of it, most in flat galaxies.
    assert within.mean() == pytest.approx(0.49, abs=0.015)
    assert within.std() < 0.025


def test_flux_and_colour_are_those_of_the_pixels(sharp):
    _, known, light = sharp
    bands = light.sum(axis=(1, 2))
    np.testing.assert_allclose(bands.mean(axis=-1), known["flux"], rtol=0.01)
    np.testing.assert_allclose(np.log10(bands[:, 0] / bands[:, 2]), known["colour"], atol=0.003)
    assert (np.diff(bands / known["flux"][:, None], axis=-1) < 0).mean() > 0.7, "most are red, red first"


def test_moments_follow_ellipticity_and_position_angle(sharp):
    config, known, light = sharp
    major, minor, angle = moments(light.mean(axis=-1), config.psf)
    np.testing.assert_allclose(1 - minor / major, known["ellipticity"], atol=0.02)
    assert abs((1 - minor / major - known["ellipticity"]).mean()) < 0.005
    turned = (angle - known["position_angle"] + 90) % 180 - 90
    assert abs(turned[known["ellipticity"] > 0.1]).max() < 1


def test_moments_of_a_disc_are_those_of_an_exponential(sharp):
    config, known, _ = sharp
    rows = [dict(zip(known, row, strict=True)) for row in zip(*known.values(), strict=True)]
    discs = np.stack([simulated.light(config, {**row, "bulge_fraction": 0.0})[..., 1] for row in rows[:40]])
    major, _, _ = moments(discs.astype(np.float64), config.psf)
    # An exponential of scale length h has a mean square of 3 h^2 along an axis and half its light in 1.678 h.
    np.testing.assert_allclose(1.6783 / np.sqrt(3) * major, known["half_light_radius"][:40], rtol=0.01)


def test_bulges_concentrate_the_light_and_are_redder_than_their_discs(sharp):
    config, known, light = sharp
    radius = ellipse(known, config.image_size)[..., None]
    inner, outer = ((light * where).sum(axis=(1, 2)) for where in (radius < 0.4, (radius > 1) & (radius < 2)))
    concentration = inner.mean(axis=-1) / known["flux"]
    assert np.corrcoef(concentration, known["bulge_fraction"])[0, 1] > 0.85
    gradient = np.log10(inner[:, 0] / inner[:, 2]) - np.log10(outer[:, 0] / outer[:, 2])
    assert gradient.min() > 0
    assert gradient.max() < 0.3


def test_redshift_shrinks_dims_and_reddens_by_its_laws():
    for index in range(20):
        rest, _ = simulated.factors(configuration(max_redshift=1e-12), index)
        seen, _ = simulated.factors(configuration(max_redshift=3.0), index)
        stretch = 1 + seen["redshift"]
        assert seen["half_light_radius"] == pytest.approx(rest["half_light_radius"] / stretch)
        assert seen["flux"] == pytest.approx(rest["flux"] / stretch**3)
        assert seen["disc_colour"] == pytest.approx(rest["disc_colour"] + 0.35 * seen["redshift"])
        assert seen["colour"] == pytest.approx(rest["colour"] + 0.35 * seen["redshift"], abs=0.02)
        for name in ("ellipticity", "position_angle", "bulge_fraction"):
            assert seen[name] == rest[name]


def test_redshift_acts_on_the_stored_pixels():
    config = configuration(count=300, noise=0.0)
    source = simulated.read(config)
    stored = np.concatenate(list(source.blocks)).astype(np.float64)
    redshift, bands = source.condition[:, 0], stored.sum(axis=(1, 2))
    assert np.corrcoef(redshift, bands.mean(axis=-1))[0, 1] < -0.5
    assert np.corrcoef(redshift, (stored.max(axis=-1) > 25).sum(axis=(1, 2)))[0, 1] < -0.5
    assert np.corrcoef(redshift, np.log10(bands[:, 0] / bands[:, 2]))[0, 1] > 0.5
    assert np.corrcoef(redshift, source.catalogue["colour"])[0, 1] > 0.5


def test_factors_are_spread_as_documented():
    catalogue = simulated.read(configuration(count=2000, image_size=64)).catalogue
    for name, low, high in (
        ("redshift", 0, 1.2),
        ("ellipticity", 0, 0.7),
        ("position_angle", 0, 180),
        ("bulge_fraction", 0, 1),
    ):
        values = catalogue[name]
        assert low <= values.min() < low + 0.02 * (high - low)
        assert high - 0.02 * (high - low) < values.max() <= high
    rest = catalogue["half_light_radius"] * (1 + catalogue["redshift"]) / 64
    assert 0.08 <= rest.min() < rest.max() <= 0.18
    # Half of the flux lies within the half-light ellipse: its mean brightness there, at redshift 0.
    ellipse = np.pi * catalogue["half_light_radius"] ** 2 * (1 - catalogue["ellipticity"])
    brightness = 0.5 * catalogue["flux"] / ellipse * (1 + catalogue["redshift"])
    assert 0.08 <= brightness.min() < 0.085 and 0.39 < brightness.max() <= 0.4
    assert np.median(catalogue["bulge_fraction"]) == pytest.approx(0.25, abs=0.02)  # most are discs
    assert abs(np.corrcoef(catalogue["ellipticity"], catalogue["redshift"])[0, 1]) < 0.08


def test_stored_colours_keep_the_ratios_of_the_light():
    config = configuration(image_size=64, noise=0.0)
    stored = images(config).astype(np.float64)
    light = np.stack([simulated.light(config, simulated.factors(config, index)[0]) for index in range(12)])
    bright = stored.min(axis=-1) > 40
    assert bright.sum() > 100
    ratios = stored[bright][:, :2] / stored[bright][:, 1:]
    np.testing.assert_allclose(ratios, light[bright][:, :2] / light[bright][:, 1:], rtol=0.03)
    assert stored.max() > 150
    assert (stored == 255).mean() < 0.001


def test_one_band_is_the_mean_of_three(sharp):
    _, known, light = sharp
    first = {name: column[0] for name, column in known.items()}
    single = simulated.light(configuration(image_size=128, bands=1, psf=1.5), first)
    np.testing.assert_allclose(single[..., 0], light[0].mean(axis=-1), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("bands", [1, 3])
@pytest.mark.parametrize("noise", [0.01, 0.04])
def test_the_sky_has_the_noise_of_the_setting(bands, noise):
    # Far away, so that the galaxies are small and the corners empty.
    stored = images(configuration(count=60, image_size=64, bands=bands, noise=noise, max_redshift=10.0))
    unit = stored.astype(np.float64) / (255 if bands == 3 else 1)
    corners = np.concatenate([unit[:, :12, :12], unit[:, -12:, -12:]], axis=1)
    sky = 4 * noise if bands == 3 else 0
    assert np.median(corners) == pytest.approx(sky, abs=0.003)
    spread = (corners - corners.mean(axis=(1, 2), keepdims=True)).std(axis=(0, 1, 2))
    expected = np.hypot(noise, (1 / 255 / np.sqrt(12)) if bands == 3 else 0)
    np.testing.assert_allclose(spread, expected, rtol=0.03)
    assert (stored == 0).mean() < 1e-3
    if bands == 3:
        assert abs(np.corrcoef(corners.reshape(-1, 3).T)[0, 1]) < 0.1, "each band has its own noise"
    else:
        assert stored.min() < -2 * noise


@pytest.mark.parametrize(("bands", "dtype", "pixel_range"), [(1, "float32", (0, 1)), (3, "uint8", (0, 255))])
def test_source(bands, dtype, pixel_range):
    config = configuration(bands=bands, count=7)
    source = simulated.read(config)
    blocks = list(source.blocks)
    assert source.shape == (7, 32, 32, bands)
    assert np.concatenate(blocks).shape == source.shape
    assert {block.dtype.name for block in blocks} == {source.dtype} == {dtype}
    assert source.pixel_range == pixel_range
    assert source.condition.shape == (7, 1)
    assert source.condition.dtype == np.float32
    assert (source.condition_names, source.condition_units) == (["redshift"], [""])
    assert source.labels is None
    assert list(source.catalogue) == ["id", *simulated.CATALOGUE]
    assert all(column.shape == (7,) for column in source.catalogue.values())
    assert set(source.catalogue_units) <= set(source.catalogue)
    np.testing.assert_array_equal(source.catalogue["id"], np.arange(7))
    np.testing.assert_array_equal(source.condition[:, 0], source.catalogue["redshift"].astype(np.float32))


def test_the_dataset_loads(tmp_path):
    data = load_dataset(configuration(count=20, cache_dir=str(tmp_path)))
    np.testing.assert_array_equal(data.images[:12], images(configuration()))
    assert data.catalogue_units["half_light_radius"] == "pix"
    assert data.report["condition redshift"]["missing"] == 0


def test_all_that_acts_on_the_pixels_is_in_the_fingerprint():
    base = simulated.fingerprint(configuration())
    assert base["version"] == simulated.VERSION
    assert simulated.fingerprint(configuration(workers=7)) == base
    changes = {
        "image_size": 40,
        "count": 13,
        "bands": 1,
        "seed": 1,
        "noise": 0.02,
        "psf": 3.0,
        "max_redshift": 1.0,
    }
    for name, value in changes.items():
        assert simulated.fingerprint(configuration(**{name: value})) != base


def test_without_galsim_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "galsim", None)
    with pytest.raises(GalvaeError) as caught:
        simulated.read(configuration())
    message = str(caught.value)
    assert message.startswith(
        "dataset simulated: expected galsim to be installed (pip install -e '.[galsim]'), received: "
    )
    assert "\n" not in message


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Runs scripts/write_simulated.py in this process; returns the path of its file."""
    specification = importlib.util.spec_from_file_location("write_simulated", SCRIPT)
    script = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(script)

    def run(layout, *arguments):
        path = tmp_path / f"{layout}.h5"
        monkeypatch.setattr(sys, "argv", ["write_simulated.py", layout, str(path), *arguments])
        script.main()
        assert list(tmp_path.iterdir()) == [path]
        return path

    run.script = script
    return run


def test_written_as_galaxy10(write, tmp_path):
    path = write("galaxy10", "--count", "12")
    config = Galaxy10Config(
        name="galaxy10", path=str(path), image_size=64, **{**SOURCE, "cache_dir": str(tmp_path / "cache")}
    )
    data = load_dataset(config)
    assert data.image_shape == (64, 64, 3)
    assert np.isnan(data.condition[:, 0]).sum() == 2
    assert {"ra", "dec", "pxscale"} <= set(data.catalogue)
    with h5py.File(path) as file:
        assert file["images"].shape == (12, 256, 256, 3)
        np.testing.assert_array_equal(file["ans"][()], data.labels)


def test_classes_of_galaxy10_all_occur(write):
    catalogue = simulated.read(configuration(count=1000, max_redshift=0.3)).catalogue
    counts = np.bincount(write.script.classes(catalogue), minlength=10)
    assert counts.shape == (10,)
    assert counts.min() > 20


@pytest.mark.parametrize(
    ("layout", "names", "side"), [("hst", ["images"], 128), ("cosmos", ["images", "redshift"], 158)]
)
def test_written_as_stamps(write, layout, names, side):
    path = write(layout, "--count", "6", "--seed", "3")
    with h5py.File(path) as file:
        assert list(file) == names
        assert (file["images"].shape, file["images"].dtype) == ((6, side, side), np.float32)
        assert file["images"][()].min() < 0
        if layout == "cosmos":
            assert (file["redshift"].shape, file["redshift"].dtype) == ((6,), np.float32)


def test_the_script_takes_a_side_and_overwrites_nothing(write, capsys):
    path = write("hst", "--count", "3", "--side", "16")
    before = path.read_bytes()
    with pytest.raises(SystemExit, match="2"):
        write("hst", "--count", "3")
    assert "expected a new file" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_a_script_that_fails_leaves_nothing(write, tmp_path, monkeypatch):
    def fail(*arguments):
        raise GalvaeError("no galaxies today")

    with pytest.raises(SystemExit, match="dataset.count"):
        write("hst", "--count", "2")
    monkeypatch.setattr(simulated, "draw", fail)
    with pytest.raises(SystemExit, match="error: no galaxies today"):
        write("hst", "--count", "3")
    assert not list(tmp_path.iterdir())
