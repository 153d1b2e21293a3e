"""The page "Your data": each of its commands is run on the files that it is about."""

import json
import re
import shlex

import pytest
from builders.command_line import run_command
from builders.layouts import LAYOUTS
from builders.source_tree import ROOT

from galvae.config import dataset as sections

PAGE = (ROOT / "docs" / "your_data.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.splitlines()]
NAMES = {("galvae", "prepare", *layout.words): name for name, layout in LAYOUTS.items()}


def test_every_layout_has_its_command_on_the_page():
    assert sorted(tuple(shlex.split(command)) for command in COMMANDS) == sorted(NAMES)


def test_keys_of_the_page_exist():
    fields = {
        name for section in vars(sections).values() for name in getattr(section, "__dataclass_fields__", ())
    }
    named = set(re.findall(r"dataset\.(\w+)", PAGE))
    assert {"path", "table", "ids", "labels", "condition"} <= named <= fields


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_runs_and_says_what_is_in_its_files(command, tmp_path, monkeypatch, capfd):
    words = shlex.split(command)
    expected = LAYOUTS[NAMES[tuple(words)]].write(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert run_command(*words[1:], "hydra.run.dir=out", f"dataset.cache_dir={tmp_path / 'cache'}") == 0
    text = capfd.readouterr().out
    height, width, bands = expected.images.shape[1:]
    assert f": {len(expected.ids)} images of {height}x{width}x{bands}, " in text.splitlines()[0]
    assert all(f"\n  {label}  " in text for label in ("read", "values", "sky", "splits", "examples"))
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"data_report.json", "contact_sheet.png", "contact_sheet.ecsv"} <= written
    report = json.loads((tmp_path / "out" / "data_report.json").read_text())
    rows = {str(value): row for row, value in enumerate(expected.ids)}
    for example in report["examples"]:
        row = rows[example["id"]]
        if expected.classes is not None:
            assert example["class"] == expected.classes[row]
        if expected.redshift is not None:
            name = next(name for name in ("redshift", "z", "zbest") if name in example)
            assert float(example[name] or "nan") == pytest.approx(expected.redshift[row], nan_ok=True)
