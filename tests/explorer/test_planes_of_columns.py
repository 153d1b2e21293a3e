"""The plane before it is drawn and with other columns: the sky, latents, long titles."""

import numpy as np
import pytest
from builders.explorer_plane import WINDOW, Plane, contents, grid

from galvae.explorer.page import write_page

# Has the columns of the plane arrive only when `window.arrive()` is called.
SLOW_COLUMNS = """
    const arrived = new Promise((go) => { window.arrive = go; });
    const read = Response.prototype.arrayBuffer;
    Response.prototype.arrayBuffer = async function () {
        if (document.querySelector(".density")) await arrived;
        return read.call(this);
    };
"""


@pytest.fixture
def plane(open_page):
    """The plane of a page with galaxies on a grid."""
    return Plane(open_page(grid(), viewport=WINDOW))


def test_pointers_keys_and_buttons_wait_for_the_first_picture(open_page, tmp_path):
    path = write_page(tmp_path / "explorer.html", *contents([0, 3, 1], [0, 0.5, 2]))
    page = open_page(address="about:blank", ready=False, requests=("file:", "about:"))
    page.set_viewport_size(WINDOW)
    page.add_init_script(SLOW_COLUMNS)
    page.goto(path.as_uri())
    page.wait_for_selector(".density", state="attached")
    page.locator(".density").focus()
    for key in ("+", "ArrowLeft", "0", "Enter"):
        page.keyboard.press(key)
    page.mouse.move(400, 400)
    page.mouse.wheel(0, -240)
    for x, y in ((400, 400), (80, 160)):  # inside of the canvas before it has its size
        page.mouse.click(x, y)
    for name in ("Zoom in", "Zoom out", "Reset view"):
        page.get_by_role("button", name=name).click()
    assert not page.query_selector("html[data-drawn]")
    page.evaluate("window.arrive()")
    page.wait_for_selector("html[data-ready]")
    page.locator(".density").press("Enter")
    assert page.evaluate("explorer.store.get().galaxy") == 2


def test_a_highlight_of_the_colour_before_ends_with_it(plane):
    plane.page.evaluate("""() => {
        const { plane, store } = explorer, column = plane.column.bind(plane);
        const arrived = new Promise((go) => { window.arrive = go; });
        plane.column = async (name) => (await (name === "redshift" && arrived), column(name));
        store.set({ colour: "redshift" });
    }""")
    plane.page.locator("#legend button", has_text="elliptical").click()
    assert plane.state("s.highlight") == [2]
    plane.page.evaluate("window.arrive()")
    plane.page.wait_for_selector("#legend canvas")
    assert plane.state("s.highlight") is None and plane.state("a.plane.hidden") is None


@pytest.mark.slow
def test_right_ascension_grows_to_the_left_in_the_shape_of_the_sky(open_page):
    ra, dec = np.array([359.0, 1.0, 0.0, 358.0]), np.array([59.0, 61.0, 60.5, 60.0])
    made = contents([0, 1, 2, 3], [0, 1, 0, 1], **{"column ra": ra, "column dec": dec})
    plane = Plane(open_page(made, viewport=WINDOW))
    plane.page.evaluate("explorer.store.set({ x: 'ra', y: 'dec' })")
    plane.page.wait_for_function("explorer.plane.view.mirrored")
    x, y, scale_x, scale_y = plane.view()
    assert x == pytest.approx(359.5 - 360) and scale_y / -scale_x == pytest.approx(1 / np.cos(np.deg2rad(60)))
    label = plane.page.get_attribute(".density", "aria-label")
    assert "ra (deg, east to the left) to the left, dec (deg) upwards" in label
    places = [
        plane.window(*plane.state(f"[a.plane.points.xs[{i}], a.plane.points.ys[{i}]]")) for i in range(4)
    ]
    assert np.argsort([left for left, _ in places]).tolist() == [1, 2, 0, 3]
    plane.page.mouse.click(*places[3])
    assert plane.state("s.galaxy") == 3
    plane.page.mouse.move(*places[1])
    plane.page.mouse.wheel(0, -240)
    plane.page.wait_for_timeout(50)
    assert plane.window(1, 61) == pytest.approx(places[1], abs=0.5)
    plane.page.mouse.click(places[1][0] + 40, places[1][1])
    assert plane.state("s.origin").startswith("mean of the 4 galaxies around (0")


@pytest.mark.slow
def test_a_place_of_two_latents_is_decoded_with_their_values(plane):
    plane.page.evaluate("explorer.store.set({ x: 'latent 2', y: 'latent 1' })")
    plane.page.wait_for_function("explorer.plane.x.name === 'latent 2'")
    at = plane.data(600, 400)
    plane.tool("Decode")
    plane.page.mouse.click(600, 400)
    assert plane.state("[s.code[1], s.code[0]]") == pytest.approx(at, rel=1e-5)
    assert plane.state("s.origin").startswith("place (")
    closest = plane.state("a.latent.closest(s.code)")
    galaxy = plane.state(f"a.ids[{closest['galaxy']}]")
    message = plane.page.inner_text("#message")
    assert "with the place's own z₁ and z₀." in message
    assert f"of galaxy {galaxy}, is {closest['distance']:.3g} away" in message


@pytest.mark.slow
def test_sentences_and_tooltips_end_with_what_they_are_about(plane):
    def said():
        return plane.page.inner_text("#message")

    plane.page.mouse.click(*plane.window(2.6, 2.5))
    assert "mean code" in said()
    plane.page.evaluate("explorer.store.set({ origin: 'another' })")
    assert said() == ""
    plane.tool("Rectangle")
    plane.page.locator(".density").focus()
    plane.page.keyboard.press("Enter")
    assert said() == "30 galaxies selected."
    plane.page.evaluate("explorer.store.set({ selection: Int32Array.of(1) })")
    assert said() == ""
    plane.page.mouse.move(*plane.window(*plane.state("[a.plane.points.xs[16], a.plane.points.ys[16]]")))
    plane.page.wait_for_selector(".tooltip[data-galaxy='16']")
    plane.page.evaluate("explorer.plane.zoomIn()")
    assert not plane.page.locator(".tooltip").is_visible()
    plane.tool("Reset view")
    # On a galaxy that the wheel moves away from below the pointer, and as far as digits can tell.
    plane.page.mouse.move(
        *(np.array(plane.window(*plane.state("[a.plane.points.xs[16], a.plane.points.ys[16]]"))) + 8)
    )
    plane.page.wait_for_selector(".tooltip")
    plane.page.mouse.wheel(0, -400)
    plane.page.wait_for_timeout(50)
    assert not plane.page.locator(".tooltip").is_visible()
    plane.page.evaluate("for (let i = 0; i < 60; i++) explorer.plane.zoomIn()")
    x, y, scale, _ = plane.view()
    assert 90 / scale == pytest.approx(1e-5 * x)  # six digits tell ticks apart


@pytest.mark.slow
def test_long_titles_are_shortened(open_page):
    manifest, arrays, sheets = contents([0, 1, 5], [0, 4, 2])
    for column in manifest["columns"]:
        column |= {"label": "W" * 10_000, "unit": "V" * 10_000}
    page = open_page((manifest, arrays, sheets), viewport=WINDOW)
    short = "W" * 80 + "… (" + "V" * 80 + "…)"
    assert page.inner_text("#legend .title") == short
    assert set(page.locator("#toolbar select").nth(1).locator("option").all_inner_texts()) == {short}
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator("#legend .title").bounding_box()["x"] + 1 < WINDOW["width"] - 420
