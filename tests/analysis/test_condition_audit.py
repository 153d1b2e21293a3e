"""The audit of a conditional model, on galaxies whose size, flux and colour are known functions of their redshift."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from builders.galaxies import dataset
from builders.models import build

from galvae.analysis import condition_audit, conditions
from galvae.analysis.condition_trends import Compared, bins, direction, fitted_line, trends
from galvae.data.splits import make_splits
from galvae.figures.cards import CARDS
from galvae.figures.style import PLAIN
from galvae.latent.codes import Codes
from galvae.latent.priors.normal import NormalPrior

COUNT, SIDE = 420, 24
REDDENING = 0.36  # dex per unit redshift, of the first over the last band
CONFIG = SimpleNamespace(samples=150, bootstrap=100, seed=0, condition_grid=0, prior=None)


def draw(codes, redshift):
    """Galaxies without symmetry, (n, SIDE, SIDE, 3) in [0, 1], that shrink, fade and redden with redshift.

    The first code is the logarithm of their size, the second one their axis ratio, the third one their colour at rest.
    """
    size = 3.4 * np.exp(0.15 * codes[:, 0]) / (1 + redshift)
    ratio = 0.7 + 0.08 * np.tanh(codes[:, 1])
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2 + np.array([0.6, -0.3])[:, None, None]
    along, across = x * np.cos(0.5) + y * np.sin(0.5), y * np.cos(0.5) - x * np.sin(0.5)
    size, ratio = (values[:, None, None] for values in (size, ratio))
    radius = (along / size) ** 2 + (across / (size * ratio)) ** 2 + 0.2 * (along / size) * (along > 0)
    colour = 0.06 * codes[:, 2] + REDDENING * redshift
    colour = 10 ** (np.array([0.5, 0, -0.5]) * colour[:, None])
    return 0.05 + 0.4 * np.exp(-radius / 2)[..., None] * colour[:, None, None]


def audited_run(sampler, leak):
    """A run whose decoder draws galaxies of the redshifts that `sampler` makes of those that it is given.

    The second condition, a mass, follows from a galaxy's own redshift. The mean of its second code is `leak` times its
    redshift; a posterior's standard deviation is 0.14.
    """
    generator = np.random.default_rng(0)
    redshift, codes = generator.uniform(0, 1, COUNT), generator.normal(size=(COUNT, 3)).astype(np.float32)
    images = 255 * draw(codes, redshift) + generator.normal(0, 2, (COUNT, SIDE, SIDE, 3))
    codes[:, 1] = leak * (redshift - 0.5)
    data = dataset(
        COUNT,
        images=np.clip(np.rint(images), 0, 255).astype(np.uint8),
        condition=np.stack([redshift, 8 + redshift], axis=1).astype(np.float32),
        condition_names=["redshift", "mass"],
        condition_units=["", "solMass"],
        splits=make_splits(COUNT, [0.5, 0.25, 0.25], 0),
    )
    model, given = build("cvae2", shape=(SIDE, SIDE, 3), latent_dim=3, condition_dim=2), []

    def decode(codes, condition):
        given.append(np.asarray(condition))
        return draw(codes, sampler(np.asarray(condition[:, 0], float))).astype(np.float32)

    model.decode = decode
    log_variance = np.full(codes.shape, -4, np.float32)
    return SimpleNamespace(
        model=model,
        dataset=data,
        given=given,
        prior=lambda name=None: NormalPrior(3),
        codes_at=lambda rows: Codes(rows, codes[rows], log_variance[rows]),
    )


@pytest.fixture(scope="module")
def obedient():
    """A run that obeys, and the report on it."""
    run = audited_run(lambda redshift: redshift, leak=0.01)  # far less than a posterior's width
    return run, conditions.measure(run, run.dataset.split("test"), CONFIG, {})


def test_an_obedient_model_has_the_trends_and_the_scatter_of_real_galaxies(obedient):
    run, report = obedient
    found = report.summary["conditions"]
    held_out = np.concatenate([run.dataset.split("val"), run.dataset.split("test")])
    assert (found["galaxies"], found["n"]) == ("validation and test splits", len(held_out))
    assert found["generated"] == 150 and not any(found["empty"].values())
    assert (found["condition"], found["unit"]) == ("redshift", "")
    for name in ("r50", "flux", "sigma", "colour_0_1", "colour_1_2"):
        trend = found["trend"][name]
        assert trend["direction"] == "right"
        assert abs(trend["ratio"] - 1) < 3 * trend["ratio_error"] < 0.35, name
        assert abs(trend["scatter_ratio"] - 1) < 3 * trend["scatter_ratio_error"] < 0.35, name
    assert found["trend"]["colour_0_1"]["generated"] == pytest.approx(REDDENING / 2, rel=0.1)
    assert found["trend"]["r50"]["real"] < 0 and found["trend"]["flux"]["real"] < 0
    assert found["trend"]["clumpiness"]["direction"] == "depends on noise"
    read_off = found["read_off"]
    assert read_off["verdict"] == "obeyed" and read_off["obedience"] == pytest.approx(1, abs=0.1)
    assert read_off["training"] == len(run.dataset.split("train")) and read_off["n"] == len(held_out)
    assert 0.7 < read_off["slope_real"] < 0.97 and abs(read_off["bias_generated"]) < 0.05
    assert found["leakage"]["codes"]["linear"] < 0.1 and found["leakage"]["codes"]["boosted"] < 0.1
    assert found["leakage"]["measures"]["boosted"] > 0.7 and found["leakage"]["n"] == len(held_out)


def test_a_swapped_redshift_changes_what_it_should_and_leaves_other_conditions(obedient):
    run, report = obedient
    swap = report.summary["conditions"]["swap"]
    held_out = np.sort(np.concatenate([run.dataset.split("val"), run.dataset.split("test")]))
    redshift = run.dataset.condition[held_out, 0]
    assert [swap["from"], swap["to"]] == pytest.approx(np.quantile(redshift, [0.1, 0.9]), rel=1e-6)
    assert {"r50", "flux", "colour_0_1", "colour_1_2"} <= set(swap["changed"])
    assert "ellipticity" in swap["unchanged"]
    for name in ("r50", "flux", "colour_0_1", "colour_1_2"):
        effect = swap["measures"][name]
        assert effect["effect"] == pytest.approx(effect["real_trend"], rel=0.15), name
        # A permuted redshift differs from a galaxy's own by 1/sqrt(6) in the root of the mean square.
        expected = abs(effect["effect"]) / (swap["to"] - swap["from"]) / np.sqrt(6)
        assert effect["permuted_rms"] == pytest.approx(expected, rel=0.25), name
    asked, own, permuted, low, high = run.given
    for condition in (asked, own):  # real galaxies' conditions as they are
        np.testing.assert_allclose(condition[:, 1], 8 + condition[:, 0], rtol=1e-6)
    np.testing.assert_array_equal(own, run.dataset.condition[held_out])
    for condition in (permuted, low, high):
        np.testing.assert_array_equal(condition[:, 1], own[:, 1])
    assert (permuted[:, 0] != own[:, 0]).mean() > 0.9
    np.testing.assert_array_equal(np.sort(permuted[:, 0]), np.sort(own[:, 0]))


def test_permuted_redshifts_and_codes_that_hold_the_redshift_are_caught():
    generator = np.random.default_rng(1)
    run = audited_run(generator.permutation, leak=4)
    found, _, lines = condition_audit.audit(run, CONFIG)
    for name in ("r50", "flux", "colour_0_1", "colour_1_2"):
        assert found["trend"][name]["direction"] == "absent", name
    assert found["read_off"]["verdict"] == "ignored"
    assert abs(found["read_off"]["obedience"]) < 3 * found["read_off"]["obedience_error"]
    # Too small where real galaxies are large, too large where they are small.
    first, *_, last = (one["measures"]["r50"] for one in found["bins"])
    assert first["difference"] < -0.5 and last["difference"] > 0.5
    assert found["leakage"]["codes"]["linear"] > 0.9 and found["leakage"]["codes"]["boosted"] > 0.9
    assert "ignored" in " ".join(lines)


def test_arrays_and_figure_show_what_the_summary_says(obedient):
    run, report = obedient
    generated, real = report.arrays["condition_audit"], report.arrays["condition_audit_real"]
    np.testing.assert_allclose(generated["asked"], run.dataset.condition[generated["indices"], 0], rtol=1e-6)
    np.testing.assert_allclose(real["true"], run.dataset.condition[real["indices"], 0], rtol=1e-6)
    found = report.summary["conditions"]
    for arrays, x, kind in ((generated, "asked", "generated"), (real, "true", "real")):
        slope = np.polyfit(arrays[x], arrays["read_off"], 1)[0]
        assert slope == pytest.approx(found["read_off"][f"slope_{kind}"])
        bias = np.mean(arrays["read_off"] - arrays[x])
        assert bias == pytest.approx(found["read_off"][f"bias_{kind}"])
    slope = np.polyfit(generated["asked"], generated["r50"], 1)[0]
    assert slope == pytest.approx(found["trend"]["r50"]["generated"])

    drawn = CARDS["conditions"](report, None, PLAIN)
    assert list(drawn) == ["condition_audit"]
    panels = {axes.get_ylabel(): axes for axes in drawn["condition_audit"].axes}
    assert panels.keys() >= {"r50 (pix)", "log flux", "redshift read off"}
    black, coloured = (container.lines[0] for container in panels["log flux"].containers)
    for line, kind, x in ((black, "real", "mean"), (coloured, "generated", "mean_asked")):
        np.testing.assert_allclose(line.get_xdata(), [one[x] for one in found["bins"]])
        means = [one["measures"]["flux"][kind] for one in found["bins"]]
        np.testing.assert_allclose(line.get_ydata(), means)
    expected, effects = panels[""].containers[1::2]
    for bars, key in ((expected, "real_trend"), (effects, "effect")):
        values = [one[key] for one in found["swap"]["measures"].values()]
        np.testing.assert_allclose([bar.get_width() for bar in bars], values)


def few(images, condition):
    """A run of 60 galaxies, 12 of them for validation and test, whose decoder draws nothing."""
    data = dataset(
        60,
        images=images,
        condition=condition[:, None].astype(np.float32),
        condition_names=["redshift"],
        condition_units=[""],
        splits=make_splits(60, [0.8, 0.1, 0.1], 0),
    )
    model = build("cvae2", shape=images.shape[1:])
    model.decode = lambda codes, condition: np.zeros((len(codes), *images.shape[1:]), np.float32)
    codes = np.random.default_rng(2).normal(size=(60, 2)).astype(np.float32)
    return SimpleNamespace(
        model=model,
        dataset=data,
        prior=lambda name=None: NormalPrior(2),
        codes_at=lambda rows: Codes(rows, codes[rows], None),
    )


def test_what_cannot_be_measured_says_why_and_the_rest_is_there():
    redshift = np.linspace(0, 1, 60)
    images = np.rint(255 * draw(np.zeros((60, 3)), redshift)[:, :, :, :1]).astype(np.uint8)
    images += np.random.default_rng(3).integers(0, 3, images.shape, np.uint8)
    run = few(images, redshift)
    report = conditions.measure(run, run.dataset.split("test"), CONFIG, {})
    found = report.summary["conditions"]
    json.dumps(found, allow_nan=False)
    assert (found["n"], found["empty"]["generated"]) == (60, 1) and found["galaxies"].startswith("all splits")
    assert found["colour"] == {"not measured": "images of one band have no colour"}
    assert found["trend"]["r50"] == {"not measured": "known of 0 generated galaxies, fewer than 50"}
    assert found["read_off"]["not measured"].startswith("48 training galaxies")
    assert "11 of 11 measures not measured" in report.lines[0]
    assert "not measured, 48 training" in report.lines[1] and "not measured, no measure" in report.lines[3]
    assert found["swap"].keys() == {"not measured"}
    assert found["leakage"]["n"] == 60 and found["leakage"]["codes"]["linear"] < 0.2
    drawn = CARDS["conditions"](report, None, PLAIN)["condition_audit"]
    assert "known of 0 generated" in " ".join(drawn.axes[0].texts[0].get_text().split())


def test_conditions_that_allow_no_audit():
    images = np.zeros((60, 16, 16, 3), np.uint8)
    constant = few(images, np.full(60, 0.5))
    assert condition_audit.audit(constant, CONFIG) == (
        {"not measured": "redshift is 0.5 for all 60 galaxies"},
        {},
        ["  redshift asked for: not measured, redshift is 0.5 for all 60 galaxies"],
    )
    unknown = few(images, np.where(np.arange(60) < 49, np.linspace(0, 1, 60), np.nan))
    reason = condition_audit.audit(unknown, CONFIG)[0]["not measured"]
    assert reason == "49 galaxies with a known redshift, fewer than 50"
    unconditional = SimpleNamespace(model=build("vae"))
    assert condition_audit.audit(unconditional, CONFIG) == (
        {"not measured": "the model takes no condition"},
        {},
        [],
    )
    blank = few(images, np.linspace(0, 1, 60))  # no measure of any galaxy
    assert blank.dataset.images.max() == 0
    found = condition_audit.audit(blank, CONFIG)[0]
    assert found["trend"]["flux"] == {"not measured": "known of 0 real galaxies, fewer than 50"}


def test_lines_are_those_of_least_squares():
    generator = np.random.default_rng(0)
    x, counts = generator.uniform(2, 5, 40), generator.integers(0, 4, (40, 3))
    values = np.stack([3 * x + generator.normal(size=40), 1e6 - x + generator.normal(size=40)], axis=1)
    values[::7, 1] = np.nan
    slopes, scatter = fitted_line(values, x, counts.astype(float))
    for quantity in range(2):
        known = np.isfinite(values[:, quantity])
        for one in range(3):
            repeated = [np.repeat(part[known], counts[known, one]) for part in (x, values[:, quantity])]
            slope, intercept = np.polyfit(*repeated, 1)
            assert slopes[quantity, one] == pytest.approx(slope, rel=1e-6)
            residuals = repeated[1] - slope * repeated[0] - intercept
            assert scatter[quantity, one] == pytest.approx(residuals.std(), rel=1e-5)


def test_bins_hold_equal_numbers_of_real_galaxies_and_their_own_means():
    generator = np.random.default_rng(0)
    x, asked = generator.exponential(size=230), generator.exponential(size=300)
    real, generated = 2 * x[:, None] + generator.normal(size=(230, 1)), 1 + asked[:, None] * [1.0]
    found = bins(Compared(["r50"], real, generated, x, asked), 100, 0)
    assert [one["n"] for one in found] == [58, 57, 57, 58]
    std = real.std()
    for one, lower in zip(found, (-np.inf, *(one["high"] for one in found)), strict=False):
        own, other = ((lower <= v) & (v < one["high"]) for v in (x, asked))
        if one is found[-1]:
            own, other = (lower <= x), (lower <= asked)
        measured = one["measures"]["r50"]
        assert one["generated"] == other.sum()
        assert one["mean"] == pytest.approx(x[own].mean())
        assert measured["real"] == pytest.approx(real[own].mean())
        assert measured["generated"] == pytest.approx(generated[other].mean())
        assert measured["difference"] == pytest.approx((generated[other].mean() - real[own].mean()) / std)
        assert measured["scatter_real"] == pytest.approx(real[own].std())
        assert measured["real_error"] == pytest.approx(real[own].std() / np.sqrt(own.sum()), rel=0.3)
    # Of conditions most of which are equal, a bin without enough galaxies is left out.
    x = np.where(np.arange(230) < 10, -1.0, np.arange(230) % 2)
    found = bins(Compared(["r50"], real, generated, x, np.repeat([0.0, 1], 150)), 100, 0)
    assert sum(one["n"] for one in found) <= 230 and min(one["n"] for one in found) >= 50


def test_trends_of_measures_that_nothing_is_known_of_say_so():
    x = np.linspace(0, 1, 80)
    real = np.stack([x, np.ones(80), x, np.where(x < 0.5, x, np.nan)], axis=1)
    generated = np.stack([-x, x, np.full(80, np.nan), x], axis=1)
    names = ["r50", "gini", "m20", "sigma"]
    found = trends(Compared(names, real, generated, x, x), 100, 0)
    assert found["r50"]["direction"] == "reversed" and found["r50"]["ratio"] == pytest.approx(-1)
    assert found["gini"] == {"not measured": "the same for all real galaxies"}
    assert found["m20"] == {"not measured": "known of 0 generated galaxies, fewer than 50"}
    assert found["sigma"] == {"not measured": "known of 40 real galaxies, fewer than 50"}


def test_directions_and_verdicts():
    cases = {
        ((1, 0.1), (0.5, 0.1)): "right",
        ((-1, 0.1), (-3, 0.1)): "right",
        ((1, 0.1), (-0.5, 0.1)): "reversed",
        ((1, 0.1), (0.2, 0.1)): "absent",
        ((0.2, 0.1), (1, 0.1)): "no real trend",
        ((1, np.nan), (1, 0.1)): "no real trend",
    }
    assert {pair: direction(*pair) for pair in cases} == cases
    expected = {-0.9: "reversed", -0.1: "ignored", 0.1: "ignored", 0.5: "partly obeyed", 0.95: "obeyed"}
    assert {value: condition_audit.verdict(value) for value in expected} == expected


@pytest.mark.slow
def test_a_model_trained_on_simulated_galaxies_follows_their_size_flux_and_colour(galvae, tmp_path):
    data = ("dataset=simulated", "dataset.count=1500", "dataset.image_size=32")
    model = (
        "model=cvae2",
        "network=slim",
        "latent_dim=8",
        "reconstruction.loss=mse",
        "reconstruction.weight=15",
        # As when the numbers below were measured.
        *("network.refine=none", "network.padding=zeros", "prior=none"),
    )
    training = ("epochs=30", "batch=32", "learning_rate=0.002", "clip_norm=1000", "hydra.run.dir=run")
    status, _, err = galvae("train", *data, *model, *training)
    assert status == 0, err
    options = ("cards=[conditions]", "samples=1000", "condition_grid=0", "hydra.run.dir=audit")
    status, out, err = galvae("evaluate", "run=run", *options)
    assert status == 0, err
    found = json.loads((tmp_path / "audit" / "metrics.json").read_text())["conditions"]
    assert found["trend"]["colour_0_1"]["real"] == pytest.approx(
        0.175, abs=0.03
    )  # half of the dataset's REDDENING
    # Galaxies shrink, fade and redden with redshift. So short a training finds less than all of it: 0.75 of the size,
    # 0.55 of the flux and 0.3 of the colour; on 4,800 galaxies of 64 px, 0.74, 0.70 and 0.91.
    for name, sign in {"r50": -1, "flux": -1, "colour_0_1": 1, "colour_1_2": 1}.items():
        trend = found["trend"][name]
        assert trend["direction"] == "right" and sign * trend["generated"] > 0, name
        assert 0.15 < trend["ratio"] < 1.15 and 0.2 < trend["scatter_ratio"] < 1.6, name
    assert found["read_off"]["verdict"] in ("obeyed", "partly obeyed")
    assert found["leakage"]["codes"]["boosted"] < 0.2
    assert found["read_off"]["verdict"] in out and (tmp_path / "audit" / "condition_audit.png").is_file()
