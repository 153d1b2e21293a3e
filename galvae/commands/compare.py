"""galvae compare: set the runs of a sweep side by side."""

import logging
import math
from collections import Counter

import numpy as np

from galvae import figures
from galvae.analysis.comparison import (
    RESULTS,
    as_csv,
    as_markdown,
    column_of,
    descriptions,
    differing_keys,
    find_runs,
    not_comparable,
    results,
    short_names,
    shown,
)
from galvae.backend.setup import setup
from galvae.config.check import flatten
from galvae.errors import GalvaeError
from galvae.runs.directory import RunDirectory
from galvae.runs.trained_run import condition_of
from galvae.system.atomic import replacing, save_arrays

WIDEST = 6  # panels in a row
LARGEST = 50_000_000  # pixels of all galaxies in the picture of samples

log = logging.getLogger(__name__)


def main(config, output_dir):
    """Draws samples of every run from the same random numbers, tabulates the runs and plots their losses.

    Each run takes as many columns of one array of standard normal numbers as it has latent dimensions, so that
    two VAEs share the numbers of the dimensions that both have. Conditional runs are told the conditions of
    training galaxies drawn with the same seed, which are the same galaxies for all runs of one split.

    Args:
        config: CompareConfig.
        output_dir: where runs.csv, runs.md, samples, loss, rate_distortion and samples.npz go; the last holds
            `runs`, the names of the runs drawn, `noise`, and `codes_0`, `images_0`, ... of each.
    """
    paths = find_runs(config.runs)
    runs = open_runs(dict(zip(short_names(paths), paths, strict=True)))
    settings = {name: flatten(run.config) for name, run in runs.items() if run is not None}
    keys = differing_keys(list(settings.values()))
    warning = not_comparable(keys)
    if warning:
        log.warning("%s", warning)

    backend = config.backend or next(run.config.backend for run in runs.values() if run is not None)
    largest = max(values["latent_dim"] for values in settings.values())
    noise = np.random.default_rng(config.seed).standard_normal((config.n, largest))
    rows, samples = [], {}
    for name, run in runs.items():
        row = {"run": name, "status": "unreadable"}
        if run is not None:
            row |= {column_of(key): settings[name].get(key) for key in ("latent_dim", *keys)}
            alone = len(settings) == 1
            measured, samples[name] = read(run, name, config, backend, noise, alone)
            row |= measured
        rows.append(row)
    samples = {name: found for name, found in samples.items() if found is not None}

    columns = list(dict.fromkeys(["run", *map(column_of, ["latent_dim", *keys]), *RESULTS]))
    table = as_markdown(rows, columns)
    for name, text in {"runs.csv": as_csv(rows, columns), "runs.md": table}.items():
        with replacing(output_dir / name) as beside:
            beside.write_text(text, encoding="utf-8")
    style = figures.Style.of(config)
    draw_samples(samples, settings, keys, noise, output_dir, style)
    draw_losses([row for row in rows if row["run"] in settings], settings, keys, output_dir, style)
    print(table, end="")


def open_runs(paths):
    """The runs by name; None, with a warning, for those whose configuration cannot be read.

    Args:
        paths: name -> directory.

    Raises:
        GalvaeError: if none can be read.
    """
    runs, errors = dict.fromkeys(paths), []
    for name, path in paths.items():
        try:
            runs[name] = RunDirectory.open(path)
        except GalvaeError as error:
            errors.append(error)
    if len(errors) == len(runs) > 1:
        raise GalvaeError(f"none of {len(runs)} runs can be read: {errors[0]}")
    if len(errors) == len(runs):
        raise errors[0]
    for error in errors:
        log.warning("a run is left out: %s", error)
    return runs


def read(run, name, config, backend, noise, alone):
    """What the table says of a run, and its samples.

    Args:
        run: RunDirectory.
        name: of it.
        config: CompareConfig.
        backend: of Keras.
        noise: (n, at least latent_dim) standard normal numbers.
        alone: whether no other run is compared; a dataset that is not there is then an error.

    Returns:
        (row, samples): dict of the table's columns, and dict of codes (n, latent_dim), images (n, H, W, C) and,
        for a conditional run, condition (n, K); None without a checkpoint.
    """
    setup(backend)  # which also forgets the model of the run before
    from galvae.latent.codes import decode_codes, encode_dataset  # after setup: Keras is imported
    from galvae.latent.information import active_units  # after setup: Keras is imported

    row = {"status": run.status, **results(run.metrics, [])}
    try:
        model, state = run.load_model()
    except GalvaeError as error:
        log.warning("%s (%s) is not drawn: %s", name, run.status, error)
        return row, None
    row |= results({"peak_memory_mb": state["peak_memory_mb"]}, state["history"])
    if run.status != "finished":
        log.warning("%s (%s): its best epoch of %d so far is drawn", name, run.status, state["epoch"])
    try:
        dataset = run.load_dataset(config.dataset)
    except GalvaeError as error:
        if alone:
            raise
        log.warning("%s is not drawn: %s", name, error)
        return row, None
    mean, _ = encode_dataset(model, dataset, dataset.split("val")[: config.galaxies])
    row["active_units"] = int(active_units(mean).sum())
    row["parameters"] = model.count_params()
    chosen = np.random.default_rng(config.seed).choice(dataset.split("train"), config.n)
    condition = condition_of(model, dataset, chosen)
    codes = model.from_noise(config.temperature * noise[:, : model.latent_dim])
    samples = {"codes": codes, "images": decode_codes(model, codes, condition)}
    if condition is not None:
        samples["condition"] = condition
    return row, samples


def draw_samples(samples, settings, keys, noise, output_dir, style):
    """A panel of samples for each run; runs that differ in latent_dim alone stand in one row.

    Args:
        samples: what `read` gave, by run.
        settings: what `flat` gives, by run.
        keys: that differ between the runs.
        noise: (n, largest latent_dim).
        output_dir: where samples and samples.npz go.
        style: Style.
    """
    if not samples:
        return
    groups = descriptions(settings, keys, "latent_dim")
    ranks = {group: rank for rank, group in enumerate(dict.fromkeys(groups.values()))}
    order = sorted(samples, key=lambda name: (ranks[groups[name]], settings[name]["latent_dim"]))
    titles = descriptions(settings, keys)
    shared = Counter(titles.values())
    titles = {
        name: title if title and shared[title] == 1 else f"{title} ({name})" if title else name
        for name, title in titles.items()
    }
    lengths = Counter(groups[name] for name in order)
    columns = max(lengths.values())
    if len(set(lengths.values())) > 1 or not 1 < columns <= WIDEST:
        columns = None
    else:  # several such rows beside each other, if there are many
        columns *= max(1, int(math.sqrt(len(order)) / columns))
    pixels = sum(math.prod(found["images"].shape[1:3]) for found in samples.values())
    shown_of_each = min(len(noise), max(1, math.isqrt(LARGEST // pixels)) ** 2)
    if shown_of_each < len(noise):
        log.info("the picture shows the first %d of %d samples of each run", shown_of_each, len(noise))
    blocks = [samples[name]["images"][:shown_of_each] for name in order]
    titles = [titles[name] for name in order]
    figures.save(figures.panels(blocks, titles, columns, style), output_dir / "samples", style)
    arrays = {
        f"{key}_{index}": array for index, name in enumerate(order) for key, array in samples[name].items()
    }
    save_arrays(output_dir / "samples.npz", runs=np.array(order), noise=noise, **arrays)


def draw_losses(rows, settings, keys, output_dir, style):
    """The losses against latent_dim, and reconstruction against KL divergence.

    Args:
        rows: of the table.
        settings: what `flat` gives, by run.
        keys: that differ between the runs.
        output_dir: where loss and rate_distortion go.
        style: Style.
    """
    groups = descriptions(settings, keys, "latent_dim")
    drawn = [row for row in rows if known(row, "val_loss")]
    if drawn:
        losses = {
            "validation loss": [row["val_loss"] for row in drawn],
            "validation reconstruction": [row.get("val_reconstruction", math.nan) for row in drawn],
        }
        dims, names = [row["latent_dim"] for row in drawn], [groups[row["run"]] for row in drawn]
        figure = figures.loss_against_latent_dim(dims, losses, names, style)
        figures.save(figure, output_dir / "loss", style)

    drawn = [row for row in rows if known(row, "val_kl") and known(row, "val_reconstruction")]
    if not drawn:
        log.info("no rate-distortion curve: it takes a run with a KL divergence")
        return
    along = next((key for key in ("latent_dim", "beta.value") if key in keys), "latent_dim")
    groups = descriptions({row["run"]: settings[row["run"]] for row in drawn}, keys, along)
    figure = figures.rate_distortion(
        [row["val_kl"] for row in drawn],
        [row["val_reconstruction"] for row in drawn],
        [groups[row["run"]] for row in drawn],
        [shown(row[along]) for row in drawn],
        along,
        style,
    )
    figures.save(figure, output_dir / "rate_distortion", style)


def known(row, name):
    """Whether a row of the table has a finite number of this name."""
    return row.get(name) is not None and math.isfinite(row[name])
