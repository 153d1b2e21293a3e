"""Sky and segments of a stamp: which pixels belong to the galaxy in its middle, and which to neighbours."""

import math

import numpy as np

from galvae.morphology.compiled import kernel

SMOOTHING = 1.0  # pixels: standard deviation of the Gaussian before the threshold is applied
MIN_AREA = 5  # pixels of a segment; smaller ones are noise
DILATION = 2  # pixels around a neighbour that its faint light still reaches
CENTRAL = 0.25  # largest distance of the galaxy from the middle, in units of the shorter side
CLIPPING = 3.0  # standard deviations beyond which a pixel of the border is no sky
CLIPPED_STD = (
    0.98658  # standard deviation of a normal distribution cut at CLIPPING, for which it is corrected
)

NOTHING, GALAXY, NEIGHBOUR = 0, 1, 2  # of a pixel


@kernel
def border_width(side):
    """Width in pixels of the frame of a stamp from which the sky is measured, for its shorter side in pixels."""
    return max(2, side // 10)


@kernel
def border_values(image, excluded, width):
    """Pixels of an image's border that are not excluded, (n,).

    Args:
        image: (H, W).
        excluded: (H, W) bool.
        width: of the border in pixels.
    """
    height, length = image.shape
    values = np.empty(image.size)
    count = 0
    for y in range(height):
        inner_row = width <= y < height - width
        for x in range(length):
            if (inner_row and width <= x < length - width) or excluded[y, x]:
                continue
            values[count] = image[y, x]
            count += 1
    return values[:count]


@kernel
def sky_of(values):
    """Level and standard deviation of the sky, from pixels of which some may belong to neighbours.

    Both are those of the pixels within three standard deviations of their median, which neighbours do not shift; the
    standard deviation is corrected for the cut.

    Args:
        values: (n,); for none, both results are 0.
    """
    if len(values) == 0:
        return 0.0, 0.0
    level = np.median(values)
    sigma = 1.4826 * np.median(np.abs(values - level))
    if sigma == 0.0:  # more than half of the pixels are equal, as in integers or blank images
        sigma = np.std(values)
    for _ in range(5):
        kept = values[np.abs(values - level) <= CLIPPING * sigma]
        if len(kept) == 0:
            break
        level = np.median(kept)
        sigma = math.sqrt(np.mean((kept - level) ** 2)) / CLIPPED_STD
    return level, sigma


@kernel
def smoothed(image):
    """An image smoothed by a Gaussian of SMOOTHING pixels, mirrored at its edges, (H, W)."""
    reach = int(math.ceil(3 * SMOOTHING))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / SMOOTHING) ** 2)
    kernel /= kernel.sum()
    height, length = image.shape
    once, twice = np.zeros((height, length)), np.zeros((height, length))
    for y in range(height):
        for x in range(length):
            total = 0.0
            for step in range(-reach, reach + 1):
                total += kernel[step + reach] * image[y, mirrored(x + step, length)]
            once[y, x] = total
    for y in range(height):
        for x in range(length):
            total = 0.0
            for step in range(-reach, reach + 1):
                total += kernel[step + reach] * once[mirrored(y + step, height), x]
            twice[y, x] = total
    return twice


@kernel
def mirrored(index, length):
    """An index of an axis, mirrored at its ends."""
    if length == 1:
        return 0
    period = 2 * (length - 1)
    index %= period
    return index if index < length else period - index


@kernel
def segments(image, threshold, excluded):
    """Which pixels of a stamp belong to the galaxy in its middle, and which to its neighbours.

    Segments are sets of pixels above the threshold that touch at a side or a corner. The galaxy is the one that
    comes nearest to the middle, within a quarter of the shorter side.

    Args:
        image: (H, W), smoothed, without its sky.
        threshold: in the units of the image.
        excluded: (H, W) bool, pixels that belong to no segment.

    Returns:
        (kinds, neighbours): (H, W) integers, NOTHING, GALAXY or NEIGHBOUR, the last also within DILATION pixels of a
        neighbour; and the number of neighbours. Without a galaxy no pixel is GALAXY.
    """
    height, length = image.shape
    labels = np.zeros((height, length), np.int32)
    stack = np.empty((image.size, 2), np.int32)
    middle_y, middle_x = 0.5 * (height - 1), 0.5 * (length - 1)
    nearest, galaxy, label, large = (CENTRAL * min(height, length)) ** 2, 0, 0, 0
    sizes = np.zeros(image.size + 1, np.int32)
    for start_y in range(height):
        for start_x in range(length):
            if labels[start_y, start_x] or excluded[start_y, start_x]:
                continue
            if not image[start_y, start_x] > threshold:
                continue
            label += 1
            labels[start_y, start_x] = label
            stack[0, 0], stack[0, 1] = start_y, start_x
            count, closest = 1, np.inf
            while count:
                count -= 1
                y, x = stack[count]
                sizes[label] += 1
                closest = min(closest, (y - middle_y) ** 2 + (x - middle_x) ** 2)
                for next_y in range(max(0, y - 1), min(height, y + 2)):
                    for next_x in range(max(0, x - 1), min(length, x + 2)):
                        if labels[next_y, next_x] or excluded[next_y, next_x]:
                            continue
                        if image[next_y, next_x] > threshold:
                            labels[next_y, next_x] = label
                            stack[count, 0], stack[count, 1] = next_y, next_x
                            count += 1
            if sizes[label] >= MIN_AREA:
                large += 1
                if closest < nearest:
                    nearest, galaxy = closest, label
    kinds = np.zeros((height, length), np.uint8)
    for y in range(height):
        for x in range(length):
            own = labels[y, x]
            if own == 0:
                continue
            if own == galaxy:
                kinds[y, x] = GALAXY
            elif sizes[own] >= MIN_AREA:
                for next_y in range(max(0, y - DILATION), min(height, y + DILATION + 1)):
                    for next_x in range(max(0, x - DILATION), min(length, x + DILATION + 1)):
                        if labels[next_y, next_x] != galaxy or galaxy == 0:
                            kinds[next_y, next_x] = NEIGHBOUR
    return kinds, large - (1 if galaxy else 0)
