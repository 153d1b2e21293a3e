"""Batches: the order in which images are drawn, and their reading from the disk."""

import contextlib
import mmap

import numpy as np

from galvae.data.store.joined_images import JoinedImages
from galvae.system.progress import progress_bar

BATCH = 256  # images that are read at a time, unless a model takes fewer


class Batches:
    """A sequence of batches whose order is a pure function of (seed, step).

    Step s belongs to epoch s // len(self); each epoch holds every image once, the last batch being smaller
    where the split is no multiple of `batch`. A run that resumes at any step draws the same batches as one that
    was never stopped.

    Args:
        dataset: GalaxyDataset.
        indices: (n,) images to draw from.
        batch: images per step; a smaller split is one batch.
        seed: integer, or None to keep the order of `indices` in every epoch.
    """

    def __init__(self, dataset, indices, batch, seed=None):
        self.dataset = dataset
        self.indices = indices
        self.batch = min(batch, len(indices))
        self.seed = seed
        self._order = None, None  # epoch and its order; one tuple, since several threads read it

    def __len__(self):
        """Steps in an epoch."""
        return -(-len(self.indices) // self.batch)

    def order(self, epoch):
        """Indices of all images in the order in which an epoch, counted from 0, draws them."""
        if self.seed is None:
            return self.indices
        cached_epoch, order = self._order
        if epoch != cached_epoch:
            order = self.indices[np.random.default_rng([self.seed, epoch]).permutation(len(self.indices))]
            self._order = epoch, order
        return order

    def step(self, step):
        """Indices of the images of a step; steps are counted from 0 over all epochs."""
        epoch, position = divmod(step, len(self))
        return self.order(epoch)[position * self.batch : (position + 1) * self.batch]

    def gather(self, indices):
        """The inputs of a model for some images, read together, see `GalaxyDataset.model_arrays`."""
        arrays = self.dataset.model_arrays
        for array in arrays.values():
            prefetch(array, indices)
        return {name: array[indices] for name, array in arrays.items()}

    def __iter__(self):
        """Yields the batches of the first epoch, as (indices, inputs)."""
        for step in range(len(self)):
            indices = self.step(step)
            yield indices, self.gather(indices)


def prefetch(images, indices):
    """Asks the disk for images all at once, which is several times faster than reading one after the other.

    Args:
        images: (N, H, W, C), an array or JoinedImages; nothing is done if it is not memory-mapped.
        indices: of the images that will be read.
    """
    if isinstance(images, JoinedImages):
        for array, rows, _ in images.split(np.asarray(indices)):
            prefetch(array, rows)
        return
    if not isinstance(images.base, mmap.mmap) or not hasattr(mmap, "MADV_WILLNEED"):
        return
    size = images.nbytes // len(images)
    with contextlib.suppress(OSError):  # the hint is optional: the images are read in any case
        for index in indices:
            start = images.offset % mmap.ALLOCATIONGRANULARITY + int(index) * size
            page = start - start % mmap.PAGESIZE
            images.base.madvise(mmap.MADV_WILLNEED, page, start + size - page)


def batches(dataset, indices, description, size=None):
    """Yields images of a dataset in batches, as inputs of a model, with a progress bar.

    Args:
        dataset: GalaxyDataset.
        indices: (n,) row indices of the images.
        description: text of the progress bar.
        size: number of images in a batch, see `batch_size`; None: BATCH, where no model receives them.

    Yields:
        dict of images (B, H, W, C), stored pixel values, and, if the dataset has them, condition (B, K) and mask
        (B, H, W, C).
    """
    with progress_bar(len(indices), description) as bar:
        for part, inputs in Batches(dataset, indices, size or BATCH):
            yield inputs
            bar.update(len(part))
