"""Notes below figures: of which galaxies they are, without moving anything in them."""

import numpy as np
import pytest
from builders.drawn import rendered
from builders.galaxies import ellipses
from PIL import Image

from galvae import figures
from galvae.figures.style import Style

NOTE = "hdf, test: 24 of 82 galaxies"


def drawn_file(figure, path, note):
    with Image.open(figures.save(figure, path, note=note)) as image:
        return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize(("columns", "captions"), [(3, None), (3, list("abcdefg")), (7, None)])
def test_a_note_stands_below_a_figure_whose_dots_stay(columns, captions, tmp_path):
    figure = figures.grid(ellipses(7, 29) / 255, columns, captions)
    dots = rendered(figure)
    with_note = drawn_file(figure, tmp_path / "figure", NOTE)
    np.testing.assert_array_equal(with_note[: len(dots)], dots)
    strip = with_note[len(dots) :]
    assert 20 < len(strip) < 60 and (strip < 200).any()
    edge = np.concatenate([strip[[0, -1]].ravel(), strip[:, :4].ravel(), strip[:, -4:].ravel()])
    assert (edge == 255).all()  # nothing is cut off
    np.testing.assert_array_equal(drawn_file(figure, tmp_path / "figure", None), dots)


def test_a_note_on_a_narrow_figure_has_several_lines(tmp_path):
    figure = figures.grid(ellipses(1, 8) / 255)
    figure.set_size_inches(1, 1)
    one, two = (drawn_file(figure, tmp_path / "figure", note) for note in ("hdf", f"{NOTE}, {NOTE}"))
    assert one.shape[1] == two.shape[1] == 200
    assert len(two) > len(one) > 200
    assert (two[200:, :4] == 255).all()


def test_a_plot_with_a_note_is_laid_out_as_without(tmp_path):
    x, y = np.random.default_rng(0).normal(size=(2, 50))
    dots = rendered(figures.scatter(x, y, ("x", "y")))
    figure = figures.scatter(x, y, ("x", "y"))
    with_note = drawn_file(figure, tmp_path / "figure", NOTE)
    np.testing.assert_array_equal(with_note[: len(dots)], dots)
    assert not figure.texts  # a second file of the figure does not hold it twice


@pytest.mark.parametrize("ending", ["pdf", "svg"])
def test_a_note_is_text_in_which_dollars_are_no_formula(ending, tmp_path):
    figure = figures.grid(ellipses(2, 8) / 255)
    path = figures.save(figure, tmp_path / "figure", Style(format=ending), "$_$ galaxies")
    if ending == "svg":
        assert "$_$ galaxies" in path.read_text()
    again = figures.save(figure, tmp_path / "again", Style(format=ending), "$_$ galaxies")
    assert path.read_bytes() == again.read_bytes()
