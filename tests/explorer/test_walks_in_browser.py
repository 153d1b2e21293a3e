"""Walks, draws and neighbours in the page's tab "Galaxy", the row of the catalogue, and what leaves the page."""

import json

import numpy as np
import pytest
from builders.explorer_decoder import decodable
from builders.inspector import (
    EDITED,
    RECONSTRUCTION,
    SLIDERS,
    begin_walk,
    button,
    codes_of,
    numbers,
    pixels,
    press,
    settle_neighbours,
    show,
)
from PIL import Image


@pytest.mark.slow
def test_walk_ends_at_its_galaxies(open_page):
    contents = decodable()
    page = open_page(contents)
    show(page, 3)
    start = pixels(page, EDITED)
    begin_walk(page)
    show(page, 50)
    end = pixels(page, EDITED)
    walk = page.get_by_label("Walk", exact=True)
    press(page, walk, "Home")
    assert np.array_equal(numbers(page, "code"), codes_of(contents)[3])
    assert np.array_equal(pixels(page, EDITED), start)
    assert np.array_equal(pixels(page, RECONSTRUCTION), end)
    press(page, walk, "PageUp")
    code = numbers(page, "code")
    assert np.linalg.norm(code - codes_of(contents)[3]) > 0.01
    press(page, walk, "End")
    assert np.array_equal(numbers(page, "code"), codes_of(contents)[50])
    assert np.array_equal(pixels(page, EDITED), end)
    button(page, "Play").click()
    page.wait_for_timeout(700)
    button(page, "Pause").click()
    step = page.evaluate("explorer.store.get().step")
    assert 0 < step < 0.9
    assert page.locator(".origin").inner_text() == f"between galaxy 3 and galaxy 50, {round(100 * step)} %"
    button(page, "Play").click()
    press(page, page.locator(SLIDERS).first, "Home")  # which ends the play
    code = numbers(page, "code")
    page.wait_for_timeout(200)
    assert button(page, "Play").is_visible() and np.array_equal(numbers(page, "code"), code)
    button(page, "End the walk").click()
    assert page.evaluate("explorer.store.get().partner") is None
    assert np.array_equal(numbers(page, "code"), codes_of(contents)[50])


@pytest.mark.slow
def test_walk_of_readers_who_prefer_less_motion_goes_by_steps(open_page):
    page = open_page(decodable(), reduced_motion="reduce")
    show(page, 3)
    begin_walk(page)
    show(page, 50)
    button(page, "Play").click()
    page.wait_for_timeout(500)
    assert page.evaluate("explorer.store.get().step") == 0
    page.wait_for_timeout(1000)
    assert page.evaluate("explorer.store.get().step") == 0.125


@pytest.mark.slow
def test_neighbours_are_the_nearest_codes_and_an_extrapolation_is_marked(open_page):
    contents = decodable()
    page = open_page(contents)
    codes = codes_of(contents)
    show(page, 17)
    settle_neighbours(page)
    stamps = page.locator(".neighbours button")
    nearest = np.argsort(np.linalg.norm(codes - codes[17], axis=1))[1:9]
    assert [one.get_attribute("title").split(",")[0] for one in stamps.all()] == [
        f"galaxy galaxy {galaxy}" for galaxy in nearest
    ]
    stamps.nth(2).click()
    assert page.evaluate("explorer.store.get().galaxy") == nearest[2]

    far = np.full(6, 9, np.float32)
    page.evaluate(
        "(code) => explorer.store.set({ code: Float32Array.from(code), origin: 'a test' })", far.tolist()
    )
    settle_neighbours(page)
    distances = np.linalg.norm(codes - far, axis=1)
    text = page.locator(".distance.far").inner_text()
    assert text.startswith(f"An extrapolation: galaxy {distances.argmin()}")
    assert f"{distances.min():.2f}" in text and f"{contents[0]['far']:.2f}" in text
    page.locator(".distance button").click()
    settle_neighbours(page)
    assert page.evaluate("explorer.store.get().galaxy") == distances.argmin()
    assert page.locator(".distance.far").count() == 0


@pytest.mark.slow
def test_local_directions_move_along_principal_components(open_page):
    contents = decodable()
    page = open_page(contents)
    show(page, 17)
    codes = codes_of(contents)
    button(page, "Local directions").click()
    press(page, page.locator(f"{SLIDERS}:visible").first, "End")
    around = codes[np.argsort(np.linalg.norm(codes - codes[17], axis=1))[:50]].astype(float)
    values, vectors = np.linalg.eigh(np.cov(around.T))
    moved = numbers(page, "code") - codes[17]
    assert np.linalg.norm(moved) == pytest.approx(2 * np.sqrt(values[-1]), rel=1e-3)
    assert abs(moved @ vectors[:, -1]) == pytest.approx(np.linalg.norm(moved), rel=1e-3)
    assert page.locator(".origin").inner_text() == "galaxy galaxy 17, moved along local directions"
    button(page, "Re-centre here").click()
    assert page.locator(".sliders .slider-value:visible").all_inner_texts() == ["0.00 σ"] * 3
    button(page, "Reset").click()
    assert np.array_equal(numbers(page, "code"), codes[17])


@pytest.mark.slow
def test_draws_differ_by_their_seed_and_say_what_they_are(open_page):
    page = open_page(decodable())
    button(page, "Random draw").click()
    first = numbers(page, "code")
    assert page.locator(".origin").inner_text() == "random draw (N(0, I), seed 1)"
    button(page, "Random draw").click()
    assert page.locator(".origin").inner_text() == "random draw (N(0, I), seed 2)"
    assert np.abs(numbers(page, "code") - first).min() > 0
    slider = page.locator(SLIDERS).first
    press(page, slider, "Home")
    assert page.locator(".origin").inner_text() == "random draw (N(0, I), seed 2), 1 latent moved"


@pytest.mark.slow
def test_row_of_the_catalogue(open_page):
    manifest, arrays, sheets = contents = decodable()
    page = open_page(contents)
    show(page, 30)
    page.locator(".catalogue button.link").click()
    page.wait_for_selector(".columns div:nth-child(10)")
    rows = dict(text.split("\n", 1) for text in page.locator(".columns div").all_inner_texts())
    rows = {name: text.replace("\n", "").replace("−", "-") for name, text in rows.items()}
    by_name = {column["name"]: column for column in manifest["columns"]}
    label = arrays[by_name["class"]["array"]][30]
    assert rows["class"] == (by_name["class"]["classes"][label] if label >= 0 else "–")
    assert float(rows["umap 1"]) == pytest.approx(arrays[by_name["umap 1"]["array"]][30], rel=6e-4)
    assert float(rows["ra"].removesuffix(" deg")) == pytest.approx(
        arrays[by_name["ra"]["array"]][30], abs=1e-5
    )
    assert rows["all unknown"] == "–" and rows["field"] == "field 0"
    assert not [name for name in rows if name.startswith("latent")]


@pytest.mark.slow
def test_what_is_taken_out_of_the_page(open_page, tmp_path):
    contents = decodable()
    page = open_page(contents, permissions=["clipboard-read", "clipboard-write"])
    show(page, 17)
    drawn = pixels(page, EDITED)
    with page.expect_download() as download:
        button(page, "Save image").click()
    assert download.value.suggested_filename == "2026-11-26_23-00-00_galaxy_galaxy_17.png"
    download.value.save_as(tmp_path / "saved.png")
    with Image.open(tmp_path / "saved.png") as image:
        saved = np.array(image.convert("RGB"))
    assert np.array_equal(saved, drawn.repeat(32, 0).repeat(32, 1))

    def copied():
        page.evaluate("navigator.clipboard.writeText('')")
        button(page, "Copy code").click()
        page.wait_for_timeout(100)
        return page.evaluate("navigator.clipboard.readText()")

    assert copied() == "galvae traverse run=2026-11-26_23-00-00 at='galaxy 17'"
    press(page, page.locator(SLIDERS).first, "End")
    text = copied()
    start = 'import galvae; images = galvae.open_run("2026-11-26_23-00-00").decode('
    assert text.startswith(start)
    np.testing.assert_allclose(json.loads(text.removeprefix(start)[:-1]), [numbers(page, "code")], rtol=1e-6)
    begin_walk(page)
    show(page, 5)
    press(page, page.get_by_label("Walk", exact=True), "PageDown")
    assert copied() == "galvae traverse run=2026-11-26_23-00-00 from='galaxy 17' to='galaxy 5'"
    press(page, page.locator(SLIDERS).first, "Home")
    assert copied().startswith(start)
    button(page, "Copy link").click()
    page.wait_for_timeout(100)
    link = page.evaluate("navigator.clipboard.readText()")
    assert link == page.url and "partner=galaxy+17" in link
