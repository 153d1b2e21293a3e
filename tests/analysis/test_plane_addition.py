"""The place of galaxies in a run's embedding: their own, or among its galaxies."""

from types import SimpleNamespace

import numpy as np
import pytest

from galvae.analysis.plane import Plane
from galvae.errors import GalvaeError
from galvae.latent import umap_embedding

SETTINGS = {
    "n_neighbors": 8,
    "min_dist": 0.1,
    "metric": "euclidean",
    "n_epochs": 30,
    "fitted": 1000,
    "seed": 3,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose galaxies 5, 15, 25, ... are embedded, in three clusters."""
    path = tmp_path_factory.mktemp("run")
    (path / "umap").mkdir()
    generator = np.random.default_rng(0)
    codes = (10 * np.eye(3)[np.arange(90) % 3] + generator.normal(size=(90, 3))).astype(np.float32)
    embedding = umap_embedding.fit("weights", 10 * np.arange(90) + 5, codes, SETTINGS)
    embedding.save(path / "umap" / "embedding.npz")
    return SimpleNamespace(path=path, weights_digest="weights", embedding=embedding)


def test_embedded_galaxies_have_their_own_places_and_others_lie_with_those_like_them(run):
    embedding = run.embedding
    rows = np.array([15, 7, 895, 5])
    codes = embedding.codes[[1, 2, 89, 0]] + np.float32(0.05)
    columns = Plane(run, SimpleNamespace(dataset=None)).columns(SimpleNamespace(indices=rows, mean=codes))
    places = np.stack([columns["umap_x"], columns["umap_y"]], axis=1)
    np.testing.assert_array_equal(places[[0, 2, 3]], embedding.plane[[1, 89, 0]])
    centres = np.stack([embedding.plane[cluster::3].mean(axis=0) for cluster in range(3)])
    assert np.linalg.norm(centres - places[1], axis=1).argmin() == 2
    other = Plane(run, SimpleNamespace(dataset=object())).columns(SimpleNamespace(indices=rows, mean=codes))
    places = np.stack([other["umap_x"], other["umap_y"]], axis=1)
    nearest = np.linalg.norm(centres[None] - places[:, None], axis=2).argmin(axis=1)
    np.testing.assert_array_equal(nearest, [1, 2, 2, 0])
    assert not np.array_equal(places[0], embedding.plane[1])  # rows of another dataset are other galaxies


def test_other_weights_have_no_places(run):
    other = SimpleNamespace(path=run.path, weights_digest="later")
    with pytest.raises(
        GalvaeError, match=r"^add: plane: expected a UMAP embedding .* galvae umap run=.* makes one"
    ):
        Plane(other, SimpleNamespace(dataset=None))
