"""One contract for every reader in SOURCES, and what is particular to the built-in ones."""

import dataclasses
import importlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from builders.configs import ARRAYS, COMMON, SOURCE
from builders.format_writers import pictures, write_parquet
from builders.galaxies import ellipses
from builders.layouts import DECALS_CLASSES, SDSS_CLASSES
from builders.surveys import SAMPLES, write_galaxy10, write_mnist, write_stamps

from galvae.config.dataset import (
    FilesConfig,
    Galaxy10Config,
    HdfConfig,
    MnistConfig,
    SimulatedConfig,
    StampsConfig,
)
from galvae.config.fields import ALWAYS
from galvae.config.registry import GROUPS
from galvae.data.load import SOURCES, load_dataset
from galvae.data.readers import galaxy10
from galvae.data.source import Source
from galvae.data.splits import SPLITS
from galvae.data.store import download
from galvae.errors import GalvaeError
from galvae.system.cache_folder import cache_folder


def configuration(name, folder):
    """Configuration of a small dataset of each reader, written into a folder."""
    if name == "hdf":
        return HdfConfig(name="hdf", image_size=32, **COMMON)
    if name == "galaxy10":
        path = write_galaxy10(folder / "Galaxy10_DECals.h5")
        return Galaxy10Config(name="galaxy10", path=str(path), image_size=128, **SOURCE)
    if name in ("hst", "cosmos"):
        path = write_stamps(folder / "stamps.h5", redshift=name == "cosmos")
        names = {"images": None, "redshift": None, "archive": None, "download": False}
        return StampsConfig(name=name, path=str(path), image_size=None, **names, **ARRAYS)
    if name == "mnist":
        path = write_mnist(folder / "mnist.npz")
        return MnistConfig(name="mnist", path=str(path), image_size=None, **COMMON)
    if name == "simulated":
        factors = {"bands": 3, "seed": 0, "noise": 0.01, "psf": 2.5, "max_redshift": 1.2, "workers": 1}
        return SimulatedConfig(name="simulated", image_size=32, count=30, **factors, **COMMON)
    np.save(folder / "images.npy", ellipses(30, 16))
    later = {field.name: field.metadata["added"] for field in dataclasses.fields(FilesConfig)}
    values = dict.fromkeys(field.name for field in dataclasses.fields(FilesConfig))
    values |= {name: value for name, value in later.items() if value is not ALWAYS} | SOURCE
    values |= {"name": "files", "path": str(folder / "images.npy"), "condition": [], "axes": "NHWC"}
    return FilesConfig(**values)


def test_every_configurable_dataset_has_a_reader():
    assert set(SOURCES) == set(GROUPS["dataset"])


@pytest.mark.parametrize("name", SOURCES)
def test_contract(name, tmp_path):
    config = configuration(name, tmp_path)
    data = load_dataset(config)
    count = len(data)
    assert data.name == name
    assert isinstance(data.images, np.memmap)
    assert data.images.ndim == 4
    assert data.images.dtype in (np.uint8, np.float32)
    unit = data.to_unit(data.images[:])
    assert 0 <= unit.min() < unit.max() <= 1
    assert data.labels is None or (data.labels.shape == (count,) and data.labels.dtype.kind == "i")
    assert (data.labels is None) == (data.class_names is None)
    assert data.condition is None or data.condition.shape == (count, len(data.condition_names))
    assert len(data.condition_units) == len(data.condition_names)
    assert all(len(column) == count for column in data.catalogue.values())
    assert len(set(data.catalogue["id"].tolist())) == count
    assert set(data.catalogue_units) <= set(data.catalogue)
    assert sorted(np.concatenate([data.split(split) for split in SPLITS])) == list(range(count))
    assert data.report["count"] == count
    again = load_dataset(config)
    np.testing.assert_array_equal(again.images, data.images)
    assert again.report == data.report


def test_prepared_datasets_are_opened_without_what_made_them(tmp_path):
    configurations = [vars(configuration(name, tmp_path)) for name in SOURCES]
    for values in configurations:
        load_dataset(SimpleNamespace(**values))
    program = (
        "import json, sys; from types import SimpleNamespace; from galvae.data.load import load_dataset\n"
        "for values in json.loads(sys.argv[1]): print(len(load_dataset(SimpleNamespace(**values))))\n"
        "heavy = {'tensorflow', 'astroNN', 'jax', 'keras', 'matplotlib', 'astropy', 'photutils', 'skimage', 'galsim'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    command = [sys.executable, "-c", program, json.dumps(configurations)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert len(done.stdout.split()) == len(SOURCES) + 1
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("entry", ["hdf-38d7a7a02b02", "simulated-6f1b64802953"])
def test_cache_entries_of_galvae_0_1_keep_their_names(entry, tmp_path):
    load_dataset(configuration(entry.split("-")[0], tmp_path))
    assert (cache_folder() / entry / "manifest.json").is_file()


@pytest.mark.parametrize("name", SOURCES)
def test_readers_announce_what_they_deliver(name, tmp_path):
    config = configuration(name, tmp_path)
    source = importlib.import_module(SOURCES[name]).read(config)
    assert isinstance(source, Source)
    blocks = list(source.blocks)
    assert sum(len(block) for block in blocks) == source.shape[0]
    assert {block.shape[1:] for block in blocks} == {tuple(source.shape[1:])}
    assert {str(block.dtype) for block in blocks} == {source.dtype}


def test_hubble_stamps_are_galaxies_in_the_middle_of_dark_sky(tmp_path):
    data = load_dataset(configuration("hdf", tmp_path))
    assert 780 < len(data) < 860
    assert data.image_shape == (32, 32, 3)
    brightness = data.images.mean(axis=-1)
    centre, edge = brightness[:, 12:20, 12:20].mean(axis=(1, 2)), brightness[:, 0].mean(axis=1)
    assert (centre > edge).mean() > 0.98
    y, x = np.mgrid[:32, :32] - 15.5
    light = np.clip(brightness - np.median(brightness, axis=(1, 2), keepdims=True), 0, None)
    assert np.abs((light * x).sum((1, 2)) / light.sum((1, 2))).mean() < 2
    catalogue = data.catalogue
    assert catalogue["area"].min() >= 30
    assert ((catalogue["ellipticity"] >= 0) & (catalogue["ellipticity"] < 1)).all()
    assert ((catalogue["x"] > 0) & (catalogue["x"] < 1000) & (catalogue["y"] < 872)).all()


def test_hubble_catalogue_measures_the_stamps(tmp_path):
    # A second way: colour and orientation from the stamps' own pixels must agree with the catalogue's.
    data = load_dataset(configuration("hdf", tmp_path))
    large = np.flatnonzero((data.catalogue["area"] > 150) & (data.catalogue["ellipticity"] > 0.4))
    assert len(large) > 30
    stamps = data.images[large].astype(float)
    light = np.clip(stamps.mean(-1) - 40, 0, None)
    y, x = np.mgrid[:32, :32] - 15.5
    moments = [(light * product).sum((1, 2)) / light.sum((1, 2)) for product in (x * x, y * y, x * y)]
    angle = 0.5 * np.degrees(np.arctan2(2 * moments[2], moments[0] - moments[1]))
    difference = (angle - data.catalogue["orientation"][large] + 90) % 180 - 90
    assert np.median(np.abs(difference)) < 6
    red = stamps[..., 0].mean((1, 2)) - stamps[..., 2].mean((1, 2))
    catalogue_red = (data.catalogue["mean_red"] - data.catalogue["mean_blue"])[large]
    assert np.corrcoef(red, catalogue_red)[0, 1] > 0.8


def test_galaxy10_keeps_labels_and_positions_and_halves_the_images(tmp_path):
    data = load_dataset(configuration("galaxy10", tmp_path))
    with h5py.File(tmp_path / "Galaxy10_DECals.h5") as file:
        images = file["images"][()]
        np.testing.assert_array_equal(data.labels, file["ans"])
        np.testing.assert_array_equal(data.catalogue["ra"], file["ra"])
        np.testing.assert_array_equal(data.catalogue["dec"], file["dec"])
        np.testing.assert_array_equal(data.condition[:, 0], file["redshift"][()].astype(np.float32))
    blocks = images.reshape(30, 128, 2, 128, 2, 3).mean(axis=(2, 4))
    np.testing.assert_array_equal(data.images, np.floor(blocks + 0.5))
    assert data.class_names == [*DECALS_CLASSES]
    assert data.report["classes"] == dict.fromkeys(DECALS_CLASSES, 3)
    assert data.report["condition redshift"]["missing"] == 10
    assert data.catalogue_units["ra"] == "deg"


def test_galaxy10_as_stored(tmp_path):
    path = write_galaxy10(tmp_path / "g.h5", count=12, side=32)
    data = load_dataset(Galaxy10Config(name="galaxy10", path=str(path), image_size=None, **SOURCE))
    np.testing.assert_array_equal(data.images, ellipses(12, 32))


BROKEN = {
    "no images": ({"images": None}, "no data set 'images'"),
    "no labels": ({"ans": None}, "no data set 'ans'"),
    "labels of another length": ({"ans": np.zeros(29, np.uint8)}, r"shape \(29,\); expected \(30,\)"),
    "eleven classes": (
        {"ans": np.full(30, 10, np.uint8)},
        "expected classes 0 to 9, or -1 for unlabelled, received 10 for row 0",
    ),
    "redshifts of another length": ({"redshift": np.zeros(31)}, r"'redshift' has shape \(31,\)"),
    "float images": ({"images": np.zeros((30, 32, 32, 3), np.float32)}, "type uint8, received"),
    "channels first": ({"images": np.zeros((30, 3, 32, 32), np.uint8) + 1}, r"received \(30, 3, 32, 32\)"),
    "no galaxies": (
        {"images": np.zeros((0, 32, 32, 3), np.uint8)},
        r"expected \(0,\)|stored values",
    ),
    "float labels": ({"ans": np.arange(30) % 10 + 0.0}, "expected integers from 0 to 9 as labels in 'ans'"),
    "masked labels": (
        {"ans": np.full(30, -1)},
        "expected classes 0 to 9, or -1 for unlabelled, received -1 for row 0",
    ),
    "neither survey": (
        {"redshift": None, "pxscale": None},
        "from DECaLS, or of 69, from SDSS, .* received 30 of 32; read them with dataset=files",
    ),
    "too small": ({"images": ellipses(30, 16)}, "at least 32 pixels, received 16x16"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_wrong_galaxy10_file_is_one_line(case, tmp_path):
    changes, message = BROKEN[case]
    path = write_galaxy10(tmp_path / "g.h5", side=32, **changes)
    config = Galaxy10Config(
        name="galaxy10", path=str(path), image_size=32, **{**SOURCE, "cache_dir": str(tmp_path)}
    )
    with pytest.raises(GalvaeError, match=message) as error:
        load_dataset(config)
    assert "\n" not in str(error.value)
    assert not [entry for entry in tmp_path.glob("galaxy10-*") if entry.is_dir()]


def test_class_names_of_a_parquet_file_are_its_own(tmp_path):
    names = [f"kind {number}" for number in range(10)]
    features = {"label": {"_type": "ClassLabel", "names": names}}
    path = tmp_path / "decals" / "train.parquet"
    write_parquet(path, {"image": pictures(ellipses(10, 256), names)}, features, label=np.arange(10)[::-1])
    source = galaxy10.read(Galaxy10Config(name="galaxy10", path=str(path.parent), image_size=64, **SOURCE))
    assert source.class_names == names and source.labels.tolist() == list(range(10))[::-1]
    assert "classes of 'label' named as the file says" in source.notes


def test_galaxy10_in_a_folder_of_its_own(tmp_path):
    (tmp_path / "data").mkdir()
    write_galaxy10(tmp_path / "data" / "Galaxy10_DECals.h5", 12)
    source = galaxy10.read(
        Galaxy10Config(name="galaxy10", path=str(tmp_path / "data"), image_size=64, **SOURCE)
    )
    assert source.origin(3) == "row 3 of Galaxy10_DECals.h5" and source.shape == (12, 64, 64, 3)


@pytest.mark.parametrize(
    ("side", "beside", "names"),
    [(69, None, SDSS_CLASSES), (256, None, DECALS_CLASSES), (64, np.full(12, 0.1), DECALS_CLASSES)],
    ids=["as SDSS", "as DECaLS", "DECaLS, averaged"],
)
def test_the_shape_of_the_images_says_which_galaxy10_it_is(side, beside, names, tmp_path):
    images = ellipses(12, side)
    path = write_galaxy10(tmp_path / "g.h5", 12, side, images=images, redshift=beside, pxscale=None)
    source = galaxy10.read(Galaxy10Config(name="galaxy10", path=str(path), image_size=None, **SOURCE))
    assert source.class_names == [*names]
    np.testing.assert_array_equal(np.concatenate(list(source.blocks)), images)
    np.testing.assert_array_equal(source.labels, np.arange(12) % 10)


@pytest.mark.parametrize(("count", "named"), [(21_785, SDSS_CLASSES), (17_736, DECALS_CLASSES)])
def test_so_does_their_number(count, named, tmp_path):
    path = write_galaxy10(
        tmp_path / "g.h5", 1, 32, images=np.ones((count, 32, 32, 3), np.uint8), redshift=None
    )
    with h5py.File(path, "r+") as file:
        for name in ("ans", "ra", "dec", "pxscale"):
            del file[name]
        file["ans"] = np.arange(count) % 10
    source = galaxy10.read(Galaxy10Config(name="galaxy10", path=str(path), image_size=None, **SOURCE))
    assert source.class_names == [*named]


def test_a_shape_and_a_number_of_two_surveys_are_refused(tmp_path, monkeypatch):
    path = write_galaxy10(tmp_path / "g.h5", 30, 69)
    monkeypatch.setattr(galaxy10, "DECALS", galaxy10.DECALS._replace(count=30))
    with pytest.raises(GalvaeError, match="received 30 of 69; read them with dataset=files"):
        galaxy10.read(Galaxy10Config(name="galaxy10", path=str(path), image_size=None, **SOURCE))


@pytest.mark.parametrize(
    "ids", [1237648720142532814 + np.arange(12), np.array([b"%04d" % n for n in range(12)])]
)
def test_ids_beside_galaxy10_are_kept(ids, tmp_path):
    path = write_galaxy10(tmp_path / "g.h5", 12, objid=ids)
    source = galaxy10.read(Galaxy10Config(name="galaxy10", path=str(path), image_size=32, **SOURCE))
    expected = ids if ids.dtype.kind == "i" else np.char.decode(ids)
    np.testing.assert_array_equal(source.catalogue["id"], expected)
    assert "ids from 'objid'" in source.notes


def test_galaxy10_in_parquet_files(tmp_path):
    images, rows = ellipses(20, 256), np.arange(20)
    objids = np.char.mod("%04d", rows * 3)
    for number, part in enumerate(np.array_split(rows, 3)):
        write_parquet(
            tmp_path / f"train-{number:05d}-of-00003.parquet",
            {"rgb_image": pictures(images[part], objids[part])},
            gz10_label=(part * 7 % 10).astype(np.int32),
            object_id=objids[part],
            redshift=(part / 10 - 1).astype(np.float32),
            ra=part * 1.5,
            dec=part * -0.5,
            rgb_pixel_scale=np.full(len(part), 0.262),
        )
    path = str(tmp_path / "train-*.parquet")
    data = load_dataset(Galaxy10Config(name="galaxy10", path=path, image_size=128, **SOURCE))
    blocks = images.reshape(20, 128, 2, 128, 2, 3).mean(axis=(2, 4))
    np.testing.assert_array_equal(data.images, np.floor(blocks + 0.5))
    np.testing.assert_array_equal(data.labels, rows * 7 % 10)
    assert data.class_names == [*DECALS_CLASSES]
    assert data.catalogue["id"].tolist() == objids.tolist()
    np.testing.assert_array_equal(data.catalogue["ra"], rows * 1.5)
    np.testing.assert_allclose(data.condition[:, 0], np.where(rows < 10, np.nan, rows / 10 - 1), atol=1e-6)
    assert data.catalogue["pxscale"].tolist() == [0.262] * 20
    folder = Galaxy10Config(name="galaxy10", path=str(tmp_path), image_size=128, **SOURCE)
    assert galaxy10.fingerprint(folder) == galaxy10.fingerprint(dataclasses.replace(folder, path=path))


def test_galaxy10_without_a_path_takes_a_copy_or_downloads_one(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    asked = []

    def fetch(url, target, sha256, mirrors):
        asked.append((url, target, sha256, mirrors))
        return target

    monkeypatch.setattr(download, "download", fetch)
    ours = tmp_path / "cache" / "Galaxy10_DECals.h5"
    config = Galaxy10Config(
        name="galaxy10", path=None, image_size=128, **{**SOURCE, "cache_dir": str(ours.parent)}
    )
    assert galaxy10.locate(config) == ours
    mirror = "https://zenodo.org/records/10845026/files/Galaxy10_DECals.h5"
    assert asked == [(galaxy10.ASTRONN_ORIGIN + "Galaxy10_DECals.h5", ours, galaxy10.SHA256, [mirror])]
    theirs = tmp_path / ".astroNN" / "datasets" / "Galaxy10_DECals.h5"
    for copy in (theirs, ours):  # ours wins
        copy.parent.mkdir(parents=True)
        copy.write_bytes(b"")
        assert galaxy10.locate(config) == copy
    assert len(asked) == 1


def test_astronn_still_has_what_we_take_from_it():
    # Its source is compared, since its import takes seconds, needs TensorFlow and writes to the user's home.
    (package,) = importlib.util.find_spec("astroNN").submodule_search_locations
    config, loader = (Path(package, name).read_text() for name in ("config.py", "datasets/galaxy10.py"))
    assert f'_G10_ORIGIN = "{galaxy10.ASTRONN_ORIGIN}"' in loader
    assert f'filename = "{galaxy10.FILE_NAME}"' in loader
    assert f'"{galaxy10.SHA256.upper()}"  # SHA256' in loader
    assert 'datadir = os.path.join(astroNN_CACHE_DIR, "datasets")' in loader
    assert 'astroNN_CACHE_DIR = os.path.join(os.path.expanduser("~"), ".astroNN")' in config
    assert galaxy10.ASTRONN_FOLDER == "~/.astroNN/datasets"


def test_astronn_has_these_classes_of_sdss():
    (package,) = importlib.util.find_spec("astroNN").submodule_search_locations
    loader = Path(package, "datasets/galaxy10sdss.py").read_text()
    assert all(f'{number}: "{name}"' in loader for number, name in enumerate(SDSS_CLASSES))
    assert tuple(galaxy10.SDSS_CLASS_NAMES) == SDSS_CLASSES


def test_mnist_keeps_digits_and_says_which_part_they_are_of(tmp_path):
    data = load_dataset(configuration("mnist", tmp_path))
    assert data.images.shape == (40, 28, 28, 1)
    with np.load(tmp_path / "mnist.npz") as file:
        np.testing.assert_array_equal(data.images[:20, ..., 0], file["x_train"])
        np.testing.assert_array_equal(data.labels[20:], file["y_test"])
    assert data.catalogue["part"].tolist() == ["train"] * 20 + ["test"] * 20
    assert data.class_names == list("0123456789")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x_train": None}, "expected the arrays x_train, y_train, x_test and y_test"),
        ({"y_train": np.zeros(7, np.uint8)}, "with N labels"),
        ({"y_test": np.full(20, 10, np.uint8)}, "expected digits 0 to 9"),
        ({"x_test": np.zeros((20, 28, 28), np.float32)}, "type uint8"),
        ("truncated", "expected the arrays"),
    ],
)
def test_a_wrong_mnist_file_is_one_line(change, message, tmp_path):
    config = configuration("mnist", tmp_path)
    path = tmp_path / "mnist.npz"
    if change == "truncated":
        path.write_bytes(path.read_bytes()[:500])
    else:
        with np.load(path) as file:
            arrays = {**file, **change}
        np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(GalvaeError, match=message) as error:
        load_dataset(config)
    assert "\n" not in str(error.value)


def test_real_galaxies_in_galaxy10s_layout():
    path = SAMPLES / "galaxy10.h5"
    data = load_dataset(Galaxy10Config(name="galaxy10", path=str(path), image_size=32, **SOURCE))
    with h5py.File(path) as file:
        images = file["images"][()]
    blocks = images.reshape(12, 32, 2, 32, 2, 3).mean(axis=(2, 4))
    np.testing.assert_array_equal(data.images, np.floor(blocks + 0.5))
    assert set(np.unique(data.labels)) == {0, 1}
    assert data.report["condition redshift"]["missing"] == 8
    assert np.isnan(data.catalogue["pxscale"]).all()
