"""Contents of an explorer page, made without a run.

To open such a page by hand (`folder=True` needs a web server, as `galvae.explorer.server` is):

    PYTHONPATH=tests python -c "
    from builders.explorer import synthetic
    from galvae.explorer.page import write_page
    print(write_page('explorer.html', *synthetic(5000, conditional=True)))"
"""

import numpy as np

from builders.galaxies import ellipses
from galvae.explorer.thumbnails import sheets_of

CLASSES = ("barred spiral", "edge-on", "elliptical", "merger")
# Texts that would do something if a page took them for markup or for a script.
HOSTILE = (
    "<script>window.harmed = 1</script>",
    "</script><script>window.harmed = 1</script>",
    "<!-- <script>",
    "<img src=x onerror='window.harmed = 1'>",
    '"\' onmouseover="window.harmed = 1',
    "javascript:window.harmed = 1",
    "&lt;b&gt; &amp;",
    '=HYPERLINK("http://example.org")',
    "\u2028\u2029 lines",
    "\u202eright to left",
    "\U0001f30c\U0001f52d",
    "long " * 2000,
    "\ud800 half a character",
    "__proto__",
    "",
)


def synthetic(
    count=300, latent_dim=6, shape=(16, 16, 3), conditional=False, hostile=False, thumbnails=100, seed=0
):
    """Contents of a page: galaxies in a plane of two lumps, coloured by class, as `galvae explore` gives them.

    Args:
        count: number of galaxies.
        latent_dim: number of latents, of which the first decides where a galaxy lies and the second how bright it is.
        shape: (height, width, bands) of an image.
        conditional: with a condition of two classes and a redshift.
        hostile: with HOSTILE texts as names of classes and columns, as ids and as name of the run.
        thumbnails: at most so many galaxies, evenly spread, have a stamp, 16 px or smaller and without symmetry.
        seed: of other numbers.

    Returns:
        (manifest, arrays, sheets) as `galvae.explorer.page.write_page` takes them.
    """
    random = np.random.default_rng(seed)
    name = (lambda text, k: HOSTILE[k % len(HOSTILE)]) if hostile else (lambda text, k: text)
    codes = random.normal(size=(count, latent_dim)).astype(np.float32)
    labels = random.integers(-1, len(CLASSES), count).astype(np.int16)
    codes[:, 0] += np.where(labels == 0, 5, 0)
    columns, arrays = _columns(codes, labels, random, name)
    arrays["ids"] = [name(f"galaxy {i}", i) if i < len(HOSTILE) else f"galaxy {i}" for i in range(count)]
    arrays["codes"] = codes.astype(np.float16)
    conditions = None
    if conditional:
        smooth = random.uniform(size=count) < 0.6
        redshift = np.nan_to_num(arrays["column redshift"], nan=0.4)
        arrays["condition"] = np.stack([smooth, ~smooth, redshift], axis=1).astype(np.float32)
        numbers = [{"name": "redshift", "unit": "", "low": 0.1, "high": 0.8}]
        conditions = {
            "classes": [name("smooth", 4), name("featured", 5)],
            "learned": [0, 1],
            "numbers": numbers,
        }
    arrays |= _palettes()
    decoder, decoder_arrays = _decoder(latent_dim, shape, conditional, random)
    arrays |= decoder_arrays
    layout, sheets = _thumbnails(count, shape, min(thumbnails, count), arrays)
    low, high = np.percentile(codes, (0.5, 99.5), axis=0)
    manifest = {
        "title": name("Galaxies of a test", 1),
        "run": name("2026-11-26_23-00-00", 0),
        "version": "0.2.0",
        "count": count,
        "columns": columns,
        "ids": "ids",
        "ra": "ra",
        "dec": "dec",
        "planes": [
            {"name": "UMAP", "x": "umap 1", "y": "umap 2"},
            {"name": "latents", "x": "latent 1", "y": f"latent {min(2, latent_dim)}"},
        ],
        "colour": "class",
        "latent_dim": latent_dim,
        "latents": [
            {
                "axis": axis,
                "name": name("brightness", 1) if axis == 1 else "",
                "information": 3.0 / (1 + axis),
                "unit": "nats",
                "low": float(low[axis]),
                "high": float(high[axis]),
            }
            for axis in range(latent_dim)
        ],
        "conditions": conditions,
        "image": {
            "height": shape[0],
            "width": shape[1],
            "bands": shape[2],
            "display": {"range": None, "rgb": None, "stretch": "none"},
        },
        "decoder": decoder,
        "prior": {
            "kind": "normal",
            "label": "N(0, I)",
            "latent_dim": latent_dim,
            "condition_dim": 0,
        },
        "noise": None,
        "no_noise": "A test has no noise.",
        "far": 2.5,
        "thumbnails": layout,
    }
    return manifest, arrays, sheets


def _columns(codes, labels, random, name):
    """Columns of every kind, and their arrays by name; names and classes are given by `name`."""
    count, latent_dim = codes.shape
    second = codes[:, min(1, latent_dim - 1)]
    redshift = np.abs(0.4 + 0.1 * second).astype(np.float32)
    redshift[::7] = np.nan
    unknown = random.uniform(size=count) < 0.1
    numbers = {  # column -> values, origin
        "umap 1": (codes[:, 0] + random.normal(0, 0.3, count).astype(np.float32), "umap"),
        "umap 2": (second + random.normal(0, 0.3, count).astype(np.float32), "umap"),
        "redshift": (redshift, "condition"),
        "ra": (random.uniform(0, 360, count), "catalogue"),
        "dec": (np.degrees(np.arcsin(random.uniform(-1, 1, count))), "catalogue"),
        name("asymmetry", 4): (np.where(unknown, np.nan, codes[:, 0] ** 2).astype(np.float32), "measured"),
        name("all unknown", 11): (np.full(count, np.nan, np.float32), "measured"),
    }
    columns = [
        _column(column, "number", origin, unit="deg" if column in ("ra", "dec") else "")
        for column, (_, origin) in numbers.items()
    ]
    columns.append(
        _column("class", "class", "class", classes=[name(text, k) for k, text in enumerate(CLASSES)])
    )
    columns.append(_column("split", "class", "split", classes=["train", "validation", "test"]))
    columns.append(_column("field", "text", "catalogue"))
    for axis in range(latent_dim):
        columns.append(_column(f"latent {axis + 1}", "number", "latent", array=None, axis=axis))
    arrays = {f"column {column}": values for column, (values, _) in numbers.items()}
    arrays["column class"] = labels
    arrays["column split"] = (np.arange(count) % 3).astype(np.int16)
    arrays["column field"] = [name(f"field {i % 5}", i) for i in range(count)]
    return columns, arrays


def _column(name, kind, origin, **more):
    """An entry of the manifest's columns."""
    return {
        "name": name,
        "label": name,
        "unit": "",
        "kind": kind,
        "origin": origin,
        "array": f"column {name}",
        **more,
    }


def _decoder(latent_dim, shape, conditional, random):
    """A decoder of one layer, and its arrays: each latent adds another galaxy, or takes it away."""
    height, width, bands = shape
    condition = {"mean": [0.5, 0.5, 0.4], "std": [0.5, 0.5, 0.1], "times": 1} if conditional else None
    inputs, size = latent_dim + (3 if conditional else 0), max(height, width)
    galaxies = ellipses(inputs, (size, size), bands) / 255
    step = {
        "kind": "convolution",
        "inputs": [1, 1, inputs],
        "outputs": [height, width, bands],
        "name": "decoder.0",
        "size": size,
        "stride": 1,
        "offset": [0, 0],
        "slope": 1.0,
    }
    arrays = {
        "decoder.0.kernel": (galaxies * random.choice([-1, 1], (inputs, 1, 1, 1))).astype(np.float16),
        "decoder.0.scale": np.full(bands, 4, np.float32),
        "decoder.0.bias": np.full(bands, -1.5, np.float32),
    }
    return {"latent_dim": latent_dim, "condition": condition, "steps": [step]}, arrays


def _palettes():
    """Colour maps of a page, by the names of their arrays."""
    ramp = np.arange(256)
    classes = np.array([[230, 159, 0], [86, 180, 233], [0, 158, 115], [204, 121, 167]], np.uint8)
    return {
        "palette.values": np.stack([ramp, 255 - ramp // 2, 60 + ramp // 2], axis=1).astype(np.uint8),
        "palette.image": np.repeat(ramp[:, None], 3, axis=1).astype(np.uint8),
        **{f"palette.classes.{count}": classes[:count] for count in (3, 4)},
        "palette.unknown": np.array([187, 187, 187], np.uint8),
    }


def _thumbnails(count, shape, most, arrays):
    """The layout of stamps of some galaxies and their sheets; adds the galaxies' array."""
    if not most:
        return None, {}
    arrays["thumbnails"] = np.linspace(0, count - 1, most).astype(np.int32)
    images = ellipses(most, shape[:2])
    return sheets_of([images], "thumbnails")
