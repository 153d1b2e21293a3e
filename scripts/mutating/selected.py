"""Mistakes of the explorer's tab of the selected galaxies, and of what is taken along, that the tests must catch."""

from mutating.mutant import Mutant

WEB = "galvae/explorer/web/"
TABLES = "tests/explorer/test_csv.py::"
TAB = "tests/explorer/test_selection_in_browser.py::"

MUTANTS = [
    Mutant(
        "saved tables have seven digits of single precision",
        f"{WEB}selection/csv.js",
        "Math.fround(shorter) !== value",
        "digits < 7",
        f"{TABLES}test_csv_gives_every_bit_of_every_number_back",
    ),
    Mutant(
        "quotation marks in ids end their field of a saved table",
        f"{WEB}selection/csv.js",
        "text.replaceAll('\"', '\"\"')",
        "text",
        f"{TABLES}test_csv_gives_every_id_back",
    ),
    Mutant(
        "ids of the command line are taken for references to other keys",
        f"{WEB}selection/idlist.js",
        'id.replace(/(\\\\*)\\$\\{/g, "$1$1\\\\${")',
        "id",
        f"{TABLES}test_ids_reach_a_command",
    ),
    Mutant(
        "equal values make distributions differ",
        f"{WEB}selection/comparison.js",
        "while (second[j] === value) j++;",
        "if (second[j] === value) j++;",
        f"{TABLES}test_distances_of_distributions",
    ),
    Mutant(
        "the mean of stamps is divided by another number",
        f"{WEB}selection/montage.js",
        "(sum) => sum / galaxies.length)",
        "(sum) => sum / MONTAGE_OF)",
        f"{TAB}test_mean_image_is_the_mean_of_stamps",
    ),
    Mutant(
        "a mean image stays when that of the next selection cannot be read",
        f"{WEB}selection/montage.js",
        "mean.element.hidden = true;",
        "",
        f"{TAB}test_no_image_of_the_selection_before_stays_as_if_it_were_of_the_new_one",
    ),
    Mutant(
        "galaxies at the lowest value of a column are missing in its histogram",
        f"{WEB}selection/differences.js",
        "Float64Array.from(values, place)",
        "Float32Array.from(values, place)",
        f"{TAB}test_infinite_values_and_positions_have_histograms_of_their_own_scale",
    ),
    Mutant(
        "columns that differ least are shown",
        f"{WEB}selection/differences.js",
        "other.distance - one.distance",
        "one.distance - other.distance",
        f"{TAB}test_histograms_have_the_numbers_of_scipy",
    ),
    Mutant(
        "links lead to the other side of the sky",
        f"{WEB}galaxy/links.js",
        "(ra + 360) % 360",
        "(ra + 180) % 360",
        "tests/explorer/test_sky_links.py::test_addresses_have_the_position_and_wait_for_a_click",
    ),
    Mutant(
        "a page that is left stays with the SAMP hub",
        f"{WEB}samp.js",
        'window.addEventListener("pagehide", leaveHub',
        'window.addEventListener("hashchange", leaveHub',
        "tests/explorer/test_samp.py::test_a_file_sends_a_table_and_a_position",
    ),
]
