"""README and docs/: each command has keys and values that exist, each page is reached, each picture is used."""

import re
import shlex
from pathlib import Path

import pytest
from builders.source_tree import ROOT
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep
from hydra.errors import HydraException
from omegaconf import OmegaConf

from galvae.cli.overrides import quote_texts
from galvae.config.check import from_dict
from galvae.config.defaults import CONF
from galvae.config.registry import COMMANDS
from galvae.errors import GalvaeError

DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", *DOCS.rglob("*.md")])
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?:^|[\s/])galvae ([a-z]+)((?:\s.*)?)$")


def commands():
    """All (page, command, words) of galvae in blocks of shell commands; continued lines are one."""
    for page in PAGES:
        for block in BLOCK.findall(page.read_text(encoding="utf-8")):
            for line in block.replace("\\\n", " ").splitlines():
                for part in re.split(r"&&|;", line):
                    found = COMMAND.search(part)
                    if found:
                        yield str(page.relative_to(ROOT)), found[1], shlex.split(found[2], comments=True)


def choices(word):
    """An override once for its first and once for its last value, where it names several."""
    (override,) = OverridesParser.create().parse_overrides([word])
    if not override.is_sweep_override():
        return [word]
    interval, value = isinstance(override.value(), IntervalSweep), override.value()
    values = [value.start, value.end] if interval else list(override.sweep_string_iterator())
    return [f"{override.get_key_element()}={value}" for value in (values[0], values[-1])]


def check(command, words):
    """Composes a command with the first and with the last value of each key, and checks the result."""
    words = [word for word in words if word not in ("-m", "--multirun")]
    if any(
        word.startswith("-") for word in words
    ):  # --help and other questions, which have tests of their own
        assert {"--help", "--cfg", "-c", "--info"} & set(words), words
        return
    words = quote_texts(words)[0]
    alternatives = [choices(word) for word in words]
    for place in {0, max(map(len, alternatives), default=1) - 1}:
        overrides = [values[min(place, len(values) - 1)] for values in alternatives]
        with initialize_config_dir(str(CONF), version_base="1.3"):
            composed = compose(command, overrides, return_hydra_config=True)
        values = {name: composed[name] for name in composed if name != "hydra"}
        from_dict(COMMANDS[command], OmegaConf.to_container(OmegaConf.create(values), resolve=True))


FOUND = list(commands())


def test_there_are_commands_of_every_kind():
    assert len(FOUND) > 60
    assert {command for _, command, _ in FOUND} == set(COMMANDS)


@pytest.mark.slow
@pytest.mark.parametrize("page", sorted({page for page, _, _ in FOUND}))
def test_commands_of_a_page_have_keys_and_values_that_exist(page):
    for _, command, words in [found for found in FOUND if found[0] == page]:
        try:
            check(command, words)
        except Exception as error:
            raise AssertionError(f"{page}: galvae {command} {shlex.join(words)}: {error}") from error


def test_a_key_that_does_not_exist_is_found():
    with pytest.raises(HydraException, match="latent_dims"):
        check("train", ["latent_dims=2"])
    with pytest.raises(GalvaeError, match="epochs"):
        check("train", ["-m", "epochs=2,many"])


def test_every_page_is_in_a_table_of_contents():
    listed = set()
    for page in DOCS.rglob("*.md"):
        for block in re.findall(r"^```\{toctree\}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
            names = [line for line in block.splitlines() if line and not line.startswith(":")]
            listed |= {(page.parent / f"{name}.md").resolve() for name in names}
    assert listed == {page.resolve() for page in DOCS.rglob("*.md")} - {(DOCS / "index.md").resolve()}
    assert len(listed) >= 12


def test_every_picture_is_on_a_page():
    texts = "".join(page.read_text() for page in PAGES)
    pictures = [path.name for path in DOCS.iterdir() if path.suffix in (".png", ".gif", ".svg")]
    assert len(pictures) > 15
    assert not [name for name in pictures if f"{name})" not in texts]


def test_no_page_names_the_machine_on_which_it_was_written():
    for page in [*PAGES, ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md"]:
        assert not re.search(r"/tmp/|/work/|/home/\w|/root/", page.read_text()), page


def test_links_to_files_of_the_repository_lead_somewhere():
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if not re.match(r"https?:|mailto:|arXiv|doi", link):
                assert (Path(page).parent / link).exists(), f"{page.name}: {link}"
