"""The page's latent space, in JavaScript: neighbours, places of the plane, directions and walks, against NumPy."""

import numpy as np
import pytest
from builders.javascript import context, put, take

from galvae.latent.walks import slerp

COUNT, DIM = 300, 5
NUMBERS = np.random.default_rng(7)
CODES = NUMBERS.normal(0, np.arange(1, 1 + DIM), (COUNT, DIM)).astype(np.float32)
# A plane whose axes have very different scales, and two galaxies without a place.
XS, YS = NUMBERS.normal(size=COUNT).astype(np.float32), NUMBERS.normal(0, 1000, COUNT).astype(np.float32)
XS[17], YS[23] = np.nan, np.nan
# Three classes and the redshift; galaxy 5 has no redshift, galaxy 6 no class.
CLASSES = np.arange(COUNT) % 7 % 3
CONDITION = np.column_stack([np.eye(3)[CLASSES], NUMBERS.uniform(0, 2, COUNT)]).astype(np.float32)
CONDITION[5, 3], CONDITION[6, :3] = np.nan, np.nan


@pytest.fixture(scope="module")
def page():
    page = context("latent/codes.js")
    for name, array in {"codes": CODES, "condition": CONDITION, "xs": XS, "ys": YS}.items():
        put(page, name, array)
    page.eval(
        f"const plain = new LatentSpace(codes, {DIM}, null, 0, 1.5);"
        f"const space = new LatentSpace(codes, {DIM}, condition, 4, 1.5, {{ classes: 3, spherical: true }});"
        f"const straight = new LatentSpace(codes, {DIM}, condition, 4, 1.5, {{ classes: 3, spherical: false }});"
    )
    return page


def galaxies(found):
    return [one["galaxy"] for one in found]


@pytest.mark.parametrize("k", [1, 8, 1000])
def test_nearest_codes_are_those_of_a_full_sort(page, k):
    code = np.array([0.3, -1, 2, 0.5, -4], np.float32)
    put(page, "code", code)
    distances = np.sqrt(((CODES.astype(float) - code) ** 2).sum(axis=1))
    expected = distances.argsort()[:k]
    found = page.execute(f"plain.nearest(code, {k})")
    assert galaxies(found) == expected.tolist()
    np.testing.assert_allclose([one["distance"] for one in found], distances[expected])
    without = galaxies(page.execute(f"plain.nearest(code, {k}, {expected[0]})"))
    assert without == distances.argsort()[1 : k + 1].tolist()


def test_equal_codes_and_an_empty_space(page):
    page.eval("const twins = new LatentSpace(new Float32Array([3, 1, 1, 1, 2]), 1, null, 0, 0.5);")
    assert galaxies(page.execute("twins.nearest([1], 4)")) == [1, 2, 3, 4]
    assert page.execute("twins.nearest([1], 0)") == []
    assert page.execute("new LatentSpace(new Float32Array(0), 2, null, 0, 0).closest([1, 2])") is None


def test_a_code_is_far_beyond_the_limit_only(page):
    near, beyond = (page.execute(f"twins.closest([{value}])") for value in (3.5, 3.75))
    assert near == {"galaxy": 0, "distance": 0.5, "far": False}
    assert beyond == {"galaxy": 0, "distance": 0.75, "far": True}


@pytest.mark.parametrize("scale", [(1, 1), (1000, 1)])
def test_a_place_has_the_weighted_code_of_the_galaxies_around_it(page, scale):
    place = 0.31, -420.0
    found = page.execute(f"space.at({place[0]}, {place[1]}, xs, ys, 8, {list(scale)})")
    distances = np.hypot(scale[0] * (XS.astype(float) - place[0]), scale[1] * (YS.astype(float) - place[1]))
    nearest = np.argsort(distances)[:8]  # NaN is last
    weights = distances[nearest] ** -2 / (distances[nearest] ** -2).sum()
    assert galaxies(found["neighbours"]) == nearest.tolist()
    np.testing.assert_allclose(
        [one["distance"] for one in found["neighbours"]], distances[nearest], rtol=1e-6
    )
    code = weights @ CODES[nearest]
    np.testing.assert_allclose(list(found["code"].values()), code, rtol=1e-5)
    condition = list(found["condition"].values())
    assert condition[:3] == CONDITION[nearest[0], :3].tolist()
    assert condition[3] == pytest.approx(weights @ CONDITION[nearest, 3], rel=1e-5)
    real = np.linalg.norm(CODES - code, axis=1)
    closest = page.execute(f"space.closest({code.tolist()})")
    assert closest["galaxy"] == real.argmin()
    assert closest["distance"] == pytest.approx(real.min(), rel=1e-4)
    assert closest["far"] == (real.min() > 1.5)


def test_on_a_galaxy_it_is_the_galaxy(page):
    found = page.execute(f"space.at({float(XS[40])!r}, {float(YS[40])!r}, xs, ys)")
    assert list(found["code"].values()) == CODES[40].tolist()
    assert list(found["condition"].values()) == CONDITION[40].tolist()
    assert len(found["neighbours"]) == 8


def test_galaxies_without_a_place_are_never_found(page):
    found = page.execute(f"plain.at(0, 0, xs, ys, {COUNT})")
    assert sorted(galaxies(found["neighbours"])) == sorted(set(range(COUNT)) - {17, 23})
    assert found["condition"] is None
    assert page.execute("plain.at(0, 0, xs.map(() => NaN), ys)") is None


def test_unknown_conditions_are_typical_ones(page):
    known = CONDITION[np.arange(COUNT) != 5, 3].mean()
    frequent = np.eye(3)[np.bincount(np.delete(CLASSES, 6)).argmax()]
    np.testing.assert_allclose(take(page, "space.conditionOf(5)"), [*CONDITION[5, :3], known], rtol=1e-5)
    assert take(page, "space.conditionOf(6)").tolist() == [*frequent, CONDITION[6, 3]]
    np.testing.assert_allclose(
        take(page, "space.typical"), [*frequent, np.nanmean(CONDITION[:, 3])], rtol=1e-5
    )
    assert page.execute("[5, 6, 7].map((galaxy) => space.knows(galaxy))") == [False, False, True]
    assert page.execute("[plain.conditionOf(5), plain.typical, plain.knows(5)]") == [None, None, True]
    # Nor do they count in the mean at a place: 4 and 5 are at the same distance of it.
    page.eval("const line = xs.map((_, i) => i);")
    around = page.execute("space.at(4.5, 0, line, line.map(() => 0), 2)")
    assert around["condition"]["3"] == pytest.approx(CONDITION[4, 3])


def test_directions_are_principal_components_of_the_codes_around(page):
    put(page, "code", CODES[3])
    found = page.execute("plain.directions(code, 40, 3)")
    around = np.linalg.norm(CODES - CODES[3], axis=1).argsort()[:40]
    values, vectors = np.linalg.eigh(np.cov(CODES[around].T.astype(float)))
    for one, value, vector in zip(found, values[::-1], vectors.T[::-1], strict=False):
        own = np.array(list(one["vector"].values()))
        np.testing.assert_allclose(own, vector * np.sign(vector[np.abs(vector).argmax()]), atol=1e-5)
        assert one["std"] == pytest.approx(np.sqrt(value), rel=1e-5)
    assert len(found) == 3


def test_directions_of_few_galaxies_or_latents(page):
    page.eval(
        "const three = new LatentSpace(new Float32Array([0, 0, 0, 0, 3, -4, 0, 0, -3, 4, 0, 0]), 4, null, 0, 1);"
    )
    (only,) = page.execute("three.directions([0, 0, 0, 0])")  # three codes on a line
    np.testing.assert_allclose(list(only["vector"].values()), [-0.6, 0.8, 0, 0], atol=1e-7)
    assert only["std"] == pytest.approx(5)
    assert page.execute("three.directions([0, 0, 0, 0], 1)") == []
    (along,) = page.execute("twins.directions([1])")
    assert along["vector"] == {"0": 1} and along["std"] == pytest.approx(np.std([3, 1, 1, 1, 2], ddof=1))
    assert page.execute("twins.directions([1], 3)") == []  # which do not differ


def test_many_latents_have_directions_too(page):
    codes = np.random.default_rng(1).normal(size=(60, 200)).astype(np.float32) * np.linspace(0.5, 3, 200)
    put(page, "many", codes.astype(np.float32))
    found = page.execute("new LatentSpace(many, 200, null, 0, 1).directions(many.slice(0, 200), 60, 3)")
    expected = np.linalg.svd(codes - codes.mean(axis=0))[1][:3] / np.sqrt(59)
    np.testing.assert_allclose([one["std"] for one in found], expected, rtol=1e-5)


def test_walks_are_those_of_the_command(page):
    steps = np.linspace(0, 1, 7)
    circle, line = (
        np.array([take(page, f"{name}.between(8, 9, {t}).code") for t in steps])
        for name in ("space", "straight")
    )
    start, end = CODES[[8, 9]].astype(float)
    np.testing.assert_allclose(circle, slerp(start, end, 7), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(line, start + steps[:, None] * (end - start), rtol=1e-5, atol=1e-5)
    conditions = np.array([take(page, f"space.between(8, 9, {t}).condition") for t in (0, 0.49, 0.5, 1)])
    assert CLASSES[8] != CLASSES[9]
    np.testing.assert_array_equal(conditions[:, :3], CONDITION[[8, 8, 9, 9], :3])
    redshifts = CONDITION[8, 3] + np.array([0, 0.49, 0.5, 1]) * (CONDITION[9, 3] - CONDITION[8, 3])
    np.testing.assert_allclose(conditions[:, 3], redshifts, rtol=1e-5)
    assert page.execute("plain.between(8, 9, 0.3).condition") is None


def test_walks_from_or_to_the_origin_are_straight(page):
    page.eval("const zero = new LatentSpace(new Float32Array([0, 0, 2, 4, -1, -2]), 2, null, 0, 1);")
    assert take(page, "zero.between(0, 1, 0.25).code").tolist() == [0.5, 1]
    assert take(page, "zero.between(1, 2, 0.5).code").tolist() == [0.5, 1]  # opposite directions
