"""Experiments in a folder of the user's, --config-dir: composed, or refused in one line with the file's name."""

import os

import pytest

BROKEN = {
    "a tag": ("epochs: !foo 3", "for the tag '!foo' in line 2"),
    "a call": ("epochs: !!python/object/apply:os.mkdir [MARK]", "python/object/apply:os.mkdir' in line 2"),
    "a tab": ("epochs:\n\t- 3", "found character '\\t' that cannot start any token in line 3"),
    "a key twice": ("epochs: 3\nepochs: 4", "found duplicate key epochs in line 3"),
    "an unknown alias": ("epochs: *nothing", "found undefined alias 'nothing' in line 2"),
}


def compose(galvae, folder, content):
    """Composes an experiment of the user's; the file's path, and what the command returned and printed."""
    path = folder / "mine" / "experiment" / "first.yaml"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"# @package _global_\n" + content)
    return path, *galvae("train", "--config-dir", str(folder / "mine"), "experiment=first", "--cfg", "job")


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_experiment_is_one_line_with_its_name(kind, galvae, tmp_path):
    content, reason = BROKEN[kind]
    path, status, out, err = compose(galvae, tmp_path, content.encode())
    assert (status, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert err.startswith(
        f"galvae: {path}: expected keys and values as YAML, without tags of its own; received"
    )
    assert reason in err
    assert os.listdir(tmp_path) == ["mine"]


NO_CONFIGURATION = [
    b"epochs: \0\1",
    b"epochs: \xff\xfe",
    b"epochs: " + b"[" * 5000,
    b"dataset: &a\n  path: *a",
]


@pytest.mark.parametrize("content", NO_CONFIGURATION)
def test_an_experiment_that_is_no_text_or_without_end_is_one_line(content, galvae, tmp_path):
    _, status, out, err = compose(galvae, tmp_path, content)
    assert (status, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert err.startswith("galvae: ")


def test_a_whole_experiment_of_the_users_is_composed(galvae, tmp_path):
    _, status, out, _ = compose(galvae, tmp_path, b"latent_dim: 3\nepochs: ${latent_dim}\n")
    assert status == 0
    assert out.startswith("latent_dim: 3\n")
