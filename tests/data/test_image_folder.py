"""Folders of PNG and JPEG: classes by sub-folder, every kind of pixels, and one line for each bad image."""

import numpy as np
import pytest
from builders.user_files import pixels, raw_png, write_image
from PIL import Image

from galvae.data.formats.image_files import read_image_file
from galvae.data.formats.image_folder import open_folder
from galvae.data.load import load_dataset
from galvae.data.readers import user_files
from galvae.errors import GalvaeError


def test_folders_are_classes(tmp_path, config):
    for value, name in enumerate(["b/1.png", "b/deep/2.png", "a/3.png", "c/4.png", "a/5.png"]):
        write_image(tmp_path, name, np.full((8, 8), value, "u1"))
    for name in (".hidden/x.png", "a/._3.png"):
        write_image(tmp_path, name, pixels(3, 3))
    (tmp_path / "images" / "notes.txt").write_text("no image")
    dataset = load_dataset(config("images", labels="folder"))
    assert dataset.class_names == ["a", "b", "c"] and dataset.labels.tolist() == [0, 0, 1, 1, 2]
    assert dataset.images[:, 0, 0, 0].tolist() == [2, 4, 0, 1, 3]
    assert dataset.catalogue["id"].tolist() == ["a/3.png", "a/5.png", "b/1.png", "b/deep/2.png", "c/4.png"]
    dataset = load_dataset(config("images", labels="folder", class_names=["c", "b", "a"]))
    assert dataset.labels.tolist() == [2, 2, 1, 1, 0]
    refused_names = config("images", labels="folder", class_names=["a", "b"])
    with pytest.raises(GalvaeError, match=r"expected a b in 'folder', received c for c/4\.png"):
        user_files.read(refused_names)
    write_image(tmp_path, "z.png", pixels(8, 8))
    with pytest.raises(
        GalvaeError, match=r"dataset.labels: z\.png: expected each image in a folder of its class"
    ):
        user_files.read(config("images", labels="folder"))


def shades(kind):
    """(pixels to write, pixels to expect) of a kind of PNG."""
    grey, colours = pixels(8, 9), pixels(8, 9, 3)
    opaque = np.full((8, 9, 1), 255, "u1")
    return {
        "grey": (grey, grey[..., None]),
        "RGB": (colours, colours),
        "16 bits": (grey.astype("u2") * 256, grey[..., None].astype("f4") * 256),
        "RGBA": (np.concatenate([colours, opaque], 2), colours),
        "LA": (np.concatenate([grey[..., None], opaque], 2), grey[..., None]),
        "1": (grey > 99, (grey > 99)[..., None] * np.uint8(255)),
    }[kind]


@pytest.mark.parametrize("kind", ["grey", "RGB", "16 bits", "RGBA", "LA", "1"])
def test_png(tmp_path, config, kind):
    written, expected = shades(kind)
    for name in "abcde":
        write_image(tmp_path, f"{name}.png", written)
    dataset = load_dataset(config("images"))
    assert dataset.images.dtype == expected.dtype
    assert dataset.pixel_range == ((0, 65535) if kind == "16 bits" else (0, 255))
    np.testing.assert_array_equal(dataset.images[3], expected)


def test_palette_and_few_bits_and_jpeg(tmp_path, config):
    colours = np.zeros((8, 8, 3), "u1")
    colours[:4, :, 0], colours[4:, :, 2] = 200, 90
    path = tmp_path / "images" / "a.png"
    path.parent.mkdir()
    Image.fromarray(colours).quantize(4).save(path)
    with Image.open(path) as image:
        assert image.mode == "P"
    Image.fromarray(np.full((8, 8, 3), 77, "u1")).save(tmp_path / "images" / "b.JPG", quality=95)
    images = open_folder(config("images")).images
    np.testing.assert_array_equal(images[:1][0], colours)
    np.testing.assert_allclose(images[1:2], 77, atol=1)
    raw_png(path, 2, 0, [b"\x1b"] * 4, 4, 4)
    np.testing.assert_array_equal(open_folder(config("images")).images[:1][0, 0, :, 0], [0, 85, 170, 255])


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_exif_rotation_is_applied(tmp_path, config, name):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    upright = np.repeat(np.repeat([[0, 50], [100, 150], [200, 250]], 8, 0), 8, 1).astype("u1")
    write_image(tmp_path, name, np.rot90(upright, 1), exif=exif)
    np.testing.assert_allclose(open_folder(config("images")).images[:1][0, ..., 0], upright, atol=2)


def test_images_of_several_sizes(tmp_path, config):
    for name, side in zip("abcde", (8, 16, 24, 16, 8), strict=True):
        write_image(tmp_path, f"{name}.png", np.full((side, side, 3), side, "u1"))
    dataset = load_dataset(config("images", image_size=8))
    assert dataset.images.shape == (5, 8, 8, 3)
    assert dataset.images[:, 0, 0, 0].tolist() == [8, 16, 24, 16, 8]
    write_image(tmp_path, "f.png", pixels(8, 9, 3))
    with pytest.raises(GalvaeError, match=r"dataset\.image_size: .*f\.png: .* received 8x9"):
        list(user_files.read(config("images", image_size=8)).blocks)
    with pytest.raises(
        GalvaeError, match=r"dataset\.image_size: .*a\.png: .* at least 16 pixels, received 8x8"
    ):
        user_files.read(config("images", image_size=16))


@pytest.mark.parametrize("kind", ["L", "RGB"])
def test_progressive_jpeg_is_read_and_its_loss_is_refused(tmp_path, kind):
    path = write_image(tmp_path, "a.jpg", pixels(64, 64, 3))
    Image.new(kind, (64, 64), 77 if kind == "L" else (77, 77, 77)).save(path, progressive=True, quality=95)
    np.testing.assert_allclose(read_image_file(path), 77, atol=1)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(GalvaeError, match=r"a\.jpg: expected a whole PNG, JPEG, WebP or TIFF file"):
        read_image_file(path)


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda path: path.write_text("no image"), ["damage", "cannot identify"]),
        (lambda path: path.write_bytes(b""), ["damage"]),
        (lambda path: path.write_bytes(path.read_bytes()[:-40]), ["truncated"]),
        (lambda path: Image.fromarray(pixels(8, 8)).save(path, "GIF"), ["cannot identify"]),
        (
            lambda path: Image.fromarray(pixels(8, 8)).save(
                path, save_all=True, append_images=[Image.fromarray(pixels(8, 8) + 1)]
            ),
            ["received 2 (an animation)"],
        ),
        (lambda path: Image.new("CMYK", (8, 8)).save(path, "JPEG"), ["received CMYK; convert it to RGB"]),
        (lambda path: Image.new("RGBA", (8, 8), (1, 2, 3, 254)).save(path), ["transparent"]),
        (lambda path: Image.new("L", (8, 8)).save(path, transparency=0), ["transparent"]),
        (lambda path: raw_png(path, 16, 2, [bytes(48)] * 8, 8, 8), ["expected 8 bits per colour"]),
        (lambda path: raw_png(path, 16, 4, [bytes(32)] * 8, 8, 8), ["expected 8 bits per colour"]),
        (lambda path: raw_png(path, 8, 0, [b""], 60000, 60000), ["decompression bomb"]),
        (lambda path: raw_png(path, 8, 0, [b""], 11000, 9100), ["bomb"]),
        (
            lambda path: Image.fromarray(pixels(8, 8, 3)).save(path),
            ["expected 1 band as in a.png, received 3"],
        ),
        (
            lambda path: Image.fromarray(pixels(8, 8).astype("u2")).save(path),
            ["uint8 pixels as in a.png", "uint16"],
        ),
        (lambda path: Image.fromarray(pixels(8, 9)).save(path), ["8x8 pixels as in a.png, received 8x9"]),
        (lambda path: Image.fromarray(pixels(9, 9)).save(path), ["received 9x9; with dataset.image_size="]),
    ],
)
def test_bad_images(tmp_path, refused, write, words):
    for name in "abcde":
        path = write_image(tmp_path, f"{name}.png", pixels(8, 8))
    write(path)
    refused(["dataset.path", "e.png", *words], "images")
