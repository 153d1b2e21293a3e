"""Weights and codes far beyond those of a trained model: one line, never a figure of NaN."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from builders.configs import train_config
from builders.galaxies import ellipses
from builders.models import build

from galvae.analysis import compared_runs, conditions, scores
from galvae.analysis.statistics import summary
from galvae.data.dataset import GalaxyDataset
from galvae.errors import GalvaeError
from galvae.latent import inference
from galvae.latent.priors.normal import NormalPrior
from galvae.latent.priors.of_model import prior_of

ABSURD = {"1e30": 1e30, "the largest number": 3e38, "NaN": np.nan}


@pytest.fixture
def data():
    return GalaxyDataset(name="test", images=ellipses(20, 16), pixel_range=(0, 255))


def set_weights(model, name, values):
    """Sets the variables whose path contains a name."""
    for variable in model.variables:
        if name in variable.path:
            variable.assign(np.broadcast_to(np.asarray(values, np.float32), variable.shape))


@pytest.mark.parametrize("kind", ABSURD)
@pytest.mark.parametrize("name", ["ae", "vae"])
def test_absurd_codes_are_refused_in_one_line(kind, name, data):
    model = build(name)
    set_weights(model, "mean/bias", [0, ABSURD[kind]])
    with pytest.raises(GalvaeError) as error:
        inference.encode_dataset(model, data, np.arange(20))
    assert str(error.value) == (
        "run: expected weights that encode galaxies as numbers between -1e+12 and 1e+12, received others or NaN for "
        "20 of 20 galaxies; they are not those of a trained model"
    )


def test_the_galaxies_whose_codes_are_absurd_are_counted(data, monkeypatch):
    model = build("ae")
    encode = model.encode

    def one_of_them(images, condition=None):
        mean, log_variance = encode(images, condition)
        mean = np.array(mean)
        mean[7, 1] = -2e12
        return mean, log_variance

    monkeypatch.setattr(model, "encode", one_of_them)
    with pytest.raises(GalvaeError, match="received others or NaN for 1 of 20 galaxies"):
        inference.encode_dataset(model, data, np.arange(20))
    set_weights(model, "mean/bias", 9e11)
    monkeypatch.undo()
    assert inference.encode_dataset(model, data, np.arange(20)).mean.max() > 8e11


def test_absurd_errors_of_codes_are_refused(data):
    model = build("vae")
    set_weights(model, "log_variance/bias", np.nan)
    with pytest.raises(GalvaeError, match="for 20 of 20 galaxies"):
        inference.encode_dataset(model, data, np.arange(20))


def test_images_of_nan_are_refused():
    model = build("vae")
    set_weights(model, "decoder_image/bias", np.nan)
    with pytest.raises(GalvaeError, match="decode codes to intensities, received NaN for 3 of 3 codes"):
        inference.decode_codes(model, np.zeros((3, 2), np.float32))
    set_weights(model, "decoder_image/bias", 1e30)
    assert (inference.decode_codes(model, np.zeros((3, 2), np.float32)) == 1).all()


@pytest.mark.parametrize(("name", "value"), [("first", 1e30), ("second", 3e38), ("first", np.nan)])
def test_absurd_moments_of_a_plain_autoencoder_are_refused(name, value):
    model = build("ae")
    set_weights(model, "code_moments/count", 1)
    assert prior_of(model).std.tolist() == [0, 0]
    set_weights(model, f"code_moments/{name}", value)
    with pytest.raises(GalvaeError, match="^run: expected weights whose code_moments"):
        prior_of(model)


def test_scores_that_are_not_finite_are_left_out_and_said(data):
    model = build("vae")
    set_weights(model, "decoder_image/bias", 3e38)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scored = scores.score_dataset(model, data, inference.encode_dataset(model, data, np.arange(20)))
        results = {name: summary(values, 10, 0) for name, values in scored.items()}
    assert results["bce"]["undefined"] == 20
    assert "  bce              no galaxy has a finite value" in scores._lines(results)
    results = {"loss": summary(np.array([1.0, np.inf, 3.0, np.nan]), 10, 0)}
    (line,) = scores._lines(results)
    assert line.startswith("  loss             2  (95 %: ")
    assert line.endswith("; 2 without a finite value left out")


def test_a_condition_without_a_finite_objective_is_not_predicted(caplog):
    grid = np.array([0.0, 1.0, 2.0, 3.0])
    values = np.array(
        [[4, 1, 0, 1], [np.nan] * 4, [1, 0, np.inf, 9], [3e38, -3e38, 3e38, 3e38], [0, 1, 4, 9]], np.float32
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        predicted = conditions._minimum(grid, values)
    np.testing.assert_allclose(predicted, [2.0, np.nan, np.nan, 1.0, 0.0])
    conditions._count_undefined(predicted[:, None])
    assert "2 of 5 galaxies have no predicted condition" in caplog.text


def test_a_run_whose_weights_are_absurd_is_left_out_of_a_comparison(tmp_path, monkeypatch, caplog):
    def refuse(codes, condition):
        raise GalvaeError("received NaN")

    run = SimpleNamespace(
        path=tmp_path,
        model=SimpleNamespace(terms=[], condition_dim=0, latent_dim=2, count_params=lambda: 77),
        weights_digest="w",
        state=SimpleNamespace(peak_memory_mb=5.0, history=[], best_epoch=1),
        galaxies=SimpleNamespace(split=lambda name: np.arange(3)),
        prior=lambda name=None: NormalPrior(2),
        decode=refuse,
    )
    monkeypatch.setattr(compared_runs, "TrainedRun", SimpleNamespace(open=lambda *given: run))
    directory = SimpleNamespace(status="finished", metrics={}, config=train_config())
    config = SimpleNamespace(
        n=3, seed=6, prior=None, temperature=1, galaxies=2, dataset=SimpleNamespace(), force=False
    )
    given = directory, "a", config, "tensorflow"
    row, samples = compared_runs.measure_run(*given, False)
    assert (row["parameters"], samples) == (77, None)
    assert caplog.messages == ["a is not drawn: received NaN"]
    with pytest.raises(GalvaeError, match="^received NaN$"):
        compared_runs.measure_run(*given, True)
