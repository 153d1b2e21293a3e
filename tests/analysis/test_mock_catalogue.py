"""Generated galaxies as mock observations: blocks of equal noise, neighbours, and FITS files that are read back."""

from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from builders.configs import train_config
from builders.galaxies import dataset, ellipses
from builders.runs import run_of

from galvae.analysis import mock_catalogue
from galvae.analysis.mock_catalogue import FieldGalaxies, Mocks, write_fits
from galvae.analysis.samples import Samples
from galvae.data.load import load_dataset
from galvae.errors import GalvaeError
from galvae.latent import inference
from galvae.latent.priors.normal import NormalPrior
from galvae.stretch import from_unit
from galvae.system.atomic import Blocks, save_arrays

CLEAN = (0.1 + 0.6 * ellipses(40, 16) / 255).astype(np.float32)


def config(**changes):
    values = {"n": 7, "seed": 5, "prior": None, "noise": "full", "neighbours": False, "fits": True}
    return SimpleNamespace(**{**values, **changes})


def noisy_run(stretch="none"):
    """A run that decodes code i to galaxy i, whose noise depends on the generator alone."""
    data = dataset(40, images=(255 * CLEAN).astype(np.uint8), pixel_range=(-10.0, 500.0), stretch=stretch)
    run = run_of(data, mean=np.zeros((40, 2)), std=0.1, prior=NormalPrior(2))
    run.model.decode = lambda codes, condition=None: CLEAN[np.asarray(codes)[:, 0].astype(int)]
    run.noise = lambda images, generator: generator.uniform(-0.2, 0.2, images.shape).astype(np.float32)
    return run


def samples_of(rows, values=({},)):
    return Samples(list(values), np.tile(np.float32(rows)[:, None] * [1, 1], (len(values), 1)), None)


def images_of(mocks):
    return np.concatenate(list(mocks.batches()))


def test_every_block_has_the_same_noise_and_the_figure_shows_it(monkeypatch):
    run, samples = noisy_run(), samples_of(np.arange(7), ({"z": 0}, {"z": 1}, {"z": 2}))
    mocks = Mocks(run, samples, config(), 3)
    whole = images_of(mocks)
    assert mocks.shape == whole.shape == (21, 16, 16, 3) and mocks.noise == "full"
    blocks = whole.reshape(3, 7, 16, 16, 3)
    np.testing.assert_array_equal(blocks[0], blocks[2])
    assert 0.1 < np.abs(blocks[0] - CLEAN[:7]).max() <= 0.2
    np.testing.assert_array_equal(mocks.shown, blocks[:, :3])
    monkeypatch.setattr(inference, "BATCH", 4)  # no block ends with a batch
    mocks = Mocks(run, samples, config(), 6)
    np.testing.assert_array_equal(images_of(mocks), whole)
    np.testing.assert_array_equal(mocks.shown, blocks[:, :6])
    np.testing.assert_array_equal(images_of(Mocks(run, samples, config(noise="none"), 1))[:7], CLEAN[:7])


def test_the_stretch_is_undone_after_noise_was_added():
    run, samples = noisy_run("asinh"), samples_of(np.arange(7))
    mocks = Mocks(run, samples, config(), 7)
    np.testing.assert_allclose(images_of(mocks), from_unit(mocks.shown[0], "asinh", (0, 1)), rtol=1e-6)
    assert mocks.shown.min() >= 0 and np.abs(mocks.shown[0] - CLEAN[:7]).max() > 0.1


@pytest.fixture
def field(monkeypatch):
    """Field galaxies that are bright squares, two for each image."""
    counts = SimpleNamespace(values={"neighbors": np.full(10, 2)})
    monkeypatch.setattr(mock_catalogue, "measure_galaxies", lambda *arguments: counts)
    run = noisy_run()
    square = np.full((16, 16, 3), 0.1, np.float32)
    square[4:12, 4:12] = 0.5
    run.model.decode = lambda codes, condition=None: np.broadcast_to(square, (len(codes), 16, 16, 3))
    return FieldGalaxies(run, NormalPrior(2), 0)


def test_neighbours_are_smaller_fainter_and_off_the_middle(field):
    blank = np.full((400, 16, 16, 3), 0.1, np.float32)
    added = field(blank) - blank
    assert added.min() > -1e-6 and added[:, 7:9, 7:9].max() < 0.21
    peak = added.max(axis=(1, 2, 3))
    assert 0.35 < peak.max() < 0.41 and (peak > 0.09).mean() > 0.6  # 0.4 is the square's; two may overlap
    assert (added > 0.01).sum(axis=(1, 2, 3)).max() <= 2 * 3 * 16  # squares of 4 x 4 in place of 8 x 8
    middle = added[:, 6:10, 6:10].mean()
    assert added.mean() > 3 * middle > 0
    np.testing.assert_allclose(
        added.mean(axis=(0, 3)).sum(axis=0)[:8].sum(), added.mean(axis=(0, 3)).sum() / 2, rtol=0.1
    )


def test_fits_files_are_read_back_the_same_way_up(tmp_path):
    run, samples = noisy_run(), samples_of(np.arange(7))
    mocks = Mocks(run, samples, config(), 7)
    save_arrays(tmp_path / "samples.npz", images=Blocks(mocks.shape, np.float32, mocks.batches()))
    path = tmp_path / "samples.fits"
    write_fits(path, tmp_path / "samples.npz", run, samples, config(), mocks.noise)
    expected = -10 + 510 * mocks.shown[0]
    with fits.open(path) as units:
        units.verify("exception")
        assert units["SCI"].data.shape == (7, 3, 16, 16) and "CTYPE1" not in units["SCI"].header
        np.testing.assert_allclose(units["SCI"].data[2, 1, 0], expected[2, -1, :, 1], rtol=1e-5)
        assert (units["SCI"].header["NOISE"], units["SCI"].header["SEED"]) == ("full", 5)
    table = Table.read(path, hdu="CATALOGUE")
    np.testing.assert_array_equal(table["code"], samples.codes)
    assert table["id"].tolist() == list(range(7)) and set(table["prior"]) == {"N(0, I)"}

    keys = "dataset=files", f"dataset.path={path}", "dataset.pixel_range=[-10,500]"
    data = load_dataset(train_config(*keys).dataset)
    np.testing.assert_allclose(data.images, expected, rtol=1e-5)
    np.testing.assert_allclose(data.as_stored(np.array([3]))[0], expected[3, ::-1], rtol=1e-5)
    upside_down = load_dataset(train_config(*keys, "dataset.row_0=top").dataset)
    np.testing.assert_array_equal(upside_down.images, data.images[:, ::-1])


def test_noise_that_a_run_has_not_is_refused_before_anything_is_made():
    run = noisy_run()
    run.noise = None
    with pytest.raises(GalvaeError, match="noise: expected a run whose residuals were learned"):
        Mocks(run, samples_of([0]), config(), 1)
