import json
import warnings

import numpy as np
import pytest

from galvae.errors import GalvaeError
from galvae.latent import neighbours, umap_embedding, umap_storage
from galvae.latent.umap_embedding import Embedding
from galvae.system.child import Child

SETTINGS = {
    "n_neighbors": 10,
    "min_dist": 0.1,
    "metric": "euclidean",
    "n_epochs": 60,
    "fitted": 1000,
    "seed": 3,
}
CLUSTER = np.arange(150) % 3


def clusters(dimensions=4):
    """150 codes in three clusters far from each other."""
    generator = np.random.default_rng(0)
    centres = 10 * np.eye(3, dimensions)
    return (centres[CLUSTER] + generator.normal(size=(150, dimensions))).astype(np.float32)


@pytest.fixture(scope="module")
def fitted():
    """An Embedding of three clusters."""
    return umap_embedding.fit("abc", np.arange(150) + 7, clusters(), SETTINGS)


@pytest.mark.parametrize("scale", [1, pytest.param(4, marks=pytest.mark.slow)])
def test_the_layout_is_umap_learns_own_to_the_last_bit(scale, fitted):
    import umap

    assert fitted.scale == 4
    codes = clusters() / np.float32(scale)
    own = umap.UMAP(n_neighbors=10, min_dist=0.1, n_epochs=60, random_state=3, n_jobs=1).fit(codes)
    np.testing.assert_array_equal(fitted.plane, own.embedding_)
    if scale == 1:
        return
    # The restored one inverts as the fitted one does.
    positions = own.embedding_[:5] + 0.01 * (own.embedding_.mean(axis=0) - own.embedding_[:5])
    codes, _ = umap_embedding.inverse(fitted, positions)
    np.testing.assert_array_equal(codes, 4 * own.inverse_transform(positions))
    # And places new codes as the fitted one does, but for the last bit of a distance, on which random numbers depend.
    new = fitted.codes[:30] + np.float32(0.1)
    placed, expected = umap_embedding.placing(fitted)(new), own.transform(new / 4)
    assert np.median(np.abs(placed - expected)) < 1e-5


@pytest.mark.slow
@pytest.mark.real_child
def test_a_child_process_computes_the_same_to_the_last_bit(fitted):
    positions = fitted.plane[:5] + np.float32(0.01)
    with Child("lays out", without=("tensorflow",)) as child:
        # A warning of umap-learn's import would be an error here.
        child.call(warnings.simplefilter, "error")
        other = umap_embedding.fit("abc", fitted.indices, fitted.codes, SETTINGS, child.call)
        codes, _ = umap_embedding.inverse(fitted, positions, child.call)
    for name in umap_embedding.ARRAYS:
        np.testing.assert_array_equal(getattr(other, name), getattr(fitted, name))
    np.testing.assert_array_equal(codes, umap_embedding.inverse(fitted, positions)[0])


def test_clusters_stay_separate(fitted):
    own, others = [], []
    for cluster in range(3):
        inside = fitted.plane[cluster == CLUSTER]
        own.append(np.linalg.norm(inside - inside.mean(axis=0), axis=1).max())
        others.append(np.linalg.norm(fitted.plane[cluster != CLUSTER] - inside.mean(axis=0), axis=1).min())
    assert max(own) < min(others)
    assert (CLUSTER[fitted.nearest] == CLUSTER[:, None]).all()


def test_nearest_galaxies_are_those_of_a_full_search(fitted):
    separation = np.linalg.norm(fitted.codes[:, None] - fitted.codes, axis=-1)
    np.fill_diagonal(separation, np.inf)
    np.testing.assert_array_equal(fitted.nearest, np.argsort(separation, axis=1)[:, :5])
    np.testing.assert_allclose(fitted.nearest_distances, np.sort(separation, axis=1)[:, :5], rtol=1e-5)
    assert fitted.far == pytest.approx(np.quantile(separation.min(axis=1), 0.99))


def test_the_inverse_does_not_depend_on_the_scale_of_codes(fitted):
    small = umap_embedding.fit("abc", fitted.indices, fitted.codes / 1024, SETTINGS)
    np.testing.assert_array_equal(small.plane, fitted.plane)
    codes, _ = umap_embedding.inverse(fitted, fitted.plane[:9])
    np.testing.assert_array_equal(umap_embedding.inverse(small, fitted.plane[:9])[0] * 1024, codes)


@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "chebyshev"])
def test_a_search_in_blocks_is_that_in_one(metric, monkeypatch):
    codes = clusters()
    codes[20:30] = codes[20]  # more equal ones than neighbours are requested
    rows, distances = neighbours.nearest_codes(codes, 4, metric)
    monkeypatch.setattr(neighbours, "BLOCK", 40)
    again, separation = neighbours.nearest_codes(codes, 4, metric)
    np.testing.assert_allclose(separation, distances, atol=1e-6)
    assert (again != np.arange(150)[:, None]).all()
    assert (distances[20:30] == 0).all()
    distinct = np.r_[:20, 30:150]
    np.testing.assert_array_equal(again[distinct], rows[distinct])


def test_a_position_is_inverted_to_the_galaxies_there(fitted):
    positions = np.array([fitted.plane[cluster == CLUSTER].mean(axis=0) for cluster in range(3)])
    codes, separation = umap_embedding.inverse(fitted, positions)
    rows, distances = neighbours.nearest_codes(fitted.codes, 1, "euclidean", codes)
    np.testing.assert_array_equal(CLUSTER[rows[:, 0]], [0, 1, 2])
    assert (distances[:, 0] < 2 * fitted.far).all()
    assert (separation <= 2 * fitted.reach).all()


def test_a_position_outside_is_inverted_to_the_nearest_galaxy_and_is_far(fitted):
    edge = np.argmax(fitted.plane[:, 0])
    positions = np.array([[1000.0, fitted.plane[edge, 1]], fitted.plane[edge]])
    codes, separation = umap_embedding.inverse(fitted, positions)
    assert separation[0] == pytest.approx(1000 - fitted.plane[edge, 0])
    assert separation[0] > fitted.reach > separation[1] == 0
    np.testing.assert_allclose(codes[0], codes[1], atol=1.0)
    rows, _ = neighbours.nearest_codes(fitted.codes, 1, "euclidean", codes)
    assert (CLUSTER[rows[:, 0]] == CLUSTER[edge]).all()


def test_more_galaxies_than_are_fitted_are_placed_among_their_own(monkeypatch):
    monkeypatch.setattr(neighbours, "BLOCK", 20)
    settings = {**SETTINGS, "fitted": 105}
    embedding = umap_embedding.fit("abc", np.arange(150), clusters(), settings)
    assert embedding.fitted.shape == (105,)
    rest = np.setdiff1d(np.arange(150), embedding.fitted)
    centres = np.array(
        [embedding.plane[embedding.fitted][c == CLUSTER[embedding.fitted]].mean(axis=0) for c in range(3)]
    )
    separation = np.linalg.norm(embedding.plane[rest, None] - centres, axis=-1)
    np.testing.assert_array_equal(separation.argmin(axis=1), CLUSTER[rest])
    codes, _ = umap_embedding.inverse(embedding, embedding.plane[rest[:2]])
    assert np.isfinite(codes).all()


def test_a_stored_embedding_is_found_again(fitted, tmp_path):
    fitted.save(tmp_path / "embedding.npz")
    expected = umap_embedding.identity("abc", SETTINGS)
    embedding, path = umap_storage.find_stored([tmp_path / "embedding.npz"], expected, fitted.indices)
    assert path == tmp_path / "embedding.npz"
    assert embedding.settings == SETTINGS
    for name in umap_embedding.ARRAYS:
        np.testing.assert_array_equal(getattr(embedding, name), getattr(fitted, name))
    for other, indices in (
        (umap_embedding.identity("abd", SETTINGS), fitted.indices),
        (umap_embedding.identity("abc", {**SETTINGS, "n_epochs": 61}), fitted.indices),
        (expected, fitted.indices[1:]),
    ):
        assert umap_storage.find_stored([path], other, indices) == (None, None)


DAMAGE = {
    "no zip": lambda path, arrays: path.write_bytes(b"abc"),
    "cut short": lambda path, arrays: path.write_bytes(path.read_bytes()[:-200]),
    "flipped bits": lambda path, arrays: path.write_bytes(
        path.read_bytes()[:3000] + b"\0\xff" * 50 + path.read_bytes()[3100:]
    ),
    "an array missing": lambda path, arrays: np.savez(path, **{**arrays, "plane": None}),
    "a pickle": lambda path, arrays: np.savez(path, **{**arrays, "plane": np.array([{}], object)}),
    "NaN": lambda path, arrays: np.savez(path, **{**arrays, "plane": arrays["plane"] * np.nan}),
    "another shape": lambda path, arrays: np.savez(path, **{**arrays, "codes": arrays["codes"][1:]}),
    "another type": lambda path, arrays: np.savez(path, **{**arrays, "plane": arrays["plane"].astype(int)}),
    "positions that do not exist": lambda path, arrays: np.savez(
        path, **{**arrays, "nearest": arrays["nearest"] + 140}
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_skipped_with_a_warning(damage, fitted, tmp_path, caplog):
    path = tmp_path / "embedding.npz"
    fitted.save(path)
    with np.load(path) as stored:
        arrays = dict(stored)
    DAMAGE[damage](path, arrays)
    assert umap_storage.find_stored([path], fitted.identity, fitted.indices) == (None, None)
    (line,) = caplog.messages
    assert line.startswith(f"{path} is damaged and is skipped (")
    assert "\n" not in line


@pytest.mark.parametrize(("count", "most"), [(10, 1000), (150, 10)])
def test_too_few_galaxies_are_refused(count, most):
    with pytest.raises(
        GalvaeError, match="expected fewer than the 10 galaxies .* received 10; a smaller n_n"
    ):
        umap_embedding.check_enough(count, {**SETTINGS, "fitted": most})


def test_equal_codes_are_refused():
    with pytest.raises(GalvaeError, match="expected galaxies with different latent codes, received 20 equal"):
        umap_embedding.fit("abc", np.arange(20), np.ones((20, 4), np.float32), SETTINGS)


@pytest.mark.parametrize("count", [11, 60])
def test_one_latent_dimension(count):
    codes = np.linspace(-2, 2, count, dtype=np.float32)[:, None]
    embedding = umap_embedding.fit("abc", np.arange(count), codes, SETTINGS)
    inverse, _ = umap_embedding.inverse(embedding, embedding.plane[[2, 8]])
    assert inverse.shape == (2, 1)
    assert np.isfinite(inverse).all()


def test_nearly_equal_codes_are_laid_out():
    codes = clusters() * np.float32(1e-6)
    codes[:30] = codes[0]
    embedding = umap_embedding.fit("abc", np.arange(150), codes, SETTINGS)
    assert np.isfinite(embedding.plane).all()
    assert np.isfinite(umap_embedding.inverse(embedding, embedding.plane[:3])[0]).all()


def test_the_identity_names_weights_and_settings(fitted):
    read = json.loads(fitted.identity)
    assert read == {"format": umap_embedding.FORMAT, "weights": "abc", "settings": SETTINGS}
    assert isinstance(fitted, Embedding)
