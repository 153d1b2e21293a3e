"""The built wheel and all its extras at once, resolved for the oldest and the newest Python that it runs on."""

import re
import subprocess
import sys
import tomllib

import pytest
from builders.source_tree import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PYTHONS = [line[-4:] for line in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", line)]
# All but those for one kind of machine, whose CUDA libraries are gigabytes, and those for developers.
EXTRAS = sorted(PROJECT["optional-dependencies"].keys() - {"gpu", "jax-cuda", "bench", "dev"})
# Packages of Python alone that are distributed as sources: pip resolves for another Python by wheels only.
SOURCES = ("antlr4-python3-runtime==4.9.3", "statmorph==0.7.2")


def pip(*arguments):
    return [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]


@pytest.mark.slow
def test_the_wheel_with_all_extras_can_be_installed_on_the_oldest_and_newest_python(tmp_path):
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(build, capture_output=True, check=True)
    (wheel,) = tmp_path.glob("galvae-*.whl")
    made = subprocess.run(
        pip("wheel", "--no-deps", "-w", str(tmp_path), *SOURCES), capture_output=True, text=True
    )
    if made.returncode:
        pytest.skip(f"packages cannot be downloaded: {made.stderr.strip().splitlines()[-1]}")
    others = {PYTHONS[0], PYTHONS[-1]} - {f"{sys.version_info[0]}.{sys.version_info[1]}"}  # the extremes
    assert set(PYTHONS) >= {"3.11", "3.12", "3.13"}
    options = ("--dry-run", "--ignore-installed", "--only-binary=:all:", "--find-links", str(tmp_path))
    requirement = f"{wheel}[{','.join(EXTRAS)}]"
    resolving = {
        version: subprocess.Popen(
            pip(
                "install",
                *options,
                "--target",
                str(tmp_path / version),
                "--python-version",
                version,
                requirement,
            ),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for version in others
    }
    for version, process in resolving.items():
        output, _ = process.communicate(timeout=600)
        if any(sign in output for sign in ("timed out", "Connection", "HTTP error", "Temporary failure")):
            pytest.skip(f"packages cannot be looked up: {output.strip().splitlines()[-1]}")
        assert process.returncode == 0, f"{version}: {output[-2000:]}"
        found = output.splitlines()[-1]
        assert all(f" {name}-" in found for name in ("galvae", "tensorflow", "jax", "tf2onnx", "wandb")), (
            version
        )
