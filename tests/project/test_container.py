"""The container images: what they copy is there, and their commands are the README's. Nothing here builds one."""

import fnmatch
import json
import re
import shlex
import subprocess
import tomllib

import pytest
from builders.source_tree import ROOT

FOLDER = ROOT / "scripts" / "container"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
README = (ROOT / "README.md").read_text()
INSTALL = "python3 -m venv .venv && .venv/bin/pip install -c constraints.txt -e"


def stages():
    """Name of each of the Dockerfile's stages -> list of its (instruction, arguments), those of its base first."""
    text = re.sub(r"^#.*\n", "", (FOLDER / "Dockerfile").read_text(), flags=re.MULTILINE)
    found = {}
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        instruction, _, arguments = line.partition(" ")
        if instruction == "FROM":
            base, _, name = arguments.partition(" AS ")
            found[name] = [*found.get(base, ()), (instruction, arguments)]
        elif line and found:
            found[name].append((instruction, arguments))
    return found


def copied(stage):
    """Paths, relative to the repository's root, that a stage copies."""
    return {
        path
        for instruction, arguments in stages()[stage]
        if instruction == "COPY"
        for path in shlex.split(arguments)[:-1]
    }


def shell(stage):
    """The shell commands of a stage, without what BuildKit is told."""
    return [
        re.sub(r"--mount=\S+ ", "", arguments)
        for instruction, arguments in stages()[stage]
        if instruction == "RUN"
    ]


def allowed():
    """Entries of the repository's root that the build of the image is given."""
    lines = (FOLDER / "Dockerfile.dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    return {rule.removeprefix("!") for rule in rules if rule.startswith("!")}


def section(name):
    """Lines of a section of the Apptainer definition."""
    text = (FOLDER / "apptainer.def").read_text()
    (found,) = re.findall(rf"^%{name}\n(.*?)(?=^%|\Z)", text, re.MULTILINE | re.DOTALL)
    return [line.strip() for line in found.splitlines() if line.strip()]


def test_what_the_image_copies_is_there_and_not_ignored():
    assert copied("run") >= {"pyproject.toml", "constraints.txt", "conf", "galvae"}
    for path in copied("run"):
        assert (ROOT / path).exists(), path
        assert path in allowed(), f"{path} is left out by Dockerfile.dockerignore"
    assert copied("test") == {*copied("run"), "."}
    for path in allowed():
        assert (ROOT / path).exists(), path


def test_results_environments_and_history_stay_out_of_the_image():
    assert not allowed() & {".git", ".venv", "outputs"}
    rules = (FOLDER / "Dockerfile.dockerignore").read_text().split()
    assert any(fnmatch.fnmatch("galvae/cli/__pycache__", rule) for rule in rules if not rule.startswith("!"))


def needed_by_the_build():
    """Paths that the build of the package reads, besides its code."""
    hatch = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    project = PROJECT["project"]
    return {"pyproject.toml", project["readme"], *project["license-files"], *hatch["force-include"]}


def test_the_images_have_all_that_the_installation_reads():
    files = {line.split()[0]: line.split()[1] for line in section("files")}
    for path in needed_by_the_build() | {"constraints.txt", "galvae", "scripts"}:
        assert path in copied("run")
        assert (ROOT / path).exists(), path
        assert files.pop(path) == f"/galvae/{path}"
    assert not files


def test_the_image_runs_the_readmes_first_command():
    program, default = (json.loads(text) for name, text in stages()["run"] if name in ("ENTRYPOINT", "CMD"))
    assert ("ARG", "INSTALL=.") in stages()["run"]
    assert shell("run")[-1].startswith(f'{INSTALL} "${{INSTALL}}" && ')
    assert f"\n{INSTALL} . && {program[0].removeprefix('/galvae/')} {default[0]}\n" in README


def test_the_test_image_runs_the_readmes_second_command():
    command = shell("test")[-1].partition(" && chown")[0]
    (words,) = (json.loads(text) for name, text in stages()["test"] if name == "CMD")
    assert f"\n{command} && {words[0]}\n" in README


def test_the_cluster_image_installs_and_runs_the_same():
    (install,) = [line for line in section("post") if "pip install" in line]
    assert "INSTALL=." in section("arguments")
    plain = install.replace("--no-cache-dir ", "").replace('"{{ INSTALL }}"', ".")
    assert plain == f"{INSTALL} ."
    assert section("runscript") == ['exec /galvae/.venv/bin/galvae "$@"']


TEXT = {"capture_output": True, "text": True, "check": True}


@pytest.mark.parametrize("name", ["post", "environment", "runscript", "test"])
def test_the_shell_of_the_cluster_image_parses(name):
    subprocess.run(["sh", "-n"], input="\n".join(section(name)), **TEXT)


@pytest.mark.parametrize("stage", ["base", "test", "run"])
def test_the_shell_of_the_image_parses(stage):
    assert shell(stage)
    for command in shell(stage):
        subprocess.run(["bash", "-n"], input=command, **TEXT)


def test_nobody_is_root_in_the_image():
    for stage in ("run", "test"):
        users = [arguments for instruction, arguments in stages()[stage] if instruction == "USER"]
        assert users == ["1000:1000"]


def test_python_and_extras_are_those_of_the_package():
    texts = [(FOLDER / name).read_text() for name in ("Dockerfile", "apptainer.def")]
    for text in texts:
        version = re.search(r"PYTHON=([0-9.]+)", text)[1]
        assert f"Programming Language :: Python :: {version}" in PROJECT["project"]["classifiers"]
        named = set(re.findall(r"\.\[([a-z-]+)\]", text))
        assert named and named <= set(PROJECT["project"]["optional-dependencies"])
