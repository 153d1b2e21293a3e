"""Stored embeddings: the newest of given weights, damaged ones skipped."""

import os

import numpy as np
import pytest

from galvae.latent.umap_embedding import Embedding, identity
from galvae.latent.umap_storage import newest_stored


def embedding(weights, shift=0.0):
    """An Embedding of twelve galaxies, which UMAP has not seen."""
    codes = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
    pairs = np.tile(np.arange(2), (12, 1))
    distances = np.ones((12, 2), np.float32)
    return Embedding(
        identity(weights, {"n_neighbors": 2}),
        np.arange(12),
        codes,
        codes[:, :2] + np.float32(shift),
        np.arange(12),
        pairs,
        distances,
        pairs,
        distances,
    )


@pytest.fixture
def paths(tmp_path):
    """Files of three embeddings, the second of which is the newest of weights "a", and of a damaged one."""
    found = []
    for number, weights in enumerate(["a", "a", "b"]):
        found.append(tmp_path / f"{number}.npz")
        embedding(weights, number).save(found[-1])
        os.utime(found[-1], (number, number))
    found.append(tmp_path / "damaged.npz")
    found[-1].write_bytes(b"PK")
    return found


def test_the_newest_of_the_weights_is_taken(paths, caplog):
    found, path = newest_stored(paths[::-1], "a")
    assert path == paths[1]
    np.testing.assert_array_equal(found.plane, embedding("a", 1.0).plane)
    assert "damaged.npz is damaged and is skipped" in caplog.text
    assert newest_stored(paths, "c") == (None, None)
    assert newest_stored([], "a") == (None, None)
