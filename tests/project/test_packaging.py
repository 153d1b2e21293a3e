"""What a user receives: the wheel, the pinned versions, the files that speak of the project."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata

import pytest
from builders.source_tree import MODULES, ROOT, imports

from galvae import __version__

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    # Without isolation: the build must not need the network.
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, capture_output=True, check=True)
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_the_code_and_every_configuration(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    tracked = {f"galvae/{path.relative_to(ROOT)}" for path in (ROOT / "conf").rglob("*.yaml")}
    code = {str(path.relative_to(ROOT)) for path in (ROOT / "galvae").rglob("*.py")}
    assert tracked | code | {"galvae/CITATION.cff"} <= names
    assert not [name for name in names if name.startswith(("tests/", "outputs/", "docs/"))]


def test_an_unpacked_wheel_finds_its_configuration(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r})\n"
        "from galvae.config.defaults import CONF; from galvae.cli.main import main; print(CONF, flush=True)\n"
        "from galvae.system.citation import citation; print(citation(), flush=True)\n"
        "main(['train', '--cfg', 'job'])"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert done.stdout.splitlines()[0] == str(tmp_path / "site" / "galvae" / "conf")
    assert __version__ in done.stdout.splitlines()[1]  # how to cite it
    assert "latent_dim: 32" in done.stdout


def test_versions_agree():
    citation = (ROOT / "CITATION.cff").read_text()
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert f"version: {__version__}\n" in citation
    assert re.search(r"^## (\S+)", changelog, re.MULTILINE).group(1) == __version__


def constraints():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_constraints_are_names_and_versions_only():
    assert len(constraints()) > 50
    for line in constraints():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line), line


def test_every_dependency_is_bounded_and_pinned():
    pinned = {line.partition("==")[0].lower().replace("_", "-") for line in constraints()}
    extras = PROJECT["optional-dependencies"]
    chosen = (
        "jax",
        "galsim",
        "onnx",
        "slurm",
        "optuna",
        "parquet",
        "tensorboard",
        "wandb",
        "docs",
        "bench",
        "dev",
    )
    wanted = [*PROJECT["dependencies"], *(name for extra in chosen for name in extras[extra])]
    for requirement in wanted:
        name = re.match(r"[A-Za-z0-9._-]+", requirement).group(0).lower()
        if name == "galvae":
            continue
        assert "<" in requirement, f"{requirement} has no upper bound"
        assert name in pinned, f"{name} is not in constraints.txt"


def test_what_the_code_imports_is_declared():
    top_level = metadata.packages_distributions()
    declared = {re.match(r"[A-Za-z0-9._-]+", text).group(0).lower() for text in PROJECT["dependencies"]}
    # Extras, imported only where they are asked for.
    declared |= {"jax", "galsim", "submitit", "pyarrow", "statmorph", "onnx", "onnxruntime", "tf2onnx"}
    declared |= {"optuna", "tensorboard", "wandb"}
    for module in MODULES:
        for name in {name.partition(".")[0] for name in imports(module)} - {
            *("galvae", "hydra_plugins"),
            *sys.stdlib_module_names,
        }:
            owners = {owner.lower() for owner in top_level.get(name, [name])}
            assert owners & declared, f"{module} imports {name}, which pyproject.toml does not declare"


def test_the_readme_is_short_and_has_the_two_commands_and_links_that_lead_somewhere():
    readme = (ROOT / "README.md").read_text()
    assert len(readme.encode()) <= 8000
    install = "python3 -m venv .venv && .venv/bin/pip install -c constraints.txt -e"
    assert f"{install} . && .venv/bin/galvae train\n" in readme
    assert f"{install} '.[dev]' && .venv/bin/pytest\n" in readme
    links = re.findall(r"\]\(([^)]+)\)", readme)
    assert len(links) > 20 and not [link for link in links if not (ROOT / link).is_file()]


def test_the_page_of_the_architecture_has_every_module():
    page = (ROOT / "docs" / "architecture.md").read_text()
    (tree,) = re.findall(r"^## Where things are\n\n```\n(.*?)```", page, re.MULTILINE | re.DOTALL)
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "galvae").rglob("*.py")}
    empty = {path for path in modules if path.endswith("__init__.py")} - {"galvae/__init__.py"}
    assert drawn(tree) == modules - empty


def drawn(tree):
    """Paths of galvae's modules in the file tree of a page: folders are indented, a line may name several files."""
    folders, paths = [], set()
    for line in tree.splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        folder = re.match(r"\s*([\w/]+)/( |$)", line)
        if folder:
            folders[depth:] = [folder[1]]
        elif depth < 6:  # deeper lines go on with what the one before says
            folders = folders[:depth]
        paths |= {"/".join([*folders, name]) for name in re.findall(r"\b\w+\.py\b", line)}
    return {path for path in paths if path.startswith("galvae/")}


def test_ci_runs_the_readmes_test_command_in_a_fresh_environment(tmp_path):
    """The script itself, with commands that only write down that they were called."""
    for folder in (".ci", "bin", ".venv/bin"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("README.md", ".ci/run"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    note = f'#!/bin/sh\necho "$(basename "$0") $*" >> {tmp_path}/calls\n'
    again = (
        "mkdir -p .venv/bin; for name in pip ruff pytest codespell python; do "
        f"cp {tmp_path}/bin/id .venv/bin/$name; done\n"
    )
    for name, program in {"python3": note + again, "id": note}.items():
        (tmp_path / "bin" / name).write_text(program)
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / ".venv" / "stale").touch()
    environment = {**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    subprocess.run(["bash", tmp_path / ".ci" / "run"], env=environment, capture_output=True, check=True)
    calls = [line for line in (tmp_path / "calls").read_text().splitlines() if not line.startswith("id")]
    assert calls == [
        "python3 -m venv .venv",
        "pip install -c constraints.txt -e .[dev]",
        "pytest ",
        "ruff check",
        "ruff format --check",
        "codespell ",
        "python -m sphinx -b html -q -W --keep-going docs outputs/docs",
        "pytest -m slow -n 3",
    ]
    assert not (tmp_path / ".venv" / "stale").exists()
