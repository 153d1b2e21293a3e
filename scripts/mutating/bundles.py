"""Mistakes of bundles, of what they say about their maker, and of what is said of them, that the tests must catch."""

from mutating.mutant import Mutant

MUTANTS = [
    Mutant(
        "paths of the maker's machine stay in a bundle's configuration",
        "galvae/export/bundle.py",
        "Path(path).name for name, path",
        "str(path) for name, path",
        "tests/export/test_bundle.py::test_no_file_says_who_made_it_where",
    ),
    Mutant(
        "the command line goes into a bundle",
        "galvae/export/bundle.py",
        "{**kept, ",
        "{**environment, ",
        "tests/export/test_bundle.py::test_no_file_says_who_made_it_where",
    ),
    Mutant(
        "a bundle without galaxies has their catalogue",
        "galvae/export/bundle.py",
        "    if everything:",
        "    if True:",
        "tests/export/test_bundle.py::test_without_galaxies_no_id_goes_along_but_conditions",
    ),
    Mutant(
        "files of a run are copied through links",
        "galvae/export/bundle.py",
        "    if link is not None:",
        "    if False:",
        "tests/export/test_bundle.py::test_what_a_link_leads_to_is_not_given_away",
    ),
    Mutant(
        "a card has the numbers of earlier weights",
        "galvae/export/bundle.py",
        " if not one.old)",
        ")",
        "tests/export/test_bundle.py::test_the_card_has_the_numbers_of_the_present_weights",
    ),
    Mutant(
        "the files of a bundle are compared by their sizes alone",
        "galvae/runs/bundles.py",
        'hexdigest() == entry["sha256"]',
        "hexdigest() is not None",
        "tests/runs/test_bundles.py::test_a_file_that_is_changed_is_named_before_it_is_read",
    ),
    Mutant(
        "a bundle may hold files that are not in its list",
        "galvae/runs/bundles.py",
        "sorted(present - files.keys() - links)",
        "[]",
        "tests/runs/test_bundles.py::test_a_file_that_is_not_listed_is_named",
    ),
    Mutant(
        "names of a bundle's files may lead out of it",
        "galvae/runs/bundles.py",
        "        NAME.fullmatch(name) is not None\n        and isinstance(entry",
        "        isinstance(entry",
        "tests/runs/test_bundles.py::test_a_list_that_is_none_is_refused",
    ),
    Mutant(
        "a .zip file may declare any size",
        "galvae/runs/bundles.py",
        "if total > SMALL",
        "if total < 0 and total > SMALL",
        "tests/runs/test_bundles.py::test_a_hostile_zip_is_one_line_and_leaves_nothing",
    ),
    Mutant(
        "links are unpacked",
        "galvae/runs/bundles.py",
        " or stat.S_IFMT(mode) not in (0, stat.S_IFREG)",
        "",
        "tests/runs/test_bundles.py::test_a_hostile_zip_is_one_line_and_leaves_nothing",
    ),
    Mutant(
        "results of commands go into a bundle",
        "galvae/cli/overrides.py",
        "    elif bundle:  # whose",
        "    elif bundle and path.is_file():  # whose",
        "tests/export/test_bundle.py::test_commands_read_a_bundle_and_leave_it_as_it_is",
    ),
    Mutant(
        "what is fitted to a bundle is written into it",
        "galvae/runs/fitted.py",
        "    refuse_change(run.path, names[0])\n",
        "",
        "tests/export/test_bundle.py::test_commands_read_a_bundle_and_leave_it_as_it_is",
    ),
    Mutant(
        "codes of earlier weights are not marked as old",
        "galvae/runs/description.py",
        '["weights"] == weights else " (old)"',
        '["weights"] == weights else ""',
        "tests/runs/test_description.py::test_what_is_of_earlier_weights_is_marked",
    ),
]
