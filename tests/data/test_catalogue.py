import numpy as np
import pytest
from astropy.table import Table
from builders.galaxies import dataset, ellipses

from galvae.data import catalogue
from galvae.data.dataset import GalaxyDataset
from galvae.data.splits import make_splits


def data(count=30):
    return GalaxyDataset(
        name="test",
        images=ellipses(count, 8),
        pixel_range=(0, 255),
        labels=np.arange(count) % 2,
        class_names=["spiral", "elliptical"],
        condition=np.linspace(0, 1, count, dtype=np.float32)[:, None],
        condition_names=["redshift"],
        condition_units=[""],
        catalogue={
            "id": np.array([f"gal-é{n}" for n in range(count)]),
            "ra": np.linspace(10, 20, count),
            "score": np.arange(count),
        },
        catalogue_units={"ra": "deg", "score": "furlongs of no known kind"},
        splits=make_splits(count, [0.8, 0.1, 0.1], 0),
    )


def test_a_table_joins_the_catalogue_with_results(tmp_path):
    galaxies, indices = data(), np.array([7, 0, 29])
    columns = {"mse": (np.array([1.0, 2, 3]), None), "psnr": (np.ones(3), "dB"), "score": np.zeros(3)}
    found = catalogue.galaxy_table(
        galaxies, indices, columns | catalogue.code_columns(np.arange(6).reshape(3, 2))
    )
    path = catalogue.write_table(found, tmp_path / "galaxies")
    assert path.name == "galaxies.ecsv"
    read = Table.read(path)
    assert list(read["index"]) == [7, 0, 29]
    assert list(read["id"]) == ["gal-é7", "gal-é0", "gal-é29"]
    assert list(read["class"]) == ["elliptical", "spiral", "elliptical"]
    np.testing.assert_allclose(read["redshift"], galaxies.condition[indices, 0])
    np.testing.assert_array_equal(read["ra"], galaxies.catalogue["ra"][indices])
    assert (str(read["ra"].unit), str(read["psnr"].unit)) == ("deg", "dB")
    # A column of the catalogue keeps its values; ours of the same name stands beside it.
    assert list(read["score"]) == [7, 0, 29] and list(read["score_"]) == [0, 0, 0]
    np.testing.assert_array_equal([read["code_0"], read["code_1"]], [[0, 2, 4], [1, 3, 5]])
    for row in read:
        assert row["index"] in galaxies.splits[row["split"]]


def test_a_long_table_is_fits(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "LARGEST_ECSV", 20)
    galaxies = data()
    found = catalogue.galaxy_table(galaxies, np.arange(30), {"psnr": (np.ones(30), "dB")})
    path = catalogue.write_table(found, tmp_path / "galaxies")
    assert path.name == "galaxies.fits"
    assert [file.name for file in tmp_path.iterdir()] == ["galaxies.fits"]
    read = Table.read(path)
    assert read["id"][3].strip() == "gal-?3"
    assert str(read["ra"].unit) == "deg"
    assert read["psnr"].unit is None  # FITS knows no decibels
    np.testing.assert_array_equal(read["ra"], galaxies.catalogue["ra"])


def test_without_ids_images_are_counted():
    plain = GalaxyDataset(
        name="test", images=ellipses(3, 8), pixel_range=(0, 255), splits={"train": np.arange(3)}
    )
    assert list(catalogue.galaxy_table(plain, np.array([2, 1]), {})["id"]) == [2, 1]


@pytest.mark.parametrize("name", ["code", "code_error"])
def test_code_columns_are_named_by_their_axis(name):
    found = catalogue.code_columns(np.eye(3), name)
    assert list(found) == [f"{name}_{axis}" for axis in range(3)]
    np.testing.assert_array_equal(found[f"{name}_1"], [0, 1, 0])


@pytest.mark.parametrize("count", [0, 1, 20, 23])
def test_fits_that_is_written_in_chunks_is_that_of_astropy_to_the_last_byte(count, tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "CHUNK", 10)
    table = Table({"id": [f"galaxy {n}" for n in range(23)], "x": np.linspace(0, 1, 23, dtype=np.float32)})[
        :count
    ]
    table["x"].unit = "arcsec"
    table["flag"] = np.arange(count) % 2 == 0
    path = catalogue.write_table(table, tmp_path / "chunks", "fits")
    catalogue.as_fits(table).write(tmp_path / "whole.fits")
    assert path.read_bytes() == (tmp_path / "whole.fits").read_bytes()
    np.testing.assert_array_equal(catalogue.read_written(path)["x"], table["x"])


def test_a_catalogues_own_index_and_split_stand_beside_those_of_the_dataset():
    own = {"index": np.arange(25)[::-1], "split": np.full(25, "mine"), "id": np.arange(25) + 100}
    data = dataset(catalogue=own)
    rows = data.split("test")
    table = catalogue.galaxy_table(data, rows, {"split": rows * 2})
    assert table["index"].tolist() == rows.tolist() and set(table["split"]) == {"test"}
    assert table["index_"].tolist() == (24 - rows).tolist() and set(table["split_"]) == {"mine"}
    assert table["split__"].tolist() == (rows * 2).tolist() and table["id"].tolist() == (rows + 100).tolist()
