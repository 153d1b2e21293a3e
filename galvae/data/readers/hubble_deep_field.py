"""Reader of the Hubble eXtreme Deep Field: galaxies cut from the colour image that ships with scikit-image."""

import numpy as np
import scipy

from galvae.data.source import Source

SMOOTHING = 1.2  # pixels, standard deviation of the Gaussian
THRESHOLD = 2.0  # standard deviations of the background
SMALLEST_DETECTION = 12  # connected pixels above the threshold
SMALLEST_AREA = 30  # pixels of a galaxy that is used
FAINTEST_PEAK = 12.0  # standard deviations of the background
HALF_WIDTH = 3.2  # semi-major axes; in wider stamps, neighbours dominate
SMALLEST_HALF_WIDTH = 8  # pixels


def fingerprint(config):
    """What determines the prepared arrays: the size of the stamps; all else is fixed by this module."""
    return {"image_size": config.image_size}


def read(config):
    """Detects the galaxies, cuts a square around each and brings it to `image_size`.

    Stamps are scaled to the galaxy's size; pixels of neighbours are replaced by random background pixels.
    The catalogue holds the position in the image (pixels), area (pixels), ellipticity, orientation (degrees,
    measured from the x axis towards y) and mean colour (8-bit red, green, blue).

    Args:
        config: HdfConfig.

    Returns:
        Source of about 820 stamps (image_size, image_size, 3).

    Reference:
        Illingworth et al. 2013, ApJS 209, 6 (the Hubble eXtreme Deep Field).
    """
    # Together these take a second, which commands save once the stamps are in the cache.
    import skimage
    from astropy.stats import sigma_clipped_stats
    from photutils.segmentation import SourceCatalog, deblend_sources, detect_sources

    field = skimage.data.hubble_deep_field()
    brightness = field.mean(axis=-1)
    _, background, deviation = sigma_clipped_stats(brightness)
    smoothed = scipy.ndimage.gaussian_filter(brightness - background, SMOOTHING)
    segments = detect_sources(smoothed, THRESHOLD * deviation, SMALLEST_DETECTION)
    segments = deblend_sources(
        smoothed, segments, SMALLEST_DETECTION, n_levels=32, contrast=0.005, progress_bar=False
    )
    galaxies = SourceCatalog(brightness - background, segments, convolved_data=smoothed)

    sky = field[segments.data == 0]
    generator = np.random.default_rng(0)
    stamps, rows = [], []
    for row, galaxy in enumerate(galaxies):
        if galaxy.area.value < SMALLEST_AREA or galaxy.max_value < FAINTEST_PEAK * deviation:
            continue
        half = int(np.ceil(max(SMALLEST_HALF_WIDTH, HALF_WIDTH * galaxy.semimajor_axis.value)))
        x, y = round(float(galaxy.x_centroid)), round(float(galaxy.y_centroid))
        if min(x, y) < half or x + half >= field.shape[1] or y + half >= field.shape[0]:
            continue
        window = np.s_[y - half : y + half + 1, x - half : x + half + 1]
        stamp, labels = field[window].copy(), segments.data[window]
        neighbours = (labels != 0) & (labels != galaxy.label)
        stamp[neighbours] = sky[generator.integers(len(sky), size=neighbours.sum())]
        shape = (config.image_size, config.image_size)
        stamp = skimage.transform.resize(stamp, shape, anti_aliasing=True)
        stamps.append(np.round(stamp * 255).astype(np.uint8))
        rows.append(row)

    used = galaxies[np.array(rows)]
    colours = np.array([field[segments.data == label].mean(axis=0) for label in used.label])
    return Source(
        shape=(len(stamps), *stamps[0].shape),
        dtype="uint8",
        blocks=[np.stack(stamps)],
        pixel_range=(0, 255),
        catalogue={
            "id": np.arange(len(stamps)),
            "x": np.asarray(used.x_centroid),
            "y": np.asarray(used.y_centroid),
            "area": used.area.value,
            "ellipticity": used.ellipticity.value,
            "orientation": used.orientation.value,
            "mean_red": colours[:, 0],
            "mean_green": colours[:, 1],
            "mean_blue": colours[:, 2],
        },
        ids_are_rows=True,
        catalogue_units={"x": "pix", "y": "pix", "area": "pix2", "orientation": "deg"},
    )
