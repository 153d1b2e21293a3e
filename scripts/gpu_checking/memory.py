"""Checks of what saves memory on the card: batches in parts, activations computed again, the batch that fits."""

from pathlib import Path
from tempfile import TemporaryDirectory

import yaml
from benchmarking.measuring import GALVAE, run
from benchmarking.training import of_file

from gpu_checking.check import BLOG, difference, row
from gpu_checking.training import DETERMINISTIC

ROUNDING = 1e-3  # relative, of the losses of two epochs in float32
PIXELS, COUNT = 256, 1000  # images large enough that activations take the memory
PARTS = 4


def accumulate(settings):
    """A batch computed in four parts: the losses of the whole batch, and less memory."""
    yield from _saves(settings, f"accumulate={PARTS}", "accumulate=1")


def remat(settings):
    """Activations computed again for their gradients: the same losses, and less memory."""
    yield from _saves(settings, "remat=true", "remat=false")


def _saves(settings, saving, plain):
    """Rows of a key that saves memory, against the same run without it.

    Args:
        settings: Settings.
        saving, plain: overrides of `galvae train`.
    """
    words = ["epochs=2", "precision=float32", "resident=false", "dataset.augment=true"]
    results = {
        key: settings.trained(*words, key, pixels=PIXELS, count=COUNT, environment=DETERMINISTIC)
        for key in (plain, saving)
    }
    differs = difference(results[saving]["history"], results[plain]["history"])
    yield row(
        f"losses with {saving}, against {plain}",
        f"differ by {differs:.1g}",
        differs <= ROUNDING,
        f"at most {ROUNDING:g}",
        value=differs,
    )
    for key, result in results.items():
        name = f"conv {settings.side(PIXELS)} px, batch 128, {key}"
        yield row(
            name,
            f"{result['history'][-1]['images_per_second']:,.0f} images/s",
            peak_mb=result["device_peak_mb"],
        )
    peaks = [results[key]["device_peak_mb"] for key in (saving, plain)]
    if None not in peaks:
        ratio = peaks[0] / peaks[1]
        yield row(f"peak memory, {saving} / {plain}", f"{ratio:.2f}", ratio < 1, "below 1", value=ratio)


def batch_auto(settings):
    """The largest batch that fits, chosen by batch=auto, trains an epoch."""
    path = settings.images(PIXELS, count=COUNT)
    with TemporaryDirectory() as folder:
        words = [*BLOG, f"backend={settings.backend}", "epochs=2", "batch=auto", *of_file(path)]
        run([*GALVAE, "train", *words, f"hydra.run.dir={folder}/run"])
        batch = yaml.safe_load(Path(folder, "run", "config.yaml").read_text())["batch"]
        log = Path(folder, "run", "train.log").read_text()
    said = any("batch=auto" in line for line in log.splitlines())
    power = isinstance(batch, int) and batch > 0 and batch & (batch - 1) == 0
    yield row(
        f"batch=auto, conv {settings.side(PIXELS)} px, {settings.count(COUNT):,} images",
        f"{batch} images{'' if said else ', not said in the log'}",
        power and said,
        "a power of two, said in the log",
        value=batch,
    )
