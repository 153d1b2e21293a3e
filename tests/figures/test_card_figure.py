"""The figure of the physics card: numbers of a made-up card in, what is drawn out."""

from types import SimpleNamespace

import numpy as np
import pytest
from builders.drawn import image_at, rendered
from builders.galaxies import ellipses
from matplotlib.colors import same_color
from matplotlib.figure import Figure

from galvae.figures.canvas import LINE_HEIGHT, rgb
from galvae.figures.physics_card import card
from galvae.figures.style import PLAIN, TRAIN, UNKNOWN, VAL

SETS = ("real", "decoded", "decoded_with_noise", "sampled", "sampled_with_noise")
COLOURS = {"decoded": TRAIN, "sampled": VAL}


def report(sets=SETS, count=100, measures=3):
    """A card whose sets differ in everything; of the sampled galaxies half have failed."""
    generator = np.random.default_rng(0)
    arrays = {"indices": np.arange(count), "frequencies": np.array([0.05, 0.2, 0.5])}
    w1 = {"floor": [0.01, 0.02, 0.03][:measures]}
    for number, name in enumerate(sets):
        values = generator.normal(number, 1, (count, measures))
        if name == "sampled":
            values[::2] = np.nan
        arrays |= {
            f"{name}_measures": values,
            f"{name}_power": 10.0 ** -np.arange(3) * (number + 1),
            f"{name}_examples": ellipses(3, 8, seed=number) / 255,
        }
        if number:
            w1[name] = [0.1 * number, 0.2 * number, None][:measures]
    facts = {"labels": ["log flux", "r50 (pix)", "A_$B"][:measures], "w1": w1, "noise": "learned"}
    return SimpleNamespace(arrays={"card": arrays}, facts=facts)


def test_each_measure_has_a_histogram_of_every_set_in_shares_of_all_its_galaxies():
    given = report()
    figure = card(given, None, PLAIN)["card"]
    assert isinstance(figure, Figure)
    panels = figure.axes
    assert [panel.get_xlabel() for panel in panels[:4]] == [*given.facts["labels"], "cycles per pixel"]
    for index, panel in enumerate(panels[:3]):
        real, *others = panel.patches
        assert real.get_fill() and same_color(real.get_facecolor(), UNKNOWN)
        order = ("decoded", "sampled", "decoded_with_noise", "sampled_with_noise")
        for name, patch in zip(("real", *order), (real, *others), strict=True):
            shares, edges, _ = patch.get_data()
            values = given.arrays["card"][f"{name}_measures"][:, index]
            np.testing.assert_allclose(shares, np.histogram(values, edges)[0] / 100)
            assert 0.8 < shares.sum() / np.isfinite(values).mean() < 1.001
            if name != "real":
                assert same_color(patch.get_edgecolor(), COLOURS[name.split("_")[0]])
                assert patch.get_linestyle() == (":" if "noise" in name else "-")


def test_distances_stand_above_their_measure_in_the_colours_of_the_sets():
    panels = card(report(), None, PLAIN)["card"].axes
    texts = [[(text.get_text(), text.get_color()) for text in panel.texts] for panel in panels[:3]]
    assert texts[0] == [("0.01", "0.4"), ("0.10 / 0.20", TRAIN), ("0.30 / 0.40", VAL)]
    assert texts[2] == [
        ("0.03", "0.4"),
        ("\N{EN DASH} / \N{EN DASH}", TRAIN),
        ("\N{EN DASH} / \N{EN DASH}", VAL),
    ]


def test_power_spectra_are_drawn_against_frequency():
    given = report()
    panel = card(given, None, PLAIN)["card"].axes[3]
    assert panel.get_xscale() == panel.get_yscale() == "log" and len(panel.lines) == 5
    for name, line in zip(("real", "decoded", "sampled"), panel.lines, strict=False):
        np.testing.assert_allclose(line.get_xdata(), [0.05, 0.2, 0.5])
        np.testing.assert_allclose(line.get_ydata(), given.arrays["card"][f"{name}_power"])
        assert same_color(line.get_color(), COLOURS.get(name, UNKNOWN))


def test_images_stand_in_rows_of_their_sets():
    given = report()
    figure = card(given, None, PLAIN)["card"]
    strip = figure.axes[-1]
    rows = ("real", "decoded", "sampled", "decoded_with_noise", "sampled_with_noise")
    assert [text.get_text() for text in strip.texts] == [
        name.replace("_with", "\nwith").replace("_", " ") for name in rows
    ]
    dots, zoom = rendered(figure), round(1400 / (3 * 8 * 1.06))
    for name, text in zip(rows, strip.texts, strict=True):
        x, y = text.get_position()
        for index, image in enumerate(rgb(given.arrays["card"][f"{name}_examples"], PLAIN)):
            centre = (
                x + 0.3 * LINE_HEIGHT + (9 * index + 4) * zoom,
                y,
            )  # after a gap of a pixel between images
            np.testing.assert_array_equal(image_at(dots, centre, (8, 8), zoom), image)


@pytest.mark.parametrize(("sets", "texts"), [(("real", "decoded"), {"0.01", "0.10"}), (("real",), {"0.01"})])
def test_sets_that_could_not_be_measured_are_left_out(sets, texts):
    figure = card(report(sets), None, PLAIN)["card"]
    shown = {text.get_text() for text in figure.axes[0].texts if text.get_text()}
    assert shown == texts
    assert [text.get_text() for text in figure.axes[-1].texts] == list(sets)


@pytest.mark.parametrize("measures", [1, 3])
def test_a_measure_without_values_has_an_empty_panel(measures):
    given = report(measures=measures)
    for name in SETS:
        given.arrays["card"][f"{name}_measures"][:, 0] = np.nan
    panel = card(given, None, PLAIN)["card"].axes[0]
    assert all(patch.get_data().values.sum() == 0 for patch in panel.patches)


def test_a_card_that_could_not_be_measured_has_no_figure():
    assert card(SimpleNamespace(arrays={}, facts={}), None, PLAIN) == {}
