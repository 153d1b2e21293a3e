"""Paths of any characters survive Hydra's grammar, as galvae quotes them and as a user may."""

import random

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString

from galvae.cli.quoting import quoted, unquoted

CHARACTERS = [*"\\\\\\'\"'\",[]{}() =\n\t\r$:/ab~#*%?!é銀\u202e\x1b", "${", "\udcff"]


def texts(count):
    generator = random.Random(0)
    return ["".join(generator.choices(CHARACTERS, k=generator.randint(1, 14))) for _ in range(count)]


def test_a_quoted_path_is_read_back_by_hydra_and_by_galvae():
    parser = OverridesParser.create()
    for text in [*texts(300), "a\\\n", "back\\", "'", '"', "\\'"]:
        assert parser.parse_override(f"run={quoted(text)}").value() == text
        assert unquoted(quoted(text)) == text
        assert unquoted(QuotedString(text, Quote.double).with_quotes()) == text


@pytest.mark.parametrize("value", ["", "a b", "a'b", "'", "'a", "'a'b", '"', "[1]", "~/x", "${x}", "a\\"])
def test_a_value_that_is_not_in_quotes_is_left_as_it_is(value):
    assert unquoted(value) == value
