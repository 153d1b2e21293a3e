"""galvae prior: fits what it is asked for, says how good it is, and has later commands use it."""

import json
import os
import shutil

import numpy as np
import pytest

from galvae.config.analysis import PRIORS as NAMES
from galvae.latent.priors.of_model import PRIORS
from galvae.runs.trained_run import TrainedRun


@pytest.fixture
def run(trained, tmp_path):
    """A copy of the run of a conditional model."""
    return shutil.copytree(trained("cvae2"), tmp_path / "run")


def test_a_fitted_prior_is_reported_and_then_sampled_at_each_condition(run, galvae):
    status, out, err = galvae("prior", f"run={run}", "prior=mixture")
    assert status == 0, err
    report = json.loads((run / "prior" / "prior.json").read_text())
    assert (
        report == json.loads((run / "priors" / "chosen.json").read_text()) and report["chosen"] == "mixture"
    )
    assert (run / "prior" / "priors.png").exists()
    lines = out.splitlines()
    assert lines[0] == f"priors of {run}, weights of epoch {TrainedRun.open(run).state.best_epoch}"
    assert lines[1].startswith(f"  mixture   W1 {report['priors']['mixture']['w1']:.3f} ± ")
    assert lines[-1] == str(run / "prior")

    status, _, err = galvae("sample", f"run={run}", "n=5", "condition=[0.5,1.5]", "seed=3")
    assert status == 0, err
    opened = TrainedRun.open(run)
    with np.load(run / "sample" / "samples.npz") as stored:
        for block, value in enumerate((0.5, 1.5)):
            expected = opened.prior("mixture").sample(5, np.full((5, 1), value), 3)
            np.testing.assert_array_equal(stored["codes"][5 * block : 5 * block + 5], expected)
    status, _, err = galvae("sample", f"run={run}", "n=5", "condition=[0.5,1.5]", "seed=3", "prior=normal")
    assert status == 0, err
    with np.load(run / "sample-2" / "samples.npz") as stored:
        np.testing.assert_array_equal(stored["codes"][:5], stored["codes"][5:])


def test_what_cannot_be_done_is_one_line(run, galvae):
    def refused(*words):
        status, _, err = galvae(*words)
        (line,) = [text for text in err.splitlines() if text.startswith("galvae: ")]
        assert status in (1, 2)
        return line

    line = refused("sample", f"run={run}", "n=2", "prior=gaussian")
    assert "which was not; fit it: galvae prior run=" in line and not (run / "sample").exists()
    line = refused("prior", f"run={run}", "prior=gaussain")
    assert "prior: expected auto or normal or gaussian or mixture or flow, received 'gaussain'" in line
    if os.geteuid():  # root may write everywhere
        run.chmod(0o500)
        assert "expected a directory to write in" in refused("prior", f"run={run}", "prior=gaussian")
        run.chmod(0o700)


def test_the_command_offers_every_prior():
    assert tuple(PRIORS) == NAMES


@pytest.mark.slow
@pytest.mark.parametrize("model", ["ae", "cvae2"])
def test_every_later_command_takes_the_best_of_all_priors(model, trained, galvae, tmp_path):
    run = shutil.copytree(trained(model), tmp_path / "run")
    status, out, err = galvae("prior", f"run={run}")
    assert status == 0, err
    assert [line.split()[0] for line in out.splitlines()[1:4]] == ["gaussian", "mixture", "flow"]
    for command, *more in (
        (
            "evaluate",
            "bootstrap=100",
            "samples=60",
            "condition_grid=3",
            "cards=[card,prior,memorisation,conditions]",
        ),
        ("sample", "n=4", "nearest=true"),
        ("traverse", "steps=3", "axes=[0,2]", "span=2"),
        ("compare", "n=4"),
    ):
        key = "runs" if command == "compare" else "run"
        status, out, err = galvae(command, f"{key}={run}", f"hydra.run.dir={tmp_path / command}", *more)
        assert status == 0, err
