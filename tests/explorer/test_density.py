"""Points as an image, colours, cameras and picking, in JavaScript with known answers."""

import json

import numpy as np
import pytest
from builders.javascript import context, put, take

# Points without symmetry: an L, whose long arm goes up and whose foot goes right.
XS, YS = [0, 0, 0, 0, 1, 2], [0, 1, 2, 3, 0, 0]
SIDE = 60  # pixels of the picture, 10 for a unit


@pytest.fixture(scope="module")
def page():
    names = ("density", "colour_scale", "camera", "picking", "search", "marks")
    page = context(*(f"plane/{name}.js" for name in names), "sky.js")
    page.eval(f"""
        globalThis.view = new View({{ x: 2.45, y: 2.45, scale: 10 }}, 1, {SIDE}, {SIDE});
        globalThis.palettes = {{
            values: Uint8Array.from({{ length: 768 }}, (_, i) => (i % 3 === 1 ? 160 : Math.floor(i / 3) / 3 + 80)),
            classes: Uint8Array.from([200, 0, 0, 0, 100, 200]), unknown: Uint8Array.from([150, 150, 150]),
        }};
        globalThis.drawn = (xs, ys, faint, colouring, ratio = 1) => {{
            const side = {SIDE} * ratio;
            const pixels = new Uint32Array(side * side);
            const points = {{ xs: Float32Array.from(xs), ys: Float32Array.from(ys), faint }};
            globalThis.inView = new Density().draw(pixels, side, side, ratio, view, points, colouring, [9, 9, 9]);
            return new Uint8Array(pixels.buffer);
        }};
        globalThis.numbers = (values) => ({{ kind: "number", values: Float32Array.from(values) }});
    """)
    return page


def picture(page, points, faint="null", colour="null", ratio=1):
    """RGBA of points as drawn, (height, width, 4)."""
    xs, ys = np.transpose(points).tolist()
    colouring = f"colouringBy({colour}, palettes, true, {len(xs)})"
    rgba = take(page, f"drawn({xs}, {ys}, {faint}, {colouring}, {ratio})")
    return rgba.reshape(SIDE * ratio, SIDE * ratio, 4)


@pytest.mark.parametrize("ratio", [1, 2])
def test_points_are_drawn_where_they_are_and_y_points_up(page, ratio):
    image = picture(page, list(zip(XS, YS, strict=True)), ratio=ratio)
    for x, y in zip(XS, YS, strict=True):
        left, top = int((30 + (x - 2.45) * 10) * ratio), int((30 - (y - 2.45) * 10) * ratio)
        assert image[top, left, 3] > 200
    opaque = image[..., 3] > 0
    assert not opaque[: SIDE * ratio // 4, SIDE * ratio // 2 :].any()  # no mirrored arm at the upper right
    assert opaque.sum() < len(XS) * 30 * ratio**2
    assert page.eval("inView") == len(XS)


def test_points_outside_and_without_a_value_are_neither_drawn_nor_counted(page):
    page.eval("globalThis.bad = [1, NaN, 1, 1e9, -1e9, 1, Infinity]")
    page.eval("globalThis.good = [1, 1, NaN, 1, 1, 1e9, 1]")
    take(page, "drawn(bad, good, null, colouringBy(null, palettes, true, 7))")
    assert page.eval("inView") == 1


def test_discs_at_the_edges_do_not_come_out_on_the_other_side(page):
    image = picture(page, [(-0.54, 2), (2, 5.44)])  # at the left edge, at the upper edge
    assert image[34, 0, 3] > 0 and not image[30:40, SIDE // 2 :, 3].any()
    assert image[0, 25, 3] > 0 and not image[SIDE // 2 :, 20:30, 3].any()


def test_pixels_are_as_opaque_as_they_have_points_by_logarithm_and_one_is_seen(page):
    piled = [(0, 0)] + [(2, 0)] * 10 + [(4, 0)] * 100
    alpha = picture(page, piled)[54, [5, 25, 45], 3].astype(float)
    assert alpha[0] >= 0.4 * 255 and alpha[2] > 250
    np.testing.assert_allclose(alpha[1] - alpha[0], alpha[2] - alpha[1], atol=2)  # ten times as many each


def test_a_pixel_has_the_mean_number_of_its_galaxies_in_the_palette(page):
    values = [0] * 3 + [100] * 3 + [50]  # the percentiles are 0 and 100; the last one has both colours' mean
    points = [(0, 0), (2, 2), (2, 2), (2, 2), (2, 2), (4, 4), (0, 4)]
    image = picture(page, points, colour=f"numbers({values})")
    red = image[[54, 34, 14, 14], [5, 25, 45, 5], 0].astype(int)
    np.testing.assert_allclose(red, [80, 122, 165, 122], atol=1)


def test_unknown_numbers_are_grey_but_do_not_change_the_mean_of_known_ones(page):
    image = picture(page, [(0, 0), (2, 2), (2, 2), (4, 4)], colour="numbers([0, 100, NaN, NaN])")
    assert image[54, 5, 0] == 80 and abs(int(image[34, 25, 0]) - 165) <= 1
    assert image[14, 45, :3].tolist() == [150, 150, 150]


def test_classes_have_their_colours_and_mix_where_they_share_a_pixel(page):
    column = '{ kind: "class", classes: ["a", "b"], values: Int16Array.from([0, 1, -1, 0, 1]) }'
    image = picture(page, [(0, 0), (2, 2), (4, 4), (0, 4), (0, 4)], colour=column)
    colours = image[[54, 34, 14, 14], [5, 25, 45, 5], :3].astype(int)
    assert colours[:3].tolist() == [[200, 0, 0], [0, 100, 200], [150, 150, 150]]
    np.testing.assert_allclose(colours[3], [100, 50, 100], atol=1)
    assert page.execute(f"[...colouringBy({column}, palettes, true, 5).counts]") == [2, 2, 1]
    repeating = "{ ...palettes, classes: Uint8Array.from([200, 0, 0, 200, 0, 0]) }"
    for classes, distinct in (("palettes", 2), (repeating, 1)):
        assert page.execute(f"colouringBy({column}, {classes}, true, 5).distinct") == distinct


def test_faint_points_are_grey_and_below_the_others(page):
    image = picture(page, [(0, 0), (2, 2), (2, 2)], faint="Uint8Array.from([1, 1, 0])")
    assert image[54, 5].tolist()[:3] == [9, 9, 9] and 0 < image[54, 5, 3] < 100
    assert image[34, 25].tolist()[:3] != [9, 9, 9] and image[34, 25, 3] > 200


def test_lonely_points_are_larger_than_crowded_ones_and_none_is_below_a_pixel(page):
    random = np.random.default_rng(0)
    crowd = random.uniform(0, 0.5, (1000, 2))
    image = picture(page, [*crowd.tolist(), (4.5, 4.5)])
    assert (image[5:16, 44:56, 3] > 0).sum() >= 5
    assert (image[50:54, 6:10, 3] > 0).all()
    assert (image[47:57, 3:13, 3] > 0).sum() <= 36  # those of the crowd have a pixel each


def test_percentiles_are_those_of_numpy(page):
    values = np.random.default_rng(1).gamma(2, size=1001).astype(np.float32)
    values[::50] = np.nan
    values[7] = np.inf
    put(page, "values", values)
    ours = page.execute("quantiles(values, [0, 0.01, 0.5, 0.99, 1])")
    known = values[np.isfinite(values)].astype(float)
    np.testing.assert_allclose(ours, np.percentile(known, [0, 1, 50, 99, 100]), rtol=1e-6)
    assert page.eval("quantiles(new Float32Array([NaN]), [0.5]).every(Number.isNaN)")


@pytest.mark.parametrize("dark", [True, False])
def test_colours_that_would_not_be_seen_are_moved_away_from_the_background(page, dark):
    indigo, sand = page.execute(
        f"[[51, 34, 136], [240, 240, 180]].map((rgb) => legible(rgb, {str(dark).lower()}))"
    )
    assert (indigo[1] > 40) == dark and (sand[0] < 220) != dark
    assert page.execute(f"legible([200, 60, 60], {str(dark).lower()})") == [200, 60, 60]


def test_a_fitted_camera_shows_the_ranges_and_equal_scales_when_asked(page):
    for ratio, tops in ((None, [291, 9]), (1, [197, 103]), (2, [244, 56])):
        corners = page.execute(
            f"(() => {{ const {{ camera, ratio }} = fittedCamera([-1, 3], [10, 11], 400, 300, {json.dumps(ratio)});"
            " const view = new View(camera, ratio, 400, 300);"
            " return [view.left(-1), view.left(3), view.top(10), view.top(11), ratio]; })()"
        )
        np.testing.assert_allclose(corners[:2], [12, 388])
        np.testing.assert_allclose(corners[2:4], tops)
        assert corners[4] == pytest.approx(ratio or 3)


def test_zooming_leaves_the_data_at_the_pixel_where_they_are(page):
    before, after, scale = page.execute(
        "(() => { const after = new View(view.zoomed(4, 10, 50), 1, 60, 60);"
        " return [view.at(10, 50), after.at(10, 50), after.scaleX]; })()"
    )
    assert scale == 40
    assert after == pytest.approx(before)


@pytest.mark.parametrize(
    ("low", "high", "most", "texts"),
    [
        (0, 1, 5, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (-3.2, 11.7, 4, ["0", "5", "10"]),
        (-0.3, 0.31, 4, ["−0.2", "0.0", "0.2"]),
        (1.2e8, 1.8e8, 3, ["1.2e8", "1.4e8", "1.6e8", "1.8e8"]),
        (2e-9, 9e-9, 4, ["2e−9", "4e−9", "6e−9", "8e−9"]),
        (5, 5, 4, []),
    ],
)
def test_ticks_are_round_numbers(page, low, high, most, texts):
    assert page.execute(f"axisTicks({low}, {high}, {most}).map((tick) => tick.text)") == texts


def test_on_the_sky_east_is_to_the_left_and_a_field_that_crosses_0_h_is_whole(page):
    east, west, right, zoomed = page.execute(
        "(() => { const sky = new View({ x: 150, y: 2, scale: 10 }, 1, 60, 60, true);"
        " const after = new View(sky.zoomed(4, 10, 50), 1, 60, 60, true);"
        " return [sky.left(151), sky.left(149), sky.dragged(10, 0).x,"
        " after.at(10, 50).x - sky.at(10, 50).x]; })()"
    )
    assert (east, west, right) == (20, 40, 151) and zoomed == pytest.approx(0)
    page.eval("globalThis.field = Float64Array.from([359, 1, NaN, 358.5, 0, 2])")
    np.testing.assert_array_equal(take(page, "unwrapped(field)"), [-1, 1, np.nan, -1.5, 0, 2])
    for apart in (20, 1):  # the whole sky, which has no ends, and a field far from 0 h
        all_of = f"Float64Array.from({{ length: 18 }}, (_, i) => 5 + {apart} * i)"
        assert page.execute(f"(() => {{ const all = {all_of}; return unwrapped(all) === all; }})()")
    assert page.execute("axisTicks(-2, 2, 4, fullCircle).map((tick) => tick.text)") == [
        "358",
        "359",
        "0",
        "1",
        "2",
    ]
    assert page.execute("skyRatio([59, 61])") == pytest.approx(2)


def test_a_title_that_does_not_fit_ends_with_an_ellipsis(page):
    page.eval("globalThis.pen = { measureText: (text) => ({ width: 10 * [...text].length }) }")
    for text, width, wanted in (
        ("galaxy", 60, "galaxy"),
        ("galaxy", 59, "gala…"),
        ("☃𝒢" * 5000, 45, "☃𝒢☃…"),
        ("W", 5, "…"),
    ):
        page.eval(f"globalThis.text = {json.dumps(text)}")
        assert page.execute(f"shortened(pen, text, {width})") == wanted


def test_the_nearest_point_is_one_within_reach_that_is_not_faint(page):
    page.eval(
        f"globalThis.points = {{ xs: Float32Array.from([NaN, ...{XS}]), ys: Float32Array.from([0, ...{YS}]) }}"
    )
    near = "nearestPoint({ ...points, faint }, view, view.left(0.1), view.top(2.6), reach)"
    assert page.execute(f"((faint, reach) => {near})(null, 12)") == 4  # (0, 3) is 4.1 pixels away, (0, 2) 6.1
    assert page.execute(f"((faint, reach) => {near})(Uint8Array.from([0, 0, 0, 0, 1, 0, 0]), 12)") == 3
    assert page.execute(f"((faint, reach) => {near})(null, 3)") is None


def test_points_inside_a_lasso_are_those_of_an_independent_rule(page):
    random = np.random.default_rng(2)
    points = random.uniform(0, 5, (2000, 2)).astype(np.float32)
    points[0] = np.nan
    angles = np.linspace(0, 2 * np.pi, 50, endpoint=False)
    radius = 14 + 9 * np.sin(3 * angles)  # not convex
    corners = np.stack([30 + radius * np.cos(angles), 28 + radius * np.sin(angles)], axis=1)
    put(page, "lasso", {"xs": points[:, 0], "ys": points[:, 1]})
    inside = take(page, f"pointsInside({{ ...lasso, faint: null }}, view, {corners.tolist()})")
    places = np.stack([30 + (points[:, 0] - 2.45) * 10, 30 - (points[:, 1] - 2.45) * 10], axis=1)
    assert inside.tolist() == [i for i, place in enumerate(places) if winding(place, corners)]
    assert 100 < len(inside) < 1500
    assert (
        page.eval("pointsInside({ ...lasso, faint: null }, view, [[0, 5], [50, 5], [20, 5]]).length") == 0
    )  # without any area


def winding(place, corners):
    """Whether the angles under which a place sees the corners add up to a whole turn."""
    directions = corners - place
    angles = np.arctan2(directions[:, 1], directions[:, 0])
    turns = np.diff(np.append(angles, angles[0]))
    return abs(((turns + np.pi) % (2 * np.pi) - np.pi).sum()) > 3


def test_ids_are_found_exact_first_then_by_beginning_then_anywhere(page):
    found = "matchingIds(['A17', 'b170', '17', 'x', '171', 'c17c'], text, most)"
    assert page.execute(f"((text, most) => {found})('17', 20)") == [2, 4, 0, 1, 5]
    assert page.execute(f"((text, most) => {found})(' a17 ', 20)") == [0]
    assert page.execute(f"((text, most) => {found})('17', 2)") == [2, 4]
    assert page.execute(f"((text, most) => {found})('  ', 2)") == []
