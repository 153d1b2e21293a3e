"""Everything of a run that its page shows: a manifest, and the arrays that it names."""

import logging

import numpy as np

import galvae
from galvae.analysis.measured import DEFAULT_COLOUR, PREFIX
from galvae.data.catalogue import code_columns, free_name, galaxy_table
from galvae.data.column_names import DECLINATIONS, RIGHT_ASCENSIONS, is_named
from galvae.data.conditions import CLASS
from galvae.data.dataset import evenly
from galvae.data.galaxies import MOST_TEXTS
from galvae.errors import GalvaeError
from galvae.explorer.decoder import decoder_of
from galvae.explorer.generation import noise_of_run, prior_of_run
from galvae.latent.information import information, information_unit

PERCENTILES = (0.5, 99.5)  # of samples of the posteriors, between which sliders move
FAR = 0.99  # quantile of nearest-neighbour distances beyond which a code is far from every galaxy
MOST_MEASURED = 2_000  # galaxies whose nearest neighbours are sought for it
ROUNDING = 0.02  # of the median distance between nearest codes
NEVER = 1e30  # a distance that no code exceeds, where there is one galaxy
UNNAMED = "no measured property"  # of galvae.analysis.axis_effects
SPLITS = ("train", "val", "test")
DEGREES = ("", "deg", "degree", "degrees")  # units of positions of the sky

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
    columns, arrays = _columns(run, codes, names, measured, config)
    _add_plane(columns, arrays, embed())
    nearest = _nearest_distances(codes.mean)
    arrays["codes"] = _compact(codes.mean, nearest)
    ra, dec = _position(columns, RIGHT_ASCENSIONS), _position(columns, DECLINATIONS)
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


def _columns(run, codes, names, measured, config):
    """Columns of the galaxies but those of their plane, and their arrays.

    Returns:
        (columns, arrays): the manifest's `columns`; and a dict of arrays by name.

    Raises:
        GalvaeError: if there is no column of a name that `columns` or `colour` asks for.
    """
    galaxies = run.galaxies
    table = galaxy_table(galaxies, codes.indices, measured)
    origins = dict.fromkeys(table.colnames, "catalogue")
    origins |= dict.fromkeys(table.colnames[len(table.colnames) - len(measured) :], "measured")
    origins |= {**dict.fromkeys(galaxies.condition_numbers, "condition"), "split": "split"}
    if galaxies.labels is not None:
        origins[CLASS] = "class"
    shown = [name for name in table.colnames if name not in ("index", "id")]
    if config.columns is not None:
        missing = [name for name in config.columns if name not in shown]
        if missing:
            raise GalvaeError(
                f"columns: expected {' or '.join(shown)}, received {', '.join(missing)}{_hint(measured)}"
            )
        optional = "catalogue", "measured"
        shown = [name for name in shown if origins[name] not in optional or name in config.columns]
    columns, arrays = [], {}
    for name in shown:
        if origins[name] == "class":
            entry, array = _class(galaxies.labels[codes.indices], galaxies.class_names)
        else:
            entry, array = _column(table[name])
        if array is None:
            log.info("column %s is left out: it is no number and no text for each galaxy", name)
            continue
        key, unit = f"column.{len(columns)}", table[name].unit
        entry = {"name": name, "label": name, "unit": "" if unit is None else str(unit), **entry}
        columns.append({**entry, "array": key, "origin": origins[name]})
        arrays[key] = array
    for axis, name in enumerate(code_columns(codes.mean)):
        axis_name = _named(names, axis)
        label = f"latent {axis}: {axis_name}" if axis_name else f"latent {axis}"
        entry = {"name": _free(name, columns), "label": label, "unit": "", "kind": "number"}
        columns.append({**entry, "array": None, "axis": axis, "origin": "latent"})
    able = [column["name"] for column in columns if column["kind"] != "text"] + ["umap_x", "umap_y"]
    if config.colour not in (None, *able):
        raise GalvaeError(
            f"colour: expected {' or '.join(able)}, received {config.colour!r}{_hint(measured)}"
        )
    return columns, arrays


def _add_plane(columns, arrays, embedding):
    """Adds the two columns of an Embedding, if there is one, to the others and their arrays."""
    if embedding is None:
        return
    for number, axis in enumerate("xy"):
        key = f"umap.{axis}"
        arrays[key] = embedding.plane[:, number]
        entry = {"name": _free(f"umap_{axis}", columns), "label": f"UMAP {number + 1}", "unit": ""}
        columns.append({**entry, "kind": "number", "array": key, "origin": "umap"})


def _free(name, columns):
    return free_name(name, {column["name"] for column in columns})


def _hint(measured):
    return "" if measured else "; the galaxies are not measured: measures=true measures them"


def _named(names, axis):
    """Name of a latent axis, after what it changes; "" if it has none."""
    return "" if names is None or names[axis] == UNNAMED else names[axis]


def _column(column):
    """Kind and array of a column of a table; None in place of the array for what a page cannot show."""
    values = np.asarray(column)
    if values.ndim != 1:
        return {}, None
    if values.dtype.kind == "b":
        return {"kind": "number"}, values.astype(np.float32)
    if values.dtype.kind == "f":
        return {"kind": "number"}, values.astype(np.float64 if values.dtype.itemsize > 4 else np.float32)
    if values.dtype.kind in "iu":
        largest = max(abs(int(end)) for end in (values.min(initial=0), values.max(initial=0)))
        if largest < 2**53:  # a number of JavaScript holds it exactly
            return {"kind": "number"}, values.astype(np.float32 if largest < 2**24 else np.float64)
        return {"kind": "text"}, [str(one) for one in values.tolist()]
    if values.dtype.kind not in "USO":
        return {}, None
    texts = [
        one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one) for one in values.tolist()
    ]
    names = sorted(set(texts) - {""})
    if column.name == "split":
        names = [name for name in SPLITS if name in names]
    if len(names) > MOST_TEXTS:
        return {"kind": "text"}, texts
    numbers = {name: number for number, name in enumerate(names)}
    return _class([numbers.get(text, -1) for text in texts], names)


def _class(labels, names):
    return {"kind": "class", "classes": [str(name) for name in names]}, np.asarray(labels, np.int16)


def _position(columns, names):
    """Name of the first column of right ascensions, or of declinations; None if there is none, or not in degrees.

    A column without a unit is taken to be in degrees, which its unit then says.
    """
    for column in columns:
        if column["kind"] == "number" and is_named(column["name"], names):
            if column["unit"].lower() not in DEGREES:
                return None
            column["unit"] = "deg"
            return column["name"]
    return None


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
            "name": _named(names, axis),
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
