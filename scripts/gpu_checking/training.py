"""Checks of training: its speed beside plain Keras, resident images, precision."""

import json
import statistics
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import yaml
from benchmarking import training
from benchmarking.measuring import GALVAE, program, run

from gpu_checking.check import BLOG, difference, row, speed

WANTED = 5  # times the speed of plain Keras
LONGEST = 180  # seconds of 300 epochs
EPOCHS = 300
AGREEMENT = 0.005  # of validation losses in bfloat16 and float32
# Without it, sums whose order differs from run to run would hide or feign a difference.
DETERMINISTIC = {
    "XLA_FLAGS": "--xla_gpu_deterministic_ops=true",
    "TF_DETERMINISTIC_OPS": "1",
    "NVIDIA_TF32_OVERRIDE": "0",
}


def throughput(settings):
    """Images per second of conv at 128 pixels, batch 128, beside a plain Keras fit on the same card in the same run."""
    epochs, images = settings.epochs(20), settings.images()
    train = training.splits(settings.count())["train"]
    plain = program(
        "keras_tutorial",
        images=str(images),
        train=train,
        val=[],
        epochs=settings.epochs(6),  # each takes as long as the next
        backend=settings.backend,
    )
    reference = len(train) / statistics.median(plain["epoch_seconds"][1:])
    yield row(
        f"plain Keras fit on {settings.backend}, float32, without validation",
        f"{reference:,.0f} images/s",
        peak_mb=plain["device_peak_mb"],
        value=reference,
    )
    result = settings.trained(f"epochs={epochs}")
    measured = speed(result)
    yield _speed_row(settings, result, "conv", 128, 3)
    yield row(
        "conv, ratio to plain Keras",
        f"{measured / reference:.2f}",
        settings.on_gpu(measured / reference >= WANTED),
        f"at least {WANTED}",
        value=measured / reference,
    )
    seconds = EPOCHS * len(train) / measured
    yield row(
        f"conv, {EPOCHS} epochs of {len(train):,} images, computed",
        f"{seconds:,.0f} s",
        settings.on_gpu(seconds < LONGEST),
        f"less than {LONGEST} s",
        value=seconds,
    )


def slim(settings):
    """Images per second, share of the card's rate and peak memory of slim at 128 pixels, batch 128."""
    result = settings.trained("network=slim", f"epochs={settings.epochs(10)}")
    yield _speed_row(settings, result, "slim", 128, 3)


def dcgan(settings):
    """Images per second, share of the card's rate and peak memory of dcgan at 158 pixels, batch 64."""
    base = ("experiment=cosmos_vae", "latent_dim=8", "prior=none")
    result = settings.trained(f"epochs={settings.epochs(5)}", base=base, pixels=158, bands=1)
    yield _speed_row(settings, result, "dcgan", 158, 1)


def large(settings):
    """Images per second, share of the card's rate and peak memory of conv at 256 pixels, batch 128."""
    result = settings.trained(f"epochs={settings.epochs(5)}", pixels=256, count=5000)
    yield _speed_row(settings, result, "conv", 256, 3)


def _speed_row(settings, result, network, pixels, bands):
    """The row of a run's speed, with its share of the card's rate of matrix products and its peak memory.

    Args:
        settings: Settings.
        result: what `Settings.trained` returns.
        network: name of the network.
        pixels: side of an image on a GPU.
        bands: number of bands.
    """
    side = settings.side(pixels)
    if settings.backend == "jax":
        # On the processor: XLA counts nothing that it has lowered for a GPU.
        operations = program(
            "training_operations", {"JAX_PLATFORMS": "cpu"}, network=network, shape=(side, side, bands)
        )["operations"]
    else:  # a pass forward and two backward
        counted = program("operations", network=network, shape=(side, side, bands), backend=settings.backend)
        operations = 3 * counted["operations"]
    measured = speed(result)
    return row(
        f"{network} {side} px on {settings.backend}, {settings.limits['precision']}, with validation",
        f"{measured:,.0f} images/s",
        peak_mb=result["device_peak_mb"],
        share=operations * measured / settings.limits[settings.limits["precision"]],
        value=measured,
    )


def resident(settings):
    """Training with images in the card's memory against images from the cache: the ratio, and the same results."""
    speeds = {}
    for value in ("true", "false"):
        result = settings.trained(f"resident={value}", f"epochs={settings.epochs(5)}")
        speeds[value] = speed(result)
        yield row(
            f"resident={value}",
            f"{speeds[value]:,.0f} images/s",
            peak_mb=result["device_peak_mb"],
            value=speeds[value],
        )
    ratio = speeds["true"] / speeds["false"]
    yield row("ratio of resident=true to false", f"{ratio:.2f}", value=ratio)
    histories = [
        settings.trained(
            *(f"resident={value}", "epochs=2", "precision=float32"), count=2000, environment=DETERMINISTIC
        )["history"]
        for value in ("true", "false")
    ]
    differs = difference(*histories)
    yield row(
        "losses of resident=true and false, float32, deterministic operations",
        f"differ by {differs:.1g}",
        differs == 0,
        "identical",
        value=differs,
    )


def precision(settings):
    """Validation loss in bfloat16 against float32, 20 epochs, three seeds, in one sweep in one process."""
    path, seeds = settings.images(count=2000), range(3)
    with TemporaryDirectory() as folder:
        words = [*BLOG, f"backend={settings.backend}", f"epochs={settings.epochs(20)}"]
        sweep = [
            f"seed={','.join(map(str, seeds))}",
            "precision=float32,bfloat16",
            f"hydra.sweep.dir={folder}",
        ]
        run([*GALVAE, "train", "-m", *words, *training.of_file(path), *sweep])
        losses = {}
        for path in Path(folder).glob("*/metrics.json"):
            config = yaml.safe_load((path.parent / "config.yaml").read_text())
            losses[config["precision"], config["seed"]] = json.loads(path.read_text())["val_loss"]
    ratios = [losses["bfloat16", seed] / losses["float32", seed] for seed in seeds]
    mean, error = float(np.mean(ratios)), float(np.std(ratios, ddof=1) / len(ratios) ** 0.5)
    yield row(
        f"validation loss in bfloat16 / float32, {len(ratios)} seeds",
        f"{mean:.4f} ± {error:.4f}",
        settings.on_gpu(abs(mean - 1) <= AGREEMENT),
        f"1 within {AGREEMENT:.1%}",
        value=mean,
    )
