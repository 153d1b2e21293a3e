"""Every command on JAX in a process in which TensorFlow, and what needs it, cannot be imported."""

import json
import subprocess
import sys

import pytest
from builders.configs import SMALL
from builders.processes import child_environment
from builders.surveys import write_survey

pytestmark = pytest.mark.slow  # a minute of compiling

CHILD = """
import json, sys

class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("tensorflow", "tensorflow_probability", "astroNN"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Refusing())
from galvae.cli.main import main

for arguments in json.loads(sys.argv[1]):
    try:
        main(arguments)
    except SystemExit as stop:
        print("exit status of", arguments[0], stop.code)
print("imported:", *{"tensorflow", "jax"} & set(sys.modules))
"""


def test_every_command_runs_on_jax_alone(galvae, tmp_path):
    pytest.importorskip("jax", reason="jax is an extra")
    survey = write_survey(tmp_path / "survey.h5")
    status, _, err = galvae("prepare", *survey)
    assert status == 0, err
    train = ["train", *survey, *SMALL, "backend=jax", "model=cvae2"]
    jobs = [
        [*train, "latent_dim=3", "resident=true", "hydra.run.dir=one"],
        [*train, "latent_dim=2", "hydra.run.dir=two"],
        ["sample", "run=one", "n=4", "redshift=0.5", "nearest=true"],
        ["evaluate", "run=one"],
        ["traverse", "run=one"],
        ["umap", "run=one", "n_neighbors=5"],
        ["compare", "runs=[one,two]"],
    ]
    command = [sys.executable, "-c", CHILD, json.dumps(jobs)]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env=child_environment(), check=True
    )
    statuses = [line for line in done.stdout.splitlines() if line.startswith("exit status")]
    assert statuses == [f"exit status of {job[0]} 0" for job in jobs], done.stderr
    assert done.stdout.endswith("imported: jax\n")
