"""Folders of images in every format: pixels and orientation; links; files that are not read; splits and classes."""

import gzip
import os

import numpy as np
import pytest
import tifffile
from astropy.io import fits
from builders.galaxies import ellipses
from PIL import Image

from galvae.data.formats.folder_listing import (
    classes_by_folder,
    folder_identity,
    is_split_by_folder,
    list_folder,
    split_by_folder,
)
from galvae.data.formats.image_folder import open_folder
from galvae.data.load import load_dataset
from galvae.errors import GalvaeError

GALAXIES = ellipses(6, 16, 3)
ENDINGS = (
    ".png",
    ".PNG",
    ".jpg",
    ".jpeg",
    ".webp",
    ".tif",
    ".tiff",
    ".fits",
    ".fit",
    ".fits.gz",
    ".fit.gz",
    ".fits.fz",
)


def write(path, upright):
    """An image as programs write it: FITS with the lowest row first and bands on the first axis."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if ".fit" in path.name:
        planes = upright[::-1].transpose(2, 0, 1)
        is_packed = path.name.endswith(".fz")
        unit = fits.CompImageHDU(planes) if is_packed else fits.ImageHDU(planes)
        units = fits.HDUList([fits.PrimaryHDU(), unit])
        plain = path.with_suffix("") if path.name.endswith(".gz") else path
        units.writeto(plain)
        if plain != path:
            path.write_bytes(gzip.compress(plain.read_bytes()))
            plain.unlink()
    elif ".tif" in path.name:
        tifffile.imwrite(path, upright)
    else:
        options = {"lossless": True} if path.suffix == ".webp" else {"quality": 100, "subsampling": 0}
        Image.fromarray(upright).save(path, **({} if path.suffix.lower() == ".png" else options))


@pytest.mark.parametrize("end", ENDINGS)
def test_every_ending_has_its_pixels_upright(tmp_path, config, end):
    for number, galaxy in enumerate(GALAXIES):
        write(tmp_path / "images" / f"g{number}{end}", galaxy)
    opened = open_folder(config("images"))
    assert opened.images.shape == (6, 16, 16, 3) and opened.images.dtype == np.uint8
    np.testing.assert_allclose(opened.images[1:4], GALAXIES[1:4], atol=12 if "jp" in end else 0)
    assert opened.names.tolist() == [f"g{number}{end}" for number in range(6)] and opened.warnings == []
    assert opened.bottom_up == (".fit" in end) and opened.origin(2) == f"g2{end}"
    image, aside = opened.images.with_masks(slice(2, 3))
    np.testing.assert_allclose(image, GALAXIES[2:3], atol=12 if "jp" in end else 0)
    assert aside is None and opened.masks is None


def winding(image):
    """Whether the arms of a spiral, brighter than its disc, go away from the centre clockwise (-1) or not (1)."""
    y, x = np.mgrid[: image.shape[0], : image.shape[1]] - (image.shape[0] - 1) / 2
    radius, angle = np.hypot(x, y), np.arctan2(-y, x)  # counted from the right, rising anticlockwise as drawn
    rings = [np.abs(radius - middle) < 1 for middle in range(6, 20, 2)]
    turns = [np.angle(np.sum(image[ring] * np.exp(1j * angle[ring]))) for ring in rings]
    return np.sign(np.median(np.diff(np.unwrap(turns))))


@pytest.mark.parametrize("row_0", [None, "top", "bottom"])
def test_the_sense_of_a_spiral_is_that_of_the_viewer(tmp_path, config, row_0):
    y, x = np.mgrid[:48, :48] - 23.5
    phase = np.arctan2(-y, x) - 0.15 * np.hypot(x, y)
    spiral = (120 + 100 * np.cos(phase)).astype("u1")[..., None].repeat(3, 2)
    assert winding(spiral[..., 0].astype(float)) == 1 and winding(spiral[::-1, :, 0].astype(float)) == -1
    for end in (".png", ".fits"):
        write(tmp_path / end / f"a{end}", spiral)
    png, in_fits = (open_folder(config(end, row_0=row_0)) for end in (".png", ".fits"))
    senses = [winding(opened.images[:1][0, ..., 0].astype(float)) for opened in (png, in_fits)]
    assert senses == {None: [1, 1], "top": [1, -1], "bottom": [-1, 1]}[row_0]
    assert (png.bottom_up, in_fits.bottom_up) == (row_0 == "bottom", row_0 != "top")
    drawn = "bottom (north up)" if row_0 is None else f"{row_0}, as dataset.row_0 asks for"
    drawn = f"drawn with row 0 at the {drawn}"
    assert in_fits.notes == [f"the only image of each file, {drawn}"]
    assert png.notes == ["the image of each file" + ("" if row_0 is None else f", {drawn}")]


def test_masks_come_with_the_images(tmp_path, config):
    values = ellipses(5, 16, 1)[..., 0].astype("f4") / 256
    (tmp_path / "images").mkdir()
    for number, galaxy in enumerate(values):
        quality = np.zeros((16, 16), "i2")
        quality[number, 2] = 4
        units = [fits.PrimaryHDU(), fits.ImageHDU(quality, name="DQ"), fits.ImageHDU(galaxy, name="SCI")]
        fits.HDUList(units).writeto(tmp_path / "images" / f"{number}.fits")
    opened = open_folder(config("images", mask="DQ"))
    images, aside = opened.images.with_masks(slice(1, 4))
    np.testing.assert_array_equal(images[..., 0], values[1:4, ::-1])
    assert np.argwhere(aside).tolist() == [[n - 1, 15 - n, 2, 0] for n in (1, 2, 3)]
    assert opened.masks is None and opened.notes[0].startswith("extension SCI of each file")
    data = load_dataset(config("images", mask="DQ"))
    assert np.argwhere(data.masks[:, ..., 0]).tolist() == [[n, 15 - n, 2] for n in range(5)]
    write(tmp_path / "png" / "a.png", GALAXIES[0])
    for key in ("mask", "hdu"):
        with pytest.raises(
            GalvaeError, match=rf"dataset\.{key}: expected null for files that are not FITS, as a\.png"
        ):
            open_folder(config("png", **{key: "DQ"}))


def test_another_extension_in_a_later_file_is_refused(tmp_path, config):
    for name, extension in (("a", "SCI"), ("b", "SCI"), ("c", "G")):
        unit = fits.ImageHDU(np.ones((8, 8), "f4"), name=extension)
        fits.HDUList([fits.PrimaryHDU(), unit]).writeto(tmp_path / f"{name}.fits")
    images = open_folder(config("")).images
    assert len(images[:2]) == 2
    with pytest.raises(
        GalvaeError, match=r"dataset\.hdu: .*c\.fits: expected extension SCI as in a\.fits, received ext"
    ):
        images[2:3]


def test_links_are_followed(tmp_path, config):
    for number in range(3):
        write(tmp_path / "elsewhere" / f"g{number}.png", GALAXIES[number])
    images = tmp_path / "images"
    images.mkdir()
    (images / "class").symlink_to(tmp_path / "elsewhere")
    (images / "one.png").symlink_to(tmp_path / "elsewhere" / "g1.png")
    (images / "lost.png").symlink_to(tmp_path / "nowhere.png")
    (images / "itself").symlink_to(images / "itself")
    opened = open_folder(config("images"))
    assert opened.names.tolist() == ["class/g0.png", "class/g1.png", "class/g2.png", "one.png"]
    np.testing.assert_array_equal(opened.images[:], GALAXIES[[0, 1, 2, 1]])
    assert opened.warnings == ["links that lead nowhere, 2: itself, lost.png"]
    before = folder_identity(images)
    write(tmp_path / "elsewhere" / "g3.png", GALAXIES[3])
    assert folder_identity(images)["pictures"] != before["pictures"]


def test_loops_of_links_are_refused(tmp_path):
    write(tmp_path / "images" / "a" / "g.png", GALAXIES[0])
    for target in (tmp_path / "images", tmp_path / "images" / "a"):
        link = tmp_path / "images" / "a" / "loop"
        link.symlink_to(target)
        with pytest.raises(GalvaeError, match=r"dataset\.path: .*loop: .* whose images would be read twice"):
            list_folder(tmp_path / "images")
        link.unlink()
    (tmp_path / "images" / "b").symlink_to(tmp_path / "images" / "a")
    with pytest.raises(
        GalvaeError, match=r"images/[ab]: .* received one to .*/images/[ab], whose images would be"
    ):
        list_folder(tmp_path / "images")


def test_a_pipe_is_no_image(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(GalvaeError, match=r"dataset\.path: a\.png: expected a file, received a pipe"):
        folder_identity(tmp_path)


def test_files_that_are_not_read_are_counted(tmp_path, config):
    images = tmp_path / "images"
    for number in range(3):
        write(images / f"g{number}.png", GALAXIES[number])
    names = [
        "a.gif",
        "b.GIF",
        "c.fits.bz2",
        "d.bmp",
        "table.csv",
        "README",
        "x.tar.gz",
        ".h.gif",
        "catalog.fits",
    ]
    for name in names:
        (images / name).write_bytes(b"")
    opened = open_folder(config("images", table="images/catalog.fits"))
    assert opened.names.tolist() == ["g0.png", "g1.png", "g2.png"]
    assert opened.warnings == [
        "4 of 7 files that may be images are not read: 1 .bmp, 1 .fits.bz2, 2 .gif; convert them to PNG, TIFF or FITS "
        "to use them",
        "not read: 1 without an ending, 1 .csv, 1 .tar.gz; dataset.table= reads a table, such as table.csv",
    ]
    os.remove(images / "catalog.fits")
    assert "table" not in open_folder(config("images", table="images/table.csv")).warnings[1]
    for number in range(3):
        os.remove(images / f"g{number}.png")
    with pytest.raises(
        GalvaeError, match=r"dataset\.path: .*images: expected files ending in \.png .* 2 \.gif"
    ):
        open_folder(config("images"))


@pytest.mark.parametrize(
    ("others", "words"),
    [
        (
            ["g0.fits"],
            r"expected images of one kind, FITS or others, received 1 \.fits, 3 \.png; .*\{id\}\.png'",
        ),
        (["g1.jpg"], r"expected one file per galaxy, received g1\.jpg, g1\.png; .*'\{id\}\.png' reads"),
    ],
)
def test_one_galaxy_in_two_formats_is_refused(tmp_path, config, others, words):
    for name in ["g0.png", "g1.png", "g2.png", *others]:
        write(tmp_path / "images" / name, GALAXIES[0])
    with pytest.raises(GalvaeError, match=words):
        open_folder(config("images"))


def test_classes_and_splits_of_folders():
    names = ["Train/b/1.png", "Train/a/2.png", "validation/a/3.png", "test/b/x/4.png", "testing/b/5.png"]
    classes, split, notes = classes_by_folder(names)
    assert classes.tolist() == ["b", "a", "a", "b", "b"] and split.tolist() == [0, 0, 1, 2, 2]
    assert notes == [
        "splits taken from folders: train from Train/, val from validation/, test from test/, testing/"
    ]
    classes, split, notes = classes_by_folder(["a/1.png", "b/2.png", "b/deep/3.png"])
    assert (classes.tolist(), split, notes) == (["a", "b", "b"], None, [])
    classes, split, _ = classes_by_folder(["a/train/1.png", "a/val/2.png", "b/train/3.png"])
    assert (classes.tolist(), split.tolist()) == (["a", "a", "b"], [0, 1, 0])
    split, notes = split_by_folder(["train/1.png", "VAL/2.png"])
    assert split.tolist() == [0, 1] and notes == [
        "splits taken from folders: train from train/, val from VAL/"
    ]
    assert split_by_folder(names)[0].tolist() == [0, 0, 1, 2, 2]


@pytest.mark.parametrize(
    ("function", "names", "words"),
    [
        (classes_by_folder, ["a/1.png", "2.png"], r"dataset\.labels: 2\.png: .* in none"),
        (
            classes_by_folder,
            ["train/a/1.png", "train/2.png"],
            r"dataset\.labels: train/2\.png: .* below train, val",
        ),
        (
            classes_by_folder,
            ["train/a/1.png", "spiral/2.png"],
            r"dataset\.labels: spiral/2\.png: .* train/a/1\.png as",
        ),
        (
            classes_by_folder,
            ["train/a/1.png", "2.png"],
            r"dataset\.labels: 2\.png: .* received train/a/1\.png as well",
        ),
        (split_by_folder, ["a/1.png", "b/2.png"], r"dataset\.split_from: a/1\.png: .* in none"),
        (split_by_folder, ["1.png"], r"dataset\.split_from: 1\.png: .* in none"),
        (
            split_by_folder,
            ["train/1.png", "more/2.png"],
            r"dataset\.split_from: more/2\.png: .* train/1\.png as well",
        ),
    ],
)
def test_folders_that_are_no_classes_or_splits(function, names, words):
    with pytest.raises(GalvaeError, match=words):
        function(names)


def test_folders_that_are_called_like_splits_are_known():
    assert is_split_by_folder(["train/1.png", "VAL/2.png"]) and is_split_by_folder(
        ["a/train/1.png", "b/test/2.png"]
    )
    for names in (
        ["1.png", "2.png"],
        ["train/1.png", "train/2.png"],
        ["train/1.png", "2.png"],
        ["a/1.png", "test/2.png"],
    ):
        assert not is_split_by_folder(names)


def test_a_folder_around_those_of_the_classes_is_no_class():
    with pytest.raises(
        GalvaeError, match=r"data/a/1\.png: expected folders of several classes, received data alone"
    ):
        classes_by_folder(["data/a/1.png", "data/b/2.png"])
    assert classes_by_folder(["a/1.png", "a/2.png"])[0].tolist() == ["a", "a"]
