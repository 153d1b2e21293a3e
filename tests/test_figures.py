import numpy as np
import pytest
from conftest import blobs

from galvae import figures


def drawn(figure):
    """The picture in a figure's only axes."""
    return np.asarray(figure.axes[0].images[0].get_array())


def test_grid_places_every_galaxy_unstretched():
    images = blobs(7, 8) / 255
    figure = figures.grid(images, columns=3)
    mosaic = drawn(figure)
    assert mosaic.shape == (3 * 8 + 2, 3 * 8 + 2, 3)
    for index, image in enumerate(images):
        row, column = divmod(index, 3)
        np.testing.assert_allclose(
            mosaic[9 * row : 9 * row + 8, 9 * column : 9 * column + 8], image, atol=1e-6
        )
    assert (mosaic[18:, 9:] == 1).all()  # the two empty places
    width, height = figure.get_size_inches() * figures.DPI
    zoom = width / mosaic.shape[1]
    assert zoom == pytest.approx(round(zoom))
    assert height / mosaic.shape[0] == pytest.approx(zoom)
    assert figure.axes[0].images[0].get_interpolation() == "nearest"


def test_grid_is_nearly_square():
    assert drawn(figures.grid(blobs(10, 8) / 255)).shape[:2] == (3 * 9 - 1, 4 * 9 - 1)


@pytest.mark.parametrize(("bands", "shape"), [(1, (8, 17)), (2, (8, 17)), (3, (8, 17, 3)), (5, (8, 17))])
def test_any_number_of_bands_can_be_drawn(bands, shape):
    images = blobs(2, 8, bands) / 255
    mosaic = drawn(figures.grid(images, columns=2))
    assert mosaic.shape == shape
    expected = images[0] if bands == 3 else images[0].mean(axis=-1)
    np.testing.assert_allclose(mosaic[:8, :8], expected, atol=1e-6)
    if bands != 3:
        assert figures.grid(images).axes[0].images[0].get_clim() == (0, 1)


def test_intensities_outside_the_range_are_clipped():
    images = np.array([-1.0, 2.0]).reshape(2, 1, 1, 1) * np.ones((2, 8, 8, 1))
    mosaic = drawn(figures.grid(images, columns=2))
    assert (mosaic[:, :8] == 0).all()
    assert (mosaic[:, 9:] == 1).all()


def test_reconstructions_stand_under_their_originals():
    originals, decoded = blobs(5, 8) / 255, blobs(5, 8, seed=1) / 255
    figure = figures.reconstructions(originals, decoded, columns=3)
    mosaic = drawn(figure)
    assert mosaic.shape[0] == 4 * 9 - 1
    np.testing.assert_allclose(mosaic[0:8, 9:17], originals[1], atol=1e-6)
    np.testing.assert_allclose(mosaic[9:17, 9:17], decoded[1], atol=1e-6)
    np.testing.assert_allclose(mosaic[18:26, 0:8], originals[3], atol=1e-6)
    np.testing.assert_allclose(mosaic[27:35, 0:8], decoded[3], atol=1e-6)
    labels = [text.get_text() for text in figure.texts]
    assert labels == ["original", "decoded"] * 2
    heights = [text.get_position()[1] for text in figure.texts]
    # The middle of each label is the middle of its row.
    rows = [1 - (9 * row + 4) / 35 for row in range(4)]
    np.testing.assert_allclose(heights, rows, atol=0.02)


def history(epochs=5, kl=True):
    row = {"loss": 10.0, "reconstruction": 9.0, **({"kl": 1.0} if kl else {})}
    return [
        {
            "epoch": epoch,
            **{name: value / epoch for name, value in row.items()},
            **{f"val_{name}": 2 * value / epoch for name, value in row.items()},
            "beta": 1.0,
            "seconds": 0.1,
        }
        for epoch in range(1, epochs + 1)
    ]


@pytest.mark.parametrize("kl", [True, False])
def test_loss_curves_show_every_term_on_a_logarithmic_scale(kl):
    figure = figures.loss_curves(history(kl=kl))
    assert [axes.get_title() for axes in figure.axes] == ["loss", "reconstruction", "kl"][: 2 + kl]
    for axes in figure.axes:
        training, validation = axes.lines
        np.testing.assert_array_equal(training.get_xdata(), [1, 2, 3, 4, 5])
        np.testing.assert_allclose(validation.get_ydata(), 2 * np.asarray(training.get_ydata()))
        assert axes.get_yscale() == "log"
        assert axes.get_xlabel() == "epoch"
    legend = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert legend == ["training", "validation"]


def test_a_term_that_touches_zero_is_drawn_on_a_linear_scale():
    rows = history()
    rows[0]["kl"] = 0.0
    assert [axes.get_yscale() for axes in figures.loss_curves(rows).axes] == ["log", "log", "linear"]


def test_latent_scatter_takes_the_two_most_informative_axes():
    codes = np.random.default_rng(0).normal(size=(50, 4))
    figure = figures.latent_scatter(codes, np.array([0.1, 2.0, 0.0, 3.5]))
    axes = figure.axes[0]
    np.testing.assert_allclose(axes.collections[0].get_offsets(), codes[:, [3, 1]])
    assert axes.get_xlabel() == "code 3 (3.50 nats)"
    assert axes.get_ylabel() == "code 1 (2.00 nats)"


def test_latent_scatter_has_a_colour_and_a_legend_for_each_class_present():
    codes = np.random.default_rng(0).normal(size=(50, 2))
    labels = np.arange(50) % 3 * 2
    figure = figures.latent_scatter(codes, np.array([2.0, 1.0]), labels, list("abcdef"))
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["a", "c", "e"]
    offsets = [collection.get_offsets() for collection in figure.axes[0].collections]
    np.testing.assert_allclose(offsets[1], codes[labels == 2])
    colours = {tuple(collection.get_facecolor()[0]) for collection in figure.axes[0].collections}
    assert len(colours) == 3


def test_one_latent_dimension_is_a_histogram():
    figure = figures.latent_scatter(np.linspace(-1, 1, 40)[:, None], np.array([1.5]))
    axes = figure.axes[0]
    assert sum(patch.get_height() for patch in axes.patches) == 40
    assert axes.get_xlabel() == "code 0 (1.50 nats)"


def test_class_colours_differ():
    assert len({figures.class_colour(index) for index in range(10)}) == 10
    assert figures.class_colour(10) == figures.class_colour(0)


def test_files_have_the_size_of_the_figure_and_are_the_same_each_time(tmp_path):
    from PIL import Image

    figure = figures.grid(blobs(4, 8) / 255)
    figures.save(figure, tmp_path / "a.png")
    figures.save(figures.grid(blobs(4, 8) / 255), tmp_path / "b.png")
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == tuple(np.round(figure.get_size_inches() * 200).astype(int))
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
