"""What the tab "Galaxy" shows while images are read, what an address may hold, and what may be copied and saved."""

import numpy as np
import pytest
from builders.explorer import synthetic
from builders.explorer_decoder import decodable
from builders.inspector import begin_walk, button, codes_of, numbers, press, settle, show

# Sheets come after `explorer.delay` milliseconds, or not at all where that is negative.
SLOW_SHEETS = """() => {
    const { thumbnails } = explorer.data;
    const decoded = thumbnails.decoded.bind(thumbnails);
    thumbnails.decoded = async (name) => {
        await new Promise((go) => setTimeout(go, Math.abs(explorer.delay)));
        if (explorer.delay < 0) throw new Error("The sheet is missing.");
        return decoded(name);
    };
    explorer.forget = () => thumbnails.sheets.clear();
}"""


def captions(page):
    return page.locator(".images figure:visible figcaption").all_inner_texts()


@pytest.mark.slow
def test_an_original_is_never_that_of_another_galaxy(open_page):
    page = open_page(synthetic(600, thumbnails=600, shape=(8, 8, 3)))
    original, absent = page.locator(".images canvas").first, page.locator(".images .absent").first
    show(page, 5)
    page.wait_for_timeout(100)
    assert original.is_visible() and not absent.is_visible()
    assert original.get_attribute("aria-label") == "Original of galaxy 5"
    page.evaluate(SLOW_SHEETS)
    tooltip = page.locator(".tooltip canvas")
    page.evaluate("explorer.plane.tools.tooltip.show(5, 300, 300, [])")
    page.wait_for_selector('.tooltip[data-galaxy="5"]')
    for delay, found in ((300, True), (-300, False)):
        page.evaluate(f"explorer.delay = {delay}; explorer.forget()")
        page.evaluate("galaxy => { explorer.plane.tools.tooltip.show(galaxy, 300, 300, []) }", 300 + found)
        show(page, 300 + found)
        page.wait_for_timeout(100)
        assert not original.is_visible() and not absent.is_visible() and not tooltip.is_visible()
        page.wait_for_timeout(400)
        assert (original.is_visible(), absent.is_visible()) == (found, not found)
        # The tooltip shows what the galaxy's code decodes instead, and says so.
        assert tooltip.is_visible() and page.locator(".tooltip small").is_visible() == (not found)
    assert (
        absent.inner_text() == "No image at hand."
        and page.text_content("#message") == "The sheet is missing."
    )


@pytest.mark.slow
def test_images_are_named_by_what_they_show(open_page):
    contents = decodable()
    page = open_page(contents)
    show(page, 17)
    assert captions(page) == ["Original of galaxy 17", "Reconstruction of galaxy 17", "Edited"]
    assert page.locator(".catalogue h3").inner_text() == "Catalogue of galaxy 17"
    press(page, page.locator("#inspector .sliders input[type=range]").first, "Home")
    settle(page)
    assert captions(page)[2] == "Edited"
    button(page, "Random draw").click()
    settle(page)
    assert captions(page)[2] == "Decoded"
    assert button(page, "Reset").get_attribute("title") == "Back to the code and condition of galaxy 17"
    begin_walk(page)
    show(page, 30)
    press(page, page.get_by_label("Walk", exact=True), "PageDown")
    settle(page)
    assert captions(page)[2] == "Decoded"
    without = int(np.setdiff1d(np.arange(200), contents[1]["thumbnails"])[0])
    show(page, without)
    page.wait_for_timeout(100)
    text = page.locator(".images .absent").first.inner_text()
    assert (
        text
        == f"No image at hand: this page holds those of {len(contents[1]['thumbnails'])} of 200 galaxies."
    )
    page.wait_for_timeout(200)
    names = page.locator(".neighbours button").evaluate_all("all => all.map((one) => one.title)")
    marked = page.locator(".neighbours canvas.decoded").count()
    assert marked == sum(name.endswith("decoded: its image is not in this page") for name in names) > 0


def test_an_address_may_hold_a_code_of_no_galaxy_but_no_column_that_cannot_be_used(open_page):
    page = open_page(
        synthetic(60, latent_dim=4), fragment="galaxy=gone&z=0:1,1:2,2:0,3:-1&colour=field&x=class"
    )
    assert numbers(page, "code").tolist() == [1, 2, 0, -1]
    assert page.locator(".origin").inner_text() == "a code of the address"
    assert page.text_content("#message") == "Not understood in the address of this page: x, colour, galaxy."
    assert page.evaluate("[explorer.store.get().x, explorer.store.get().colour]") == ["umap 1", "class"]


@pytest.mark.slow
def test_an_address_in_full_of_a_galaxy_without_a_code(open_page):
    manifest, arrays, sheets = synthetic(60, latent_dim=4)
    arrays["codes"][7] = np.nan
    page = open_page((manifest, arrays, sheets), fragment="galaxy=galaxy+7&z=0:1,1:2,2:0,3:1")
    assert (
        numbers(page, "code").tolist() == [1, 2, 0, 1] and page.evaluate("explorer.store.get().galaxy") == 7
    )
    page.evaluate("location.hash = 'view=0,0,1e300'")  # of no use, and of no harm
    page.wait_for_timeout(200)
    assert page.text_content("#message") == ""


@pytest.mark.slow
def test_own_addresses_are_understood_however_long(open_page):
    manifest, arrays, sheets = synthetic(60, latent_dim=2048)
    arrays["ids"][7] = "W€" * 5000
    contents = manifest, arrays, sheets
    page = open_page(contents)
    page.evaluate("explorer.store.set({ galaxy: 7 })")
    button(page, "Random draw").click()
    link = page.evaluate("explorer.link()")
    assert len(link) > 60_000
    other = open_page(contents, fragment=link.partition("#")[2])
    assert other.text_content("#message") == "" and other.evaluate("explorer.store.get().galaxy") == 7
    np.testing.assert_allclose(numbers(other, "code"), numbers(page, "code"), rtol=1e-5)


@pytest.mark.slow
def test_back_leads_to_the_galaxy_before(open_page):
    contents = synthetic(60)
    page = open_page(contents)
    first = page.evaluate("explorer.store.get().galaxy")
    for galaxy in (17, 30):
        show(page, galaxy)
        page.wait_for_timeout(450)
    press(page, page.locator("#inspector .sliders input[type=range]").first, "Home")
    page.wait_for_timeout(450)
    for galaxy in (17, first):
        page.go_back()
        page.wait_for_timeout(450)
        assert page.evaluate("explorer.store.get().galaxy") == galaxy
        assert np.array_equal(numbers(page, "code"), codes_of(contents)[galaxy])
    page.go_forward()
    page.wait_for_timeout(50)
    assert page.evaluate("explorer.store.get().galaxy") == 17


@pytest.mark.slow
def test_nothing_is_copied_that_a_terminal_would_obey(open_page):
    manifest, arrays, sheets = contents = synthetic(60)
    arrays["ids"][3] = "\x03\ntouch harmed\n\x1b[201~"
    manifest["run"] = "x" * 300
    page = open_page(contents, permissions=["clipboard-read", "clipboard-write"])
    page.evaluate("navigator.clipboard.writeText('as before')")
    show(page, 3)
    button(page, "Copy code").click()
    message = "Nothing is copied: a terminal would obey the control characters in "
    assert page.text_content("#message").startswith(f"{message}this id; save the CSV")
    page.evaluate("explorer.store.set({ selection: Int32Array.of(3, 4), tab: 'selection' })")
    page.get_by_role("button", name="Copy ids").click()
    page.wait_for_timeout(50)
    assert f"{message}these ids; save the CSV instead." in page.inner_text(".exports")
    assert page.evaluate("navigator.clipboard.readText()") == "as before"
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as CSV").click()
    assert download.value.suggested_filename == f"{'x' * 40}{'x' * 38}_2.csv"
    manifest["run"] = "run\nrm"
    other = open_page(contents, permissions=["clipboard-read", "clipboard-write"])
    show(other, 5)
    button(other, "Copy code").click()
    assert other.text_content("#message") == f"{message}the name of this run."
    other.evaluate("explorer.decoder = undefined; explorer.plane.tools.decode([5, 5], true)")
    assert other.text_content("#message") == "The decoder is still being read."


@pytest.mark.slow
def test_errors_of_handlers_are_said_and_long_names_keep_the_header_low(open_page):
    contents = synthetic(60)
    name = contents[0]["title"] = contents[0]["run"] = "W" * 10_000
    page = open_page(contents, complaints=True, viewport={"width": 1280, "height": 800})
    assert page.locator("header").bounding_box()["height"] < 120
    assert page.get_attribute("#title", "title") == name and name in page.get_attribute("#run", "title")
    page.evaluate("explorer.store.on(['noiseSeed'], () => { throw new Error('This follower is broken.'); })")
    page.evaluate(
        "() => { document.querySelector('#theme').onclick = () => explorer.decoding.move({ noiseSeed: 7 }); }"
    )
    page.click("#theme")
    assert page.text_content("#message") == "This follower is broken."
    assert page.evaluate("explorer.decoding.moving") is False


@pytest.mark.slow
def test_the_last_choice_of_columns_wins_and_directions_wait_for_the_end_of_a_walk(open_page):
    contents = decodable(60)
    page = open_page(contents)
    count = page.locator(".columns div").count()
    page.evaluate("""() => {
        const column = explorer.data.column.bind(explorer.data);
        let calls = 0;
        explorer.data.column = async (name) => {
            await new Promise((go) => setTimeout(go, calls++ < 10 ? 300 : 20));
            return column(name);
        };
        const more = document.querySelector(".catalogue button.link");
        more.click();
        more.click();
    }""")
    page.wait_for_timeout(500)
    assert page.locator(".columns div").count() == count
    assert page.locator(".catalogue button.link").inner_text().startswith("All ")

    show(page, 17)
    button(page, "Local directions").click()
    page.evaluate("""async () => {
        const { latent, store } = explorer;
        const directions = latent.directions.bind(latent);
        explorer.calls = 0;
        latent.directions = (...given) => { explorer.calls++; return directions(...given); };
        for (let step = 1; step <= 10; step++) {
            store.set({ code: latent.between(17, 30, step / 10).code });
            await new Promise((go) => setTimeout(go, 20));
        }
    }""")
    sliders = page.locator(".sliders [inert]")
    assert page.evaluate("explorer.calls") == 0 and sliders.count() == 1
    page.wait_for_timeout(250)
    assert page.evaluate("explorer.calls") == 1 and sliders.count() == 0
    press(page, page.locator("#inspector .sliders input[type=range]:visible").first, "ArrowRight")
    assert np.linalg.norm(numbers(page, "code") - codes_of(contents)[30]) < 0.1  # around the end of the walk
    assert page.evaluate("explorer.calls") == 1


@pytest.mark.slow
def test_a_page_says_what_it_is_for_and_what_names_mean(open_page):
    manifest, arrays, sheets = decodable()
    manifest["latents"][0]["name"] = "r50 (+), peak (-)"
    (redshift,) = (column for column in manifest["columns"] if column["name"] == "redshift")
    redshift["origin"] = "catalogue"
    page = open_page((manifest, arrays, sheets), viewport={"width": 1400, "height": 900})
    purpose = page.locator("#purpose")
    assert purpose.inner_text().startswith("Each point is a galaxy. Click one to see it, click between them")
    assert purpose.bounding_box()["y"] < page.locator("canvas.density").bounding_box()["y"]
    title = page.locator(".sliders .slider-head").first.get_attribute("title")
    assert title == "Latent 0: as it rises, r50 rises and peak falls; information 3 nats"
    assert page.locator("#inspector output, #inspector .sliders [aria-live]").count() == 0
    page.evaluate("explorer.plane.tools.tooltip.show(5, 300, 300, explorer.plane.tooltipColumns)")
    assert "redshift" in page.text_content(".tooltip dl")
    position = "getComputedStyle(document.querySelector('.pinned')).position"
    assert page.evaluate(position) == "sticky"
    page.set_viewport_size({"width": 700, "height": 450})
    assert page.evaluate(position) == "static"  # or two sliders would be left
