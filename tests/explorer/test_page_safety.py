"""A page of hostile, odd or damaged contents, and what it asks of others: nothing."""

import base64
import re

import numpy as np
import pytest
from builders.explorer import HOSTILE, synthetic

from galvae.explorer.page import write_page

# All that the user can do without leaving the page, by the buttons and fields that it has.
CHOOSE_ALL = """async () => {
    const pause = () => new Promise((done) => setTimeout(done, 30));
    for (const select of document.querySelectorAll("select")) {
        for (const option of [...select.options].filter((option) => !option.hidden)) {
            select.value = option.value;
            select.dispatchEvent(new Event("input", { bubbles: true }));
            select.dispatchEvent(new Event("change", { bubbles: true }));
            await pause();
        }
    }
}"""
SELECT_ALL = """() => {
    const selection = Int32Array.from({ length: explorer.data.count }, (_, i) => i);
    explorer.store.set({ selection, tab: "selection" });
}"""
MARKUP = "document.querySelectorAll('#harmed, img[src=x], [onerror], [onmouseover]').length"


def at(page, galaxy):
    """Position of a galaxy of the plane in the window, in pixels."""
    return page.evaluate(
        """(galaxy) => {
            const { view, points, canvas } = explorer.plane;
            const box = canvas.getBoundingClientRect();
            return [box.left + view.left(points.xs[galaxy]), box.top + view.top(points.ys[galaxy])];
        }""",
        galaxy,
    )


def walk_through(page):
    """Uses every part of the page; nothing here leaves it."""
    for galaxy in range(len(HOSTILE)):
        page.mouse.move(*at(page, galaxy))
        page.wait_for_timeout(50)
        if galaxy % 3 == 0:
            page.mouse.click(*at(page, galaxy))
    page.fill("#search input", "<")
    page.press("#search input", "Enter")
    page.fill("#search input", "")
    page.evaluate(SELECT_ALL)
    page.wait_for_timeout(200)
    page.evaluate(CHOOSE_ALL)
    page.evaluate("explorer.store.set({ tab: 'galaxy', galaxy: 11 })")
    page.wait_for_timeout(100)
    page.mouse.wheel(0, -300)
    for key in ("+", "-", "0", "ArrowLeft", "Enter"):
        page.press("canvas.density", key)
    page.wait_for_timeout(400)


@pytest.mark.slow
def test_hostile_texts_stay_texts_and_nothing_is_asked_of_others(open_page):
    contents = synthetic(60, conditional=True, hostile=True)
    page = open_page(
        contents, fragment="x=<script>&colour=%3Cimg%20src=x%20onerror=alert(1)%3E&galaxy=%00&camera=1e999"
    )
    walk_through(page)
    assert page.evaluate("window.harmed") is None and page.evaluate(MARKUP) == 0
    assert page.text_content("#title") == HOSTILE[1] and HOSTILE[0] in page.text_content("#run")
    assert page.title() == HOSTILE[1].strip()
    shown = page.text_content("body")
    classes = contents[0]["columns"][7]["classes"]
    assert all(name.replace("\u202e", "\ufffd") in shown for name in classes)
    width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1]  # 10,000 letters do not push the page apart


def test_nothing_is_asked_of_others_while_a_page_is_opened_and_looked_at(open_page):
    page = open_page(synthetic(60))
    page.mouse.move(*at(page, 3))
    page.mouse.click(*at(page, 3))
    page.wait_for_timeout(300)
    assert len(page.requests) == 1 and page.requests[0].startswith("file:")
    assert len(page.context.pages) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"count": 1, "thumbnails": 1},
        {"count": 2, "latent_dim": 1, "shape": (8, 8, 1)},
        {"count": 60, "thumbnails": 0, "conditional": True},
    ],
    ids=["one galaxy", "one latent and band", "no thumbnails"],
)
@pytest.mark.slow
def test_small_pages_work(open_page, options):
    page = open_page(synthetic(**options))
    page.mouse.move(*at(page, 0))
    page.evaluate(SELECT_ALL)
    page.wait_for_timeout(200)
    page.evaluate(CHOOSE_ALL)
    page.evaluate("explorer.store.set({ tab: 'galaxy', galaxy: 0 })")
    page.wait_for_timeout(200)


@pytest.mark.slow
def test_a_page_without_decoder_prior_and_classes_shows_the_galaxies_that_it_has(open_page):
    manifest, arrays, sheets = synthetic(60)
    manifest |= {"decoder": None, "prior": None, "colour": None, "ra": None, "dec": None}
    manifest["columns"] = [column for column in manifest["columns"] if column["kind"] == "number"]
    page = open_page((manifest, arrays, sheets))
    page.mouse.click(*at(page, 3))
    page.evaluate(SELECT_ALL)
    page.evaluate(CHOOSE_ALL)
    page.evaluate("explorer.store.set({ tab: 'galaxy' })")
    page.wait_for_timeout(200)


@pytest.mark.slow
def test_columns_without_numbers_can_be_looked_at(open_page):
    manifest, arrays, sheets = synthetic(60)
    arrays["column umap 1"] = np.full(60, np.nan, np.float32)
    arrays["column class"] = np.full(60, -1, np.int16)
    arrays["column dec"][:30] = np.nan
    page = open_page((manifest, arrays, sheets))
    page.evaluate(SELECT_ALL)
    page.evaluate(CHOOSE_ALL)
    page.wait_for_timeout(200)


def message_of(page):
    """The sentence below the plane."""
    return " ".join(page.text_content("#message").split())


@pytest.mark.parametrize("when", ["at once", "later"])
def test_damaged_data_are_said_in_the_page(open_page, tmp_path, when):
    manifest, arrays, sheets = synthetic(60)
    if when == "later":
        manifest["planes"].reverse()
    path = write_page(tmp_path / "explorer.html", manifest, arrays, sheets)
    html = path.read_text(encoding="utf-8")
    part = re.search(r'"column umap 1":\{[^}]*"parts":\["(part-\d+)"\]', html)[1]
    broken = base64.b64encode(b"broken").decode()
    path.write_text(re.sub(rf'(id="{part}">)[^<]*', rf"\1{broken}", html), encoding="utf-8")
    page = open_page(address=path.as_uri(), ready=when == "later", complaints=True)
    if when == "later":
        page.evaluate("explorer.store.set({ x: 'umap 1' })")
    page.wait_for_selector("#message.error")
    assert message_of(page) == (
        "The page's data “column umap 1” are missing or damaged. "
        "Copy the page again, or write it again with galvae explore."
    )


def test_a_page_that_is_cut_off_says_so(open_page, tmp_path):
    path = write_page(tmp_path / "explorer.html", *synthetic(60))
    path.write_bytes(path.read_bytes()[:-3000])
    assert "the file is not whole" in message_of(open_page(address=path.as_uri(), ready=False))


@pytest.mark.slow
def test_an_old_browser_is_told_what_the_page_needs(open_page, tmp_path, browser):
    path = write_page(tmp_path / "explorer.html", *synthetic(60))
    page = open_page(address=path.as_uri(), ready=False, java_script_enabled=False)
    assert "runs no JavaScript or is older than 2023" in message_of(page)
    older = open_page(address="about:blank", ready=False, requests=("file:", "about:"), complaints=True)
    older.add_init_script("delete window.DecompressionStream")
    older.goto(path.as_uri())
    older.wait_for_selector("#message.error")
    assert "This browser is older than 2023" in message_of(older)
