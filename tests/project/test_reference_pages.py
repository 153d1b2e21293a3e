"""The reference pages: those that a script writes are up to date, and outputs.md names what commands leave."""

import csv
import json
import re
import shutil

import numpy as np
import pytest
import write_reference as script
from astropy.table import Table
from builders.source_tree import ROOT

from galvae.cli.help import paths
from galvae.config.registry import COMMANDS

DOCS = ROOT / "docs"
OUTPUTS = (DOCS / "outputs.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def texts():
    """What the script writes, by the names of the pages; composing every command takes seconds."""
    return {name: script.written(name) for name in script.PAGES}


@pytest.mark.parametrize("name", ["commands.md", "configuration.md"])
def test_a_generated_page_is_what_the_script_writes(texts, name):
    page = (DOCS / name).read_text(encoding="utf-8")
    assert page == texts[name], "run: python scripts/write_reference.py"


def test_check_says_which_page_is_out_of_date(texts, tmp_path, monkeypatch, capsys):
    for name, text in texts.items():
        (tmp_path / name).write_text(text.replace("`n=24`", "`n=25`"), encoding="utf-8")
    generated = {name: text.partition(script.MARK)[2].strip() for name, text in texts.items()}
    monkeypatch.setattr(script, "PAGES", {name: (lambda text=text: text) for name, text in generated.items()})
    monkeypatch.setattr(script, "DOCS", tmp_path)
    monkeypatch.setattr("sys.argv", ["write_reference.py", "--check"])
    with pytest.raises(SystemExit) as ended:
        script.main()
    assert ended.value.code == 1
    assert capsys.readouterr().out == "docs/commands.md is out of date: python scripts/write_reference.py\n"
    assert "`n=25`" in (tmp_path / "commands.md").read_text(encoding="utf-8")  # nothing is written
    monkeypatch.setattr("sys.argv", ["write_reference.py"])
    for status in (0, 0):  # written, and then up to date
        with pytest.raises(SystemExit) as ended:
            script.main()
        assert ended.value.code == status
    assert {name: (tmp_path / name).read_text(encoding="utf-8") for name in texts} == texts


def section(page, heading):
    """The text of a page below a heading of the second level."""
    return page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_key_of_a_command_is_on_its_page(command):
    text = section((DOCS / "commands.md").read_text(encoding="utf-8"), command)
    assert COMMANDS[command].__doc__ in text
    keys = list(paths(COMMANDS[command]))
    sections = {name for name in keys if any(other.startswith(f"{name}.") for other in keys)}
    # The name of a choice is no key: model=vae is what is typed.
    names = {f"{name}.name" for name in sections} - {"schedule.name"}
    assert set(keys) - sections - names <= in_code(text)


def in_code(text):
    """Names in code: those of keys, files and columns, without a default or an ending."""
    spans = re.findall(r"`([^`\n]+)`", text)
    return {re.sub(r"=.*", "", span) for span in spans}


def is_named(file, text):
    """Whether a text names a file: as it is, or a figure and the numbers beside it without their ending."""
    stem = re.compile(rf"`(?:figures/)?{re.escape(file.stem)}(?:\.\w+)?`")
    whole = re.compile(rf"(?<![\w-]){re.escape(file.name)}(?!\w)")
    return any(
        whole.search(line) or (stem.search(line) and (file.suffix == ".png" or file.suffix in line))
        for line in text.splitlines()
    )


def not_named(folder, text, left_out=()):
    """Files below a folder that a text does not name, as texts; hidden ones and logs do not count."""
    found = [file.relative_to(folder) for file in folder.rglob("*") if file.is_file()]
    counted = [file for file in found if file.parts[0] not in left_out and not file.name.startswith(".")]
    assert counted
    return sorted(str(file) for file in counted if file.suffix != ".log" and not is_named(file, text))


NAMED_AS = {  # columns by a pattern -> the one that stands for all of them on the page
    r"code_\d+": "code_0",
    r"code_error_\d+": "code_error_0",
    r"mse_\d": "mse_BAND",
    r"colour_\d_\d": "colour_A_B",
    r"predicted_redshift": "predicted_CONDITION",
    r"sample_redshift": "sample_CONDITION",
    r"nearest_\d": "nearest_1",
    r"neighbor_\d": "neighbor_1",
    r"neighbor_distance_\d": "neighbor_distance_1",
}
CATALOGUE = {"dec", "kind", "name", "ra", "redshift"}  # columns of the survey


def columns_not_named(table, text):
    """Columns of a table of galaxies that a text does not name."""
    words = in_code(text) | CATALOGUE
    names = {
        name: next((own for pattern, own in NAMED_AS.items() if re.fullmatch(pattern, name)), name)
        for name in table.colnames
    }
    return [name for name, own in names.items() if own not in words]


TRAIN = section(OUTPUTS, "train")
RESULTS = [*COMMANDS, "tracker"]  # folders of a run that other tests may have added


@pytest.mark.parametrize("model", ["vae", pytest.param("fancy_cvae", marks=pytest.mark.slow)])
def test_outputs_names_what_train_leaves(trained, model):
    run = trained(model)
    others = {file.name for file in run.iterdir() if re.sub(r"-\d+$", "", file.name) in RESULTS}
    assert not not_named(run, TRAIN, others)
    history = TRAIN.partition("### history.csv")[2].partition("###")[0]
    with open(run / "history.csv", encoding="utf-8", newline="") as file:
        assert set(next(csv.reader(file))) <= in_code(history)
    metrics = TRAIN.partition("### metrics.json")[2].partition("###")[0]
    assert set(json.loads((run / "metrics.json").read_text())) <= in_code(metrics)
    files = TRAIN.partition("### Other files")[2].partition("###")[0]
    assert set(json.loads((run / "environment.json").read_text())) <= in_code(files)
    assert set(np.load(run / "split.npz").files) <= in_code(files)


BASIC = "cards=[scores,conditions,information,reconstructions]"


@pytest.mark.parametrize(
    ("model", "cards"), [("vae", BASIC), pytest.param("fancy_cvae", "split=test", marks=pytest.mark.slow)]
)
def test_outputs_names_what_evaluate_leaves(galvae, trained, tmp_path, model, cards):
    folder, text = tmp_path / "evaluate", section(OUTPUTS, "evaluate")
    words = f"run={trained(model)}", f"hydra.run.dir={folder}", "bootstrap=100", "samples=60"
    status, _, err = galvae("evaluate", *words, cards, "select=mse>=0")
    assert status == 0, err
    assert not not_named(folder, text)
    metrics = text.partition("### metrics.json")[2].partition("###")[0]
    assert set(json.loads((folder / "metrics.json").read_text())) <= in_code(metrics)
    assert not columns_not_named(Table.read(folder / "galaxies.ecsv"), text)


CALLS = {
    "prior": ["prior=gaussian"],
    "sample": ["n=3", "fits=true", "nearest=true"],
    "traverse": ["from=G002", "to=G003", "axes=[0,1]", "steps=3"],
    "umap": ["n_epochs=5", "grid=3", "n_neighbors=5", "box=[-99,99,-99,99]", "select=umap_x>-99"],
    "compare": ["n=4"],
    "encode": ["add=[scores,morphology,neighbors,anomaly]", "select=p_code>0"],
    "neighbors": ["id=G002", "n=3"],
    "anomalies": [],
}


@pytest.mark.slow
@pytest.mark.parametrize("command", CALLS)
def test_outputs_names_what_a_later_command_leaves(galvae, trained, tmp_path, command):
    folder, text = tmp_path / command, section(OUTPUTS, command)
    path = trained("cvae2")
    if command == "prior":  # which other tests of this run must not find
        path = shutil.copytree(path, tmp_path / "run")
    run = f"{'runs' if command == 'compare' else 'run'}={path}"
    status, _, err = galvae(command, run, f"hydra.run.dir={folder}", *CALLS[command])
    assert status == 0, err
    assert not not_named(folder, text)
    # Conventions, and the measures, stand once on the page.
    columns = text + OUTPUTS.partition("## train")[0] + section(OUTPUTS, "evaluate") * (command == "encode")
    for file in folder.glob("*.ecsv"):
        assert not columns_not_named(Table.read(file), columns)
    if command == "prior":
        assert set(json.loads((folder / "prior.json").read_text())) <= in_code(text)
    for file in folder.glob("*.json"):
        if command == "encode":
            assert set(json.loads(file.read_text())) <= in_code(text)


def test_a_column_and_a_file_that_the_page_does_not_name_are_found(tmp_path):
    for name in ("loss.png", "loss.npz", "spare.csv"):
        (tmp_path / name).touch()
    text = "| `loss` | a figure |\n| `code_0`, … | |"
    assert not_named(tmp_path, text) == ["loss.npz", "spare.csv"]
    assert columns_not_named(Table({"code_0": [1], "code_7": [1], "chi2": [1]}), text) == ["chi2"]
