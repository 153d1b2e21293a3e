"""Differences between runs: the keys in which they differ, names from these keys, and the order of their panels."""

import math
from collections import Counter

from galvae.analysis.run_table import as_text

MAX_PANELS = 6  # in a row
# Keys of a dataset that change neither the images on which losses are measured nor their scale; all others do, also
# those of a table, since images without a row are left out, and labels, since folders of classes may give the split.
SAME_IMAGES = {
    *("dataset.augment", "dataset.cache_dir", "dataset.verify", "dataset.rgb", "dataset.download"),
    *("dataset.workers", "dataset.class_names", "dataset.condition", "dataset.redshift"),
}
# Runs that differ in one of these keys minimise different sums of the same terms.
OBJECTIVE = {
    *("reconstruction.weight", "model.name", "model.prediction", "model.prediction_weight"),
    *("beta.value", "beta.values"),
}


def short_names(paths):
    """Shortest names that distinguish paths: the last part of each, with as many parts before it as needed.

    Args:
        paths: list of paths.
    """
    for parts in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.parts[-parts:]) for path in paths]
        if len(set(names)) == len(names):
            break
    return names


def differing_keys(settings):
    """Configuration keys whose values differ between runs, `latent_dim` before the others.

    Args:
        settings: list of flattened configurations, one for each run. Runs without a key are ignored for it; the
            choice that removes it, such as `model.name`, differs as well.
    """
    keys = dict.fromkeys(["latent_dim", *(key for values in settings for key in values)])
    by_key = {key: [values[key] for values in settings if key in values] for key in keys}
    return [key for key, values in by_key.items() if any(value != values[0] for value in values)]


def distinguishing_keys(settings, keys):
    """Smallest leading selection of keys that distinguishes the runs.

    A key is skipped if it adds nothing to those before it.

    Args:
        settings: list of flattened configurations, one for each run.
        keys: configuration keys, in order of preference.
    """
    chosen, kinds = [], 1
    for key in keys:
        distinct = len({_values(values, [*chosen, key]) for values in settings})
        if distinct > kinds:
            chosen, kinds = [*chosen, key], distinct
    return chosen


def _values(values, keys):
    return tuple(repr(values.get(key)) for key in keys)


def label(values, keys):
    """Short label of a run, such as "vae, latent_dim 2".

    Args:
        values: flattened configuration of the run.
        keys: configuration keys in the label; those that the run does not have are left out.
    """
    parts = [as_text(values[key]) for key in keys if key.endswith(".name") and key in values]
    parts += [f"{key} {as_text(values[key])}" for key in keys if not key.endswith(".name") and key in values]
    return ", ".join(parts)


def descriptions(settings, keys, along=None):
    """Short description of how each run differs from the others, without the key `along`.

    Args:
        settings: name of the run -> its flattened configuration.
        keys: configuration keys that differ between the runs.
        along: key to leave out, or None.

    Returns:
        dict of name -> text.
    """
    chosen = distinguishing_keys(list(settings.values()), [key for key in keys if key != along])
    return {name: label(values, chosen) for name, values in settings.items()}


def is_measured_otherwise(key):
    """Whether runs that differ in a key have losses that were measured on other galaxies or in other units."""
    return key == "reconstruction.loss" or (key.startswith("dataset.") and key not in SAME_IMAGES)


def comparable(settings, keys, term):
    """Which runs have values of a term that can be compared, as a short text that is the same for them.

    Args:
        settings: name of the run -> its flattened configuration.
        keys: configuration keys that differ between the runs.
        term: "loss", of which the weights of its terms are a part, or the name of one of its terms.

    Returns:
        dict of name -> text; the text is empty where all can be compared.
    """
    chosen = [key for key in keys if is_measured_otherwise(key) or (term == "loss" and key in OBJECTIVE)]
    return {name: label(values, chosen) for name, values in settings.items()}


def not_comparable(keys):
    """Warning about losses that are not comparable between runs with the given differences, or None.

    Args:
        keys: configuration keys that differ between the runs.
    """
    measured = [key for key in keys if is_measured_otherwise(key)]
    if measured:
        return f"losses cannot be compared between runs that differ in {', '.join(measured)}"
    weighted = [key for key in keys if key in OBJECTIVE]
    if weighted:
        return (
            f"val_loss cannot be compared between runs that differ in {', '.join(weighted)}; "
            "val_reconstruction and val_kl can"
        )
    return None


def arrange_panels(names, settings, keys):
    """Order, titles and number of columns of a figure with one panel for each run.

    Runs that differ in latent_dim alone are placed in one row.

    Args:
        names: names of the runs that are drawn.
        settings: name of the run -> its flattened configuration.
        keys: configuration keys that differ between the runs.

    Returns:
        (order, titles, columns): names in the order of the panels, the title of each panel, and the number of
        panels in a row, or None if rows would be of unequal length.
    """
    groups = descriptions(settings, keys, "latent_dim")
    ranks = {group: rank for rank, group in enumerate(dict.fromkeys(groups.values()))}
    order = sorted(names, key=lambda name: (ranks[groups[name]], settings[name]["latent_dim"]))
    titles = descriptions(settings, keys)
    counts = Counter(titles.values())
    titles = {
        name: title if title and counts[title] == 1 else f"{title} ({name})" if title else name
        for name, title in titles.items()
    }
    lengths = Counter(groups[name] for name in order)
    columns = max(lengths.values())
    if len(set(lengths.values())) > 1 or not 1 < columns <= MAX_PANELS:
        columns = None
    else:  # several such rows side by side, if there are many
        columns *= max(1, int(math.sqrt(len(order)) / columns))
    return order, [titles[name] for name in order], columns
