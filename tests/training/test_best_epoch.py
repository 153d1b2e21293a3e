"""What a run leaves behind is that of its best epoch, in runs whose best epoch is not the last."""

import csv
import json

import numpy as np
import pytest
from builders.configs import SMALL
from builders.galaxies import ellipses

from galvae.runs.trained_run import TrainedRun


def rows(folder):
    with open(folder / "history.csv") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def metrics(folder):
    return json.loads((folder / "metrics.json").read_text())


def bright_validation(folder, *overrides):
    """Overrides of a run whose best epoch is not its last: at first, galaxies are drawn too bright.

    The validation galaxies have a bright sky, so that their loss falls and rises as the drawn sky becomes dark.
    """
    images, rows = ellipses(60, 16).astype(int), np.arange(60)
    images[rows % 10 == 3] += 70
    subset = np.select([rows % 10 == 3, rows % 10 == 7], ["val", "test"], "train")
    arrays = {
        "images": np.clip(images, 0, 255).astype(np.uint8),
        "subset": subset,
        "redshift": np.linspace(0.1, 2, 60),
    }
    np.savez(folder / "bright.npz", **arrays)
    columns = ("dataset.split_from=subset", "dataset.images=images", "dataset.axes=NHWC")
    data = (*columns, "dataset=files", f"dataset.path={folder / 'bright.npz'}", "dataset.augment=false")
    rate = (
        "schedule.name=constant",
        "schedule.warmup=0",
        "network.output_bias=zero",
        "batch=8",
        "precision=float32",
    )
    return (*data, *SMALL, *rate, f"hydra.run.dir={folder / 'run'}", *overrides)


def test_metrics_and_figures_are_those_of_the_best_epoch(galvae, tmp_path):
    settings = ("model=cvae2", "dataset.condition=[redshift]", "epochs=6", "learning_rate=0.01")
    status, _, err = galvae("train", *bright_validation(tmp_path, *settings))
    assert status == 0, err
    history, result = rows(tmp_path / "run"), metrics(tmp_path / "run")
    terms = ["loss", "reconstruction", "kl", "val_loss", "val_reconstruction", "val_kl"]
    assert list(history[0]) == ["epoch", *terms, "beta", "learning_rate", "seconds", "images_per_second"]
    assert [row["epoch"] for row in history] == [1, 2, 3, 4, 5, 6]
    assert [row["images_per_second"] for row in history] == pytest.approx(
        [48 / row["seconds"] for row in history]
    )
    assert result["images_per_second"] == pytest.approx(
        np.median([row["images_per_second"] for row in history])
    )
    assert result["seconds"] == pytest.approx(sum(row["seconds"] for row in history))
    assert (result["status"], result["epochs"]) == ("finished", 6)
    assert result["peak_memory_mb"] > 10

    best = min(history, key=lambda row: row["val_loss"])
    assert 1 < best["epoch"] < 6
    assert result["best_epoch"] == best["epoch"]
    assert {name: value for name, value in result.items() if name.startswith("val_")} == {
        name: value for name, value in best.items() if name.startswith("val_")
    }
    run = TrainedRun.open(tmp_path / "run")
    assert (run.state.best_epoch, run.state.best_loss) == (best["epoch"], best["val_loss"])
    val, images, redshift = (
        np.arange(3, 60, 10),
        run.dataset.images,
        np.linspace(0.1, 2, 60, dtype=np.float32)[:, None],
    )
    mean, log_variance = (
        np.asarray(part, np.float64) for part in run.model.encode(images[val], redshift[val])
    )
    kl = (mean**2 + np.exp(log_variance) - log_variance - 1).sum(axis=1) / 2
    assert kl.mean() == pytest.approx(best["val_kl"], rel=1e-4)

    # The figures' numbers: each galaxy beside its own reconstruction, those of the validation first.
    figures = {
        name: np.load(tmp_path / "run/figures" / f"{name}.npz")
        for name in ("reconstructions", "latent", "samples")
    }
    shown = figures["reconstructions"]
    np.testing.assert_array_equal(shown["indices"], val)
    np.testing.assert_allclose(shown["originals"], images[val] / 255, atol=1e-6)
    close = {"rtol": 1e-3, "atol": 1e-4}
    np.testing.assert_allclose(shown["decoded"], run.model.decode(mean.astype("f4"), redshift[val]), **close)
    latent, drawn = figures["latent"], figures["samples"]
    order = latent["indices"]
    np.testing.assert_array_equal(order[:6], val)
    assert sorted(order[6:]) == [row for row in range(60) if row % 10 not in (3, 7)]
    np.testing.assert_allclose(latent["mean"], run.model.encode(images[order], redshift[order])[0], **close)
    np.testing.assert_allclose(latent["redshift"], redshift[order, 0])
    assert len(np.unique(drawn["condition"])) > 16
    assert set(drawn["condition"].ravel()) <= set(redshift[order[6:], 0])
    np.testing.assert_allclose(drawn["images"], run.model.decode(drawn["codes"], drawn["condition"]), **close)


@pytest.mark.slow
def test_the_model_ends_with_the_weights_of_its_best_epoch(galvae, tmp_path):
    # A plain autoencoder draws no noise, so that its validation loss can be computed again.
    status, _, err = galvae(
        "train", *bright_validation(tmp_path, "model=ae", "epochs=4", "learning_rate=0.02")
    )
    assert status == 0, err
    run, history = TrainedRun.open(tmp_path / "run"), rows(tmp_path / "run")
    images = run.dataset.images[np.arange(3, 60, 10)]
    decoded = np.asarray(run.model.decode(run.model.encode(images)[0]))
    error = ((decoded - images / 255) ** 2).mean(axis=3).sum(axis=(1, 2)).mean()
    result = metrics(tmp_path / "run")
    assert result["val_loss"] == pytest.approx(15 * error, rel=1e-4)
    assert result["best_epoch"] < 4
    assert history[-1]["val_loss"] > 1.05 * result["val_loss"]
