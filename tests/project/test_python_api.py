"""The page "Python API": it names everything that is public, and its code runs on runs of two epochs."""

import inspect
import re

import numpy as np
import pytest
from astropy.table import Table
from builders.source_tree import ROOT

import galvae
from galvae.config.fields import LATEST
from galvae.latent.codes import Codes
from galvae.runs.find import mark_latest

PAGE = (ROOT / "docs" / "python_api.md").read_text(encoding="utf-8")
CODE = "\n".join(re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
SHAPE = (16, 16, 3)  # of an image of the runs
GALAXIES = ["open_run", "traverse", "neighbors", "anomalies", "card"]


def mentioned(name, owner=""):
    """Whether the page has a name in code, alone or after its owner, with or without arguments."""
    return re.search(rf"`(?:{re.escape(owner)})?{name}(?:\([^`]*\))?`", PAGE) is not None


def test_every_function_of_galvae_is_on_the_page():
    functions = [
        name for name, value in vars(galvae).items() if inspect.isfunction(value) and not name.startswith("_")
    ]
    assert sorted(functions) == sorted(GALAXIES)
    assert all(mentioned(name, "galvae.") for name in functions)


def test_every_public_name_of_a_trained_run_is_on_the_page():
    from galvae.runs.trained_run import TrainedRun  # late: it imports Keras

    names = {name for name in dir(TrainedRun) if not name.startswith("_")}
    names |= {"model", "directory", "config", "state", "checkpoint"}  # set by the constructors
    assert {"codes", "sample", "weights"} < names
    missing = [name for name in sorted(names) if not mentioned(name, "TrainedRun.")]
    assert not missing


def test_the_signatures_on_the_page_are_those_of_the_code():
    from galvae.runs.trained_run import TrainedRun  # late: it imports Keras

    written = dict(re.findall(r"^\| `(\w+)(\([^`]*\))`", PAGE, re.MULTILINE))
    written["open_run"] = re.search(r"`galvae\.open_run(\(.*?\))`", PAGE)[1]
    assert {"sample", "at_condition", "kept_codes", "open_run"} < set(written)
    for name, text in written.items():
        function = galvae.open_run if name == "open_run" else getattr(TrainedRun, name)
        own = str(inspect.signature(function)).replace("'", '"')
        assert text == own.replace("(self, ", "(").replace("(self)", "()"), name


@pytest.mark.slow
@pytest.mark.parametrize("model", ["vae", "cvae2"])
def test_the_page_runs(model, trained, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    mark_latest(LATEST, trained(model))
    found = {}
    exec(CODE, found)
    assert galvae.__version__ in capsys.readouterr().out
    run, walk, path = found["run"], found["walk"], found["path"]
    assert walk["images"].shape == (2, 7, *SHAPE) and walk["codes"].shape == (2, 7, 3)
    assert sorted(walk["axes"]) == [0, 2] and walk["values"].shape == (2, 7) and len(walk["names"]) == 2
    assert {"offsets", "information"} < set(walk)
    assert path["images"].shape == (1, 5, *SHAPE)
    near, odd, table = found["near"], found["odd"], found["table"]
    assert all(isinstance(one, Table) for one in (near, odd, table))
    assert list(near["rank"]) == [1, 2, 3] * 2
    assert list(odd["rank_error"]) == sorted(odd["rank_error"])
    assert list(table["id"]) == list(run.galaxies.ids[run.galaxies.split("test")])
    codes, rows = found["codes"], found["rows"]
    assert isinstance(codes, Codes) and codes.mean.shape == codes.std.shape == found["drawn"].shape
    np.testing.assert_array_equal(found["kept"].mean, codes.mean)
    np.testing.assert_allclose(found["mean"], codes.mean[:2], rtol=1e-3, atol=1e-3)
    assert found["decoded"].shape == (2, *SHAPE) and len(rows) == 2
    assert found["images"].shape == found["noiseless"].shape == found["standard"].shape == (16, *SHAPE)
    assert found["images"].min() >= 0 and found["images"].max() <= 1
    assert found["latents"].shape == (16, 3)
    assert found["unit"].shape == (4, *SHAPE) and 0 <= found["unit"].min() <= found["unit"].max() <= 1
    np.testing.assert_array_equal(found["again"].codes("test").mean, codes.mean)
    assert found["same"].weights_digest == run.weights_digest == found["stored"].weights_digest
    assert not hasattr(found["stored"], "sample") and not hasattr(found["stored"], "condition_symbol")
    if model == "cvae2":
        assert found["wanted"].shape == found["like"].shape == (2, run.condition_dim)
        np.testing.assert_allclose(found["wanted"][:, 0], [0.5, 1.0], rtol=1e-6)
        assert found["galaxies"].shape == (2, *SHAPE)
    else:
        assert "wanted" not in found and found["conditions"] is None
