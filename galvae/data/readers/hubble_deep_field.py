"""Galaxies of the Hubble Deep Field, cut from the colour picture that scikit-image carries."""

import numpy as np

from galvae.data.source import Source

SMOOTHING = 1.2  # pixels
THRESHOLD = 2.0  # standard deviations of the background
SMALLEST_AREA = 30  # pixels
FAINTEST_PEAK = 12.0  # standard deviations of the background
HALF_WIDTH = 3.2  # semi-major axes; neighbours dominate wider stamps
SMALLEST_HALF_WIDTH = 8  # pixels


def fingerprint(config):
    """What determines the stamps, besides this file."""
    return {"image_size": config.image_size}


def read(config):
    """Detects the galaxies, cuts a square around each and brings it to `image_size`.

    Stamps are scaled to the galaxy's size; pixels of neighbours are replaced by random background pixels.
    The catalogue has the position in the picture (pixels), area (pixels), ellipticity, orientation (degrees
    from the x axis towards y) and mean colour (8-bit red, green, blue).

    Reference:
        Williams et al. 1996, AJ 112, 1335 (the Hubble Deep Field).
    """
    from astropy.stats import sigma_clipped_stats
    from photutils.segmentation import SourceCatalog, deblend_sources, detect_sources
    from scipy.ndimage import gaussian_filter
    from skimage.data import hubble_deep_field
    from skimage.transform import resize

    picture = hubble_deep_field()
    brightness = picture.mean(axis=-1)
    _, background, deviation = sigma_clipped_stats(brightness)
    smoothed = gaussian_filter(brightness - background, SMOOTHING)
    segments = detect_sources(smoothed, THRESHOLD * deviation, 12)
    segments = deblend_sources(smoothed, segments, 12, n_levels=32, contrast=0.005, progress_bar=False)
    galaxies = SourceCatalog(brightness - background, segments, convolved_data=smoothed)

    sky = picture[segments.data == 0]
    generator = np.random.default_rng(0)
    stamps, rows = [], []
    for row, galaxy in enumerate(galaxies):
        if galaxy.area.value < SMALLEST_AREA or galaxy.max_value < FAINTEST_PEAK * deviation:
            continue
        half = int(np.ceil(max(SMALLEST_HALF_WIDTH, HALF_WIDTH * galaxy.semimajor_axis.value)))
        x, y = round(float(galaxy.x_centroid)), round(float(galaxy.y_centroid))
        if min(x, y) < half or x + half >= picture.shape[1] or y + half >= picture.shape[0]:
            continue
        window = np.s_[y - half : y + half + 1, x - half : x + half + 1]
        stamp, owner = picture[window].copy(), segments.data[window]
        neighbours = (owner != 0) & (owner != galaxy.label)
        stamp[neighbours] = sky[generator.integers(len(sky), size=neighbours.sum())]
        side = (config.image_size, config.image_size)
        stamps.append(np.round(resize(stamp, side, anti_aliasing=True) * 255).astype(np.uint8))
        rows.append(row)

    chosen = galaxies[np.array(rows)]
    colours = np.array([picture[segments.data == label].mean(axis=0) for label in chosen.label])
    return Source(
        shape=(len(stamps), *stamps[0].shape),
        dtype="uint8",
        blocks=[np.stack(stamps)],
        pixel_range=(0, 255),
        catalogue={
            "id": np.arange(len(stamps)),
            "x": np.asarray(chosen.x_centroid),
            "y": np.asarray(chosen.y_centroid),
            "area": chosen.area.value,
            "ellipticity": chosen.ellipticity.value,
            "orientation": chosen.orientation.value,
            "mean_red": colours[:, 0],
            "mean_green": colours[:, 1],
            "mean_blue": colours[:, 2],
        },
        catalogue_units={"x": "pix", "y": "pix", "area": "pix2", "orientation": "deg"},
    )
