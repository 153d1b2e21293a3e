"""Mistakes of the explorer's page, its stamps and its server that the tests must catch."""

from mutating.mutant import Mutant

PAGE = "tests/explorer/test_page.py::"
SERVER = "tests/explorer/test_server.py::"

MUTANTS = [
    Mutant(
        "a name of the data ends the element that holds it",
        "galvae/explorer/page.py",
        'text.replace("<", "\\\\u003c").',
        "text.",
        PAGE + "test_no_text_of_the_data_can_be_markup",
    ),
    Mutant(
        "every page may connect to the site that it lies on",
        "galvae/explorer/page.py",
        'if served else "")',
        'if True else "")',
        PAGE + "test_the_page_may_run_its_own_script_and_connect_to_a_hub_on_this_machine_only",
    ),
    Mutant(
        "data of older pages stay beside the new one",
        "galvae/explorer/page.py",
        "and other.name != data:",
        "and False:",
        PAGE + "test_a_folder_holds_the_same_data_in_files_and_nothing_of_an_older_page",
    ),
    Mutant(
        "a link in place of data cannot be removed",
        "galvae/explorer/page.py",
        "if path.is_symlink() or path.is_file():",
        "if path.is_file():",
        PAGE + "test_a_link_in_place_of_data_is_removed_and_not_followed",
    ),
    Mutant(
        "parts of an array are larger than 2 MB",
        "galvae/explorer/arrays.py",
        "RUN = 1_990_000",
        "RUN = 2_990_000",
        PAGE + "test_large_arrays_are_in_whole_parts_of_at_most_2_mb",
    ),
    Mutant(
        "colours of stamps run into their neighbours",
        "galvae/explorer/thumbnails.py",
        "return -(-side // BLOCK) * BLOCK",
        "return side",
        PAGE + "test_no_colour_of_a_stamp_runs_into_the_next",
    ),
    Mutant(
        "the noise of stamps loses its colours",
        "galvae/explorer/thumbnails.py",
        'subsampling="4:4:4"',
        'subsampling="4:2:0"',
        PAGE + "test_noise_and_its_colours_stay",
    ),
    Mutant(
        "a table that was cut off takes the place of the whole one",
        "galvae/explorer/server.py",
        "self.rfile.read(int(length))) < int(length):",
        "self.rfile.read(int(length))) < 0:",
        SERVER + "test_a_table_is_kept_for_other_programs_if_the_page_itself_puts_it",
    ),
    Mutant(
        "another site, whose name leads to this machine, may read the page",
        "galvae/explorer/server.py",
        '.partition(":")[0] in HOSTS:',
        '.partition(":")[0] != "":',
        SERVER + "test_other_hosts_are_refused",
    ),
    Mutant(
        "the server follows links out of its folder",
        "galvae/explorer/server.py",
        "and path.resolve() == path and",
        "and",
        SERVER + "test_nothing_else_is_handed_out",
    ),
    Mutant(
        "another site may put a table in place of the user's",
        "galvae/explorer/server.py",
        'or self.headers["Origin"] != f"http://{self.headers[\'Host\']}":',
        'or self.headers["Origin"] is None:',
        SERVER + "test_a_table_is_kept_for_other_programs_if_the_page_itself_puts_it",
    ),
]
