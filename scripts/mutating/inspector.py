"""Mistakes of the explorer's tab of one galaxy, and of the page's address, that the tests must catch."""

from mutating.mutant import Mutant

WEB = "galvae/explorer/web/"
TESTS = "tests/explorer/test_inspector_in_browser.py::"
WALKS = "tests/explorer/test_walks_in_browser.py::"

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
        f"{WEB}galaxy/walk.js",
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
        'words.set(word, moved.map((i) => `${i}:${shortNumber(state[key][i])}`).join(","))',
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
]
