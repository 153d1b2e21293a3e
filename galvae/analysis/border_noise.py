"""Noise of the sky around real galaxies, added to images that hold none: what a decoder's mean lacks.

The noise of real images is correlated between neighbouring pixels and between bands. Whole patches of real sky keep
both, where independent random numbers would keep neither.
"""

import numpy as np

from galvae.morphology.segmentation import border_values, border_width, sky_of, smoothed

PATCHES = 4  # along a side; the patches of the outermost ring are sky
SIGNIFICANCE = 4.0  # standard deviations of the smoothed sky above which a pixel belongs to an object
FEWEST = 3  # patches of an image without an object, of twelve
MOST_IMAGES = 500  # whose noise is kept


class BorderNoise:
    """Patches of sky from the borders of real images.

    Args:
        images: (n, H, W, C) real images; of more than MOST_IMAGES, the first ones serve.
        excluded: (n, H, W) booleans, pixels that are set aside; or None.

    Attributes:
        images: number of images that have FEWEST patches without an object or more; there is no noise if it is 0.
    """

    def __init__(self, images, excluded=None):
        images = np.asarray(images[:MOST_IMAGES], np.float32)
        excluded = np.zeros(images.shape[:3], bool) if excluded is None else excluded
        self._shape = height, width = images.shape[1:3]
        self._side = max(2, 2 * (min(height, width) // (2 * PATCHES)))
        patches = [sky_patches(*pair, self._side) for pair in zip(images, excluded, strict=False)]
        patches = [found for found in patches if len(found) >= FEWEST]
        self.images = len(patches)
        self._counts = np.array([len(found) for found in patches], int)
        self._starts = np.cumsum(self._counts) - self._counts
        self._patches = np.concatenate(patches) if patches else None

    def __call__(self, count, generator):
        """Noise of random images, (count, H, W, C) float32, each from the patches of one real image.

        Patches are drawn and flipped at random, and laid over the frame so that each overlaps its neighbours by half,
        with weights whose squares sum to one: the variance is that of the patches, and no seam cuts the correlation.

        Args:
            count: number of images.
            generator: numpy Generator.
        """
        side, step = self._side, self._side // 2
        rows, columns = (-(-length // step) + 1 for length in self._shape)
        noise = np.zeros(
            (count, (rows + 1) * step, (columns + 1) * step, self._patches.shape[-1]), np.float32
        )
        weight = np.sin(np.pi * (np.arange(side) + 0.5) / side).astype(np.float32)
        weight = np.outer(weight, weight)[..., None]
        image = generator.integers(self.images, size=count)
        for row in range(rows):
            for column in range(columns):
                chosen = self._starts[image] + generator.integers(self._counts[image])
                patch = self._patches[chosen]
                for axis in (1, 2):
                    flipped = generator.random(count) < 0.5
                    patch[flipped] = np.flip(patch[flipped], axis)
                y, x = row * step, column * step
                noise[:, y : y + side, x : x + side] += weight * patch
        height, width = self._shape
        return noise[:, step : step + height, step : step + width]


def sky_patches(image, excluded, side):
    """Square patches along the border of an image that hold no object, without the median of their sky.

    Args:
        image: (H, W, C).
        excluded: (H, W) booleans, pixels that are set aside.
        side: of a patch in pixels.

    Returns:
        (patches, side, side, C).
    """
    mean = image.mean(axis=-1, dtype=np.float64)
    smooth = smoothed(mean)
    level, sigma = sky_of(border_values(smooth, excluded, border_width(min(mean.shape))))
    unusable = (smooth > level + SIGNIFICANCE * sigma) | excluded
    rows, columns = (np.linspace(0, length - side, length // side).astype(int) for length in mean.shape)
    patches = [
        image[y : y + side, x : x + side]
        for y in rows
        for x in columns
        if y in (rows[0], rows[-1]) or x in (columns[0], columns[-1])
        if not unusable[y : y + side, x : x + side].any()
    ]
    if not patches:
        return np.empty((0, side, side, image.shape[-1]), np.float32)
    patches = np.stack(patches)
    return patches - np.median(patches, axis=(0, 1, 2))
