"""The plane in a browser: what pointers, keys and controls do with known galaxies."""

import numpy as np
import pytest
from builders.explorer_plane import WINDOW, Plane, contents, grid


@pytest.fixture
def plane(open_page):
    """The plane of a page with galaxies on a grid."""
    return Plane(open_page(grid(), viewport=WINDOW))


def test_dragging_moves_the_data_with_the_pointer_and_the_wheel_zooms_about_it(plane):
    start = plane.window(2, 2)
    plane.drag([start, (start[0] + 90, start[1] - 40)])
    assert plane.data(start[0] + 90, start[1] - 40) == pytest.approx((2, 2), abs=0.01)
    assert plane.view()[2] == pytest.approx(plane.view()[3])  # UMAP has equal scales
    before = plane.view()
    plane.page.mouse.wheel(0, -240)
    plane.page.wait_for_timeout(50)
    assert plane.view()[2] > 1.2 * before[2]
    assert plane.data(start[0] + 90, start[1] - 40) == pytest.approx((2, 2), abs=0.02)
    plane.page.mouse.wheel(0, 240)
    plane.page.wait_for_timeout(50)
    assert plane.view() == pytest.approx(before, rel=1e-6)
    plane.tool("Reset view")
    assert plane.state("s.camera") is None


def test_rectangle_and_lasso_select_exactly_the_galaxies_inside(plane):
    places = np.array(
        [plane.window(*plane.state(f"[a.plane.points.xs[{i}], a.plane.points.ys[{i}]]")) for i in range(30)]
    )
    plane.tool("Rectangle")
    low, high = places[7] + (-20, 20), places[21] + (20, -20)  # lower left and upper right
    plane.drag([low, high])
    inside = [i for i, (x, y) in enumerate(places) if low[0] < x < high[0] and high[1] < y < low[1]]
    assert plane.state("[...s.selection]") == inside and 4 < len(inside) < 12
    assert plane.state("s.tab") == "selection"
    assert f"{len(inside)} galaxies selected" in plane.page.inner_text("#message")

    plane.tool("Lasso")
    around = [
        places[0] + (-15, 15),
        places[5] + (15, 15),
        places[5] + (15, -15),
        places[0] + (15, -15),
        places[24] + (15, -15),
        places[24] + (-15, -15),
    ]  # an L: the lowest row and the left column
    plane.drag(around)
    assert plane.state("[...s.selection]") == [0, 1, 2, 3, 4, 5, 6, 12, 18, 24]
    plane.page.mouse.move(*places[14])
    plane.page.mouse.down()
    plane.page.mouse.move(*(places[14] + 60), steps=3)
    plane.page.keyboard.press("Escape")
    plane.page.mouse.up()
    assert plane.state("s.selection.length") == 10  # a cancelled lasso changes nothing
    plane.tool("Clear selection")
    assert plane.state("s.selection") is None


def test_a_click_on_a_galaxy_shows_it_and_one_on_an_empty_place_decodes_it(plane):
    at = plane.window(*plane.state("[a.plane.points.xs[16], a.plane.points.ys[16]]"))
    plane.page.mouse.click(at[0] + 5, at[1] - 5)
    assert plane.state("s.galaxy") == 16
    assert plane.state("[...s.code]") == plane.state("[...a.latent.code(16)]")
    empty = plane.window(2.6, 2.5)
    plane.page.mouse.click(*empty)
    assert plane.state("s.galaxy") == 16
    code = plane.state("s.place && [s.place.x, s.place.y, ...s.code]")
    assert code[:2] == pytest.approx((2.6, 2.5), abs=0.02)
    assert plane.state(
        "[...a.latent.at(s.place.x, s.place.y, a.plane.points.xs, a.plane.points.ys, 8,"
        " [a.plane.view.scaleX, a.plane.view.scaleY]).code]"
    ) == pytest.approx(code[2:])
    assert "mean code of the 8 galaxies" in plane.page.inner_text("#message")


@pytest.mark.slow
def test_a_decoded_place_says_whether_it_is_far_from_real_galaxies(open_page):
    for far, said in ((1e-6, True), (1e6, False)):
        manifest, arrays, sheets = contents([0, 1, 5], [0, 4, 2])
        plane = Plane(open_page((manifest | {"far": far}, arrays, sheets), viewport=WINDOW))
        plane.tool("Decode")
        plane.page.mouse.click(*plane.window(2.5, 2))
        message = plane.page.inner_text("#message")
        assert "mean code of the 3 galaxies" in message
        assert ("farther than 99 % of real galaxies are from their nearest" in message) == said


@pytest.mark.slow
def test_hovering_shows_the_galaxy_inside_the_window_and_nothing_far_from_any(plane):
    for galaxy in (0, 29):
        plane.page.mouse.move(
            *plane.window(*plane.state(f"[a.plane.points.xs[{galaxy}], a.plane.points.ys[{galaxy}]]"))
        )
        plane.page.wait_for_selector(f".tooltip[data-galaxy='{galaxy}']")
        assert plane.page.inner_text(".tooltip strong").endswith(f"galaxy {galaxy}")
        box = plane.page.locator(".tooltip").bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= WINDOW["width"]
        assert box["y"] >= 0 and box["y"] + box["height"] <= WINDOW["height"]
    plane.page.mouse.move(*plane.window(2.6, 2.5))
    assert plane.state("s.hover") is None and not plane.page.locator(".tooltip").is_visible()


@pytest.mark.slow
def test_keys_pan_zoom_reset_and_show_the_galaxy_at_the_centre(plane):
    plane.page.locator(".density").focus()
    x, y, scale, _ = plane.view()
    press = plane.page.keyboard.press
    press("ArrowRight")
    press("ArrowUp")
    assert plane.view()[:2] == pytest.approx((x + 60 / scale, y + 60 / scale))
    press("+")
    assert plane.view()[2] == pytest.approx(1.5 * scale)
    press("-")
    press("0")
    assert plane.view() == pytest.approx([x, y, scale, scale])
    press("Enter")
    xs, ys = np.array(plane.state("[[...a.plane.points.xs], [...a.plane.points.ys]]"))
    assert plane.state("s.galaxy") == np.hypot(xs - x, ys - y).argmin()
    plane.tool("Rectangle")
    plane.page.locator(".density").focus()
    press("Enter")
    assert plane.state("s.selection.length") == 30
    assert "30 of 30 galaxies in view" in plane.page.get_attribute(".density", "aria-label")


@pytest.mark.slow
def test_search_goes_to_a_galaxy_by_mouse_or_keys_and_says_what_is_not_there(plane):
    field = plane.page.get_by_role("combobox", name="Search a galaxy by its id")
    field.fill("galaxy 2")
    assert plane.page.locator("#matches li").all_inner_texts()[:2] == ["galaxy 2", "galaxy 20"]
    field.press("ArrowDown")
    field.press("ArrowDown")
    field.press("Enter")
    assert plane.state("s.galaxy") == 20
    assert plane.view()[:2] == pytest.approx(plane.state("[a.plane.points.xs[20], a.plane.points.ys[20]]"))
    field.fill("GALAXY 7")
    field.press("Enter")
    assert plane.state("s.galaxy") == 7
    field.fill("19")
    plane.page.locator("#matches li").first.click()
    assert plane.state("s.galaxy") == 19
    field.fill("nowhere")
    field.press("Enter")
    assert "No galaxy has an id with “nowhere” in it." in plane.page.inner_text("#message")
    assert plane.state("s.galaxy") == 19


@pytest.mark.slow
def test_columns_are_chosen_unknown_values_are_counted_and_scales_are_their_own(plane):
    page = plane.page
    assert page.locator("#toolbar select").nth(1).locator("option").all_inner_texts()[:2] == [
        "umap 1",
        "umap 2",
    ]
    page.get_by_label("x", exact=True).select_option("redshift")
    page.wait_for_timeout(200)
    missing = int(plane.state("a.plane.points.xs.filter(Number.isNaN).length"))
    assert missing == 5  # each seventh
    assert f"{missing} have no value in x or y" in page.inner_text(".note")
    assert page.get_by_label("Plane", exact=True).input_value() == ""
    assert plane.view()[2] != pytest.approx(plane.view()[3], rel=0.1)
    page.get_by_label("Plane", exact=True).select_option("latents")
    page.wait_for_timeout(200)
    assert plane.state("[s.x, s.y]") == ["latent 1", "latent 2"]
    assert page.inner_text(".note").startswith("30 of 30")
    page.get_by_label("x", exact=True).select_option("all unknown")
    page.wait_for_timeout(200)
    assert page.inner_text(".note").startswith("0 of 30") and "30 have no value" in page.inner_text(".note")
    assert "field" not in page.get_by_label("Colour", exact=True).locator("option").all_inner_texts()


@pytest.mark.slow
def test_the_legend_highlights_classes_and_only_these_are_picked(plane):
    page = plane.page
    labels = np.array(plane.state("[...a.plane.colour.values]"))
    texts = page.locator("#legend button").all_inner_texts()
    assert [int(text.split("\n")[-1]) for text in texts] == [
        int((labels == k).sum()) for k in (0, 1, 2, 3, -1)
    ]
    page.locator("#legend button", has_text="elliptical").click()
    page.locator("#legend button", has_text="edge-on").click()
    assert sorted(plane.state("s.highlight")) == [1, 2]
    plane.tool("Lasso")
    page.locator(".density").focus()
    page.keyboard.press("Enter")
    assert plane.state("[...s.selection]") == np.flatnonzero(np.isin(labels, (1, 2))).tolist()
    page.get_by_label("Colour", exact=True).select_option("redshift")
    page.wait_for_timeout(200)
    assert plane.state("s.highlight") is None
    assert "redshift" in page.inner_text("#legend") and "unknown (5)" in page.inner_text("#legend")
    assert page.locator("#legend canvas").count() == 1


@pytest.mark.slow
def test_the_theme_follows_the_browser_until_it_is_chosen(open_page):
    page = open_page(contents([0, 1], [0, 1]), color_scheme="dark", viewport=WINDOW)
    background = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(background) == "rgb(14, 16, 19)"
    page.emulate_media(color_scheme="light")
    assert page.evaluate(background) == "rgb(255, 255, 255)"
    page.get_by_role("button", name="Dark theme").click()
    assert page.evaluate(background) == "rgb(14, 16, 19)"
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.get_by_role("button", name="Light theme").click()
    assert page.evaluate(background) == "rgb(255, 255, 255)"


@pytest.mark.slow
def test_two_fingers_zoom_and_the_drawn_points_are_where_the_data_are(open_page):
    page = open_page(contents([0, 3, 1], [0, 0.5, 2]), viewport=WINDOW, has_touch=True)
    plane = Plane(page)
    box = page.locator(".density").bounding_box()
    alpha = (
        "([x, y]) => { const { data, width } = window.explorer.plane.image;"
        " return data[4 * (Math.floor(y) * width + Math.floor(x)) + 3]; }"
    )
    for place in ([0, 0], [3, 0.5], [1, 2]):
        left, top = plane.window(*place)
        assert page.evaluate(alpha, [left - box["x"], top - box["y"]]) > 200
        assert page.evaluate(
            alpha, [left - box["x"], box["height"] - (top - box["y"]) - 1]
        ) == 0 or place == [3, 0.5]
    before = plane.view()
    finger = (
        "([type, id, x, y]) => document.querySelector('.density').dispatchEvent(new PointerEvent(type,"
        " { pointerId: id, pointerType: 'touch', clientX: x, clientY: y, bubbles: true }))"
    )
    page.evaluate(
        "document.querySelector('.density').setPointerCapture = () => {}"
    )  # made up fingers have no capture
    middle = (box["x"] + 400, box["y"] + 300)
    fixed = plane.data(*middle)
    for event in (("pointerdown", 1, middle[0] - 50), ("pointerdown", 2, middle[0] + 50),
                  ("pointermove", 1, middle[0] - 100), ("pointermove", 2, middle[0] + 100),
                  ("pointerup", 1, middle[0] - 100), ("pointerup", 2, middle[0] + 100)):  # fmt: skip
        page.evaluate(finger, [*event, middle[1]])
    assert plane.view()[2] == pytest.approx(2 * before[2])
    assert plane.data(*middle) == pytest.approx(fixed, abs=1e-3)
    assert plane.state("s.place") is None and plane.state("s.selection") is None
