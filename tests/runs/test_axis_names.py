"""Names of latent axes that a run keeps."""

from types import SimpleNamespace

import numpy as np
import pytest

from galvae.runs.axis_names import keep_axis_names, kept_axis_names


@pytest.fixture
def run(tmp_path):
    state = SimpleNamespace(dataset_sha256="d")
    return SimpleNamespace(path=tmp_path, state=state, weights_digest="w", latent_dim=2)


def test_names_come_back_as_they_were_kept(run):
    assert kept_axis_names(run) is None
    keep_axis_names(run, ["r50 (+)", "no measured property"], {"mean": np.full((2, 3), np.nan)})
    assert kept_axis_names(run) == ["r50 (+)", "no measured property"]


def test_names_of_other_weights_are_not_taken(run, caplog):
    keep_axis_names(run, ["r50 (+)", "e1 (-)"], {"mean": np.zeros((2, 3))})
    run.weights_digest = "other"
    assert kept_axis_names(run) is None
    assert "the names of the axes are not used" in caplog.text and "cards=[axes]" in caplog.text


def test_names_that_are_not_one_for_each_axis_are_not_taken(run, caplog):
    for names in (["r50 (+)"], ["r50 (+)", 3], "ab", None):
        keep_axis_names(run, names, {"mean": np.zeros((2, 3))})
        assert kept_axis_names(run) is None
    assert len(caplog.records) == 4


def test_a_run_that_cannot_be_written_to_is_no_error(run, caplog):
    caplog.set_level("INFO")
    (run.path / "axes").write_text("")
    keep_axis_names(run, ["r50 (+)", "e1 (-)"], {"mean": np.zeros((2, 3))})
    assert "the names of the axes cannot be kept" in caplog.text
