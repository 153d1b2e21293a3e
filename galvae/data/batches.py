"""Batches: in which order images are taken, and how they are read."""

import contextlib
import mmap

import numpy as np


class Batches:
    """A sequence of batches whose order is a pure function of (seed, step).

    Step s belongs to epoch s // len(self); each epoch holds every image once, the last batch being smaller
    where the split is no multiple of `batch`. A run can therefore go on at any step as if never stopped.

    Args:
        dataset: the GalaxyDataset.
        indices: images to draw from.
        batch: images per step; a split smaller than that makes one batch.
        seed: integer, or None for the order of `indices` in every epoch.
    """

    def __init__(self, dataset, indices, batch, seed=None):
        self.dataset = dataset
        self.indices = indices
        self.batch = min(batch, len(indices))
        self.seed = seed
        self._order = None, None  # of which epoch, and which; one object, for several threads ask

    def __len__(self):
        """Steps in an epoch."""
        return -(-len(self.indices) // self.batch)

    def order(self, epoch):
        """Indices of the images in the order of an epoch, counted from 0."""
        if self.seed is None:
            return self.indices
        known, order = self._order
        if epoch != known:
            order = self.indices[np.random.default_rng([self.seed, epoch]).permutation(len(self.indices))]
            self._order = epoch, order
        return order

    def step(self, step):
        """Indices of the images of a step, counted from 0 over all epochs."""
        epoch, position = divmod(step, len(self))
        return self.order(epoch)[position * self.batch : (position + 1) * self.batch]

    def gather(self, indices):
        """What a model takes of these images: stored values, in one read of the memory map."""
        fetch(self.dataset.images, indices)
        inputs = {"images": self.dataset.images[indices]}
        if self.dataset.condition is not None:
            inputs["condition"] = self.dataset.condition[indices]
        return inputs

    def __iter__(self):
        """One epoch's batches in stored order of steps, as (indices, inputs)."""
        for step in range(len(self)):
            indices = self.step(step)
            yield indices, self.gather(indices)


def fetch(images, indices):
    """Has the disk read images together: to wait for one after the other takes several times as long.

    Args:
        images: (N, H, W, C); what is no memory map needs no fetching.
        indices: of the images that will be read.
    """
    if not isinstance(images.base, mmap.mmap) or not hasattr(mmap, "MADV_WILLNEED"):
        return
    size = images.nbytes // len(images)
    with contextlib.suppress(OSError):  # the images are read all the same
        for index in indices:
            start = images.offset % mmap.ALLOCATIONGRANULARITY + int(index) * size
            page = start - start % mmap.PAGESIZE
            images.base.madvise(mmap.MADV_WILLNEED, page, start + size - page)
