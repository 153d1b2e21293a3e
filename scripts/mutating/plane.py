"""Mistakes of the explorer's plane, in JavaScript, that the tests must catch."""

from mutating.mutant import Mutant

WEB = "galvae/explorer/web/"
DENSITY = "tests/explorer/test_density.py::"
BROWSER = "tests/explorer/test_plane_in_browser.py::"
COLUMNS = "tests/explorer/test_planes_of_columns.py::"

MUTANTS = [
    Mutant(
        "the plane is drawn upside down",
        f"{WEB}plane/density.js",
        "const top = centreY - (ys[i] - camera.y) * scaleY;",
        "const top = centreY + (ys[i] - camera.y) * scaleY;",
        f"{DENSITY}test_points_are_drawn_where_they_are_and_y_points_up",
    ),
    Mutant(
        "galaxies without a value pull the colour of their pixel to the palette's beginning",
        f"{WEB}plane/density.js",
        "packedColours[b > 0 ? (a / b + 0.5) | 0 : unknown]",
        "packedColours[b > 0 ? (a / weight + 0.5) | 0 : unknown]",
        f"{DENSITY}test_unknown_numbers_are_grey_but_do_not_change_the_mean_of_known_ones",
    ),
    Mutant(
        "opacity grows with the number of points itself",
        f"{WEB}plane/density.js",
        "floor + slope * Math.log(weight)",
        "floor + (1 - floor) * (weight / most)",
        f"{DENSITY}test_pixels_are_as_opaque_as_they_have_points_by_logarithm_and_one_is_seen",
    ),
    Mutant(
        "a lasso counts the edges to the left of a galaxy as well",
        f"{WEB}plane/picking.js",
        "if (x < edge[0] + ((edge[2] - edge[0]) * (y - edge[1])) / (edge[3] - edge[1])) odd = !odd;",
        "odd = !odd;",
        f"{DENSITY}test_points_inside_a_lasso_are_those_of_an_independent_rule",
    ),
    Mutant(
        "a zoom keeps the centre rather than the data under the pointer",
        f"{WEB}plane/camera.js",
        "return { x: fixed.x + (x - fixed.x) / factor, y: fixed.y + (y - fixed.y) / factor, scale: scale * factor };",
        "return { x, y, scale: scale * factor };",
        f"{DENSITY}test_zooming_leaves_the_data_at_the_pixel_where_they_are",
    ),
    Mutant(
        "the sky is seen from outside",
        f"{WEB}plane/camera.js",
        "this.scaleX = mirrored ? -camera.scale : camera.scale;",
        "this.scaleX = camera.scale;",
        f"{DENSITY}test_on_the_sky_east_is_to_the_left_and_a_field_that_crosses_0_h_is_whole",
    ),
    Mutant(
        "a place of two latents is decoded with other values of them",
        f"{WEB}plane/tools.js",
        "for (const [{ axis }, value] of axes) code[axis] = value;",
        "",
        f"{COLUMNS}test_a_place_of_two_latents_is_decoded_with_their_values",
    ),
    Mutant(
        "a highlight of another colour's classes hides all galaxies",
        f"{WEB}plane/plane.js",
        "if (this.colour?.name !== before) store.set({ highlight: null });",
        "",
        f"{COLUMNS}test_a_highlight_of_the_colour_before_ends_with_it",
    ),
    Mutant(
        "keys are used before there is a picture",
        f"{WEB}plane/plane.js",
        "if (!this.view) return;\n        const { camera, width, height } = this.view;",
        "const { camera, width, height } = this.view;",
        f"{COLUMNS}test_pointers_keys_and_buttons_wait_for_the_first_picture",
    ),
    Mutant(
        "galaxies of classes that are not highlighted are selected",
        f"{WEB}plane/plane.js",
        "return { ...this.points, faint: this.hidden };",
        "return { ...this.points, faint: null };",
        f"{BROWSER}test_the_legend_highlights_classes_and_only_these_are_picked",
    ),
]
