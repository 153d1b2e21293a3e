"""Generated galaxies in GalSim: the stamp that the model decodes, upright, with its flux, shape and redshift."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import galsim
import numpy as np
import pytest
import yaml
from astropy.io import fits
from astropy.table import Table
from builders.galaxies import dataset, ellipses, redshift_dataset
from builders.runs import run_of

from galvae.data.conditions import one_hot
from galvae.data.fits_output import write_cube
from galvae.errors import GalvaeError
from galvae.export import galsim_galaxy
from galvae.export.galsim_config import write_galsim_config
from galvae.export.galsim_galaxy import GalvaeGalaxy
from galvae.latent.priors.normal import NormalPrior

SHAPE = (24, 30)  # not square, so that rows and columns cannot be swapped
SCALE = 0.2


@pytest.fixture(scope="module")
def images():
    """Decoded images in [0, 1], one for each of eight ranges of the first latent; galaxies on a bright sky."""
    return 0.2 + 0.7 * ellipses(8, SHAPE).astype(np.float32) / 255


@pytest.fixture
def run(images):
    """A run that decodes a code to the image that its first number chooses; pixels from -10 to 90, stretched."""
    data = dataset(
        images=ellipses(25, SHAPE), pixel_range=(-10.0, 90.0), stretch="asinh", band_names=["g", "r", "z"]
    )
    return run_of(data, np.zeros((25, 2)), 0.1, NormalPrior(2), lambda codes: images[chosen(codes)])


def conditional_run(data):
    """A run whose galaxies are the brighter the larger their first condition is, each in the place its code says."""
    run = run_of(data, np.zeros((len(data), 2)), 0.1, NormalPrior(2), model="cvae2")
    side = data.image_shape[0]
    y, x = np.mgrid[:side, :side] - side / 2

    def decode(codes, condition):
        away = (x - codes[0, 0]) ** 2 + (y - codes[0, 1]) ** 2
        image = (0.1 + 0.3 * condition[0, 0] * np.exp(-away / 2))[..., None]
        return (image * np.ones(3)).astype(np.float32)[None]

    run.model.decode = decode
    return run


@pytest.fixture
def conditional():
    run = conditional_run(redshift_dataset())
    run.state.condition_ranges = [[0.1, 2.0]]
    return run


def chosen(codes):
    return np.digitize(codes[:, 0], np.linspace(-1.2, 1.2, 7))


def galaxy(run, **changes):
    return GalvaeGalaxy(run, **{"seed": 1, "band": "r", "pixel_scale": SCALE, **changes})


def stamp_of(galaxy, images, band=1):
    """The galaxy's stamp as the model decodes it, in stored units, and its sky, computed apart from galvae."""
    unit = images[chosen(galaxy.code[None])[0]][..., band].astype(float)
    stored = -10 + 100 * 0.05 * np.sinh(unit * np.arcsinh(20))
    frame = np.ones(SHAPE, bool)
    frame[2:-2, 2:-2] = False
    return stored, np.median(stored[frame])


def drawn(galaxy, **changes):
    options = {"nx": SHAPE[1], "ny": SHAPE[0], "scale": SCALE, "method": "no_pixel", "dtype": float}
    return galaxy.drawImage(**{**options, **changes})


def test_it_is_the_stamp_above_the_sky(run, images):
    made = galaxy(run)
    stored, sky = stamp_of(made, images)
    pixels = drawn(made).array[::-1]
    # The clipped median of the frame differs from the plain one by less than the frame's own scatter.
    np.testing.assert_allclose(pixels - pixels[5, 5], stored - stored[5, 5], atol=1e-4)
    assert abs((stored - pixels).mean() - sky) < 0.5
    assert made.flux == pytest.approx(pixels.sum(), rel=1e-6)


def test_it_stands_as_in_the_files_of_sample(run, images, tmp_path):
    made = galaxy(run)
    stored, _ = stamp_of(made, images)
    write_cube(tmp_path / "a.fits", [stored[None, ..., None]], (1, *SHAPE, 1), Table({"id": [0]}), {})
    drawn(made).write(str(tmp_path / "b.fits"))
    of_sample, of_galsim = fits.getdata(tmp_path / "a.fits", 1)[0, 0], fits.getdata(tmp_path / "b.fits")
    np.testing.assert_allclose(of_galsim - of_galsim.mean(), of_sample - of_sample.mean(), atol=1e-4)
    assert np.unravel_index(of_galsim.argmax(), SHAPE) == (SHAPE[0] - 1, SHAPE[1] - 1)  # at the upper right


@pytest.mark.parametrize("shift", [0, 0.5])
def test_its_moments_are_the_stamps(run, images, shift):
    for seed in range(5):
        made = galaxy(run, seed=seed)
        pixels = galsim.Image(drawn(made).array, scale=SCALE)
        stored, _ = stamp_of(made, images)
        reference = stored[::-1] - (stored[::-1] - pixels.array).mean()
        reference[-1, -1] = 0  # the bright pixel in the corner is no galaxy
        mine = drawn(made, offset=(shift, shift))
        mine.array[-1, -2:] = 0
        mine.array[-2:, -1] = 0
        truth = galsim.hsm.FindAdaptiveMom(galsim.Image(reference.copy(), scale=SCALE))
        found = galsim.hsm.FindAdaptiveMom(mine)
        assert found.moments_sigma == pytest.approx(truth.moments_sigma, rel=0.01)
        assert found.observed_shape.g1 == pytest.approx(truth.observed_shape.g1, abs=0.01)
        assert found.observed_shape.g2 == pytest.approx(truth.observed_shape.g2, abs=0.01)
        assert abs(truth.observed_shape.g2) > 0.05  # tilted, so that a mirrored one differs
        assert found.moments_centroid.y - truth.moments_centroid.y == pytest.approx(shift, abs=0.02)


def test_its_flux_is_what_is_asked_for(run):
    assert drawn(galaxy(run, flux=7.0)).array.sum() == pytest.approx(7, rel=1e-5)
    own = galaxy(run)
    np.testing.assert_allclose(drawn(galaxy(run, flux=7.0)).array * own.flux / 7, drawn(own).array, atol=1e-3)


def test_the_pixel_scale_is_its_size_on_the_sky(run):
    wide, narrow = galaxy(run, pixel_scale=0.4), galaxy(run, pixel_scale=0.2)
    np.testing.assert_allclose(drawn(wide, scale=0.4).array, drawn(narrow, scale=0.2).array, atol=1e-8)


def test_a_seed_is_a_galaxy(run):
    assert galaxy(run, seed=3) == galaxy(run, seed=3)
    assert galaxy(run, seed=3) != galaxy(run, seed=4)
    rng = galsim.BaseDeviate(5)
    first, second = (galaxy(run, seed=None, rng=rng) for _ in range(2))
    assert first == galaxy(run, seed=None, rng=galsim.BaseDeviate(5)) != second
    codes = np.stack([galaxy(run, seed=seed).code for seed in range(200)])
    assert np.abs(codes.mean(axis=0)).max() < 0.25 and np.abs(codes.std(axis=0) - 1).max() < 0.2


def test_a_seed_is_the_galaxy_that_a_run_samples(conditional):
    for seed in (3, 8):
        unit = conditional.sample(1, seed=seed, noise="none")[0, ..., 1]
        pixels = galaxy(conditional, band=1, seed=seed).image.array[::-1]
        np.testing.assert_allclose(pixels - pixels[0, 0], 255 * (unit - unit[0, 0]), atol=1e-3)


def test_it_can_be_pickled(run):
    made = pickle.loads(pickle.dumps(galaxy(run, redshift=0.3)))
    assert made == galaxy(run) and made.redshift == 0.3


def test_its_redshift_is_that_of_its_condition(conditional):
    asked = galaxy(conditional, band=0, redshift=0.5)
    assert asked.redshift == 0.5 and asked.condition == {"redshift": 0.5}
    assert asked == galaxy(conditional, band=0, condition={"redshift": 0.5})
    assert asked != galaxy(conditional, band=0, redshift=1.5)
    given = GalvaeGalaxy(conditional, seed=1, band=0, pixel_scale=1, redshift=0.5)
    expected = conditional.decode(given.code[None], np.float32([[0.5]]))[0, ..., 0]
    np.testing.assert_allclose(np.ptp(given.image.array), 255 * np.ptp(expected), rtol=1e-4)


def test_conditions_that_are_not_given_are_those_of_training_galaxies(conditional):
    made = [galaxy(conditional, band=0, seed=seed) for seed in range(300)]
    found = np.array([one.redshift for one in made])
    train = conditional.dataset.condition[conditional.dataset.split("train"), 0]
    assert set(found) == set(train.astype(float))


def test_a_class_is_asked_for_by_name(monkeypatch):
    labels = np.arange(25) % 3
    data = dataset(
        labels=labels,
        class_names=["round", "barred", "edge-on"],
        condition=one_hot(labels, 3),
        condition_names=["class=round", "class=barred", "class=edge-on"],
        condition_units=["", "", ""],
    )
    run = conditional_run(data)
    monkeypatch.setattr(run.model, "decode", lambda codes, condition: ellipses(1, 8).astype(np.float32) / 255)
    made = galaxy(run, band=0, condition={"class": "barred"})
    assert made.condition == {"class": "barred"} and made.redshift == 0
    assert galaxy(run, band=0, condition={"class": "barred"}, redshift=0.7).redshift == 0.7
    assert {galaxy(run, band=0, seed=seed).condition["class"] for seed in range(30)} == set(data.class_names)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"band": None}, "band: expected g, r, z, or a number from 0 to 2, received none"),
        ({"band": "i"}, "band: expected g, r, z, or a number from 0 to 2, received i"),
        ({"band": 3}, "band: expected g, r, z, or a number from 0 to 2, received 3"),
        (
            {"pixel_scale": None},
            "pixel_scale: expected arcsec per pixel, which the dataset of .* does not tell",
        ),
        ({"condition": {"mass": 1}}, "condition: expected none, because vae takes no condition"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_a_line(run, changes, message):
    with pytest.raises(GalvaeError, match=message):
        galaxy(run, **changes)


def test_bands_have_names_and_numbers(run, images):
    for band, number in (("g", 0), ("z", 2), (0, 0), ("2", 2)):
        made = galaxy(run, band=band)
        stored, _ = stamp_of(made, images, number)
        assert np.ptp(made.image.array) == pytest.approx(np.ptp(stored), rel=1e-5)


def test_the_pixel_scale_may_be_known(run, monkeypatch):
    monkeypatch.setattr(galsim_galaxy, "known_scale", lambda galaxies: 0.26)
    assert galaxy(run, pixel_scale=None).image.scale == 0.26


def test_an_image_of_nothing_is_no_galaxy(run, monkeypatch):
    monkeypatch.setattr(run, "decode", lambda codes, condition: np.full((1, *SHAPE, 3), 0.1, np.float32))
    with pytest.raises(GalvaeError, match="expected galaxies brighter than the sky"):
        galaxy(run)


def test_a_copy_of_a_process_that_uses_keras_is_refused(run, monkeypatch):
    monkeypatch.setattr(galsim_galaxy, "_opened", lambda path: (os.getpid() - 1, run))
    with pytest.raises(GalvaeError, match="nproc: expected 1"):
        galaxy("some/run")


@pytest.fixture
def written(run, tmp_path, monkeypatch):
    """The configuration of a run, whose bundle is this run."""
    monkeypatch.setattr(galsim_galaxy, "_opened", lambda path: (os.getpid(), run))
    monkeypatch.chdir(tmp_path)
    return yaml.safe_load(write_galsim_config(run, tmp_path / "shared").read_text())


def test_galsim_draws_galaxies_from_its_configuration(run, written, tmp_path):
    assert written["gal"]["run"] == "shared" and written["gal"]["band"] == "g"
    written["image"] |= {"nx_tiles": 3, "ny_tiles": 2}
    written["gal"] |= {"pixel_scale": SCALE, "band": "r", "flux": 5}
    columns = written["output"]["truth"]["columns"]
    assert "redshift" not in columns  # which the model does not know
    columns["redshift"] = "$(@gal).redshift"
    written["gal"]["redshift"] = {"type": "Random", "min": 1, "max": 2}
    galsim.config.Process(written)
    pixels, truth = fits.getdata(tmp_path / "galaxies.fits"), Table.read(tmp_path / "truth.fits")
    assert pixels.shape == (2 * SHAPE[0], 3 * SHAPE[1])
    tiles = pixels.reshape(2, SHAPE[0], 3, SHAPE[1]).swapaxes(1, 2).reshape(6, *SHAPE)
    np.testing.assert_allclose(tiles.sum(axis=(1, 2)), 5, rtol=1e-4)
    assert len(np.unique(tiles.max(axis=(1, 2)))) > 1
    corner = np.array([np.unravel_index(tile.argmax(), SHAPE) for tile in tiles])
    assert (corner == (SHAPE[0] - 1, SHAPE[1] - 1)).all()
    np.testing.assert_allclose(truth["flux"], 5)
    assert ((truth["redshift"] > 1) & (truth["redshift"] < 2)).all() and np.ptp(truth["redshift"]) > 0.1


def test_galsims_seed_decides(written):
    def image(seed):
        config = {key: dict(value) for key, value in written.items() if key in ("gal", "stamp", "image")}
        config["image"] |= {"nx_tiles": 2, "ny_tiles": 2, "random_seed": seed}
        return galsim.config.BuildImage(config).array

    np.testing.assert_array_equal(image(1), image(1))
    assert np.abs(image(1) - image(2)).max() > 1


def test_galsims_configuration_asks_for_conditions(conditional, monkeypatch):
    monkeypatch.setattr(galsim_galaxy, "_opened", lambda path: (os.getpid(), conditional))
    gal = {"type": "GalvaeGalaxy", "run": "x", "band": 2, "pixel_scale": 1, "seed": 4}
    gal["condition"] = {"redshift": {"type": "Sequence", "first": 0.5, "step": 0.25}}
    for number in range(3):
        made, _ = galsim.config.BuildGSObject({"gal": gal, "obj_num": number}, "gal")
        assert made.redshift == 0.5 + 0.25 * number
        assert made == galaxy(conditional, seed=4, band=2, pixel_scale=1, redshift=made.redshift)


def test_the_configuration_of_a_conditional_model_says_what_may_be_asked(conditional, tmp_path, caplog):
    with caplog.at_level("INFO"):
        text = write_galsim_config(conditional, tmp_path / "shared").read_text()
    assert yaml.safe_load(text)["output"]["truth"]["columns"]["redshift"] == "$(@gal).redshift"
    assert '# condition: {"redshift": {"type": "Random", "min": 0.1, "max": 2.0}}' in text
    assert "pixel_scale" in caplog.text  # is unknown
    assert yaml.safe_load(text)["gal"]["pixel_scale"] == 1


@pytest.mark.slow
def test_galsim_draws_a_bundle(trained, galvae, tmp_path):
    path = trained("cvae2")
    assert galvae("export", f"run={path}", "target=galsim", "hydra.run.dir=shared")[0] == 0
    command = [
        Path(sys.executable).with_name("galsim"),
        "galaxies.yaml",
        "image.nx_tiles=3",
        "image.ny_tiles=2",
    ]
    pixels = []
    for processes in (1, 2):
        options = [f"image.nproc={processes}", "gal.redshift=0.5"]
        subprocess.run([*command, *options], cwd=tmp_path / "shared", capture_output=True, check=True)
        pixels.append(fits.getdata(tmp_path / "shared" / "galaxies.fits"))
    np.testing.assert_array_equal(*pixels)
    assert np.isfinite(pixels[0]).all() and np.ptp(pixels[0]) > 0
    truth = Table.read(tmp_path / "shared" / "truth.fits")
    assert len(truth) == 6 and set(truth["redshift"]) == {0.5}
