"""Figures of the probes, of memorisation and of the prior: reports of known numbers in, what is drawn out."""

import numpy as np
import pytest
from builders.drawn import places, rendered
from builders.galaxies import ellipses
from builders.labels import unreadable

from galvae.analysis.report import Report
from galvae.figures.canvas import rgb, whole_zoom
from galvae.figures.memorisation import memorisation
from galvae.figures.prior import prior
from galvae.figures.probes import probes
from galvae.figures.style import PLAIN

FEATURES = {"codes": "latent codes", "pca": "principal components", "untrained": "untrained encoder"}


def report(summary, arrays=None, **facts):
    return Report(question="", perfect="", chance="", summary=summary, arrays=arrays or {}, facts=facts)


def scores(values, probe):
    """Scores of the kinds of features: value, and 0.1 below and 0.05 above it; the second probe's are 0.1 lower."""
    pairs = ((name, value) for name, value in zip(FEATURES, values, strict=True))
    return {
        name: {
            kind: {"value": value - lower, "low": value - lower - 0.1, "high": value - lower + 0.05}
            for kind, lower in (("knn", 0.0), (probe, 0.1))
        }
        for name, value in pairs
    }


def target(values, probe, **changes):
    entry = {
        "n": 1234,
        "galaxies": "validation and test splits",
        "chance_level": 0.0,
        "given_to_encoder": False,
    }
    return {**entry, **scores(values, probe), **changes}


def test_probes_have_a_panel_for_each_target_with_dots_intervals_and_chance():
    summary = {
        "class": target([0.8, 0.7, 0.3], "logistic", classes=["a", "b", "c", "d"], chance_level=0.25),
        "mass": {"not measured": "constant"},
        "redshift": target([0.5, 0.6, -0.7], "linear", given_to_encoder=True),
    }
    given = report({"probes": summary}, features=FEATURES, invariant=True, latent_dim=8)
    figure = probes(given, None, PLAIN)["probes"]
    classes, redshift = figure.axes
    assert [text.get_text() for text in classes.get_yticklabels()] == [
        "latent codes (8),\nover orientations",
        "principal components (8)",
        "untrained encoder,\nover orientations",
    ]
    nearest, logistic = classes.containers
    np.testing.assert_allclose(nearest[0].get_xdata(), [0.8, 0.7, 0.3])
    np.testing.assert_allclose(logistic[0].get_xdata(), [0.7, 0.6, 0.2])
    (bars,) = nearest[2]
    np.testing.assert_allclose([bar[:, 0] for bar in bars.get_segments()][0], [0.7, 0.85])
    assert (nearest[0].get_ydata() < logistic[0].get_ydata()).all()
    assert list(classes.lines[-1].get_xdata()) == [0.25, 0.25]
    assert classes.get_ylim()[0] > classes.get_ylim()[1]  # the first row is on top
    assert (classes.get_xlabel(), redshift.get_xlabel()) == ("balanced accuracy", "R²")
    assert redshift.containers[0][0].get_xdata()[2] == redshift.get_xlim()[0] == -0.2
    assert "4 classes: 1,234 galaxies" in classes.get_title(loc="left").replace("\n", " ")
    assert "the encoder is given it" in redshift.get_title(loc="left").replace("\n", " ")
    names = ["nearest neighbours", "logistic regression", "chance", "ridge regression"]
    assert sorted(text.get_text() for text in figure.legends[0].get_texts()) == sorted(names)
    assert not unreadable(figure)


def test_nothing_measured_is_no_figure():
    nothing = {"not measured": "too few"}
    assert probes(report({"probes": nothing}, features=FEATURES, invariant=False), None, PLAIN) == {}
    assert memorisation(report({"memorisation": nothing}), None, PLAIN) == {}
    assert prior(report({"prior": nothing}), None, PLAIN) == {}


def memorisation_report():
    generator = np.random.default_rng(0)
    distances = {
        name: {f"{space}_relative": generator.uniform(low, 1, count) for space in ("codes", "pixels")}
        for name, low, count in (("nearest_to_samples", 0.2, 500), ("nearest_to_new_galaxies", 0.6, 300))
    }
    images = ellipses(24, 16) / 255.0
    pairs = {
        "samples": images[:12],
        "real": images[12:],
        "pixels": np.arange(12) / 100,
        "pixels_relative": np.arange(12) / 20,
    }
    result = {"share": 0.123, "threshold": 0.61, "expected": 0.01}
    return report(
        {"memorisation": {"codes": result, "pixels": result}}, {**distances, "closest_pairs": pairs}
    )


def test_memorisation_is_drawn_as_histograms_and_the_closest_pairs():
    figures = memorisation(memorisation_report(), None, PLAIN)
    assert list(figures) == ["memorisation", "closest_pairs"]
    for panel in figures["memorisation"].axes:
        new, samples = (patch for patch in panel.patches)
        for patch, lowest in ((new, 0.6), (samples, 0.2)):
            counts, edges, _ = patch.get_data()
            assert counts.sum() == pytest.approx(1, abs=0.02)  # of their own number
            assert edges[:-1][counts > 0].min() == pytest.approx(lowest, abs=0.05)
        assert list(panel.lines[0].get_xdata()) == [0.61, 0.61]
        assert "12 % of samples below (1 % expected)" in panel.get_title(loc="left")
    assert not unreadable(figures["memorisation"])
    texts = [text.get_text() for text in figures["closest_pairs"].axes[0].texts]
    assert "0.55, rms 0.110" in texts and texts.count("sample") == 2


def test_every_sample_stands_above_the_galaxy_nearest_to_it():
    given = memorisation_report()
    pairs = given.arrays["closest_pairs"]
    dots = rendered(memorisation(given, None, PLAIN)["closest_pairs"])
    zoom = whole_zoom(6 * 16)
    for index in (0, 7):
        (upper,), (lower,) = (
            places(dots, rgb(pairs[name], PLAIN)[index], zoom) for name in ("samples", "real")
        )
        assert lower[0] == upper[0] and 0 < lower[1] - upper[1] < 20 * zoom


def prior_report(latent_dim=10, count=900, posterior=True):
    generator = np.random.default_rng(0)
    sample, reference = generator.normal(size=(2, count, latent_dim))
    sample[:, 2:3] = sample[:, :1] + 0.1 * sample[:, 2:3]
    arrays = {"sample": sample, "w1": np.arange(latent_dim) / 10}
    nats = {"value": 7.94, "low": 7, "high": 9}
    facts = {"reference": reference * 2, "prior": "N(0, I)", "posterior": posterior, "nats": nats}
    return report({}, {"prior": arrays}, **facts)


def test_the_latents_that_fit_the_prior_worst_come_first_and_then_correlated_pairs():
    given = prior_report()
    figure = prior(given, None, PLAIN)["prior"]
    drawn = [axes for axes in figure.axes if axes.axison]
    assert len(drawn) == 12
    assert [axes.get_title() for axes in drawn[:2]] == ["latent 9 (z₉), W1 0.90", "latent 8 (z₈), W1 0.80"]
    codes, curve = (patch.get_data() for patch in drawn[0].patches)
    for part, std in ((codes, 1), (curve, 2)):
        centres = 0.5 * (part.edges[1:] + part.edges[:-1])
        assert part.values.sum() == pytest.approx(1, abs=0.01)
        assert np.sqrt(np.average(centres**2, weights=part.values)) == pytest.approx(std, rel=0.1)
    assert "7.9 nats" in figure.get_suptitle() and figure.get_suptitle().startswith(
        "Samples of the posteriors"
    )
    assert not unreadable(figure)


def test_a_pair_is_drawn_on_its_own_axes_under_the_priors_ellipses():
    given = prior_report(3)
    figure = prior(given, None, PLAIN)["prior"]
    pair = next(axes for axes in figure.axes if axes.get_ylabel())
    assert {pair.get_xlabel(), pair.get_ylabel()} == {"latent 0 (z₀)", "latent 2 (z₂)"}  # the correlated ones
    ellipses_of_prior = [np.abs(line.get_xdata()).max() for line in pair.lines]
    np.testing.assert_allclose(ellipses_of_prior, [2, 4, 6], rtol=0.1)
    counts = pair.collections[0].get_array()
    assert counts.sum() == pytest.approx(900, rel=0.01)
    rows, columns = np.nonzero(counts.filled(0))
    assert np.corrcoef(rows, columns)[0, 1] > 0.9


def test_codes_far_from_the_prior_are_drawn_whole():
    given = prior_report(2)
    given.arrays["prior"]["sample"] += 20
    given.facts["reference"] = np.repeat(given.facts["reference"], 100, axis=0)
    figure = prior(given, None, PLAIN)["prior"]
    pair = next(axes for axes in figure.axes if axes.get_ylabel())
    assert pair.collections[0].get_array().sum() > 880 and pair.get_xlim()[0] < -4
    for axes in figure.axes[:2]:
        assert all(patch.get_data().values.sum() > 0.98 for patch in axes.patches)


@pytest.mark.parametrize("latent_dim", [1, 2])
def test_few_latents_have_few_panels(latent_dim):
    figure = prior(prior_report(latent_dim, posterior=False), None, PLAIN)["prior"]
    assert len([axes for axes in figure.axes if axes.axison]) == (1 if latent_dim == 1 else 3)
    assert figure.get_suptitle().startswith("Codes of 900 galaxies")
    assert not unreadable(figure)
    width = figure.get_window_extent().width
    assert max(text.get_window_extent().x1 for text in figure.texts) < width
