"""Galaxies through a trained model, batch by batch: their codes, and what else is computed of each batch."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from galvae.analysis.measured import measure_batch, measured_columns
from galvae.analysis.scores import QUALITY, UNITS
from galvae.data.batches import Batches
from galvae.data.dataset import GalaxyDataset
from galvae.latent.codes import check_codes
from galvae.latent.inference import batch_size, compiled_for
from galvae.latent.reconstruction import reconstruct
from galvae.morphology.measure import Measurements
from galvae.runs.encoding import Part
from galvae.system.progress import progress_bar

# Without SSIM, which alone takes a fifth (conv) to three quarters (slim) of the time of encoder and decoder at 64 px.
SCORES = ("mse", "psnr", "r2")
COLUMN = "column."  # before the name of an array that an addition returned


@dataclass(frozen=True, kw_only=True)
class EncodedBatch:
    """Galaxies of a dataset and what the model makes of them.

    Attributes:
        dataset: GalaxyDataset, aligned to the run; its own, if it is not asked for another one.
        indices: (B,) row indices in the dataset.
        images: (B, H, W, C) stored pixels, on the scale of the run's images.
        mask: (B, H, W, C), 1 where a pixel is set aside; or None.
        condition: (B, K) in physical units, or None.
        mean, log_variance: (B, latent_dim), of the posteriors; log_variance is None for a plain autoencoder.
        scores: name in SCORES -> (B,), of the decoded posterior mean; empty if it was not decoded, and mse alone if no
            more was asked for.
        measured: Measurements, or None.
    """

    dataset: GalaxyDataset
    indices: np.ndarray
    images: np.ndarray
    mask: np.ndarray | None
    condition: np.ndarray | None
    mean: np.ndarray
    log_variance: np.ndarray | None
    scores: dict
    measured: Measurements | None

    @property
    def mse(self):
        """Mean squared error of each reconstruction, (B,), in network units; None if it was not decoded."""
        return self.scores.get("mse")


class Scores:
    """Addition: how well each galaxy is reconstructed, SCORES as `galvae evaluate` has them."""

    needs = frozenset({"decoded", "scores"})

    def __init__(self, run, config):
        pass

    def columns(self, batch):
        return {name: (values, UNITS.get(name)) for name, values in batch.scores.items()}


class Morphology:
    """Addition: flux, size and structure of each galaxy, as `galvae evaluate` measures them.

    Objects are what rises above the sky of the galaxies' own dataset, not of the run's: so the same galaxy measures the
    same, whichever model it is put through.
    """

    needs = frozenset({"morphology"})

    def __init__(self, run, config):
        pass

    def columns(self, batch):
        return measured_columns(batch.dataset, batch.measured)


class Encoder:
    """Puts parts of a dataset through a run's model, in batches of one size, for which it is compiled once.

    The last batch of a part is filled up: so the numbers of a galaxy depend on the part that it is in, but not on which
    process encodes it, or what it has encoded before.

    Args:
        run: TrainedRun.
        dataset: GalaxyDataset, aligned to the run.
        additions: name -> addition, see `galvae.analysis.additions`.
        largest: number of galaxies of the largest part.
    """

    def __init__(self, run, dataset, additions, largest):
        self.model, self.dataset, self.additions = run.model, dataset, additions
        needs = frozenset().union(*(addition.needs for addition in additions.values()))
        self.measures = "morphology" in needs
        names = SCORES if "scores" in needs else ("mse",) if "decoded" in needs else ()
        self.quality = {name: QUALITY[name] for name in names}
        most = batch_size(self.model)
        self.batch = -(-largest // -(-largest // most))
        count = len(dataset.split("all"))
        self._call = compiled_for(self._outputs, self.model, count)

    def _outputs(self, inputs):
        """Posterior and scores of a batch, name -> tensor or None."""
        mean, log_variance = self.model.encode(inputs["images"], inputs.get("condition"))
        result = {"mean": mean, "log_variance": log_variance}
        if self.quality:
            images = reconstruct(self.model, inputs, mean, log_variance)
            result |= {name: quality(*images) for name, quality in self.quality.items()}
        return result

    def encode(self, indices):
        """Encodes some galaxies.

        Args:
            indices: (n,) row indices in the dataset.

        Returns:
            Part with mean and, if the model has them, log_variance (n, latent_dim); mse, if it was decoded; and the
            columns of the additions, whose names begin with COLUMN.

        Raises:
            GalvaeError: if a code is not one of a trained model.
        """
        started, batches = time.monotonic(), Batches(self.dataset, indices, self.batch)
        found, units = [], {}
        with ThreadPoolExecutor(1) as reader, progress_bar(len(indices), "encoding") as bar:
            following = reader.submit(batches.gather, batches.step(0))
            for step in range(len(batches)):
                rows, inputs = batches.step(step), following.result()
                if step + 1 < len(batches):  # read while this one is encoded
                    following = reader.submit(batches.gather, batches.step(step + 1))
                found.append(self._batch(rows, inputs, units))
                bar.update(len(rows))
        arrays = {name: np.concatenate([one[name] for one in found]) for name in found[0]}
        return Part(arrays, units, time.monotonic() - started)

    def _batch(self, rows, inputs, units):
        """Arrays of a batch by name, see `encode`; units of columns are entered into `units`."""
        count = len(rows)
        outputs = self._call({name: _filled(array, self.batch) for name, array in inputs.items()})
        outputs = {name: np.asarray(values)[:count] for name, values in outputs.items() if values is not None}
        mean, log_variance = outputs.pop("mean"), outputs.pop("log_variance", None)
        check_codes(mean, log_variance)
        batch = EncodedBatch(
            dataset=self.dataset,
            indices=rows,
            images=inputs["images"],
            mask=inputs.get("mask"),
            condition=inputs.get("condition"),
            mean=mean,
            log_variance=log_variance,
            scores=outputs,
            measured=measure_batch(self.dataset, inputs) if self.measures else None,
        )
        arrays = {"mean": mean, "log_variance": log_variance, "mse": batch.mse}
        for addition in self.additions.values():
            for name, values in addition.columns(batch).items():
                values, unit = values if isinstance(values, tuple) else (values, None)
                arrays[COLUMN + name] = np.asarray(values)
                if unit:
                    units[COLUMN + name] = unit
        return {name: array for name, array in arrays.items() if array is not None}


def _filled(array, count):
    """A batch filled up to a number of entries with copies of its last one."""
    missing = count - len(array)
    return array if not missing else np.concatenate([array, np.repeat(array[-1:], missing, axis=0)])
