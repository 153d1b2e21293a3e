"""The tab "Galaxy" of the page in a real browser: what sliders, conditions and noise decode, of any contents."""

import shutil

import numpy as np
import pytest
from builders.explorer import HOSTILE
from builders.explorer_decoder import decodable, decoded
from builders.inspector import (
    EDITED,
    ORIGINAL,
    RECONSTRUCTION,
    SLIDERS,
    begin_walk,
    button,
    codes_of,
    numbers,
    pixels,
    press,
    settle,
    settle_neighbours,
    show,
)

from galvae.figures import Style, rgb
from galvae.runs.trained_run import TrainedRun


def test_slider_decodes_the_edited_image_alone(open_page):
    contents = decodable()
    page = open_page(contents)
    show(page, 17)
    own, latent = codes_of(contents)[17], contents[0]["latents"][1]
    slider = page.locator(SLIDERS).nth(1)
    assert "z₁" in slider.get_attribute("aria-label") and latent["name"] in slider.get_attribute("aria-label")
    press(page, slider, "End")
    code = numbers(page, "code")
    assert code[1] == np.float32(latent["high"]) and np.array_equal(np.delete(code, 1), np.delete(own, 1))
    np.testing.assert_allclose(pixels(page, EDITED), decoded(contents, code), atol=1)
    np.testing.assert_allclose(pixels(page, RECONSTRUCTION), decoded(contents, own), atol=1)
    assert np.abs(pixels(page, EDITED) - pixels(page, RECONSTRUCTION)).max() > 20


@pytest.mark.slow
def test_resets_lead_back(open_page):
    contents = decodable()
    page = open_page(contents)
    show(page, 17)
    own = codes_of(contents)[17]
    assert np.array_equal(pixels(page, EDITED), pixels(page, RECONSTRUCTION))
    assert button(page, "Reset").is_disabled()
    press(page, page.locator(SLIDERS).nth(1), "End")
    press(page, page.locator(SLIDERS).nth(3), "ArrowLeft", 20)
    code = numbers(page, "code")
    assert code[3] < own[3] - 0.1
    assert page.locator(".origin").inner_text() == "galaxy galaxy 17, 2 latents moved"
    button(page, "Reset z₃").click()
    assert np.array_equal(numbers(page, "code"), np.where(np.arange(6) == 1, code, own))
    page.locator(SLIDERS).nth(1).dblclick()
    assert np.array_equal(numbers(page, "code"), own)
    press(page, page.locator(SLIDERS).nth(1), "Home")
    button(page, "Reset").click()
    assert np.array_equal(numbers(page, "code"), own)
    assert np.array_equal(pixels(page, EDITED), pixels(page, RECONSTRUCTION))
    assert page.locator(".origin").inner_text() == "galaxy galaxy 17"


@pytest.mark.slow
def test_sliders_of_a_trained_run_decode_as_keras_does(open_page, galvae, trained, tmp_path):
    path = shutil.copytree(trained("cvae2"), tmp_path / "run")
    assert galvae("explore", f"run={path}", "umap=false", "thumbnails=9")[0] == 0
    page = open_page(address=(path / "explore" / "explorer.html").as_uri())
    run = TrainedRun.open(path)
    style = Style().for_images(run.galaxies.rgb, run.state.stretch, run.directory.display_range)

    def by_keras():
        return rgb(run.decode(numbers(page, "code")[None], numbers(page, "condition")[None]), style)[0]

    np.testing.assert_allclose(pixels(page, RECONSTRUCTION), by_keras(), atol=2)
    sliders = page.locator(SLIDERS)
    assert sliders.count() == 4  # the redshift and three latents
    for slider in sliders.all():
        press(page, slider, "End")
        np.testing.assert_allclose(pixels(page, EDITED), by_keras(), atol=2)
    button(page, "Random draw").click()
    np.testing.assert_allclose(pixels(page, EDITED), by_keras(), atol=2)
    assert pixels(page, EDITED).std() > 1


@pytest.mark.slow
def test_slow_decoder_waits_for_the_release(open_page):
    page = open_page(decodable(), viewport={"width": 1280, "height": 1400})
    settle_neighbours(page)  # nothing moves on the page any more
    page.evaluate(
        "explorer.decoding.costs = [600, 600]; explorer.decoding.decode = function (code, condition) {"
        "window.decodes = (window.decodes ?? 0) + 1; return explorer.decoder.decode(code, condition); }; 0"
    )
    box = page.locator(SLIDERS).first.bounding_box()
    height = box["y"] + box["height"] / 2
    before = numbers(page, "code")
    page.mouse.move(box["x"] + 0.5 * box["width"], height)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.7 * box["width"], height)
    page.mouse.move(box["x"] + 0.9 * box["width"], height)
    page.wait_for_timeout(200)
    assert numbers(page, "code")[0] != before[0] and page.evaluate("window.decodes ?? 0") == 0
    page.mouse.up()
    page.wait_for_timeout(200)
    assert page.evaluate("window.decodes") == 1


@pytest.mark.slow
def test_noise_changes_pixels_and_its_seed_repeats_them(open_page):
    page = open_page(decodable())
    plain = pixels(page, EDITED)
    button(page, "Noise").click()
    first = pixels(page, EDITED)
    assert np.abs(first - plain).mean() > 2
    assert np.array_equal(pixels(page, RECONSTRUCTION), plain)
    button(page, "New noise").click()
    other = pixels(page, EDITED)
    assert np.abs(other - first).mean() > 2
    page.evaluate("explorer.store.set({ noiseSeed: 1 })")
    assert np.array_equal(pixels(page, EDITED), first)
    button(page, "Noise").click()
    assert np.array_equal(pixels(page, EDITED), plain)


@pytest.mark.slow
def test_page_without_noise_says_why(open_page):
    manifest, arrays, sheets = decodable()
    manifest |= {"noise": None, "no_noise": "this run has learned no noise"}
    page = open_page((manifest, arrays, sheets))
    assert button(page, "Noise").is_disabled()
    assert button(page, "Noise").get_attribute("title") == "this run has learned no noise"


@pytest.mark.slow
def test_condition_moves_the_edited_image_alone(open_page):
    contents = decodable(conditional=True)
    page = open_page(contents)
    show(page, 20)
    own, condition = codes_of(contents)[20], contents[1]["condition"][20]
    redshift = page.get_by_label("redshift", exact=True)
    press(page, redshift, "End")
    other = int(condition[0] == 1)
    page.get_by_label("Class at which the edited image is decoded").select_option(str(other))
    wanted = np.array([other == 0, other == 1, 0.8], np.float32)
    np.testing.assert_allclose(numbers(page, "condition"), wanted, rtol=1e-5)
    np.testing.assert_allclose(pixels(page, EDITED), decoded(contents, own, wanted), atol=1)
    np.testing.assert_allclose(pixels(page, RECONSTRUCTION), decoded(contents, own, condition), atol=1)
    assert np.array_equal(numbers(page, "code"), own)
    name = contents[0]["conditions"]["classes"][other]
    assert page.locator(".origin").inner_text() == f"galaxy galaxy 20, as {name}, redshift 0.8"
    button(page, "Random draw").click()  # at the present condition, from which it is then moved
    np.testing.assert_allclose(numbers(page, "condition"), wanted, rtol=1e-5)
    assert not page.get_by_title("Reset redshift").is_visible()
    button(page, "Reset").click()
    assert np.array_equal(numbers(page, "condition"), condition)


@pytest.mark.slow
@pytest.mark.parametrize("missing", ["decoder", "codes"])
def test_page_without_decoder_or_codes_shows_the_rest(open_page, missing):
    manifest, arrays, sheets = decodable()
    manifest["decoder"] = None
    if missing == "codes":
        del arrays["codes"]
        manifest["columns"] = [column for column in manifest["columns"] if column["origin"] != "latent"]
        manifest["planes"] = manifest["planes"][:1]
    page = open_page((manifest, arrays, sheets))
    show(page, int(arrays["thumbnails"][3]))
    page.wait_for_timeout(200)
    assert f"This page holds no {missing}" in page.locator(".origin").inner_text()
    assert pixels(page, ORIGINAL).max() > 50
    assert page.locator(".columns div").count() == 8
    assert page.locator(".neighbours button").count() == (8 if missing == "decoder" else 0)
    assert not page.locator(SLIDERS).count() and button(page, "Random draw").count() == 0


@pytest.mark.slow
@pytest.mark.parametrize(("count", "latent_dim"), [(1, 6), (40, 1)])
def test_one_galaxy_and_one_latent(open_page, count, latent_dim):
    contents = decodable(count, latent_dim)
    page = open_page(contents)
    assert page.locator(SLIDERS).count() == latent_dim
    press(page, page.locator(SLIDERS).first, "End")
    np.testing.assert_allclose(pixels(page, EDITED), decoded(contents, numbers(page, "code")), atol=1)
    if latent_dim > 1:
        button(page, "Local directions").click()
        assert "too few galaxies" in page.locator(".sliders").inner_text()
    button(page, "Reset").click()
    settle_neighbours(page)
    assert page.locator(".neighbours button").count() == min(count - 1, 8)


@pytest.mark.slow
def test_images_that_are_not_square_and_of_one_band(open_page):
    contents = decodable(40, shape=(12, 20, 1))
    page = open_page(contents)
    np.testing.assert_allclose(pixels(page, EDITED), decoded(contents, numbers(page, "code")), atol=1)
    original, edited = (page.locator(selector).bounding_box() for selector in (ORIGINAL, EDITED))
    for box in (original, edited):
        assert box["width"] == pytest.approx(box["height"] * 20 / 12, abs=1)


@pytest.mark.slow
def test_galaxies_of_unknown_condition_or_code(open_page):
    contents = manifest, arrays, _ = decodable(conditional=True)
    arrays["condition"][4] = np.nan
    arrays["codes"][5] = np.nan
    page = open_page(contents)
    show(page, 4)
    assert "not known in full" in page.locator(".sliders").inner_text()
    typical = numbers(page, "condition")
    assert typical[2] == pytest.approx(np.nanmean(arrays["condition"][:, 2]), rel=1e-4)
    np.testing.assert_allclose(
        pixels(page, EDITED), decoded(contents, codes_of(contents)[4], typical), atol=1
    )
    show(page, 5)
    settle(page)
    assert "This galaxy has no code." in page.locator(".origin").inner_text()
    assert not page.locator(SLIDERS).first.is_visible()
    show(page, 6)
    settle(page)
    assert page.locator(SLIDERS).first.is_visible()


@pytest.mark.slow
def test_hostile_texts_stay_texts(open_page):
    page = open_page(decodable(conditional=True, hostile=True))
    for galaxy, text in enumerate(HOSTILE):
        show(page, galaxy)
        settle(page)
        heading = page.evaluate("document.querySelector('.origin').textContent")
        assert heading == f"galaxy {text}".replace("\u202e", "\ufffd")
        if galaxy % 2:
            press(page, page.get_by_label("Walk", exact=True), "PageDown")
        else:
            begin_walk(page)
    page.locator(".catalogue button.link").click()
    settle_neighbours(page)
    assert page.evaluate("window.harmed") is None
    panel = page.locator("#inspector")
    assert panel.evaluate("(panel) => panel.scrollWidth") <= panel.evaluate("(panel) => panel.clientWidth")
