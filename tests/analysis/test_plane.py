"""Galaxies over the plane of an embedding: whose image, code and condition stands where."""

from types import SimpleNamespace

import numpy as np
import pytest
from builders.galaxies import redshift_dataset

from galvae.analysis import plane
from galvae.latent import umap_embedding
from galvae.latent.codes import Codes
from galvae.latent.plane_grid import Cells
from galvae.latent.umap_embedding import Embedding

ROWS = np.array([30, 4, 17, 8, 25])  # of the galaxies in their dataset
PLANE = np.array([[0.5, 0.6], [3.5, 0.5], [2.4, 1.5], [3.6, 0.8], [0.2, 1.6]], np.float32)
CODES = np.array([[1, 0], [2, 0], [4, 0], [8, 0], [16, 1]], np.float32)


@pytest.fixture
def embedding():
    nearest = np.array([[1, 2], [0, 2], [1, 0], [2, 1], [3, 2]])
    distances = np.array([[1, 3], [1, 2], [2, 3], [4, 6], [8, 12]], np.float32)
    return Embedding("", ROWS, CODES, PLANE, np.arange(5), nearest, distances, nearest, distances)


def unchanged(images, count):
    return images


def test_columns_of_the_table_are_those_of_each_galaxy(embedding):
    data = SimpleNamespace(ids=np.array([f"G{row}" for row in range(40)]))
    columns = plane.embedding_columns(embedding, data)
    np.testing.assert_array_equal([columns["umap_x"], columns["umap_y"]], PLANE.T)
    assert columns["nearest_1"].tolist() == ["G4", "G30", "G4", "G17", "G8"]
    assert columns["nearest_2"].tolist() == ["G17", "G17", "G30", "G4", "G17"]
    assert columns["nearest_distance"].tolist() == [1, 1, 2, 4, 8]
    np.testing.assert_array_equal([columns["code_0"], columns["code_1"]], CODES.T)


def test_a_mosaic_has_the_real_galaxy_of_each_cell(embedding, monkeypatch):
    monkeypatch.setattr(plane, "BLOCK", 3)
    data, counts = redshift_dataset(), []
    cells = Cells.over([0, 4, 0, 2], 4)
    found = plane.mosaic(data, embedding, cells, lambda images, count: counts.append(count) or images)
    # Of the two in the cell on the lower right, that nearer to its centre.
    np.testing.assert_array_equal(found["indices"], [[30, -1, -1, 4], [25, -1, 17, -1]])
    np.testing.assert_allclose(found["images"], data.images[[30, 4, 25, 17]] / 255, atol=1e-6)
    np.testing.assert_allclose(found["x"], [0.5, 1.5, 2.5, 3.5])
    np.testing.assert_allclose(found["y"], [0.5, 1.5])
    assert set(counts) == {4}  # images in a row


@pytest.mark.parametrize("points", [None, [[2.4, 1.5], [3.6, 0.8], [0.2, 1.6], [9, 9]]])
def test_decoded_galaxies_have_the_condition_of_the_galaxy_with_the_nearest_code(
    points, embedding, monkeypatch
):
    monkeypatch.setattr(plane, "BLOCK", 3)
    data, asked = redshift_dataset(), []

    def inverse(_, positions, call):
        assert call == "call"
        asked.extend(positions.tolist())
        order = np.arange(len(positions)) % 4
        apart = np.where(order == 2, 20, 0.1).astype(np.float32)  # one code is far from all galaxies
        return CODES[[2, 3, 4, 0]][order] + apart[:, None], np.where(positions[:, 0] > 4, 7.0, 0.0)

    monkeypatch.setattr(umap_embedding, "inverse", inverse)
    run = SimpleNamespace(
        condition=lambda rows: data.condition[rows],
        decode=lambda codes, condition: np.concatenate([codes, condition], axis=1)[:, None, None],
    )
    cells = Cells.over([0, 4, 0, 2], 4)
    found, decoded = plane.montage(run, embedding, cells, points, "manhattan", unchanged, "call")
    np.testing.assert_array_equal(found["points"], asked)
    rows = np.array([17, 8, 25, 30])[np.arange(len(asked)) % 4]
    np.testing.assert_array_equal(found["condition"], data.condition[rows])
    np.testing.assert_allclose(found["images"][:, 0, 0, :2], found["codes"])
    np.testing.assert_allclose(found["images"][:, 0, 0, 2:], data.condition[rows])
    far = np.arange(len(asked)) % 4 == 2
    np.testing.assert_allclose(found["distance"], np.where(far, 40, 0.2), rtol=1e-4)
    if points is None:
        np.testing.assert_array_equal(decoded, cells.near(PLANE))
        np.testing.assert_allclose(found["points"], cells.centres[decoded])
        np.testing.assert_array_equal(found["faded"], far)
    else:
        assert decoded is None and asked == points
        assert found["faded"].tolist() == [False, False, True, True]
        assert found["threshold_in_plane"] == pytest.approx(embedding.reach)
    assert found["threshold"] == pytest.approx(7.84)


def test_thresholds_and_the_region_are_those_of_the_galaxies(embedding):
    far, reach = embedding.far, embedding.reach
    assert far == pytest.approx(4 + 4 * 0.96)  # at 0.99 of five sorted distances, the last two 4 and 8
    separation = np.linalg.norm(PLANE[:, None] - PLANE, axis=-1)
    np.fill_diagonal(separation, np.inf)
    assert reach == pytest.approx(np.quantile(separation.min(axis=1), 0.99))
    np.testing.assert_allclose(embedding.region, [0.2, 3.6, 0.5, 1.6])


def test_a_new_layout_is_fitted_to_the_codes_of_its_galaxies_with_the_keys_of_the_command(
    tmp_path, monkeypatch
):
    keys = {"n_neighbors": 3, "min_dist": 0.2, "metric": "manhattan", "n_epochs": 7, "fitted": 100, "seed": 5}
    fitted = []
    monkeypatch.setattr(umap_embedding, "fit", lambda *arguments: fitted.append(arguments) or "new")
    run = SimpleNamespace(
        path=tmp_path, weights_digest="w", codes_at=lambda rows: Codes(rows, rows[:, None] * 10.0, None)
    )
    config = SimpleNamespace(**keys, grid=9, split="val", colour=None)
    assert plane.embed(run, ROWS, config, "call") == ("new", None)
    ((weights, rows, codes, settings, call),) = fitted
    assert (weights, settings, call) == ("w", keys, "call")
    np.testing.assert_array_equal(rows, ROWS)
    np.testing.assert_array_equal(codes[:, 0], 10 * ROWS)


def test_a_stored_layout_is_taken_if_it_is_of_these_galaxies_weights_and_keys(
    embedding, tmp_path, monkeypatch
):
    monkeypatch.setattr(umap_embedding, "fit", lambda *arguments: "new")
    keys = {"n_neighbors": 3, "min_dist": 0.2, "metric": "euclidean", "n_epochs": 7, "fitted": 100, "seed": 5}
    identity = umap_embedding.identity("w", keys)
    path = tmp_path / "umap-2" / "0" / "embedding.npz"
    path.parent.mkdir(parents=True)
    Embedding(
        identity, *(getattr(embedding, name) for name in umap_embedding.ARRAYS if name != "identity")
    ).save(path)
    run = SimpleNamespace(path=tmp_path, weights_digest="w", codes_at=lambda rows: Codes(rows, CODES, None))
    again, where = plane.embed(run, ROWS, SimpleNamespace(**keys), None)
    assert where == path
    np.testing.assert_array_equal(again.plane, PLANE)
    for key, value in {
        "n_neighbors": 4,
        "min_dist": 0.3,
        "metric": "manhattan",
        "n_epochs": 8,
        "seed": 6,
    }.items():
        assert plane.embed(run, ROWS, SimpleNamespace(**{**keys, key: value}), None) == ("new", None)
    assert plane.embed(run, ROWS[::-1], SimpleNamespace(**keys), None) == ("new", None)
    run.weights_digest = "others"
    assert plane.embed(run, ROWS, SimpleNamespace(**keys), None) == ("new", None)
