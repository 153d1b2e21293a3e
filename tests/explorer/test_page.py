"""The page as a file: what it holds, what it allows, and that it is whole or absent."""

import base64
import gzip
import hashlib
import io
import json
import re
from collections import Counter

import numpy as np
import pytest
from builders.explorer import HOSTILE, synthetic
from builders.galaxies import ellipses
from PIL import Image
from py_mini_racer import MiniRacer

from galvae.data.area_average import fitted_within
from galvae.explorer import page as page_module
from galvae.explorer.arrays import Parts
from galvae.explorer.page import write_page
from galvae.explorer.thumbnails import sheets_of


def element(html, name):
    """The text of an inert element of a page."""
    return re.search(rf'<script type="[a-z/-]+" id="{name}">([^<]*)</script>', html)[1]


def files_of(folder):
    """Bytes of all files below a folder, by their path in it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "array",
    [
        np.arange(-3, 5, dtype=np.float16).reshape(4, 2),
        np.array([np.nan, np.inf, 1e-40], np.float32),
        np.array([1 / 3], ">f8"),
        np.arange(12, dtype=np.uint8).reshape(3, 4).T,
        np.array([-1, 300], np.int16),
        np.zeros((0, 5), np.int32),
        list(HOSTILE),
        [],
    ],
    ids=lambda array: "text" if isinstance(array, list) else str(array.dtype),
)
def test_parts_give_the_array_back(array):
    parts = Parts()
    content = b"".join(gzip.decompress(file) for _, file in parts.of("a", array))
    entry = parts.entries["a"]
    if isinstance(array, list):
        assert entry["dtype"] == "text" and json.loads(content) == array
    else:
        values = np.frombuffer(content, "<" + entry["dtype"]).reshape(entry["shape"])
        np.testing.assert_array_equal(values, array)


def test_large_arrays_are_in_whole_parts_of_at_most_2_mb():
    parts = Parts()
    array = np.random.default_rng(0).integers(
        0, 256, 4_500_000, np.uint8
    )  # which no compression makes smaller
    files = dict(parts.of("noise", array))
    assert [*files] == parts.entries["noise"]["parts"] == ["part-0", "part-1", "part-2"]
    assert max(map(len, files.values())) <= 2_000_000
    assert b"".join(map(gzip.decompress, files.values())) == array.tobytes()
    assert [name for name, _ in parts.of("next", np.zeros(3, np.float32))] == ["part-3"]


@pytest.mark.parametrize("dtype", [np.int64, bool, object, "U5", np.complex64])
def test_an_array_that_a_page_cannot_read_is_refused(dtype):
    with pytest.raises(ValueError, match="array wrong has type"):
        list(Parts().of("wrong", np.zeros(2, dtype)))


@pytest.mark.parametrize("folder", [False, True])
def test_the_same_contents_give_the_same_bytes(tmp_path, folder):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        write_page(tmp_path / name / "explorer.html", *synthetic(40), folder=folder)
    assert files_of(tmp_path / "first") == files_of(tmp_path / "second")


def test_the_page_holds_everything(tmp_path):
    manifest, arrays, sheets = synthetic(40, hostile=True)
    html = write_page(tmp_path / "explorer.html", manifest, arrays, sheets).read_text(encoding="utf-8")
    stored = json.loads(element(html, "manifest"))
    assert {**manifest, "arrays": stored["arrays"], "data": None} == stored
    assert stored["arrays"].keys() == arrays.keys()
    (part,) = stored["arrays"]["codes"]["parts"]
    content = gzip.decompress(base64.b64decode(element(html, part)))
    np.testing.assert_array_equal(np.frombuffer(content, "<f2").reshape(40, 6), arrays["codes"])
    for name, sheet in sheets.items():
        assert base64.b64decode(element(html, name)) == sheet
    assert [path.name for path in tmp_path.iterdir()] == ["explorer.html"]


def test_no_text_of_the_data_can_be_markup(tmp_path):
    pages = [
        write_page(tmp_path / "explorer.html", *synthetic(40, hostile=hostile)).read_bytes()
        for hostile in (False, True)
    ]
    for mark in (b"<", b">", b"&", b"<!--", b"<script", b"</script"):
        assert pages[0].count(mark) == pages[1].count(mark)
    assert b"harmed" in pages[1] and b"\xe2\x80\xa8" not in pages[1]


@pytest.mark.parametrize(
    ("options", "own"),
    [({}, False), ({"folder": True}, True), ({"served": True}, True)],
    ids=["file", "folder", "served"],
)
def test_the_page_may_run_its_own_script_and_connect_to_a_hub_on_this_machine_only(tmp_path, options, own):
    html = write_page(tmp_path / "explorer.html", *synthetic(5), **options).read_text(encoding="utf-8")
    policy = re.search('<meta http-equiv="Content-Security-Policy" content="([^"]*)">', html)[1]
    rules = {name: values for name, *values in (rule.split() for rule in policy.split("; "))}

    def hashed(pattern):
        (text,) = re.findall(pattern, html, re.DOTALL)
        return [f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"]

    assert rules == {
        "default-src": ["'none'"],
        "script-src": hashed('<script type="module">(.*?)</script>'),
        "style-src": hashed("<style>(.*?)</style>"),
        "connect-src": ["http://localhost:21012", *["'self'"] * own],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
    }
    # The policy holds for what comes after it.
    assert html.index("Content-Security-Policy") < min(
        html.index("<style"), html.index("<script"), html.index("<title")
    )


def test_the_modules_can_stand_in_one_script(tmp_path):
    html = write_page(tmp_path / "explorer.html", *synthetic(5)).read_text(encoding="utf-8")
    (script,) = re.findall('<script type="module">(.*?)</script>', html, re.DOTALL)
    names = re.findall(r"^(?:async )?(?:function\*?|class|const|let|var) (\w+)", script, re.MULTILINE)
    assert len(names) > 100 and max(Counter(names).values()) == 1
    assert not re.findall(r"^(?:import|export)\b|\bimport\(", script, re.MULTILINE)
    # What would end the element, or begin one of the kind that holds such an end.
    assert not re.findall(r"</script|<!--|<script", script, re.IGNORECASE)
    # Texts of the data are only ever set as texts.
    assert not re.findall(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc", script
    )
    MiniRacer().eval(f"new Function({json.dumps(script)})")


def test_nothing_in_the_page_leads_to_the_web(tmp_path):
    html = write_page(tmp_path / "explorer.html", *synthetic(5)).read_text(encoding="utf-8")
    assert not re.findall(r"""\b(?:src|href|action|srcset|poster|data)\s*=\s*["']?\s*(?:https?:)?//""", html)
    assert not re.findall(r"@import|url\(\s*['\"]?(?!data:)", html.split("</style>")[0])
    assert not re.findall(r"<(?:link|iframe|object|embed|base)\b", html)
    assert " style=" not in html.split("<script")[0] and not re.findall(
        r"<[a-z]+[^>]* on[a-z]+=", html.split("<script")[0]
    )


def test_a_folder_holds_the_same_data_in_files_and_nothing_of_an_older_page(tmp_path):
    manifest, arrays, sheets = synthetic(40)
    path = tmp_path / "explorer.html"
    write_page(path, *synthetic(30), folder=True)
    (old,) = tmp_path.glob("data-*")
    (tmp_path / ".123-data").mkdir()  # of a process that was killed
    (tmp_path / "data-of-mine").mkdir()
    html = write_page(path, manifest, arrays, sheets, folder=True).read_text(encoding="utf-8")
    stored = json.loads(element(html, "manifest"))
    names = [part for entry in stored["arrays"].values() for part in entry["parts"]] + list(sheets)
    folder = tmp_path / stored["data"]
    assert folder != old
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"{name}.bin" for name in names)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted(
        ["explorer.html", folder.name, "data-of-mine"]
    )
    assert (folder / "sheet-0.bin").read_bytes() == sheets["sheet-0"]
    write_page(path, manifest, arrays, sheets)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["data-of-mine", "explorer.html"]


def test_a_link_in_place_of_data_is_removed_and_not_followed(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").touch()
    folder = tmp_path / "explore"
    folder.mkdir()
    write_page(folder / "explorer.html", *synthetic(5), folder=True)
    (data,) = folder.glob("data-*")
    for name in (data.name, "data-0123456789abcdef"):
        (folder / name).rename(folder / "aside") if (folder / name).exists() else None
        (folder / name).symlink_to(elsewhere)
    write_page(folder / "explorer.html", *synthetic(5), folder=True)
    assert [path.name for path in elsewhere.iterdir()] == ["precious"]
    assert data.is_dir() and not data.is_symlink() and not (folder / "data-0123456789abcdef").is_symlink()


@pytest.mark.parametrize("folder", [False, True])
def test_the_older_page_stays_whole_if_the_new_one_cannot_be_written(tmp_path, folder, monkeypatch):
    path = tmp_path / "explorer.html"
    write_page(path, *synthetic(30), folder=folder)
    before = files_of(tmp_path)
    manifest, arrays, sheets = synthetic(40)
    with pytest.raises(ValueError, match="array wrong"):
        write_page(path, manifest, {**arrays, "wrong": np.zeros(3, bool)}, sheets, folder=folder)
    with pytest.raises(ValueError, match="JSON"):
        write_page(path, {**manifest, "far": np.nan}, arrays, sheets, folder=folder)
    monkeypatch.setattr(page_module, "styles", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_page(path, manifest, arrays, sheets, folder=folder)
    left = files_of(tmp_path)
    assert before.items() <= left.items()  # data of the page that was not finished may lie beside
    monkeypatch.undo()
    write_page(path, *synthetic(30), folder=folder)
    assert files_of(tmp_path) == before


def stamps_of(layout, sheets, count):
    """The stamps on sheets, as a page cuts them out."""
    pixels = [
        np.asarray(Image.open(io.BytesIO(sheets[name])).convert("RGB")).astype(int)
        for name in layout["sheets"]
    ]
    wide, high = layout["cell"]
    stamps = []
    for place in range(count):
        sheet, on_sheet = divmod(place, layout["per_sheet"])
        row, column = divmod(on_sheet, layout["columns"])
        cell = pixels[sheet][row * high : (row + 1) * high, column * wide : (column + 1) * wide]
        stamps.append(cell[: layout["height"], : layout["width"]])
    return np.stack(stamps)


def test_stamps_are_their_images_in_their_own_shape():
    images = ellipses(270, (22, 30)).repeat(3, axis=1).repeat(3, axis=2)
    layout, sheets = sheets_of(iter([images[:100], images[100:260], images[260:]]), "galaxies")
    assert (layout["width"], layout["height"]) == (64, 47)
    assert list(sheets) == ["sheet-0", "sheet-1"] and layout["galaxies"] == "galaxies"
    stamps, expected = stamps_of(layout, sheets, 270), fitted_within(images, 64).astype(int)
    errors = np.abs(stamps[:, None, ::8, ::8] - expected[None, :, ::8, ::8]).mean(axis=(2, 3, 4))
    assert (errors.argmin(axis=1) == np.arange(270)).all()
    assert np.abs(stamps - expected).mean() < 4


def test_small_images_are_stamps_as_they_are():
    images = ellipses(20, 8)
    layout, sheets = sheets_of([images], "galaxies")
    assert layout["width"] == layout["height"] == 8
    assert np.abs(stamps_of(layout, sheets, 20) - images.astype(int)).mean() < 6


def test_noise_and_its_colours_stay():
    images = np.random.default_rng(0).normal(60, 20, (40, 32, 32, 3)).clip(0, 255).astype(np.uint8)
    stamps = stamps_of(*sheets_of([images], "galaxies"), 40)
    for values in (lambda one: one[..., 1], lambda one: one[..., 0].astype(int) - one[..., 2]):
        assert values(stamps).std() == pytest.approx(values(images).std(), rel=0.15)


@pytest.mark.parametrize("side", [8, 31, 64])
def test_no_colour_of_a_stamp_runs_into_the_next(side):
    colours = (
        np.random.default_rng(0).permutation([(255, 0, 0), (0, 0, 255), (0, 255, 0)] * 90).astype(np.uint8)
    )
    images = np.broadcast_to(colours[:, None, None], (270, side, side, 3))
    layout, sheets = sheets_of([images], "galaxies")
    assert np.abs(stamps_of(layout, sheets, 270) - images.astype(int)).max() < 12


def test_no_images_give_no_sheets():
    assert sheets_of([], "galaxies") == (None, {})
