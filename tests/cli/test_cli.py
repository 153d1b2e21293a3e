import os
import re
import signal
import subprocess
import sys

import pytest
import yaml
from builders.command_line import run_command
from builders.configs import composed

from galvae import __version__
from galvae.cli.help import choices_of
from galvae.cli.quoting import quoted
from galvae.config.check import flatten
from galvae.config.registry import COMMANDS, GROUPS

# What each wrong call must lead to: status 2, one line with these words, nothing left behind.
WRONG = {
    "unknown command": (["trian"], ["unknown command 'trian'", "did you mean train?"]),
    "unknown key": (["train", "latentdim=3"], ["unknown key 'latentdim'", "did you mean latent_dim?"]),
    "unknown key in a group": (["train", "dataset.pth=3"], ["unknown key 'dataset.pth'"]),
    "added key": (["train", "+foo=1"], ["foo: unknown key"]),
    "unknown group": (["train", "+modle=vae"], ["modle"]),
    "unknown choice": (["train", "model=veae"], ["model: expected ae or", "received 'veae'", "did you mean"]),
    "unknown recipe": (["train", "recipe=nix"], ["recipe: expected blog or recommended or vae_project"]),
    "unknown experiment": (["train", "experiment=nix"], ["experiment: expected", "'nix'"]),
    "unparsable": (["train", "latent_dim=[1"], ["latent_dim=[1: not understood"]),
    "an option": (["train", "--epochs", "3"], ["unknown option --epochs", "expected key=value"]),
    "no equals sign": (["train", "fast"], ["fast: not understood"]),
    "epochs 0": (
        ["train", "epochs=0"],
        ["epochs: expected integer, at least 1 and at most 1000000, received 0"],
    ),
    "latent_dim 0": (["train", "latent_dim=0"], ["latent_dim: expected integer, at least 1"]),
    "latent_dim too large": (["train", "latent_dim=300"], ["at most 256 (network.dense), received 300"]),
    "wrong type": (["train", "latent_dim=two"], ["latent_dim: expected integer", "received 'two'"]),
    "wrong value": (["train", "precision=half"], ["precision: expected auto or float32 or bfloat16"]),
    "ae with beta": (
        ["train", "model=ae", "beta.value=2"],
        ["beta.value: not a key of the choices made here"],
    ),
    "missing path": (["train", "dataset=files"], ["dataset.path: missing"]),
    "missing file": (["train", "dataset=galaxy10", "dataset.path=nix.h5"], ["nix.h5", "existing file"]),
    "image too small": (["train", "dataset.image_size=4"], ["dataset.image_size", "at least 8"]),
    "run missing": (["sample"], ["run: missing"]),
    "run is nothing": (["sample", "run=nix"], ["nix: expected a run's directory", "received no directory"]),
    "no latest run": (["sample", "run=latest"], ["run=latest: expected a finished run, received none"]),
    "sweep with a wrong value": (["train", "-m", "latent_dim=two,three"], ["latent_dim"]),
    "sweep of an unknown choice": (["train", "-m", "model=nix,nux"], ["model: expected ae or"]),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_call_is_one_line_and_leaves_nothing(kind, galvae, tmp_path):
    arguments, words = WRONG[kind]
    status, out, err = galvae(*arguments)
    assert status == 2
    lines = [line for line in err.splitlines() if line]
    # A line for each job, and the list of them at the end.
    assert len(lines) == (5 if kind == "sweep with a wrong value" else 1)
    for word in words:
        assert word in lines[0]
    assert "Traceback" not in out + err
    assert os.listdir(tmp_path) == []


def test_help_lists_commands_and_three_examples(galvae):
    for arguments in ([], ["--help"], ["-h"]):
        status, out, err = galvae(*arguments)
        assert (status, err) == (0, "")
        assert all(f"  {command} " in out for command in COMMANDS)
        examples = out.partition("examples:")[2].partition("galvae COMMAND")[0]
        assert examples.count("  galvae ") == 3


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_names_every_key_with_its_default(command, galvae):
    extra = ["dataset=files"] if command in ("train", "prepare", "encode") else []
    status, out, _ = galvae(command, *extra, "--help")
    assert status == 0
    assert COMMANDS[command].__doc__ in out
    lines = re.findall(r"^  ([\w.]+)=(\S+)  +\S", out.partition("keys (key=value):")[2], re.MULTILINE)
    shown = {key: yaml.safe_load(value) for key, value in lines}
    defaults = flatten(composed(command, *extra))
    # The name of a group's choice is listed among the groups.
    assert shown == {
        key: value for key, value in defaults.items() if key in shown or not key.endswith(".name")
    }
    assert ("groups" in out) == (command in ("train", "prepare", "encode"))


def test_help_shows_the_choice_that_was_made(galvae):
    _, out, _ = galvae("train", "beta=cyclical", "latent_dim=3", "--help")
    assert "beta.cycles=4" in out
    assert "latent_dim=3" in out
    assert "number of latent dimensions (integer, at least 1" in out
    status, _, err = galvae("train", "beta=nix", "--help")
    assert status == 2
    assert "received 'nix'" in err


def test_help_describes_a_choice_by_a_whole_sentence(galvae):
    for group in GROUPS:
        assert all(sentence.endswith(".") for sentence in choices_of(group).values()), group
    assert f"    recommended  {choices_of('recipe')['recommended']}\n" in galvae("train", "--help")[1]


def test_version(galvae):
    assert galvae("--version") == (0, f"galvae {__version__}\n", "")


def test_configuration_can_be_shown_without_a_run(galvae, tmp_path):
    status, out, _ = galvae("train", "model=beta_vae", "--cfg", "job")
    assert status == 0
    assert "value: 0.1" in out
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("galvae ", set(COMMANDS)),
        ("galvae tr", {"train"}),
        ("galvae train mod", {"model=", "model."}),
        ("galvae train model=", {"model=ae", "model=beta_vae", "model=vae"}),
        ("galvae train dataset=ga", {"dataset=galaxy10"}),
        ("galvae train recipe=", {"recipe=blog", "recipe=recommended", "recipe=vae_project"}),
        ("galvae sample cond", {"condition="}),
        ("galvae train latent_", {"latent_dim="}),
        ("galvae sample temp", {"temperature="}),
        ("galvae nix ", set()),
    ],
)
def test_tab_completes_commands_groups_keys_and_values(line, expected, galvae, monkeypatch):
    monkeypatch.setenv("COMP_LINE", line)
    monkeypatch.setenv("COMP_POINT", str(len(line)))
    status, out, _ = galvae("-sc", "query=bash")
    assert status == 0
    assert expected <= set(out.split())
    if expected == set():
        assert out.strip() == ""


def test_tab_in_a_real_bash(tmp_path):
    script = tmp_path / "galvae"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m galvae "$@"\n')
    script.chmod(0o755)
    program = (
        'eval "$(galvae -sc install=bash)"; complete -p galvae; '
        'COMP_LINE="galvae train model=v" COMP_POINT=20 COMP_CWORD=2; hydra_bash_completion; echo "${COMPREPLY[@]}"'
    )
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = ["bash", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    registered, completed = done.stdout.splitlines()
    assert registered.endswith("hydra_bash_completion galvae")
    assert completed == "model=vae"


def test_completion_installs_itself_for_fish(galvae):
    status, out, _ = galvae("-sc", "install=fish")
    assert status == 0
    assert "galvae train" not in out


def test_python_dash_m_and_head(tmp_path):
    command = [sys.executable, "-m", "galvae", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout == f"galvae {__version__}\n"
    piped = f"{sys.executable} -m galvae train --help | head -n 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", piped], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.stdout.startswith("galvae train:")
    assert "Traceback" not in done.stderr


def test_help_and_completion_import_nothing_heavy(tmp_path):
    heavy = [
        "tensorflow",
        "keras",
        "jax",
        "numpy",
        "umap",
        "matplotlib",
        "astropy",
        "scipy",
        "skimage",
        "h5py",
        "astroNN",
    ]
    program = (
        "import sys\n"
        "from galvae.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        f"print('LOADED', [name for name in {heavy} if name in sys.modules])\n"
    )
    environment = {**os.environ, "COMP_LINE": "galvae train model=", "COMP_POINT": "19"}
    for arguments in (["--help"], ["train", "--help"], ["-sc", "query=bash"]):
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment,
            check=True,
        )
        assert done.stdout.splitlines()[-1] == "LOADED []"


def test_the_command_line_itself_imports_neither_hydra_nor_arrays(tmp_path):
    names = ["tensorflow", "keras", "umap", "matplotlib", "astropy", "hydra", "omegaconf", "numpy", "yaml"]
    program = f"import sys, galvae.cli.main; print([name for name in {names} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert done.stdout == "[]\n"


def test_the_users_own_directories_survive_a_wrong_call(galvae, tmp_path):
    (tmp_path / "mine" / "sub").mkdir(parents=True)
    (tmp_path / "outputs").mkdir()
    assert galvae("train", "epochs=0", "hydra.run.dir=mine/sub")[0] == 2
    assert galvae("train", "epochs=0", "hydra.run.dir=mine/new/newer")[0] == 2
    assert galvae("train", "epochs=0")[0] == 2
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == [
        "mine",
        "mine/sub",
        "outputs",
    ]


@pytest.mark.parametrize("where", ["/proc/none", "file", "file/below"])
@pytest.mark.parametrize("key", ["hydra.run.dir", "hydra.sweep.dir"])
def test_a_directory_that_cannot_be_made_is_one_line(where, key, galvae, tmp_path):
    (tmp_path / "file").write_text("in the way")
    sweep = ["-m"] if "sweep" in key else []
    status, _, err = galvae("train", *sweep, f"{key}={where}", "epochs=1")
    assert status == 1
    assert len(err.splitlines()) == 1
    assert "cannot make the output directory" in err


LONG = "a" * 300


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        (["prepare", f"hydra.run.dir={LONG}"], "hydra.run.dir"),
        (["prepare", f"hydra.run.dir={'/'.join(['b' * 200] * 25)}"], "hydra.run.dir"),
        (["prepare", "-m", f"hydra.sweep.dir={LONG}", "dataset.image_size=8,16"], "hydra.sweep.dir"),
        (["sample", f"run={LONG}"], "run"),
        (["compare", f"runs={LONG}"], "runs"),
        (["train", f"resume={LONG}"], "resume"),
        (["train", "--config-name", LONG], "configuration"),
    ],
)
def test_a_name_too_long_for_the_file_system_is_one_line_with_its_key(arguments, key, galvae, tmp_path):
    status, out, err = galvae(*arguments)
    assert (status, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert err.startswith(f"galvae: {key}: ")
    assert err.endswith(": File name too long; expected names that the file system takes\n")
    assert os.listdir(tmp_path) == []


def test_a_long_directory_of_a_sweeps_job_is_that_of_its_own_key(galvae, small_files):
    sweep = ("hydra.sweep.dir=out", f"hydra.sweep.subdir={LONG}")
    status, _, err = galvae("prepare", "-m", *small_files[:3], "dataset.image_size=8,16", *sweep)
    assert status == 2
    assert err.startswith("galvae: hydra.sweep.subdir: out/aaa")


@pytest.mark.parametrize(("command", "key"), [("sample", "run"), ("prepare", "hydra.run.dir")])
def test_a_folder_that_may_not_be_read_is_one_line(command, key, nobody, monkeypatch, capfd):
    (nobody / "closed").mkdir()
    (nobody / "closed").chmod(0)
    monkeypatch.chdir(nobody)
    assert run_command(command, f"{key}={nobody}/closed/new") == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"galvae: {key}: {nobody}/closed/new")
    assert line.endswith(": Permission denied; expected a file that can be opened")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sample", "run=a", "run=b"], "run: expected once, received twice"),
        (["sample", "run="], "run: expected a directory, received nothing"),
        (["train", "hydra.run.dir="], "hydra.run.dir: expected a directory, received nothing"),
        (["train", "dataset=galaxy10", "dataset.path="], "dataset.path: expected text or null, received ''"),
        (["train", "dataset=galaxy10", "dataset.path=${x}"], "Interpolation key 'x' not found"),
        (["train", "-c"], "-c: expected job or hydra or all after it"),
        (["-sc", "bogus"], "-sc: expected install=SHELL"),
    ],
)
def test_further_wrong_calls_are_one_line(arguments, message, galvae, tmp_path):
    status, _, err = galvae(*arguments)
    assert status == 2
    assert len(err.splitlines()) == 1
    assert message in err
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["a b", "a=b", "a,b", "d'é(1)[2]#!&", 'q"uo\\te', "back\\", "~x"])
def test_paths_of_any_characters_reach_the_command(name, galvae, tmp_path):
    folder = tmp_path / name
    folder.mkdir()
    (folder / "config.yaml").write_text("nothing")
    for written in (folder, quoted(folder)):
        status, _, err = galvae("sample", f"run={written}")
        assert status == 2
        assert f"{folder}/config.yaml: configuration: expected keys and values" in err
    status, _, err = galvae("train", "dataset=galaxy10", f"dataset.path={folder}/no.h5")
    assert f"{folder}/no.h5: no such file" in err.replace("No", "no")


def test_a_path_may_begin_with_a_bracket(galvae, tmp_path):
    status, _, err = galvae("train", "dataset=galaxy10", "dataset.path=[old]/no.h5")
    assert status == 2
    assert f"{tmp_path}/[old]/no.h5: no such file" in err


@pytest.mark.parametrize("key", ["dataset.path", "run", "hydra.run.dir"])
def test_a_home_that_nobody_has_is_no_traceback(key, galvae):
    command = ["sample"] if key == "run" else ["train", "dataset=galaxy10", "dataset.path=no.h5"]
    if key == "dataset.path":
        command.pop()
    status, _, err = galvae(*command, f"{key}=~nobody-of-this-name/x")
    assert status == 2
    assert len(err.splitlines()) == 1


def signalled(*arguments, **options):
    os.kill(os.getpid(), signal.SIGTERM)


def test_a_signal_to_any_command_is_a_line_and_leaves_nothing(galvae, small_files, tmp_path, monkeypatch):
    monkeypatch.setattr("galvae.commands.prepare.main", signalled)
    status, _, err = galvae("prepare", *small_files[:3])
    assert (status, err) == (75, "galvae: stopped by SIGTERM\n")
    assert [path.name for path in tmp_path.iterdir()] == ["galaxies.npy"]


def test_a_signal_between_two_jobs_of_a_sweep_stops_it(galvae, small_files, monkeypatch):
    monkeypatch.setattr("galvae.runs.sweep.Sweep.note", signalled)
    status, _, err = galvae("prepare", "-m", *small_files[:3], "dataset.image_size=8,16")
    assert (status, err) == (75, "galvae: stopped by SIGTERM\n")
