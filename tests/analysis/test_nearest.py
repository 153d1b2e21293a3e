"""Nearest galaxies in the latent space: distances, orientations, and the index against the exact search."""

from types import SimpleNamespace

import numpy as np
import pytest
from builders.galaxies import dataset, ellipses
from builders.runs import run_of

from galvae.analysis.nearest import Neighbors, neighbors
from galvae.errors import GalvaeError
from galvae.latent import neighbours
from galvae.latent.neighbours import CodeSearch


@pytest.fixture
def run():
    """A run whose codes a test may compare by hand."""
    mean = np.random.default_rng(0).normal(size=(25, 2)) * [3, 0.5] + [1, 2]
    return run_of(dataset(), mean=mean, std=0.5)


@pytest.mark.parametrize("metric", ["cosine", "mahalanobis"])
def test_distances_are_those_of_the_definition(run, metric):
    table = neighbors(run, id=[7, 3], n=24, metric=metric)
    codes, train = run.codes("all").mean.astype(float), run.codes("train").mean.astype(float)
    centred = codes - train.mean(axis=0)
    if metric == "cosine":
        unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
        expected = 1 - unit @ unit.T
    else:
        inverse = np.linalg.inv(np.cov(train, rowvar=False, bias=True) + 0.25 * np.eye(2))
        offset = codes[:, None] - codes
        expected = np.sqrt(np.einsum("nmi,ij,nmj->nm", offset, inverse, offset))
    for row, query in enumerate((7, 3)):
        part = table[24 * row : 24 * (row + 1)]
        assert list(part["query"]) == [query] * 24 and query not in part["id"]
        assert list(part["rank"]) == list(range(1, 25))
        assert sorted(part["distance"]) == list(part["distance"])
        np.testing.assert_allclose(part["distance"], expected[query][part["index"]], rtol=1e-4, atol=1e-6)


def test_neighbours_are_of_the_split_that_is_searched(run):
    table = neighbors(run, id=int(run.dataset.split("val")[0]), n=5, split="train")
    assert set(table["split"]) == {"train"} and len(set(table["index"])) == 5


def test_invariant_neighbours_do_not_depend_on_the_orientation_of_the_query():
    run = run_of(dataset(60, images=ellipses(60, 16)))
    image = ellipses(1, 16, seed=5)[0]
    turned = np.rot90(image[:, ::-1], 3)
    first, second = (neighbors(run, images=one, n=6, invariant=True) for one in (image, turned))
    assert list(first["index"]) == list(second["index"])
    np.testing.assert_allclose(first["distance"], second["distance"], rtol=1e-4)
    plain = [neighbors(run, images=one, n=6)["distance"].sum() for one in (image, turned)]
    assert plain[0] != pytest.approx(plain[1], rel=1e-3)
    # A galaxy of the run, turned, is found at zero distance; by its id it is not its own neighbour.
    own = neighbors(run, images=np.rot90(run.dataset.images[9]), n=1, invariant=True)
    assert own["index"][0] == 9 and own["distance"][0] < 1e-6
    assert 9 not in neighbors(run, id=9, n=6, invariant=True)["index"]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, "id, path: expected one of them"),
        ({"id": 5, "metric": "angle"}, "metric: expected cosine or mahalanobis"),
        ({"id": 5, "n": 25}, "n: expected 1 to 24"),
        ({"id": 99}, "id 99: expected one galaxy"),
    ],
)
def test_what_cannot_be_searched_is_one_line(run, keys, message):
    with pytest.raises(GalvaeError, match=message):
        neighbors(run, **keys)


@pytest.mark.slow
def test_the_index_finds_most_of_the_exact_neighbours_and_is_not_used_below_its_limit(monkeypatch):
    codes = np.random.default_rng(0).normal(size=(3000, 8))
    exact, _ = CodeSearch(codes, many=True).nearest(codes[:300], 10)
    monkeypatch.setattr(neighbours, "MOST_EXACT", 1000)
    with CodeSearch(codes, many=True) as search:
        assert search._child is not None
        found, distances = search.nearest(codes[:300], 10)
    recall = np.mean([len(set(one) & set(other)) / 10 for one, other in zip(exact, found, strict=True)])
    assert recall > 0.9
    assert (distances[:, 0] == 0).all() and (np.diff(distances, axis=1) >= 0).all()
    assert CodeSearch(codes)._child is None


def test_a_training_galaxy_of_the_run_is_not_its_own_neighbour_when_it_is_encoded(run):
    rows, train = run.galaxies.split("all"), run.galaxies.split("train")
    batch = SimpleNamespace(indices=rows, mean=run.codes("all").mean)
    own = Neighbors(run, SimpleNamespace(dataset=None)).columns(batch)
    assert not any((own[f"neighbor_{place}"] == rows).any() for place in (1, 2, 3))
    table = neighbors(run, id=list(rows), n=1, split="train")
    np.testing.assert_array_equal(own["neighbor_1"], table["id"])
    np.testing.assert_allclose(own["neighbor_distance_1"], table["distance"], atol=1e-6)
    others = Neighbors(run, SimpleNamespace(dataset="files")).columns(batch)
    np.testing.assert_array_equal(others["neighbor_1"][train], train)
