"""How to cite galvae is said in one file, and everywhere alike."""

import yaml

from galvae.system import citation

FACTS = """\
title: "a: b"
version: 3.1
doi: 10.5/x
date-released: 2026-11-20
authors:
  - family-names: Leavitt
    given-names: Henrietta Swan
  - name: The developers
"""


def test_a_line_and_bibtex_of_the_file(tmp_path, monkeypatch):
    (tmp_path / "CITATION.cff").write_text(FACTS)
    monkeypatch.setattr(citation, "FILE", tmp_path / "CITATION.cff")
    assert citation.citation() == 'Henrietta Swan Leavitt, The developers, "a: b", version 3.1, 10.5/x'
    assert citation.bibtex().splitlines() == [
        "@software{galvae,",
        "  author  = {{Henrietta Swan Leavitt} and {The developers}},",
        "  title   = {{a: b}},",
        "  version = {3.1},",
        "  year    = {2026},",
        "  doi     = {10.5/x},",
        "}",
    ]


def test_the_command_line_says_it(galvae):
    facts = yaml.safe_load(citation.FILE.read_text())
    status, out, err = galvae("--cite")
    assert (status, err) == (0, "")
    assert out.splitlines()[0] == citation.citation()
    assert facts["title"] in out and f"version = {{{facts['version']}}}" in out
