"""Everything of a run that its page shows: a manifest, and the arrays that it names."""

import logging

import numpy as np

import galvae
from galvae.analysis.measured import DEFAULT_COLOUR, PREFIX
from galvae.data.column_names import DECLINATIONS, RIGHT_ASCENSIONS
from galvae.data.conditions import CLASS
from galvae.data.dataset import evenly
from galvae.errors import GalvaeError
from galvae.explorer.columns import add_plane, axis_name, columns_of, position_column
from galvae.explorer.decoder import decoder_of
from galvae.explorer.generation import noise_of_run, prior_of_run
from galvae.latent.information import information, information_unit

PERCENTILES = (0.5, 99.5)  # of samples of the posteriors, between which sliders move
FAR = 0.99  # quantile of nearest-neighbour distances beyond which a code is far from every galaxy
MOST_MEASURED = 2_000  # galaxies whose nearest neighbours are sought for it
ROUNDING = 0.02  # of the median distance between nearest codes
NEVER = 1e30  # a distance that no code exceeds, where there is one galaxy

log = logging.getLogger(__name__)


def contents_of(run, codes, names, measured, config, embed):
    """What the page of a run shows, without its colours and thumbnails.

    Args:
        run: StoredRun.
        codes: Codes of all its galaxies.
        names: names of its latent axes, or None.
        measured: name -> (values, unit), measures of these galaxies; empty if they were not measured.
        config: ExploreConfig.
        embed: function that returns the Embedding of these galaxies, or None; it is called once the columns that are
            asked for are known to be there.

    Returns:
        (manifest, arrays): a JSON-able dict, and a dict of arrays and lists of texts by the names that it gives them,
        as `web/data/blocks.js` reads them.

    Raises:
        GalvaeError: if there is no column of a name that `columns` or `colour` asks for.
    """
    galaxies, indices = run.galaxies, codes.indices
    order = np.argsort(-information(codes.mean, codes.log_variance), kind="stable")
    columns, arrays = columns_of(run, codes, names, measured, config)
    add_plane(columns, arrays, embed())
    nearest = _nearest_distances(codes.mean)
    arrays["codes"] = _compact(codes.mean, nearest)
    ra, dec = position_column(columns, RIGHT_ASCENSIONS), position_column(columns, DECLINATIONS)
    condition = run.condition(indices)
    if condition is not None:
        arrays["condition"] = condition.astype(np.float32)
    arrays["ids"] = [str(one) for one in galaxies.ids[indices].tolist()]
    prior, prior_arrays = prior_of_run(run, codes.mean)
    noise, noise_arrays, no_noise = noise_of_run(run)
    decoder, decoder_arrays = _decoder(run)
    height, width, bands = run.state.image_shape
    manifest = {
        "title": f"{galaxies.name}: latent space of a {run.config.model.name} with {run.latent_dim} latents",
        "run": run.path.resolve().name,
        "version": galvae.__version__,
        "count": len(indices),
        "columns": columns,
        "ids": "ids",
        "ra": ra,
        "dec": dec,
        "planes": _planes(columns, order, ra, dec),
        "colour": _colour(config.colour, columns),
        "latent_dim": run.latent_dim,
        "latents": _latents(codes, names, order),
        "conditions": _conditions(run),
        "image": {
            "height": height,
            "width": width,
            "bands": bands,
            "display": {
                "range": run.directory.display_range,
                "rgb": None if galaxies.rgb is None else list(galaxies.rgb),
                "stretch": galaxies.stretch,
            },
        },
        "decoder": decoder,
        "prior": prior,
        "noise": noise,
        "no_noise": no_noise,
        "far": float(np.quantile(nearest, FAR)) if len(nearest) else NEVER,
    }
    return manifest, arrays | prior_arrays | noise_arrays | decoder_arrays


def _planes(columns, order, ra, dec):
    """Planes that the page offers by name, the first one first; `ra` and `dec` are names of columns, or None."""
    latents = [one["name"] for one in columns if one["origin"] == "latent"]
    planes = []
    if any(one["origin"] == "umap" for one in columns):
        x, y = (one["name"] for one in columns if one["origin"] == "umap")
        planes.append({"name": "UMAP", "x": x, "y": y})
    if len(latents) > 1:
        first, second = order[:2]
        planes.append({"name": "most informative latents", "x": latents[first], "y": latents[second]})
    elif not planes:
        other = next((one["name"] for one in columns if one["kind"] == "number"), latents[0])
        planes.append({"name": "the latent", "x": latents[0], "y": other})
    if ra is not None and dec is not None:
        planes.append({"name": "sky", "x": ra, "y": dec})
    return planes


def _colour(asked, columns):
    """The column by which galaxies are coloured, see `galvae.config.analysis.COLOUR`; None if there is none."""
    able = [one["name"] for one in columns if one["kind"] != "text"]
    conditions = [one["name"] for one in columns if one["origin"] == "condition"]
    names = asked, CLASS, *conditions, PREFIX + DEFAULT_COLOUR, DEFAULT_COLOUR
    colour = next((name for name in names if name in able), None)
    if asked not in (None, colour):  # umap_x of a page without that plane
        log.warning("colour: the page has no %s; galaxies are coloured by %s", asked, colour)
    return colour


def _latents(codes, names, order):
    """The latent dimensions, the most informative first: their names, and between which values they vary."""
    amounts, unit = information(codes.mean, codes.log_variance), information_unit(codes.log_variance)
    low, high = np.percentile(codes.sample(0), PERCENTILES, axis=0).astype(
        float
    )  # as `galvae traverse` has them
    return [
        {
            "axis": int(axis),
            "name": axis_name(names, axis),
            "information": min(
                float(amounts[axis]), NEVER
            ),  # infinite with weights that no trained model has
            "unit": unit,
            "low": low[axis],
            "high": high[axis] if high[axis] > low[axis] else low[axis] + 1,
        }
        for axis in order
    ]


def _conditions(run):
    """The conditions that a user may choose; None for a model without any."""
    if not run.condition_dim:
        return None
    conditions, first = run.conditions, len(run.conditions.classes)
    units = run.galaxies.condition_units
    values = run.galaxies.condition[run.galaxies.split("train")]
    numbers = []
    for column, name in enumerate(run.state.condition_names[first:], first):
        low, high = run.state.condition_ranges[column]
        known = values[:, column][np.isfinite(values[:, column])]
        low = float(known.min()) if low is None else low
        high = float(known.max()) if high is None else high
        numbers.append({"name": name, "unit": units[column], "low": low, "high": high})
    return {"classes": list(conditions.classes), "learned": list(conditions.learned), "numbers": numbers}


def _decoder(run):
    """Spec and arrays of the decoder; None and nothing if the page does not know its layers, which is logged."""
    try:
        return decoder_of(run.config, run.state, run.weights())
    except GalvaeError as error:
        log.warning("the page cannot decode galaxies: %s", error)
        return None, {}


def _compact(codes, nearest):
    """Codes as float16 where that moves none by more than ROUNDING of the distances between neighbours, else float32.

    Args:
        codes: (n, latent_dim).
        nearest: distances of some of them from their nearest others.
    """
    with np.errstate(over="ignore"):  # of a plain autoencoder's codes, which may be of any size
        halves = codes.astype(np.float16)
    moved = np.linalg.norm(halves.astype(np.float32) - codes, axis=1).max()
    fits = len(nearest) and moved <= ROUNDING * np.median(nearest)
    return halves if fits else codes.astype(np.float32)


def _nearest_distances(codes):
    """Euclidean distances of at most MOST_MEASURED codes, evenly chosen, from their nearest others; none of one."""
    if len(codes) < 2:
        return np.zeros(0)
    # Centred, so that float32 keeps the differences; it takes half the time.
    codes, distances = np.float32(codes - codes.mean(axis=0)), []
    norms = (codes**2).sum(axis=1)
    rows = evenly(len(codes), MOST_MEASURED)
    for part in np.array_split(rows, -(-len(rows) // 100)):
        squared = norms[part, None] + norms - 2 * codes[part] @ codes.T
        squared[np.arange(len(part)), part] = np.inf
        distances.append(np.sqrt(np.maximum(squared.min(axis=1), 0)))
    return np.concatenate(distances)
