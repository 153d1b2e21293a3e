"""Figures of evaluation reports: a report of known numbers in, named figures with their contents out."""

import numpy as np
import pytest
from builders.drawn import image_at, rendered
from builders.galaxies import ellipses
from matplotlib.colors import same_color

from galvae.analysis.evaluators import EVALUATORS
from galvae.analysis.report import Report
from galvae.data.galaxies import Column
from galvae.figures.canvas import rgb
from galvae.figures.cards import CARDS
from galvae.figures.style import PLAIN, TRAIN, UNKNOWN, Style

INFORMATION = np.array([0.5, 2.0, 0.0, 1.0])


def report(arrays=None, **facts):
    return Report(question="", perfect="", chance="", arrays=arrays or {}, facts=facts)


def information_report(latent_dim=4, **changes):
    mean, sample = np.random.default_rng(0).normal([[[0]], [[5]]], size=(2, 60, latent_dim))
    facts = {"unit": "nats", "active": INFORMATION[:latent_dim] > 0.1, "latents": 3, "has_posterior": True}
    latent = {"indices": np.arange(60), "mean": mean, "sample": sample}
    arrays = {"latent": {**latent, "information": INFORMATION[:latent_dim]}}
    return report(arrays, **{**facts, **changes})


def prediction(name="redshift", unit="", **errors):
    true = np.linspace(0, 2, 5)
    return {"name": name, "unit": unit, "true": true, "predicted": true + 0.1, "errors": errors}


def test_every_evaluator_has_a_card_of_its_name():
    assert set(CARDS) == set(EVALUATORS)
    assert all(card.__name__ == name for name, card in CARDS.items())


def test_scores_have_no_figure():
    assert CARDS["scores"](report(), None, PLAIN) == {}


def test_information_is_drawn_as_scatter_bars_and_corner_plot():
    given = information_report()
    column = Column("class", "", np.arange(60) % 3, ["spiral", "merger", "elliptical"])
    drawn = CARDS["information"](given, column, Style(class_map="jet"))
    assert list(drawn) == ["latent", "information", "pairs"]
    scatter, bar = drawn["latent"].axes
    mean = given.arrays["latent"]["mean"]
    style = Style(class_map="jet")
    drawn_points = np.column_stack(
        [scatter.collections[0].get_offsets(), scatter.collections[0].get_facecolors()]
    )
    expected = np.column_stack(
        [mean[:, [1, 3]], style.class_colours(3)[column.values]]
    )  # to each its own colour
    np.testing.assert_allclose(*(array[np.argsort(array[:, 0])] for array in (drawn_points, expected)))
    assert scatter.get_xlabel() == "latent 1 (z₁), 2.00 nats"
    assert scatter.get_ylabel() == "latent 3 (z₃), 1.00 nats"
    assert [text.get_text() for text in bar.get_yticklabels()] == column.class_names
    (bars,) = drawn["information"].axes
    assert [patch.get_height() for patch in bars.patches] == [2.0, 1.0, 0.5, 0.0]
    assert [same_color(patch.get_facecolor(), TRAIN) for patch in bars.patches] == [True, True, True, False]
    assert same_color(bars.patches[-1].get_facecolor(), UNKNOWN)
    panels = [axes for axes in drawn["pairs"].axes if axes.get_visible()]
    assert len(panels) == 6  # of three dimensions
    # Samples of the posteriors, whose histograms the prior's curve belongs to, and not their means.
    counts = panels[1].collections[0].get_array()
    assert counts.sum() > 50 and panels[1].get_xlim()[0] > 1
    assert [text.get_text() for text in drawn["pairs"].legends[0].get_texts()] == ["prior"]


def test_codes_without_a_posterior_have_variances_and_no_prior():
    drawn = CARDS["information"](information_report(unit="variance", has_posterior=False), None, PLAIN)
    assert drawn["latent"].axes[0].get_xlabel() == "latent 1 (z₁), variance 2.00"
    assert drawn["information"].axes[0].get_ylabel() == "variance"
    assert not drawn["pairs"].axes[0].lines
    assert not drawn["pairs"].legends[0].get_texts()


def test_one_latent_dimension_has_no_pairs():
    assert list(CARDS["information"](information_report(1), None, PLAIN)) == ["latent", "information"]


def test_each_condition_is_drawn_with_its_own_errors():
    redshift = prediction(rmse=0.25, sigma_nmad=0.0456, bias=-0.0123)
    mass = prediction("stellar/mass", "solMass", rmse=0.1234)
    drawn = CARDS["conditions"](report(predictions=[redshift, mass]), None, PLAIN)
    assert list(drawn) == ["predicted_redshift", "predicted_stellar_mass"]
    axes = drawn["predicted_redshift"].axes[0]
    assert axes.get_title(loc="left") == r"$\sigma_{\rm NMAD}$ = 0.046, bias = -0.012"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("true redshift", "predicted redshift")
    points = np.stack([redshift["true"], redshift["predicted"]], axis=1)
    np.testing.assert_allclose(axes.collections[0].get_offsets(), points)
    axes = drawn["predicted_stellar_mass"].axes[0]
    assert axes.get_title(loc="left") == "rmse = 0.123"
    assert axes.get_xlabel() == "true stellar/mass (solMass)"


def test_a_model_without_conditions_has_no_figure_of_them():
    assert CARDS["conditions"](report(), None, PLAIN) == {}


@pytest.mark.parametrize("style", [PLAIN, Style(image_map="hot")])
def test_reconstructions_are_drawn_in_their_groups_with_captions(style):
    originals, decoded = ellipses(6, 8, bands=1) / 255, ellipses(6, 8, bands=1, seed=1) / 255
    given = report(
        {"reconstructions": {"originals": originals, "decoded": decoded, "indices": [], "mse": []}},
        columns=2,
        captions=[f"z {index}" for index in range(6)],
        groups=["best", "typical", "worst"],
    )
    drawn = CARDS["reconstructions"](given, None, style)
    assert list(drawn) == ["reconstructions"]
    (axes,) = drawn["reconstructions"].axes
    texts = {text.get_text(): text.get_position() for text in axes.texts}
    assert {"best:\noriginal", "typical:\noriginal", "worst:\noriginal", "decoded"} <= set(texts)
    dots, (left, right) = rendered(drawn["reconstructions"]), (texts[f"z {index}"][0] for index in (0, 1))
    zoom = round((right - left) / 9)
    for index in range(6):
        x, top = texts[f"z {index}"][0], texts[f"{['best', 'typical', 'worst'][index // 2]}:\noriginal"][1]
        for below, images in ((0, originals), (9 * zoom, decoded)):
            found = image_at(dots, (x, top + below), (8, 8), zoom)
            np.testing.assert_array_equal(found, rgb(images[[index]], style)[0])
