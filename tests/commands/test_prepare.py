"""galvae prepare: its summary, its report and its contact sheet."""

import json
import logging

import numpy as np
import pytest
from astropy.table import Table
from builders.configs import SMALL
from builders.drawn import places, rendered
from builders.galaxies import dataset, ellipses
from builders.surveys import write_galaxy10, write_survey
from PIL import Image

from galvae.analysis.contact_sheet import captions, shortened
from galvae.commands.prepare import layout
from galvae.data.quality import checked
from galvae.data.summary import dataset_report, galaxy_columns, sky, summary
from galvae.figures.canvas import Canvas, rgb
from galvae.figures.style import Style
from galvae.stretch import to_unit

REPORT = {"count": 25, "image_shape": [8, 8, 3], "dtype": "uint8", "low": 0.0, "high": 255.0, "blank": 0}
REPORT |= {"notes": [], "warnings": [], "findings": {}}


def lines(report=REPORT, **changes):
    """The summary of a dataset of 25 galaxies."""
    return list(summary(dataset_report(dataset(report=report, **changes))))


def test_prepare_says_what_is_in_a_dataset(galvae, tmp_path):
    path = write_galaxy10(tmp_path / "g.h5", side=64)
    status, out, err = galvae("prepare", "dataset=galaxy10", f"dataset.path={path}", "dataset.image_size=32")
    assert status == 0, err
    printed = out.splitlines()
    assert printed[0] == "galaxy10: 30 images of 32x32x3, uint8"
    assert f"  path        {path}" in printed
    assert "  splits      train 24, val 3, test 3" in printed
    assert "  class       Edge-on with Bulge: 3" in printed
    assert "  condition   redshift: 0.1 to 0.1, 10 missing" in printed
    odd = next(line for line in printed if line.startswith("  odd "))
    assert odd.startswith("  odd         10 images without redshift; dataset.missing_condition= ")
    assert "0 blank images" in out
    assert err == ""  # nothing is said twice
    folder = tmp_path / printed[-1]
    files = {file.name for file in folder.iterdir()}
    assert files == {"data_report.json", "contact_sheet.png", "contact_sheet.ecsv"}
    report = json.loads((folder / "data_report.json").read_text())
    assert report["count"] == 30
    assert {name: found["count"] for name, found in report["findings"].items()} == {
        "redshift missing": 10,
        "redshift constant": 20,
    }
    assert report["findings"]["redshift constant"]["text"] == "constant redshift"
    assert report["splits"] == {"train": 24, "val": 3, "test": 3}
    assert len(report["examples"]) == 3
    assert report["sky"]["images"] == 30 and len(report["sky"]["level"]) == 3


def test_the_contact_sheet_has_a_row_in_its_table_for_each_galaxy(galvae, tmp_path, drawn):
    survey = write_survey(tmp_path / "s.h5", count=60)
    status, out, err = galvae("prepare", *survey)
    assert status == 0, err
    folder = tmp_path / out.splitlines()[-1]
    table = Table.read(folder / "contact_sheet.ecsv")
    assert len(table) == 48  # six rows of eight
    assert list(table["id"][:3]) == ["G000", "G001", "G002"] and table["id"][-1] == "G059"
    assert table["caption"][0] == "G000 z unknown spiral"
    assert table["caption"][-1] == "G059 z = 2 elliptical"
    assert table["ra"].unit is None or str(table["ra"].unit) == "deg"
    with Image.open(folder / "contact_sheet.png") as image:
        assert 1000 <= image.width <= 2000 and image.height <= 2200
        dots = np.asarray(image.convert("RGB"))
    # Each galaxy stands over its own caption.
    images, texts = ellipses(60, 16), drawn["contact_sheet"].axes[0].texts
    for position in (0, 9, 47):
        (x, y), caption = texts[position].get_position(), texts[position].get_text()
        row = int(caption[1:4])
        ((found_x, found_y),) = places(dots, images[row], 10)  # 1400 dots for eight images of 16 pixels
        assert (found_x, found_y + 80 + 26 // 8) == (x, y)
        assert (
            table["id"][position] == f"G{row:03d}"
            and caption.replace("\n", " ") == table["caption"][position]
        )


def test_the_summary_of_a_condition_says_what_is_missing():
    report = {
        **REPORT,
        "condition redshift": {"known": 23, "missing": 2, "low": 0.1, "high": 2.0},
        "condition mass": {"known": 0, "missing": 25, "low": None, "high": None},
    }
    printed = lines(report)
    assert "  condition   redshift: 0.1 to 2, 2 missing" in printed
    assert "  condition   mass: all missing" in printed


def test_notes_and_warnings_of_the_reader_and_findings_are_all_printed():
    report = {
        **REPORT,
        "notes": ["images from 'a' of x.h5", "joined by objid"],
        "warnings": ["3 rows have no image"],
        "findings": {"dark images": {"text": "dark images: set dataset.stretch=linear"}},
    }
    printed = lines(report)
    assert printed[1:4] == [
        "  read        images from 'a' of x.h5",
        "  read        joined by objid",
        "  warning     3 rows have no image",
    ]
    assert printed[-1] == "  odd         dark images: set dataset.stretch=linear"


def test_a_finding_has_the_key_that_corrects_it_if_the_images_have_no_stretch_yet():
    findings = {"blank images": "3 blank images", "range": "intensities to 9", "one class": "all of class 0"}
    report = {**REPORT, "findings": {name: {"text": text} for name, text in findings.items()}}
    blank = "  odd         3 blank images; dataset.drop=blank leaves them out"
    one = "  odd         all of class 0"
    stretch = "; dataset.stretch=linear or asinh brings them there"
    assert lines(report)[-3:] == [blank, f"  odd         intensities to 9{stretch}", one]
    assert lines(report, stretch="linear")[-3:] == [blank, "  odd         intensities to 9", one]


def test_examples_are_the_first_the_middle_and_the_last_galaxy():
    redshift = np.linspace(0, 2.4, 25, dtype=np.float32)[:, None]
    redshift[24] = np.nan
    galaxies = dataset(
        report=REPORT,
        labels=np.append(-1, np.arange(24) % 2),
        class_names=["spiral", "merger"],
        catalogue={
            "id": np.array([f"{n:04d}" for n in range(25)]),
            "file": np.array([f"g{n}.fits" for n in range(25)]),
        },
        condition=redshift,
        condition_names=["redshift"],
        condition_units=[""],
        splits={"train": np.arange(10), "val": np.arange(10, 20), "test": np.arange(20, 25)},
    )
    report = dataset_report(galaxies)
    assert report["examples"] == [
        {"id": "0000", "redshift": "0", "class": None, "file": "g0.fits", "split": "train"},
        {"id": "0012", "redshift": "1.2", "class": "merger", "file": "g12.fits", "split": "val"},
        {"id": "0024", "redshift": None, "class": "merger", "file": "g24.fits", "split": "test"},
    ]
    assert report["unlabelled"] == 1
    printed = list(summary(report))
    start = printed.index("  examples    id    redshift  class   file      split")
    assert printed[start + 1 : start + 4] == [
        "              0000  0         -       g0.fits   train",
        "              0012  1.2       merger  g12.fits  val",
        "              0024  -         merger  g24.fits  test",
    ]
    assert "  unlabelled  1" in printed


def test_a_redshift_that_is_no_condition_is_an_example_all_the_same():
    columns = galaxy_columns(
        dataset(
            catalogue={"z_spec": np.full(25, 0.1234567), "mag": np.ones(25)},
            condition=np.ones((25, 1), np.float32),
            condition_names=["log_mass"],
            condition_units=[""],
        ),
        np.arange(25),
    )
    assert list(columns) == ["id", "z_spec", "log_mass", "split"]
    assert columns["z_spec"][0] == "0.1235"


def test_the_sky_is_measured_in_the_frame_and_not_in_the_galaxy():
    generator = np.random.default_rng(0)
    images = generator.normal([5, -2], [0.5, 0.1], (40, 50, 50, 2)).astype(np.float32)
    images[:, 10:40, 10:40] += 100
    images[7, 0] = 1e6  # one bad line
    images[:, 1, ::4] = 1e3  # and in each image a few bright pixels at the edge
    measured = sky(dataset(40, images=images))
    assert measured["images"] == 40
    np.testing.assert_allclose(measured["level"], [5, -2], atol=0.02)
    np.testing.assert_allclose(measured["scatter"], [0.5, 0.1], rtol=0.05)


def test_pixels_set_aside_are_no_sky():
    images = np.full((25, 20, 20, 1), 3, np.float32)
    masks = np.zeros(images.shape, np.uint8)
    images[:, :, :12], masks[:, :, :12] = 50, 1
    assert sky(dataset(images=images, masks=masks))["level"] == [3]
    masks[:] = 1
    assert sky(dataset(images=images, masks=masks)) == {"images": 25, "level": [None], "scatter": [None]}
    printed = lines(images=images, masks=masks)
    assert "  sky         unknown (median and scatter along the edges of 25 images)" in printed


def test_the_summary_says_what_zero_and_one_are():
    assert "  network     stored 0 becomes 0, 255 becomes 1; all values lie from 0 to 1" in lines()
    faint = {**REPORT, "low": -1e-19, "high": 4e-19}
    printed = lines(faint, pixel_range=(0.0, 2e-19), stretch="asinh")
    top = float(to_unit(np.float32(4e-19), "asinh", (0.0, 2e-19)))
    assert (
        f"stored 0 becomes 0, 2e-19 becomes 1, asinh in between; all values lie from 0 to {top:.4g}"
        in printed[2]
    )


def test_bands_are_named_and_many_classes_are_counted():
    report = {**REPORT, "classes": {f"class {n}": n for n in range(200)}}
    printed = lines(report, band_names=["i", "r", "g"])
    assert printed[0].endswith("uint8, bands i, r, g")
    assert any(line.startswith("  sky         i ") and ", r " in line for line in printed)
    assert "  class       and 188 more classes" in printed
    assert len(printed) < 30


def test_captions_are_short_and_say_id_redshift_and_class():
    ids = np.array([f"train/spirals/{1237648720142532814 + n}.fits" for n in range(25)])
    galaxies = dataset(
        labels=np.arange(25) % 2,
        class_names=["Unbarred Tight Spiral", "merger"],
        catalogue={"id": ids},
        condition=np.linspace(0.1, 2, 25, dtype=np.float32)[:, None],
        condition_names=["z_phot"],
        condition_units=[""],
    )
    texts = captions(galaxies, np.array([0, 1]), 13)
    assert texts == ["1237…42532814\nz = 0.1\nUnbarred Tight Spiral", "1237…42532815\nz = 0.179\nmerger"]
    assert captions(galaxies, np.array([0]), 10) == ["123…532814\nz = 0.1\nUnbarr… Tight Spiral"]
    assert shortened("G07.fits", 8) == "G07.fits"
    assert shortened("cutouts/xdf_0538.fits", 12) == shortened("xdf_0538.fits.gz", 12) == "xdf_0538"
    assert shortened("J1234+0012.5", 9) == "J12\N{HORIZONTAL ELLIPSIS}012.5"
    assert captions(dataset(), np.array([3]), 10) == ["3"]


@pytest.mark.parametrize("width", [8, 28, 69, 100, 128, 158, 256, 512])
def test_galaxies_are_wide_enough_for_their_captions(width):
    columns, line = layout(width)
    canvas = Canvas(np.zeros((columns, width, width, 3), np.uint8), columns, captions=["8" * line] * columns)
    assert canvas.dots.shape[1] <= 1.06 * 2200
    assert np.diff(canvas.centres[:, 0]).min() >= 150
    assert all("\n" not in text for _, _, text, _, _ in canvas.texts)


def test_faint_light_is_drawn_by_asinh(galvae, tmp_path):
    np.save(tmp_path / "flux.npy", ellipses(20, 24, bands=1) * 1e-19)
    status, out, err = galvae("prepare", "dataset=files", "dataset.path=flux.npy")
    assert status == 0, err
    assert "set dataset.stretch=linear or asinh" in " ".join(out.split())
    assert "contact_sheet.png and the figures of runs are drawn by asinh" in out
    with Image.open(tmp_path / out.splitlines()[-1] / "contact_sheet.png") as image:
        pixels = np.asarray(image.convert("L"))
    assert ((pixels > 40) & (pixels < 200)).mean() > 0.1


@pytest.mark.slow
def test_generated_galaxies_are_drawn_in_the_stretch_of_the_contact_sheet(galvae, tmp_path, drawn):
    np.save(tmp_path / "flux.npy", ellipses(60, 16).astype(np.float32) * 1e-4)
    data = ("dataset=files", f"dataset.path={tmp_path / 'flux.npy'}", "dataset.axes=NHWC")
    for command in (
        ("prepare", *data, "hydra.run.dir=prepared"),
        ("train", *data, *SMALL, "latent_dim=2", "hydra.run.dir=run"),
    ):
        status, _, err = galvae(*command)
        assert status == 0, err
    low, high = json.loads((tmp_path / "prepared" / "data_report.json").read_text())["display_range"]
    assert low < 0.001 and 0.01 < high < 0.03
    style = Style(display=(low, high))
    sheet = rgb(np.load(tmp_path / "flux.npy")[:1], style)[0]
    assert sheet.max() > 200
    assert len(places(rendered(drawn["contact_sheet"]), sheet, 10)) == 1

    def first(path, name="images"):
        with np.load(tmp_path / path) as arrays:
            return arrays[name].reshape(-1, 16, 16, 3)[:1]

    shown = [(drawn["samples"], first("run/figures/samples.npz"))]
    for command, options, name in (
        ("sample", ["n=4", "nearest=true"], "samples"),
        ("traverse", ["steps=3"], "traverse"),
        ("umap", ["n_epochs=5", "grid=2", "n_neighbors=5", "split=all"], "montage"),
        ("compare", ["n=4"], "samples"),
    ):
        run = "runs=run" if command == "compare" else "run=run"
        status, _, err = galvae(command, run, *options, f"hydra.run.dir={command}")
        assert status == 0, err
        array = "images_0" if command == "compare" else "images"
        shown.append((drawn[name], first(f"{command}/{name}.npz", array)))
    for figure, image in shown:
        colours, dots = rgb(image, style)[0], rendered(figure)
        assert any(len(places(dots, colours, zoom)) for zoom in range(1, 90))


@pytest.mark.parametrize("report", ["data_report.json", None])
def test_notes_and_warnings_are_logged_once_unless_they_are_printed(report, caplog):
    said = {**REPORT, "notes": ["images from SCI"], "warnings": ["2 rows have no image"]}
    with caplog.at_level(logging.INFO):
        checked(dataset(report=said), report=report)
    logged = [(record.levelname, record.message) for record in caplog.records]
    expected = [("INFO", "data: images from SCI"), ("WARNING", "data: 2 rows have no image")]
    assert logged == ([] if report is None else expected)
