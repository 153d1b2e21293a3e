"""Generated galaxies as mock observations: with noise and neighbours, block by block, and their catalogue."""

import zipfile

import numpy as np

from galvae.analysis.measured import measure_galaxies
from galvae.data.catalogue import plain_table
from galvae.data.dataset import evenly
from galvae.data.fits_output import write_cube
from galvae.data.formats.array_files import NpzArray
from galvae.latent.inference import decoded_batches
from galvae.runs.noise import AddedNoise
from galvae.stretch import from_unit, to_unit

POOL = 256  # generated galaxies of which neighbours are taken
MEASURED = 1000  # training galaxies whose neighbours are counted
SIZES = (0.25, 0.5)  # of a neighbour's brightness, relative to the galaxy that it is taken from
NEAREST = 0.3  # to the middle, in units of the shorter side: farther than any galaxy that counts as central
SKY = 10  # percentile of a decoded image's pixels that is the level of its sky
BLOCK = 256  # images


class FieldGalaxies:
    """Neighbours of generated galaxies: other generated ones, reduced to half their size and fainter, off the middle.

    As many are added to an image as a random training galaxy has neighbours; their surface brightness is a random share
    of that of the galaxies from which they are taken, uniform within SIZES.

    Args:
        run: TrainedRun.
        prior: Prior.
        seed: integer.
    """

    def __init__(self, run, prior, seed):
        self._model, self._generator = run.model, np.random.default_rng([seed, 2])
        train = run.dataset.split("train")
        self._counts = measure_galaxies(run.dataset, train[evenly(len(train), MEASURED)]).values["neighbors"]
        condition = run.random_condition(POOL, seed) if run.model.condition_dim else None
        pool = self._linear(run.decode(prior.sample(POOL, condition, seed), condition))
        height, width = (2 * (length // 2) for length in pool.shape[1:3])
        halves = [pool[:, y:height:2, x:width:2] for y in (0, 1) for x in (0, 1)]
        reduced = np.mean(halves, axis=0)
        self._pool = np.maximum(reduced - np.percentile(reduced, SKY, axis=(1, 2), keepdims=True), 0)

    def __call__(self, images):
        """Images (B, H, W, C) in [0, 1] with neighbours; each takes its random numbers in turn."""
        linear = self._linear(images)
        for image in linear:
            for _ in range(int(self._generator.choice(self._counts))):
                self._add(image)
        return to_unit(linear, self._model.stretch, (0, 1)).astype(np.float32)

    def _linear(self, images):
        return from_unit(np.array(images, np.float32), self._model.stretch, (0, 1))

    def _add(self, image):
        generator, (height, width) = self._generator, image.shape[:2]
        neighbour = self._pool[generator.integers(len(self._pool))] * generator.uniform(*SIZES)
        angle, farthest = generator.uniform(0, 2 * np.pi), 0.5 * np.hypot(height, width)
        distance = np.sqrt(generator.uniform((NEAREST * min(height, width)) ** 2, farthest**2))
        rows, columns = neighbour.shape[:2]
        top = round(height / 2 + distance * np.sin(angle) - rows / 2)
        left = round(width / 2 + distance * np.cos(angle) - columns / 2)
        y, x = slice(max(top, 0), top + rows), slice(max(left, 0), left + columns)
        inside = image[y, x] if top + rows > 0 and left + columns > 0 else image[:0]
        if inside.size:
            inside += neighbour[y.start - top :, x.start - left :][: inside.shape[0], : inside.shape[1]]


class Mocks:
    """Images of generated galaxies with the noise and the neighbours that a configuration asks for.

    The same random numbers serve every block of conditions.

    Args:
        run: TrainedRun.
        samples: Samples.
        config: SampleConfig.
        count: galaxies of each block that are kept for figures.

    Attributes:
        noise: kind of the noise, "none", "model" or "full".
        shape: (N, H, W, C) of all images.
        shown: (blocks, count, H, W, C) images in network units, once `batches` has come to its end.

    Raises:
        GalvaeError: if the run has no such noise.
    """

    def __init__(self, run, samples, config, count):
        self._run, self._samples, self._config = run, samples, config
        self.noise = AddedNoise(run, config.noise).kind
        self.shape = (len(samples.codes), *run.model.image_shape)
        self.shown = np.empty((len(samples.values), count, *run.model.image_shape), np.float32)

    def batches(self):
        """Yields all images (B, H, W, C), float32 in [0, 1] of the dataset's pixel range, its stretch undone."""
        model, n, start = self._run.model, self._config.n, 0
        for decoded in decoded_batches(model, self._samples.codes, self._samples.condition):
            ends = np.arange(n, len(self._samples.codes), n) - start
            for images in np.split(decoded, ends[(ends > 0) & (ends < len(decoded))]):
                block, first = divmod(start, n)
                if first == 0:
                    additions = self._additions()
                for add in additions:
                    images = add(images)
                shown = self.shown[block, first : first + len(images)]
                shown[:] = images[: len(shown)]
                start += len(images)
                yield from_unit(images, model.stretch, (0, 1))

    def _additions(self):
        """What is added to the images of a block, from the beginning of their random numbers."""
        config, noise = self._config, AddedNoise(self._run, self.noise, self._config.seed)
        if not config.neighbours:
            return [noise]
        return [FieldGalaxies(self._run, self._run.prior(config.prior), config.seed), noise]


def write_fits(path, arrays_path, run, samples, config, noise):
    """Writes generated galaxies in stored units with their catalogue and true codes, see `write_cube`.

    Args:
        path: path of the file.
        arrays_path: path of samples.npz, whose images are read block by block.
        run: TrainedRun.
        samples: Samples.
        config: SampleConfig.
        noise: kind of the noise.
    """
    count, prior = len(samples.codes), run.prior(config.prior).label
    columns = {"id": np.arange(count)}
    if samples.condition is not None:
        columns |= run.conditions.table(samples.condition)
    facts = {"seed": config.seed, "prior": prior, "noise": noise}
    columns |= {name: np.full(count, value) for name, value in facts.items()}
    units = {}
    if samples.condition is not None:
        units = dict(zip(run.galaxies.condition_names, run.galaxies.condition_units, strict=True))
    table = plain_table({**columns, "code": samples.codes}, units)
    low, high = run.model.pixel_range
    header = {
        "SEED": (config.seed, "of the random numbers"),
        "PRIOR": (prior, "of the codes"),
        "NOISE": (noise, "added to the decoded images"),
        "NEIGHB": (config.neighbours, "whether field galaxies were added"),
        "PIXLOW": (low, "smallest pixel value"),
        "PIXHIGH": (high, "largest pixel value"),
    }
    with zipfile.ZipFile(arrays_path) as archive, archive.open("images.npy") as stream:
        images = NpzArray(stream)
        blocks = (
            low + (high - low) * images[start : start + BLOCK] for start in range(0, len(images), BLOCK)
        )
        write_cube(path, blocks, images.shape, table, header)
