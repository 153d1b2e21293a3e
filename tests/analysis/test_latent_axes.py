"""What latent axes do to galaxies of a decoder whose every axis is known, and the rule by which axes are named."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from builders.galaxies import dataset

from galvae.analysis import axes, axis_effects, properties
from galvae.analysis.axis_effects import UNNAMED, Effects, measure_effects, name_axis
from galvae.data.splits import make_splits
from galvae.figures.axes import axes as draw
from galvae.figures.style import with_minus
from galvae.latent.codes import Codes

SIDE, COUNT = 32, 60
STD = np.array([0.1, 0.08, 0.5, 1.0, 0.2])
# Of these standard deviations exactly, without any correlation.
CODES = np.random.default_rng(0).normal(size=(COUNT, 5))
CODES = np.linalg.qr(CODES - CODES.mean(axis=0))[0] * np.sqrt(COUNT) * STD
CODES = CODES.astype(np.float32)


def decode(codes, condition=None):
    """Gaussian galaxies of two bands: the codes are log10 flux, ln size, e1, nothing, and log10 of the bands' ratio.

    The condition, if there is one, is a number that is added to the log10 of the flux.
    """
    codes = np.asarray(codes, np.float64)[:, :, None, None]
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2 - 0.3
    size = 2.5 * np.exp(codes[:, 1])
    radius = x**2 / (1 + 0.4 * codes[:, 2]) + y**2 / (1 - 0.4 * codes[:, 2])
    flux = 10 ** (codes[:, 0] + (0 if condition is None else np.asarray(condition)[:, :, None]))
    image = flux * np.exp(-radius / (2 * size**2)) / size**2
    share = 1 / (1 + 10 ** -codes[:, 4])  # of the first band
    return np.stack([image * share, image * (1 - share)], axis=-1).astype(np.float32)


def fake_run(spread=1e-4, count=COUNT, condition=None, real=None, shape=None):
    """A run of galaxies that are decoded from CODES, whose posteriors have a standard deviation of `spread` x STD."""
    codes = CODES[:count]
    images = decode(codes, condition) if real is None else real
    splits = make_splits(count, [0.6, 0.2, 0.2], 0)
    data = dataset(count, images=images, pixel_range=(0, 1), name="made up", splits=splits)
    log_variance = np.tile(2 * np.log(spread * STD), (count, 1)).astype(np.float32)
    received = []

    def decoded(moved, given=None):
        received.append((np.array(moved), given))
        return decode(moved, given)

    return SimpleNamespace(
        dataset=data,
        galaxies=data,
        model=SimpleNamespace(latent_dim=5, terms=("kl",), condition_dim=int(condition is not None)),
        codes_at=lambda rows: Codes(np.asarray(rows), codes[rows], log_variance[rows]),
        condition=lambda rows: None if condition is None else condition[rows],
        decode=decoded,
        received=received,
    )


def effects_of(run, indices=None, walked=range(5)):
    indices = np.arange(len(run.dataset)) if indices is None else indices
    return measure_effects(run, indices, axes.reference_codes(run), walked, seed=0)


def test_an_axis_changes_what_it_decodes_to_by_twice_its_standard_deviation():
    effects = effects_of(fake_run())
    index = {name: position for position, name in enumerate(effects.measures)}
    assert effects.change.shape == (COUNT, 5, len(index))
    for axis, measure in ((0, "flux"), (2, "e1"), (4, "colour_0_1")):
        assert effects.mean[axis, index[measure]] == pytest.approx(2, abs=0.1), measure
        assert effects.scatter[axis, index[measure]] < 0.1
    assert effects.mean[1, index["sigma"]] == pytest.approx(2, abs=0.1)
    # The peak, smoothed by 1 px, is the flux over size² + 1: the scatter of both axes adds up to its own.
    part = STD[0] / np.hypot(STD[0], 2 * STD[1] / np.log(10) * 2.5**2 / (2.5**2 + 1))
    assert effects.mean[0, index["peak"]] == pytest.approx(2 * part, rel=0.05)
    assert effects.mean[1, index["peak"]] == pytest.approx(-2 * np.sqrt(1 - part**2), rel=0.05)
    assert np.isnan(effects.mean[:, index.pop("neighbors")]).all()  # the same in all galaxies
    np.testing.assert_allclose(effects.mean[3, list(index.values())], 0, atol=1e-6)
    assert (effects.count[:, index["flux"]] == COUNT).all()
    assert effects.names[0].startswith("flux (+)") and effects.names[2:] == [
        "e1 (+)",
        UNNAMED,
        "colour 0/1 (+)",
    ]
    assert effects.names[1].startswith(("r50 (+)", "sigma (+)"))


def test_axes_move_around_each_galaxy_by_the_scatter_of_posterior_samples():
    condition = np.linspace(0, 0.1, COUNT, dtype=np.float32)[:, None]
    run, indices = fake_run(spread=1, condition=condition), np.arange(40, 20, -1)
    effects = effects_of(run, indices, walked=[4, 1])
    np.testing.assert_array_equal(effects.indices, indices)
    samples = Codes(np.arange(COUNT), CODES, np.tile(2 * np.log(STD), (COUNT, 1))).sample(0)
    for (moved, given), axis in zip(run.received[:2], (4, 1), strict=True):
        np.testing.assert_array_equal(given, np.tile(condition[indices], (2, 1)))
        for part, sign in zip(np.split(moved, 2), (-1, 1), strict=True):
            expected = CODES[indices].copy()
            expected[:, axis] = samples[:, axis].mean() + sign * samples[:, axis].std()
            np.testing.assert_allclose(part, expected, rtol=1e-5)
    # The samples scatter by sqrt(2) more than the galaxies.
    colour = effects.measures.index("colour_0_1")
    ratio = samples[:, 4].std() / CODES[indices, 4].std()
    assert effects.mean[0, colour] == pytest.approx(2 * ratio, rel=0.05)
    assert effects.names[0] == "colour 0/1 (+)"


def test_many_axes_are_moved_around_fewer_galaxies(monkeypatch):
    monkeypatch.setattr(axis_effects, "MOST_DECODED", 2 * 5 * 12)
    np.testing.assert_array_equal(effects_of(fake_run()).indices, np.linspace(0, 59, 12).astype(int))
    assert len(effects_of(fake_run(), walked=[2]).indices) == COUNT


def test_a_measure_that_reconstructions_do_not_keep_names_no_axis():
    order = np.random.default_rng(1).permutation(COUNT)
    other = CODES.copy()
    other[:, 4] = CODES[order, 4]  # real galaxies have other colours than those that are decoded
    effects = effects_of(fake_run(real=decode(other)))
    colour = effects.measures.index("colour_0_1")
    assert effects.mean[4, colour] == pytest.approx(2, abs=0.05)
    assert not effects.kept[colour] and effects.kept[effects.measures.index("flux")]
    assert effects.names[4] == UNNAMED and effects.names[2] == "e1 (+)"


def test_errors_are_those_of_means_over_galaxies():
    change = np.random.default_rng(0).normal(size=(100, 2, 3))
    change[:40, 0, 1] = np.nan
    effects = Effects(["flux", "e1", "e2"], np.arange(100), change, np.ones(3, bool))
    assert effects.count.tolist() == [[100, 60, 100], [100, 100, 100]]
    np.testing.assert_allclose(effects.mean[0, 1], change[40:, 0, 1].mean())
    np.testing.assert_allclose(effects.scatter[0, 1], change[40:, 0, 1].std(ddof=1))
    np.testing.assert_allclose(effects.errors(500, 0), effects.scatter / np.sqrt(effects.count), rtol=0.15)


RULE = {
    "the largest change": ({"flux": (0.5, 0.3), "r50": (0.3, 0.1)}, "flux (+)"),
    "its sign": ({"flux": (-0.5, 0.3), "r50": (0.3, 0.1)}, "flux (-)"),
    "not above 0.4": ({"flux": (0.4, 0.1), "r50": (0.1, 0.1)}, UNNAMED),
    "not above its scatter": ({"flux": (-0.9, 1.0), "r50": (0.6, 0.1)}, UNNAMED),
    "a second of 70 %": ({"r50": (0.7, 0.2), "flux": (-1.0, 0.3)}, "flux (-), r50 (+)"),
    "a second of less": ({"r50": (0.69, 0.2), "flux": (-1.0, 0.3)}, "flux (-)"),
    "a second below its scatter": ({"r50": (0.8, 0.9), "flux": (-1.0, 0.3)}, "flux (-)"),
    "no third": ({"r50": (0.8, 0.1), "flux": (-1.0, 0.3), "gini": (0.9, 0.1)}, "flux (-), gini (+)"),
    "components before their modulus": (
        {"ellipticity": (1.004, 0.3), "e1": (1.0, 0.3), "e2": (-0.2, 0.3)},
        "e1 (+), ellipticity (+)",
    ),
    "unknown": ({"flux": (np.nan, np.nan), "r50": (0.6, 0.1)}, "r50 (+)"),
    "nothing known": ({"flux": (np.nan, np.nan), "r50": (np.nan, np.nan)}, UNNAMED),
    "plain words": ({"sky_sigma": (0.6, 0.1), "colour_g_r": (-0.6, 0.1)}, "sky sigma (+), colour g/r (-)"),
}


@pytest.mark.parametrize("case", RULE)
def test_an_axis_is_named_after_what_it_changes_most(case):
    changes, expected = RULE[case]
    mean, scatter = np.array(list(changes.values())).T
    assert name_axis(mean, scatter, list(changes)) == expected


@pytest.fixture(scope="module", autouse=True)
def kept():
    """What is kept of the runs of these tests, which have no directory."""
    kept = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            axis_effects, "keep_axis_names", lambda run, names, arrays: kept.append((names, arrays))
        )
        yield kept


@pytest.fixture(scope="module")
def report(kept):
    """The report on all galaxies, with few and small fits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(properties, "BOOSTING", {"max_iter": 2})
        patch.setattr(properties, "FOLDS", 2)
        return axes.measure(fake_run(), np.arange(COUNT), SimpleNamespace(bootstrap=100, seed=0), {})


def test_the_report_has_effects_names_and_r_squared(report, kept):
    summary = json.loads(json.dumps(report.summary, allow_nan=False))["axes"]
    effects = effects_of(fake_run())
    assert summary["names"] == effects.names and summary["galaxies"] == COUNT
    (names, arrays), *_ = kept
    assert names == effects.names
    np.testing.assert_allclose(arrays["mean"], effects.mean)
    entry = summary["effects"][2]["e1"]
    e1 = effects.measures.index("e1")
    assert entry == {
        "mean": pytest.approx(effects.mean[2, e1]),
        "error": pytest.approx(effects.errors(100, 0)[2, e1]),
        "scatter": pytest.approx(effects.scatter[2, e1]),
        "n": COUNT,
    }
    assert summary["effects"][0]["neighbors"] == {"mean": None, "error": None, "scatter": None, "n": 0}
    assert "neighbors" in summary["not_kept"] and "flux" not in summary["not_kept"]
    flux = summary["properties"]["flux"]
    assert flux["n"] == COUNT and flux["failed"] == 0 and flux["linear"]["r2"] > 0.95
    assert summary["properties"]["neighbors"]["not measured"] == "the same in all galaxies"
    assert "factors" not in summary
    line = report.lines[0]
    order = np.argsort(-report.arrays["axes"]["information"])
    named = [axis for axis in order if axis != 3]
    assert line.startswith(
        f"  latent axes      4 of 5 change a measured property; z{named[0]} {effects.names[named[0]]}; "
    )
    assert "from 5 principal components" in report.lines[1]


def test_too_few_galaxies_are_said_to_be_too_few():
    report = axes.measure(fake_run(count=9), np.arange(9), SimpleNamespace(bootstrap=100, seed=0), {})
    summary = json.loads(json.dumps(report.summary, allow_nan=False))["axes"]
    for entry in ("names", "effects"):
        assert summary[entry]["not measured"].startswith("fewer than 10 galaxies")
    assert summary["properties"]["flux"]["not measured"] == "known of 9 galaxies; at least 50 are needed"
    assert [line.partition(": ")[0] for line in report.lines] == [
        "  latent axes      not measured",
        "  properties       not measured",
    ]
    figure = draw(report, None, None)["axes"]
    assert "not measured" in [label.get_text() for label in figure.axes[0].child_axes[0].get_yticklabels()]


def test_the_figure_has_the_most_informative_latents_first_and_their_names_beside_them(report):
    figure = draw(report, None, None)["axes"]
    above, below = figure.axes[:2]
    arrays = report.arrays["axes"]
    order = np.argsort(-arrays["information"], kind="stable")
    labels = [label.get_text() for label in above.get_yticklabels()]
    assert [label.split()[1] for label in labels] == [str(axis) for axis in order]
    names = [label.get_text() for label in above.child_axes[0].get_yticklabels()]
    assert names == [with_minus(report.facts["names"][axis]) for axis in order]
    image = above.images[0]
    np.testing.assert_allclose(image.get_array().filled(np.nan), arrays["mean_change"][order])
    low, high = image.get_clim()
    assert low == -high and high >= 2
    measures = report.arrays["axes"]["measures"]
    texts = {text.get_position(): text.get_text() for text in above.texts}
    flux, row = measures.index("flux"), list(order).index(0)
    assert texts[flux, row] == with_minus(
        f"{arrays['mean_change'][0, flux]:+.2f}\n{arrays['scatter'][0, flux]:.2f}"
    )
    r2 = report.summary["axes"]["properties"]["flux"]["boosted"]
    texts = {text.get_position(): text.get_text() for text in below.texts}
    assert texts[flux, 1] == with_minus(f"{r2['r2']:.2f}\n±{r2['error']:.2f}")
    colours = {label.get_text(): label.get_color() for label in above.get_xticklabels()}
    assert colours["log flux"] == "black" != colours["neighbours"]
