"""Mistakes of the explorer's tab of one galaxy, and of the page's address, that the tests must catch."""

from mutating.mutant import Mutant

WEB = "galvae/explorer/web/"
TESTS = "tests/explorer/test_inspector_in_browser.py::"
WALKS = "tests/explorer/test_walks_in_browser.py::"
VIEWS = "tests/explorer/test_images_and_addresses_in_browser.py::"
TEXTS = "tests/explorer/test_page_texts.py::"

MUTANTS = [
    Mutant(
        "sliders of the page go from right to left",
        f"{WEB}galaxy/slider.js",
        "(1 - share) * this.low + share * this.high",
        "share * this.low + (1 - share) * this.high",
        f"{TESTS}test_slider_decodes_the_edited_image_alone",
    ),
    Mutant(
        "reconstructions of the page change with the edited condition",
        f"{WEB}galaxy/decoding.js",
        "const { code, condition } = galaxyState(this.app, galaxy);",
        "const { code, condition } = this.app.store.get();",
        f"{TESTS}test_condition_moves_the_edited_image_alone",
    ),
    Mutant(
        "new noise of the page is the old one",
        f"{WEB}galaxy/decoding.js",
        "this.withNoise(this.plain.image, noiseSeed)",
        "this.withNoise(this.plain.image, 1)",
        f"{TESTS}test_noise_changes_pixels_and_its_seed_repeats_them",
    ),
    Mutant(
        "walks of the page begin at their end",
        f"{WEB}states.js",
        "app.latent.between(partner, galaxy, step)",
        "app.latent.between(galaxy, partner, step)",
        f"{WALKS}test_walk_ends_at_its_galaxies",
    ),
    Mutant(
        "extrapolations of the page are not marked",
        f"{WEB}galaxy/neighbours.js",
        "near[0].distance > latent.far",
        "near[0].distance > 9 * latent.far",
        f"{WALKS}test_neighbours_are_the_nearest_codes_and_an_extrapolation_is_marked",
    ),
    Mutant(
        "addresses of the page may ask for conditions far outside of training",
        f"{WEB}fragment.js",
        "condition[i] >= low - slack && condition[i] <= high + slack",
        "condition[i] >= low - slack",
        "tests/explorer/test_fragment.py::test_what_is_wrong_in_an_address_is_left_out_and_said",
    ),
    Mutant(
        "addresses of the page leave out moved latents",
        f"{WEB}fragment.js",
        'words.set(word, moved.map((i) => `${i}:${addressNumber(state[key][i])}`).join(","))',
        "words.delete(word)",
        "tests/explorer/test_fragment.py::test_views_come_back_from_their_addresses",
    ),
    Mutant(
        "the largest value is in no bin of the page's histograms",
        f"{WEB}histogram.js",
        "Math.min(bins - 1, Math.floor((value - low) * perUnit))",
        "Math.floor((value - low) * perUnit)",
        "tests/explorer/test_histogram.py",
    ),
    Mutant(
        "images of the page stay those of the galaxy before until the next ones are read",
        f"{WEB}stamps.js",
        'canvas.classList.add("waiting");',
        "",
        f"{VIEWS}test_an_original_is_never_that_of_another_galaxy",
    ),
    Mutant(
        "a galaxy that was clicked early is replaced by a typical one",
        f"{WEB}fragment.js",
        "if (isEmpty()) app.store.set({ galaxy });",
        "app.store.set({ galaxy });",
        f"{TEXTS}test_a_page_opens_with_a_galaxy_of_its_own_unless_one_is_clicked_meanwhile",
    ),
    Mutant(
        "every change of the page is an entry of the browser's history",
        f"{WEB}fragment.js",
        "if (galaxy === entry) history.replaceState",
        "if (false) history.replaceState",
        f"{TEXTS}test_each_galaxy_is_an_entry_of_the_history_and_nothing_else_is",
    ),
    Mutant(
        "words for a terminal may hold control characters beyond ASCII",
        f"{WEB}texts.js",
        "\\x7f-\\x9f",
        "\\x7f",
        f"{TEXTS}test_words_of_a_command_line_hold_no_control_characters",
    ),
    Mutant(
        "fewer sheets of stamps are kept than a page has",
        f"{WEB}data/thumbnails.js",
        "const SHEETS_KEPT = 20;",
        "const SHEETS_KEPT = 16;",
        f"{TEXTS}test_sheets_of_5000_stamps_are_decoded_once_and_others_are_closed",
    ),
    Mutant(
        "rows of the catalogue that were asked for earlier replace later ones",
        f"{WEB}galaxy/catalogue.js",
        "if (request !== requests) return;",
        "",
        f"{VIEWS}test_the_last_choice_of_columns_wins_and_directions_wait_for_the_end_of_a_walk",
    ),
]
