"""The page's data as the browser reads them: every type of array, columns, stamps, and what is damaged."""

import base64
import json
import re
import threading

import numpy as np
import pytest
from builders.explorer import HOSTILE, synthetic
from builders.galaxies import ellipses
from builders.javascript import context, put, take

from galvae.explorer import page as page_module
from galvae.explorer.modules import bundled
from galvae.explorer.page import write_page
from galvae.explorer.server import PageServer

# A page of nothing but its data, which says when they are open or why they are not.
OPENED = """
openData().then((data) => { window.data = data; }, (error) => { window.failure = error.message; })
    .finally(() => { document.documentElement.dataset.ready = "true"; });
"""
# Draws a stamp in its own pixels; its RGB values.
STAMP = """async (galaxy) => {
    const stamp = await data.thumbnail(galaxy);
    if (!stamp) return null;
    const { image, x, y, width, height } = stamp;
    const canvas = new OffscreenCanvas(width, height).getContext("2d");
    canvas.drawImage(image, x, y, width, height, 0, 0, width, height);
    const pixels = canvas.getImageData(0, 0, width, height).data;
    return Array.from(pixels).filter((_, i) => i % 4 < 3);
}"""
VALUES = "async (name) => { const a = await data.array(name); return [a.constructor.name, Array.from(a, String)]; }"
COLUMN = "async (name) => { const c = await data.column(name); return { ...c, values: Array.from(c.values, String) }; }"
DECODED = """async () => {
    for (let galaxy = 0; galaxy < 6000; galaxy += 100) await data.thumbnail(galaxy);
    return data.thumbnails.sheets.size;
}"""
FAILURE = "(name) => data.array(name).then(() => null, (error) => error.message)"


@pytest.fixture(autouse=True)
def data_alone(monkeypatch):
    """Writes pages without the app."""
    monkeypatch.setattr(page_module, "bundled", lambda entry: bundled("data/blocks.js") + OPENED)


def values_of(page, name):
    """(JavaScript's type, values) of an array; numbers of any size survive as texts."""
    kind, texts = page.evaluate(
        "async (name) => { const a = await data.array(name); return [a.constructor.name, Array.from(a, String)]; }",
        name,
    )
    return kind, texts


def element(html, name):
    """Start, text and end of an inert element of a page."""
    return re.search(rf'(<script [^>]* id="{name}">)(.*?)(</script>)', html).groups()


def copy_of(path, html):
    """The address of a copy of a page, whose HTML is another."""
    copy = path.with_name("copy.html")
    copy.write_text(html, encoding="utf-8")
    return copy.as_uri()


def test_float16_is_read_as_numpy_does():
    page = context("data/blocks.js")
    halves = np.arange(65536, dtype=np.uint16)
    put(page, "halves", halves)
    np.testing.assert_array_equal(take(page, "fromHalf(halves)"), halves.view(np.float16).astype(np.float32))


def test_a_number_is_found_among_sorted_ones():
    page = context("data/thumbnails.js")
    put(page, "sorted", np.array([2, 3, 7, 100], np.int32))
    found = [page.eval(f"positionIn(sorted, {number})") for number in (2, 3, 7, 100, 1, 5, 101)]
    assert found == [0, 1, 2, 3, -1, -1, -1]
    assert page.eval("positionIn(new Int32Array(0), 3)") == -1


def test_arrays_of_every_type_and_size(open_page):
    manifest, arrays, sheets = synthetic(5)
    random = np.random.default_rng(0)
    arrays |= {
        "f2": np.array([[1.5, np.nan], [-np.inf, 6e-8]], np.float16),
        "f4": np.array([0.1, np.nan], np.float32),
        "f8": np.array([1 / 3, 2**53 - 1]),
        "u1": np.array([0, 255], np.uint8),
        "i2": np.array([-32768, 5], np.int16),
        "i4": np.array([2**31 - 1, -1], np.int32),
        "none": np.zeros((0, 3), np.float16),
        "large": random.integers(0, 2**31, 1_200_000).astype(np.int32),
        "texts": list(HOSTILE),
        "no texts": [],
    }
    page = open_page((manifest, arrays, sheets))
    types = {"f2": "Float32Array", "f4": "Float32Array", "f8": "Float64Array", "u1": "Uint8Array"}
    for name in ("f2", "f4", "f8", "u1", "i2", "i4", "none"):
        kind, texts = values_of(page, name)
        assert kind == types.get(
            name, {"i2": "Int16Array", "i4": "Int32Array", "none": "Float32Array"}.get(name)
        )
        values = np.array([float(text.replace("Infinity", "inf")) for text in texts])
        np.testing.assert_array_equal(values.astype(arrays[name].dtype), arrays[name].ravel())
    assert (
        page.evaluate("async () => (await data.array('large')).reduce((sum, x) => sum + x, 0)")
        == arrays["large"].sum()
    )
    assert page.evaluate("data.manifest.arrays.large.parts.length") == 3
    assert page.evaluate("data.array('texts')") == list(HOSTILE)
    assert page.evaluate("data.array('no texts')") == []
    assert page.evaluate("data.array('f8') === data.array('f8')")  # read once


@pytest.mark.slow
def test_columns_come_with_their_values_also_those_of_latents(open_page):
    contents = manifest, arrays, _ = synthetic(40)
    page = open_page(contents)
    assert page.evaluate("data.count") == 40
    for column in manifest["columns"]:
        entry = page.evaluate(COLUMN, column["name"])
        texts = entry.pop("values")
        assert entry == column
        if column["kind"] == "text":
            assert texts == arrays[column["array"]]
            continue
        latent = column["origin"] == "latent"
        expected = arrays["codes"][:, column["axis"]] if latent else arrays[column["array"]]
        np.testing.assert_array_equal(np.array(texts, float).astype(expected.dtype), expected)


@pytest.mark.slow
def test_every_galaxy_has_its_own_stamp(open_page):
    contents = synthetic(900, thumbnails=300)
    page = open_page(contents)
    galaxies, stamps = contents[1]["thumbnails"], ellipses(300, (16, 16)).astype(float)
    assert len(contents[2]) == 2
    for place in (0, 1, 15, 16, 17, 200, 255, 256, 299):
        pixels = np.reshape(page.evaluate(STAMP, int(galaxies[place])), (16, 16, 3))
        errors = np.abs(stamps - pixels).mean(axis=(1, 2, 3))
        assert errors.argmin() == place and errors[place] < 10
    assert page.evaluate(STAMP, 1) is None  # one of three galaxies has a stamp


@pytest.mark.slow
def test_a_page_without_stamps_has_none(open_page):
    page = open_page(synthetic(5, thumbnails=0))
    assert page.evaluate(STAMP, 0) is None


@pytest.mark.slow
def test_few_sheets_are_kept_decoded(open_page):
    page = open_page(synthetic(6000, shape=(8, 8, 3), thumbnails=6000))
    assert page.evaluate("data.manifest.thumbnails.sheets.length") == 24
    page.evaluate("async () => { window.first = (await data.thumbnail(0)).image; }")
    assert page.evaluate(DECODED) == 20 and page.evaluate("first.width") == 0  # which is closed


def test_damaged_data_are_said_to_be(open_page, tmp_path):
    path = write_page(tmp_path / "explorer.html", *synthetic(300))
    html = path.read_text(encoding="utf-8")
    entries = json.loads(element(html, "manifest")[1])["arrays"]
    damages = {
        "codes": lambda start, text, end: "",
        "ids": lambda start, text, end: start + text[: len(text) // 8 * 4] + end,
        "column ra": lambda start, text, end: start + base64.b64encode(b"not gzip").decode() + end,
        "column dec": lambda start, text, end: start + "&" + text + end,
        "sheet-0": lambda start, text, end: start + text[:40] + end,
    }
    for name, damage in damages.items():
        part = entries[name]["parts"][0] if name in entries else name
        start, text, end = element(html, part)
        html = html.replace(start + text + end, damage(start, text, end))
    html = html.replace('"i2","shape":[300]', '"i2","shape":[301]')
    page = open_page(address=copy_of(path, html))
    sentence = "are missing or damaged. Copy the page again, or write it again with galvae explore."
    for name in [*damages][:4] + ["column class"]:
        assert page.evaluate(FAILURE, name) == f"The page's data “{name}” {sentence}"
    assert page.evaluate(FAILURE, "column redshift") is None
    failure = page.evaluate("data.thumbnail(0).catch((error) => error.message)")
    assert failure == f"The page's thumbnails “sheet-0” {sentence}"


@pytest.mark.slow
def test_a_page_without_its_manifest_says_so(open_page, tmp_path):
    path = write_page(tmp_path / "explorer.html", *synthetic(30))
    html = path.read_text(encoding="utf-8").replace('"latent_dim":6', '"latent_dim":')
    page = open_page(address=copy_of(path, html))
    assert (
        page.evaluate("failure")
        == "The page is not whole. Copy the page again, or write it again with galvae explore."
    )


def test_a_folder_is_read_from_a_server(open_page, tmp_path):
    contents = synthetic(600, thumbnails=300)
    write_page(tmp_path / "explorer.html", *contents, folder=True)
    with PageServer(tmp_path, 0) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        page = open_page(address=server.address, requests=f"http://127.0.0.1:{server.server_address[1]}/")
        assert [address.rpartition("/")[2] for address in page.requests] == ["explorer.html"]
        kind, texts = values_of(page, "codes")
        np.testing.assert_array_equal(np.array(texts, np.float16), contents[1]["codes"].ravel())
        pixels = np.reshape(page.evaluate(STAMP, int(contents[1]["thumbnails"][299])), (16, 16, 3))
        assert np.abs(ellipses(300, (16, 16))[299] - pixels).mean() < 10
        (data,) = tmp_path.glob("data-*")
        for file in data.iterdir():
            file.unlink()
        assert "missing or damaged" in page.evaluate(FAILURE, "ids")
        assert page.evaluate(FAILURE, "column ra").endswith("with galvae explore.")
        server.shutdown()
    assert page.evaluate(FAILURE, "ids").startswith("The server of this page does not answer")
    assert page.evaluate(FAILURE, "codes") is None  # has been read
    page.complaints.clear()  # the browser tells of answers 404 itself


@pytest.mark.slow
def test_a_folder_opened_as_a_file_says_what_to_do(open_page, tmp_path):
    path = write_page(tmp_path / "explorer.html", *synthetic(30), folder=True)
    page = open_page(address=path.as_uri())
    assert "galvae explore run=RUN serve=true" in page.evaluate("failure")
