"""The physics card: how real the measured properties of decoded and of generated galaxies are."""

import numpy as np

from galvae.analysis.border_noise import MOST_IMAGES, BorderNoise
from galvae.analysis.galaxy_sets import FEWEST, compare, decoded_sets, real_set
from galvae.analysis.measured import band_labels
from galvae.analysis.report import UNMEASURED, Report
from galvae.data.column_names import is_redshift
from galvae.errors import GalvaeError
from galvae.morphology.measures import compared_names, measure_of

FEWEST_BINS, MOST_BINS = 3, 4  # of redshift
NOISE = "_with_noise"
LEARNED, BORDER = "learned", "border"  # whence the noise comes
# Of each measure, in the entry of a bin of redshift.
BINNED = ("mean_real", "mean_real_error", "mean", "mean_error", "w1", "w1_error")


def measure(run, indices, config, columns):
    """Compares real galaxies with decoded ones, with ones sampled from the prior, and with other real ones.

    The real galaxies are those of the validation and the test split together, whatever split is evaluated, or
    `config.samples` of them, chosen at random. They are compared with their own reconstructions from posterior means;
    with as many galaxies sampled from the prior, under the same conditions; and with as many training galaxies, the
    floor: what a perfect model would reach. A decoder's images hold no noise; they are compared as they are, and with
    the noise that the run has learned from its residuals or, where it has learned none, of real images' borders. The
    numbers over all, and those in bins of redshift, are of galaxies with learned noise if there is any.

    Args:
        run, indices, config, columns: see `galvae.analysis.evaluators`; `indices` and `columns` play no part.

    Returns:
        Report.
    """
    texts = {
        "question": "How real are decoded and generated galaxies in the properties that astronomers measure?",
        "perfect": "W1 and AUC of the floor: other real galaxies compared with the same real ones",
        "chance": "AUC 1: every galaxy is recognised as generated; W1 has no upper limit",
    }
    dataset, generator = run.dataset, np.random.default_rng(config.seed)
    reference = dataset.held_out
    if len(reference) < FEWEST:
        why = f"{len(reference)} galaxies in the validation and test splits, fewer than {FEWEST}"
        return Report(
            **texts, summary={"card": {UNMEASURED: why}}, lines=[_line("card", f"{UNMEASURED}: {why}")]
        )
    real = np.sort(generator.permutation(reference)[: config.samples])
    training = generator.permutation(dataset.split("train"))
    rows = {"real": real, "floor": np.sort(training[: len(real)])}

    sets, reasons = {"real": real_set(dataset, real)}, {}
    if len(rows["floor"]) < FEWEST:
        reasons["floor"] = f"{len(rows['floor'])} galaxies in the training split, fewer than {FEWEST}"
    else:
        sets["floor"] = real_set(dataset, rows["floor"])
    source, noise = _noise(run, training[:MOST_IMAGES])
    if noise is None:
        reasons |= {name + NOISE: "no training galaxy has a border free of objects" for name in CODES}
    for name, codes_of in CODES.items():
        try:
            codes, condition = codes_of(run, real, config), run.condition(real)
            versions = decoded_sets(run, codes, condition, noise, config.seed)
            sets |= dict(zip((name, name + NOISE), versions, strict=False))
        except GalvaeError as error:  # such as codes that decode to NaN
            reasons |= {name: str(error), name + NOISE: str(error)}

    options = band_labels(dataset), config.bootstrap, config.seed
    results = {
        name: compare(sets["real"], sets[name], *options, paired=name.startswith("decoded"))
        for name in sets
        if name != "real"
    }
    shown = NOISE if source == LEARNED else ""
    bins = _bins(run, sets, rows, options, shown)
    reference_of = {
        "reference": {"splits": ["val", "test"], "galaxies": len(real), "of": len(reference)},
        "conditions": "those of the real galaxies" if run.model.condition_dim else None,
        "noise": source,
    }
    return Report(
        **texts,
        summary={"card": {**reference_of, **_summary(results, reasons, "sampled" + shown), "bins": bins}},
        arrays={"card": _arrays(sets, rows, options[0])},
        facts={**_facts(sets, results, options[0]), "noise": source},
        tables={"card": _table(results)} if results else {},
        lines=[_line("card", _reference_text(reference_of)), *_lines(results, reasons, source)],
    )


def _posterior_means(run, indices, config):
    return run.codes_at(indices).mean


def _prior_samples(run, indices, config):
    return run.prior(config.prior).sample(len(indices), run.condition(indices), config.seed)


CODES = {"decoded": _posterior_means, "sampled": _prior_samples}


def _noise(run, indices):
    """Noise for decoded images, as that of galvae.noise or of the borders of some galaxies.

    Returns:
        (source, noise): "learned" or "border", and a function for `decoded_sets`; None if no border is free of objects.
    """
    if run.noise is not None:
        return LEARNED, run.noise
    dataset, masks = run.dataset, run.dataset.masks_of(indices)
    border = BorderNoise(dataset.images[indices], None if masks is None else masks.any(axis=-1))

    def noise(images, generator):
        return dataset.to_unit(dataset.from_unit(images) + border(len(images), generator)) - images

    return BORDER, noise if border.images else None


def _bins(run, sets, rows, options, shown=""):
    """Comparisons in bins of redshift, each with equal numbers of galaxies.

    Args:
        run: TrainedRun.
        sets: name -> GalaxySet.
        rows: row indices of the sets real and floor.
        options: bands, resamples and seed, see `compare`.
        shown: NOISE if decoded and sampled galaxies are those with noise, else "".

    Returns:
        JSON-able dict: `by`, the name of the column; floor, decoded and, for a model that takes this redshift, sampled:
        lists with a dict for each bin of low, high, n, w1, and BINNED of each measure; or why there are none.
    """
    name, values = _redshift(run.dataset, rows["real"])
    if name is None:
        return {UNMEASURED: f"fewer than {FEWEST_BINS * FEWEST} of the real galaxies have a known redshift"}
    known = np.isfinite(values[rows["real"]])
    count = min(MOST_BINS, known.sum() // FEWEST)
    edges = np.unique(np.quantile(values[rows["real"]][known], np.linspace(0, 1, count + 1)))
    if len(edges) <= FEWEST_BINS:
        return {UNMEASURED: f"the real galaxies have too few different values of {name}"}
    takes_redshift = run.model.condition_dim and name in run.dataset.condition_names
    # Decoded and sampled galaxies are made under the conditions of the real ones, in their order.
    of = {"floor": "floor", "decoded": "real", **({"sampled": "real"} if takes_redshift else {})}
    bin_of = {
        kind: np.where(np.isfinite(values[own]), np.digitize(values[own], edges[1:-1]), -1)
        for kind, own in rows.items()
    }
    result = {"by": name}
    for kind in of:
        one_set = sets.get(kind if kind == "floor" else kind + shown)
        if one_set is None:
            continue
        result[kind] = []
        for number, (low, high) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
            inside = [np.flatnonzero(bin_of[one] == number) for one in ("real", of[kind])]
            entry = {"low": float(low), "high": float(high)}
            if min(map(len, inside)) < FEWEST:
                entry[UNMEASURED] = f"{min(map(len, inside))} galaxies, fewer than {FEWEST}"
            else:
                pair = sets["real"].at(inside[0]), one_set.at(inside[1])
                entry |= _bin(compare(*pair, *options, paired=kind == "decoded", classified=False))
            result[kind].append(entry)
    return result


def _bin(comparison):
    """What the entry of a bin of redshift says of a comparison."""
    over_all = {key: comparison[key] for key in ("n", "w1", "w1_error")}
    measures = {name: one for name, one in comparison.items() if _is_measure(one)}
    return over_all | {name: {key: one[key] for key in BINNED} for name, one in measures.items()}


def _redshift(dataset, indices):
    """Name of a redshift that is known of enough galaxies for bins, and its values (N,); (None, None) without one."""
    columns = {}
    if dataset.condition is not None:
        columns |= {name: dataset.condition[:, index] for name, index in dataset.condition_numbers.items()}
    columns |= {name: column for name, column in dataset.catalogue.items() if name not in columns}
    for name, values in columns.items():
        is_number = values.dtype.kind in "iuf"
        if is_redshift(name) and is_number and np.isfinite(values[indices]).sum() >= FEWEST_BINS * FEWEST:
            return name, values.astype(float)
    return None, None


def _is_measure(entry):
    return isinstance(entry, dict) and "bias" in entry


def _summary(results, reasons, first):
    """Entries of metrics.json: numbers over all of the set called `first`, then each set."""
    over_all = {key: one for key, one in results.get(first, {}).items() if not isinstance(one, dict)}
    missing = {name: {UNMEASURED: why} for name, why in reasons.items()}
    return {**over_all, **results, **missing}


def _arrays(sets, rows, bands):
    """Numbers behind the figure: measures as they are compared, power spectra and examples of each set."""
    names = compared_names(bands)
    arrays = {"indices": rows["real"], "measures": np.array(names)}
    if "floor" in sets:
        arrays["floor_indices"] = rows["floor"]
    for name, one in sets.items():
        arrays[f"{name}_measures"] = one.measured.matrix(names)
        arrays[f"{name}_power"] = one.power.mean(axis=0)
        arrays[f"{name}_examples"] = one.examples
    return arrays | {"frequencies": sets["real"].frequencies}


def _facts(sets, results, bands):
    """What the figure needs besides: names of the sets, labels of the measures, and each set's W1."""
    names = compared_names(bands)
    labels = [_label(measure_of(name)) for name in names]
    w1 = {name: [result[one]["w1"] for one in names] for name, result in results.items()}
    return {"sets": list(sets), "labels": labels, "w1": w1}


def _label(one):
    label = f"log {one.label}" if one.log else one.label
    return f"{label} ({one.unit})" if one.unit else label


def _table(results):
    """Columns of the table with a row for each set and measure."""
    rows = [
        {"set": name, "measure": key, **entry}
        for name, result in results.items()
        for key, entry in result.items()
        if _is_measure(entry)
    ]
    return {name: np.array([np.nan if row[name] is None else row[name] for row in rows]) for name in rows[0]}


def _reference_text(facts):
    """Which real galaxies the others are compared with, in one line."""
    count, available = facts["reference"]["galaxies"], facts["reference"]["of"]
    chosen = f"{count:,}" if count == available else f"{count:,}, chosen at random of {available:,},"
    conditions = "; sampled ones have their conditions" if facts["conditions"] else ""
    return f"real galaxies: {chosen} of the validation and test splits together{conditions}"


def _lines(results, reasons, source):
    """A line for each set, as a paper would quote it."""
    names = ("floor", *(kind + suffix for kind in CODES for suffix in ("", NOISE)))
    floor = results.get("floor")
    return [
        _line(
            name.replace(NOISE, ", noise"),
            f"{UNMEASURED}: {reasons[name]}"
            if name in reasons
            else _headline(name, results[name], floor, source),
        )
        for name in names
    ]


def _headline(name, result, floor=None, source=BORDER):
    """Mean W1 and AUC of a set, beside the floor's, with the numbers of galaxies and whence its noise comes."""
    parts = []
    for label, key in (("mean W1", "w1"), ("AUC", "auc")):
        if result[key] is None:
            parts.append(f"{label} {UNMEASURED}, too few galaxies were measured in full")
            continue
        beside = ""
        if floor is not None and name != "floor" and floor[key] is not None:
            beside = f" (floor {floor[key]:.3f} ± {floor[f'{key}_error']:.3f})"
        parts.append(f"{label} {result[key]:.3f} ± {result[f'{key}_error']:.3f}{beside}")
    noise = {LEARNED: ", with learned noise", BORDER: ", with a real border's noise"}[source]
    if not name.endswith(NOISE):
        noise = "" if name == "floor" else ", no noise"
    empty = f"; {100 * result['empty']:.1f} % without a galaxy" if result["empty"] else ""
    return f"{', '.join(parts)}; n = {result['n']} each{noise}{empty}"


def _line(name, text):
    return f"  {name:16} {text}"
