"""The page "In a notebook": its code runs, on a run of two epochs, and needs neither matplotlib nor Hydra."""

import re
import subprocess
import sys

import numpy as np
import pytest
from astropy.table import Table
from builders.processes import child_environment
from builders.source_tree import ROOT

from galvae.config.fields import LATEST
from galvae.runs.find import mark_latest

PAGE = (ROOT / "docs" / "notebook.md").read_text(encoding="utf-8")
CODE = "\n".join(re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
HEAVY = {
    "numpy",
    "keras",
    "tensorflow",
    "jax",
    "matplotlib",
    "hydra",
    "omegaconf",
    "astropy",
    "sklearn",
    "umap",
}
LIGHT = "import sys, galvae; print(*set(sys.modules) & {heavy})"
NEEDED = "import sys; exec(sys.stdin.read()); print(*set(sys.modules) & {heavy})"


@pytest.fixture
def latest(trained, tmp_path, monkeypatch):
    """A folder whose newest run is one of two epochs."""
    monkeypatch.chdir(tmp_path)
    mark_latest(LATEST, trained("vae"))
    return tmp_path


def test_the_page_runs(latest):
    found = {}
    exec(CODE, found)
    shape = (16, 16, 3)
    assert found["generated"].shape == (16, *shape) and found["residuals"].shape == (4, *shape)
    assert found["codes"].mean.shape == (60, 3) == found["codes"].std.shape
    walk, path = found["walk"], found["path"]
    assert walk["images"].shape == (3, 5, *shape) and walk["codes"].shape == (3, 5, 3)
    assert sorted(walk["axes"]) == [0, 1, 2] and walk["values"].shape == (3, 5) and len(walk["names"]) == 3
    run, rows = found["run"], found["rows"]
    assert path["images"].shape == (1, 7, *shape)
    np.testing.assert_allclose(path["codes"][0, [0, -1]], run.codes_at(rows[:2]).mean, rtol=1e-4)
    near = found["near"]
    assert isinstance(near, Table) and len(near) == 5 and list(near["rank"]) == [1, 2, 3, 4, 5]
    assert found["first"] not in near["id"]
    assert isinstance(found["odd"], Table) and len(set(found["odd"]["id"])) == 10
    table, faint = found["table"], Table.read("faint.ecsv")
    assert list(table["id"]) == list(run.galaxies.ids[run.galaxies.split("test")])
    assert found["summary"]["scores"]["ssim"]["mean"] == pytest.approx(table["ssim"].mean(), rel=1e-5)
    expected = (table["psnr"] > 10) & (table["r50"] < 20)
    assert list(faint["id"]) == list(table["id"][expected])


def child(code, folder, text=None):
    """The heavy packages that a script of its own imports."""
    words = [sys.executable, "-c", code.format(heavy=HEAVY)]
    done = subprocess.run(
        words, input=text, capture_output=True, text=True, cwd=folder, env=child_environment(), check=True
    )
    return set(done.stdout.splitlines()[-1].split()) if done.stdout.strip() else set()


def test_importing_galvae_is_light(tmp_path):
    assert child(LIGHT, tmp_path) == set()


@pytest.mark.slow
def test_the_page_needs_no_matplotlib_and_no_hydra(latest):
    found = child(NEEDED, latest, CODE)
    assert {"numpy", "keras"} <= found and not found & {"matplotlib", "hydra", "omegaconf"}
