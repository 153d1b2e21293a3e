"""Noise of generated galaxies: learned from the residuals of a run, kept in its directory, and added to images."""

import numpy as np

from galvae.config.analysis import NOISES
from galvae.data.batches import batches
from galvae.data.dataset import evenly
from galvae.errors import GalvaeError, damage_as_one_line
from galvae.noise.residual_noise import ResidualNoise
from galvae.runs import fitted

FOLDER, FILE = "noise", "noise.safetensors"
MOST_GALAXIES = 1000
MOST_VALUES = 50_000_000  # pixels of all bands and galaxies


def learn_noise(run):
    """Learns the noise of real images from a run's validation galaxies, and stores it in the run's directory.

    Residuals are real minus decoded images, these from posterior means; those of training galaxies would be smaller
    than those of new ones.

    Args:
        run: TrainedRun.

    Returns:
        ResidualNoise.

    Raises:
        GalvaeError: if there is one validation galaxy, the residuals are not finite or the run cannot be written to.
    """
    rows = run.dataset.split("val")
    if len(rows) < 2:
        raise GalvaeError(
            f"noise: expected two or more validation galaxies, whose residuals the noise is learned from, received "
            f"{len(rows)}; noise=none of galvae sample needs none"
        )
    path = fitted.folder(run, FOLDER) / FILE  # first, so that a run that cannot be written to costs no time
    most = max(2, min(MOST_GALAXIES, MOST_VALUES // int(np.prod(run.model.image_shape))))
    rows = rows[evenly(len(rows), most)]
    decoded = run.decode(run.codes_at(rows).mean, run.condition(rows))
    real = np.concatenate(
        [run.dataset.to_unit(one["images"]) for one in batches(run.dataset, rows, "residuals")]
    )
    noise = ResidualNoise.fit(real - decoded, decoded, run.dataset.masks_of(rows), run.config.seed)
    fitted.save(path, noise.arrays(), fitted.identity(run), {"galaxies": len(rows)})
    return noise


def stored_noise(run):
    """The noise that was learned from a run's residuals.

    Args:
        run: TrainedRun.

    Returns:
        ResidualNoise; None if none was learned.

    Raises:
        GalvaeError: if it is damaged, or was learned from the residuals of other weights.
    """
    path, remedy = run.path / FOLDER / FILE, f"{_remedy(run)}, or take noise=none"
    if not path.exists():
        return None
    arrays, _ = fitted.read(path, fitted.identity(run), "noise", remedy)
    bands = run.state.image_shape[-1]
    with damage_as_one_line(f"{path}: expected the arrays of noise of {bands} bands; fit again: {remedy}"):
        noise = ResidualNoise.from_arrays(arrays)
        if noise.sky.shape[-1] != bands:
            raise ValueError(f"{noise.sky.shape[-1]} bands")
    return noise


class AddedNoise:
    """Noise that is added to decoded images, which stay within [0, 1] as real ones do.

    The same seed gives the same noise, whatever the batches in which images are decoded.

    Args:
        run: TrainedRun.
        kind: "none"; "model", independent noise of the likelihood with which the model was trained; "full", noise
            learned from residuals; or None for full where the run has learned it, else none.
        seed: integer, or None for other noise each time.

    Attributes:
        kind: "none", "model" or "full".

    Raises:
        GalvaeError: if the run has no such noise.
    """

    def __init__(self, run, kind=None, seed=None):
        if kind not in (None, *NOISES):
            raise GalvaeError(f"noise: expected {' or '.join(NOISES)}, received {kind!r}")
        self.kind = kind or ("none" if run.noise is None else "full")
        if self.kind == "full" and run.noise is None:
            raise GalvaeError(
                f"noise: expected a run whose residuals were learned, received {run.path}, whose were not; learn them: "
                f"{_remedy(run)}, or take noise=none"
            )
        if self.kind == "model" and run.model.reconstruction != "gaussian":
            raise GalvaeError(
                f"noise: expected full or none, received model: {run.path} was trained with reconstruction.loss="
                f"{run.model.reconstruction}, whose likelihood has no noise; that of gaussian has"
            )
        self._run = run
        # Its own stream: that of `seed` alone gives the codes.
        self._generator = np.random.default_rng(None if seed is None else [seed, 1])

    def __call__(self, decoded):
        """Images with noise, float32 in [0, 1].

        Args:
            decoded: (B, H, W, C) intensities in [0, 1].
        """
        if self.kind == "none":
            return decoded
        if self.kind == "full":
            noise = self._run.noise(decoded, self._generator)
        else:
            normal = self._generator.standard_normal(decoded.shape, np.float32)
            noise = np.asarray(self._run.model.noise(decoded, normal))
        return np.clip(decoded + noise, 0, 1)


def _remedy(run):
    return f"galvae prior run={run.path}"
