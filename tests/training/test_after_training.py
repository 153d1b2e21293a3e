"""What a run learns after its training, to generate galaxies."""

from types import SimpleNamespace

import numpy as np
import pytest
from builders.configs import SMALL, train_config
from builders.surveys import write_survey

from galvae.errors import GalvaeError
from galvae.latent import inference
from galvae.runs.stored_run import StoredRun
from galvae.runs.trained_run import TrainedRun
from galvae.training import after_training


def of(stored, force):
    """A TrainedRun of a stored run whose model nobody builds."""
    trained = TrainedRun(stored.directory, "model", stored.state, stored.checkpoint)
    trained.dataset = stored.dataset
    return trained


def learned(monkeypatch, *overrides, fails=()):
    """Names of what is learned by a run of a configuration, and the arguments of the priors' fit."""
    calls = []

    def noted(name):
        def call(run, *arguments):
            if name in fails:
                raise GalvaeError(f"{name}: too few galaxies")
            calls.append((name, run.dataset, *arguments))
            return {}

        return call

    monkeypatch.setattr(after_training, "learn_noise", noted("noise"))
    monkeypatch.setattr(after_training, "fit_priors", noted("prior"))
    monkeypatch.setattr(after_training, "lines", lambda report: ["a line"])
    monkeypatch.setattr(
        after_training, "keep_reference", lambda run: calls.append(("reference", run.dataset))
    )
    monkeypatch.setattr(TrainedRun, "codes", lambda run, split: calls.append(("codes", run.dataset, split)))
    config = train_config("dataset=simulated", *overrides)
    monkeypatch.setattr(TrainedRun, "of", of)
    run = SimpleNamespace(config=config, checkpoint=lambda: ("checkpoint", "state"))
    trained = after_training.learn_after_training(run, "data")
    assert calls[:2] == [("codes", "data", "all"), ("reference", "data")]
    assert (trained.model, trained.checkpoint, trained.state) == ("model", "checkpoint", "state")
    return calls[2:]


NOISE = ("noise", "data")
PRIOR = ("prior", "data", ("gaussian", "mixture"), 7, 20_000)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["seed=7"], [NOISE, PRIOR]),
        (["prior=none"], [NOISE]),
        (["seed=7", "reconstruction.loss=bce"], [PRIOR]),
        (["prior=none", "reconstruction.loss=mse"], []),
        (["experiment=galaxy10_blog"], []),  # the published runs stay as they are
    ],
)
def test_noise_and_prior_are_learned_where_the_configuration_says_so(overrides, expected, monkeypatch):
    assert learned(monkeypatch, *overrides) == expected


def test_galaxies_that_allow_one_of_them_do_not_lose_the_other(monkeypatch, caplog):
    assert learned(monkeypatch, "seed=7", fails=["noise"]) == [PRIOR]
    assert learned(monkeypatch, fails=["prior"]) == [NOISE]
    warnings = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == [
        "galaxies are generated without noise: noise: too few galaxies",
        "galaxies are generated from the prior of the training: prior: too few galaxies",
    ]


def test_codes_are_kept_in_float32_after_training_in_bfloat16(galvae, tmp_path, monkeypatch):
    """Where the processor has bfloat16; compiled as for many galaxies, since TensorFlow rounds in graphs alone."""
    monkeypatch.setattr(inference, "MIN_COMPILED", 1)
    survey = write_survey(tmp_path / "survey.h5")
    words = [*survey, *SMALL, "precision=bfloat16", f"hydra.run.dir={tmp_path / 'run'}"]
    status, _, err = galvae("train", *words)
    assert status == 0, err
    kept = StoredRun.open(tmp_path / "run").kept_codes("all").mean
    monkeypatch.setattr(inference, "MIN_COMPILED", 10_000)
    run = TrainedRun.open(tmp_path / "run")
    again = inference.encode_dataset(run.model, run.dataset, run.dataset.split("all")).mean
    np.testing.assert_allclose(kept, again, atol=1e-5)
