"""What galvae umap draws, of a layout that is given: each galaxy at its own place, in its own colour."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.table import Table
from builders.configs import composed
from builders.drawn import image_at, places, rendered
from builders.galaxies import ellipses, redshift_dataset
from matplotlib.figure import Figure

from galvae import figures
from galvae.analysis import measured, plane
from galvae.commands import umap
from galvae.config.analysis import UmapConfig
from galvae.config.check import from_dict
from galvae.figures.canvas import rgb
from galvae.figures.style import Style
from galvae.latent.umap_embedding import Embedding

SIDE = 28  # dots per pixel of a plane with three columns of images of 16 pixels


@pytest.fixture
def laid_out(monkeypatch):
    """A run on 40 galaxies of one band, a layout of eight of them, and what was asked of the decoder.

    Returns:
        (run, position, asked): (8, 2) positions in the plane, and the options of each call of `plane.montage`.
    """
    data = dataclasses.replace(
        redshift_dataset(),
        images=ellipses(40, 16, bands=1),
        splits={"train": np.arange(30), "val": np.arange(30, 38), "test": np.array([38])},
    )
    rows = data.split("val")
    position = np.array(
        [[0.5, 0.5], [2.5, 0.5], [1.5, 1.5], [0.5, 2.5], [2.5, 2.5], [0, 0], [3, 3], [2.9, 0.1]]
    )
    codes = np.arange(16, dtype=np.float32).reshape(8, 2) / 40
    nearest = np.arange(8)[:, None] - 1
    distances = np.full((8, 1), 0.1, np.float32)
    embedding = Embedding("", rows, codes, position, np.arange(8), nearest, distances, nearest, distances)
    asked = []

    def montage(run, embedding, cells, *options):
        asked.append(options)
        decoded = cells.near(position[:1])
        images = data.to_unit(data.images[: decoded.sum()])
        faded = np.arange(len(images)) == 1
        threshold = {"threshold": 1.0, "threshold_in_plane": 1.0}
        return {"points": cells.centres[decoded], "images": images, "faded": faded, **threshold}, decoded

    monkeypatch.setattr(plane, "embed", lambda run, rows, config, call: (embedding, None))
    monkeypatch.setattr(plane, "montage", montage)
    section, directory = SimpleNamespace(rgb=None, stretch="none"), SimpleNamespace(display_range=None)
    config = SimpleNamespace(dataset=section)
    run = SimpleNamespace(
        dataset=data,
        galaxies=data,
        images_missing=False,
        model=SimpleNamespace(latent_dim=2),
        config=config,
        directory=directory,
    )
    return run, position, asked


def configuration(*overrides):
    return from_dict(UmapConfig, composed("umap", "run=none", "split=val", *overrides))


def test_points_and_real_galaxies_stand_at_their_places(laid_out, drawn, tmp_path):
    run, position, asked = laid_out
    umap.embed(
        run,
        configuration("grid=3", "colour=redshift", "value_map=plasma", "metric=manhattan", "image_map=hot"),
        tmp_path,
        None,
    )
    axes, _ = drawn["umap"].axes
    known = axes.collections[1]
    order = np.argsort(known.get_array())
    np.testing.assert_allclose(known.get_array()[order], run.dataset.condition[30:38, 0])
    np.testing.assert_allclose(known.get_offsets()[order], position)
    assert known.cmap.name == "plasma" and (axes.get_xlabel(), axes.get_ylabel()) == ("UMAP 1", "UMAP 2")
    table = Table.read(tmp_path / "umap.ecsv")
    assert table["index"].tolist() == list(range(30, 38))
    np.testing.assert_allclose(table["umap_y"], position[:, 1])
    np.testing.assert_allclose(table["redshift"], run.dataset.condition[30:38, 0], rtol=1e-6)
    assert asked[0][:3] == (None, "manhattan", figures.shrunk)
    # The real galaxies of the mosaic, found in the drawn figure.
    colours = rgb(run.dataset.images / 255, Style(image_map="hot"))
    (axes,) = drawn["mosaic"].axes
    dots = rendered(drawn["mosaic"])
    centres = axes.transData.transform([[x, y] for y in axes.get_yticks() for x in axes.get_xticks()])
    for row, cell in zip(range(30, 35), (0, 2, 4, 6, 8), strict=True):
        x, y = centres[cell]
        found = places(dots, colours[row], SIDE)
        np.testing.assert_allclose(found, [[x, len(dots) - y]], atol=0.6)
    # The decoded ones of the montage, the second of which is faded.
    (axes,) = drawn["montage"].axes
    dots = rendered(drawn["montage"])
    for index, cell in enumerate((0, 1, 3, 4)):  # the cell of the first galaxy and those beside it
        x, y = axes.transData.transform([axes.get_xticks()[cell % 3], axes.get_yticks()[cell // 3]])
        seen = image_at(dots, (x, len(dots) - y), (16, 16), SIDE)
        assert (seen == colours[index]).all() == (index != 1)


def test_figures_have_the_display_stretch_of_the_run_and_say_which_galaxies_they_show(
    laid_out, drawn, tmp_path, monkeypatch
):
    run, position, _ = laid_out
    run.directory.display_range = (0.1, 0.5)
    notes, save = {}, figures.save
    monkeypatch.setattr(
        figures,
        "save",
        lambda figure, path, style, note: notes.update({path.name: note}) or save(figure, path),
    )
    umap.embed(run, configuration("grid=2"), tmp_path, None)
    assert notes == {
        "umap": "test, val: 8 galaxies",
        "mosaic": "test, val: 4 of 8 galaxies",
        "montage": "decoded; plane of test, val: 8 galaxies",
    }
    with np.load(tmp_path / "mosaic.npz") as mosaic:
        first = mosaic["images"][:1]
    style = Style(display=(0.1, 0.5))
    (place,) = places(rendered(drawn["mosaic"]), rgb(first, style)[0], 41)
    assert place.size == 2 and (rgb(first, style) != rgb(first, Style())).any()


@pytest.mark.slow
def test_without_classes_and_conditions_galaxies_are_coloured_by_their_size(laid_out, drawn, tmp_path):
    run, position, _ = laid_out
    plain = dataclasses.replace(run.dataset, condition=None, condition_names=[], condition_units=[])
    run.galaxies = run.dataset = plain
    umap.embed(run, configuration("grid=2"), tmp_path, None)
    axes, bar = drawn["umap"].axes
    assert bar.get_ylabel().startswith("r50")
    sizes = measured.column(run, "r50", run.dataset.split("val")).values
    known = axes.collections[1]
    order = np.argsort(known.get_array())
    np.testing.assert_allclose(known.get_array()[order], np.sort(sizes))
    np.testing.assert_allclose(known.get_offsets()[order], position[np.argsort(sizes)])


def test_points_asked_for_are_marked_among_the_galaxies(laid_out, drawn, tmp_path, monkeypatch):
    run, _, _ = laid_out
    monkeypatch.setattr(umap, "draw_montage", lambda *arguments: Figure(figsize=(1, 1)))
    umap.embed(run, configuration("points=[[0.5,2],[1,-1]]"), tmp_path, None)
    axes = drawn["umap"].axes[0]
    assert [(text.get_text(), tuple(text.xy)) for text in axes.texts] == [("1", (0.5, 2)), ("2", (1, -1))]
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), [[0.5, 2], [1, -1]])


def test_a_box_outlines_lists_and_enlarges_its_galaxies(laid_out, drawn, tmp_path):
    run, _, _ = laid_out
    run.config.dataset.rgb = (0, 0, 0)
    umap.embed(run, configuration("grid=2", "box=[1,3,0,1]"), tmp_path, None)
    assert Table.read(tmp_path / "box.ecsv")["index"].tolist() == [31, 37]
    (box,) = drawn["umap"].axes[0].lines
    np.testing.assert_array_equal(box.get_xydata(), [[1, 0], [3, 0], [3, 1], [1, 1], [1, 0]])
    with np.load(tmp_path / "mosaic.npz") as mosaic:
        np.testing.assert_array_equal(mosaic["indices"], [[-1, 31]])
    # Drawn in the bands that the run's configuration chooses.
    image = rgb(run.dataset.images[[31]] / 255, Style(rgb=(0, 0, 0)))[0]
    assert len(places(rendered(drawn["mosaic"]), image, 41)) == 1  # 1400 dots for two images
