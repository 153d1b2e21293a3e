"""What a run, a bundle or the cache is, in about ten lines; without Keras, so that it takes no time."""

import json
import re
from pathlib import Path

from galvae.config.model import ConditionalConfig
from galvae.data.conditions import classes_among
from galvae.data.splits import read_splits
from galvae.data.store.cache import is_cache
from galvae.data.store.contents import entry_facts, is_entry, is_part
from galvae.errors import GalvaeError, byte_counts, printable
from galvae.runs import bundles, checkpoints
from galvae.runs.directory import RunDirectory
from galvae.runs.evaluations import card_numbers, evaluated_epoch
from galvae.runs.find import is_bundle, is_zip
from galvae.system.safe_read import read_json, read_npz, weights_metadata

LABEL = 11  # characters of a line's label
RESULTS = ("evaluate", "sample", "traverse", "umap", "explore", "neighbors", "anomalies", "prior", "export")
LARGEST = 3  # parts whose sizes are listed


def describe(path):
    """What a run, a bundle or an entry of the cache is.

    Args:
        path: path of its directory, of a bundle's .zip file, or "latest".

    Returns:
        (lines, path): lines of text, and the path of what they describe.

    Raises:
        GalvaeError: if it is none of these, or damaged.
    """
    path = Path(path)
    if is_entry(path):
        return [*map(_line, entry_facts(path)), _line(("size", _sizes(path)))], path
    if is_cache(path):
        entries = [folder for folder in sorted(path.iterdir()) if is_entry(folder)]
        facts = [
            (
                "what",
                f"a cache folder with {len(entries)} entries, each of which galvae prepares again if it goes",
            )
        ]
        facts += [
            (folder.name, dict(entry_facts(folder))["images"]) for folder in entries if not is_part(folder)
        ]
        if parts := sum(map(is_part, entries)):
            facts.append(
                ("parts", f"{parts:,} of the entries, each with the images of one file of a dataset")
            )
        return [_line(pair) for pair in [*facts, ("size", _sizes(path))]], path
    run = RunDirectory.open(path)
    shown = path if is_zip(path) else run.path
    return [_line(pair) for pair in _facts(run, shown)], shown


def _line(pair):
    name, text = pair
    return printable(f"{name:{LABEL - 1}} {text}")


def _facts(run, shown):
    """What a run is, as pairs of a name and a text."""
    yield "what", _what(run, shown)
    found = run.checkpoint()
    if found is None:
        yield "training", f"{run.status}, no checkpoint yet"
        yield "next", f"galvae train resume={shown}"
        return
    checkpoint, state = found
    weights = checkpoints.weights_digest(checkpoint)
    config, shape = run.config, "x".join(map(str, state.image_shape))
    conditional = isinstance(config.model, ConditionalConfig)
    asked = f", conditional on {_conditions(state)}"
    yield (
        "model",
        f"{config.model.name} of {config.latent_dim} latents, {config.network.name}, {shape}{asked * conditional}",
    )
    yield "dataset", _dataset(run, state)
    yield "training", _training(run, state)
    yield "kept", _kept(run, state, weights)
    yield "card", _card(run, state, weights)
    if not is_bundle(run.path):
        yield "results", _results(run.path)
    yield "size", _sizes(run.path)
    yield "next", _next(run, shown)


def _what(run, shown):
    if not is_bundle(run.path):
        return f"a run of galvae {run.environment.get('galvae')}"
    listed = bundles.manifest(run.path)
    galaxies = "with its galaxies' ids and codes" if listed.get("galaxies") else "without its galaxies"
    kind = "a bundle as .zip file" if is_zip(shown) else "a bundle"
    return f"{kind} of galvae {listed.get('galvae')}, {galaxies}; {len(listed['files'])} files, as they were written"


def _conditions(state):
    """Conditions in words: the classes, and numbers with their ranges."""
    classes = classes_among(state.condition_names)
    texts = [f"class ({', '.join(classes)})"] if classes else []
    for name, (low, high) in list(zip(state.condition_names, state.condition_ranges, strict=True))[
        len(classes) :
    ]:
        texts.append(name if low is None or high is None else f"{name} {low:.4g} to {high:.4g}")
    return ", ".join(texts)


def _dataset(run, state):
    section, (low, high) = run.config.dataset, state.pixel_range
    try:
        splits = read_splits(run.path / "split.npz")
        count = sum(map(len, splits.values()))
        by = "" if section.split_by is None else f" by the hash of {section.split_by}"
        sizes = (
            f"{count:,} galaxies ({', '.join(f'{name} {len(rows):,}' for name, rows in splits.items())}{by})"
        )
    except GalvaeError:
        sizes = "galaxies in unknown splits"
    stretch = "" if state.stretch == "none" else f", stretch {state.stretch}"
    path, where = getattr(section, "path", None), ""
    if path is not None:
        there = "" if Path(path).exists() else " (not there)"
        where = f"; {Path(path).name}, not part of it" if is_bundle(run.path) else f"; {path}{there}"
    return f"{section.name}: {sizes}, pixels {low:g} to {high:g}{stretch}{where}"


def _training(run, state):
    epochs = f"{run.status}, epoch {state.epoch} of {run.config.epochs}"
    best = f"best {state.best_epoch} with validation loss {state.best_loss:.6g}"
    environment = run.environment
    return (
        f"{epochs}, {best}; {run.config.backend}, {environment.get('precision')} on {environment.get('kind')}"
    )


def _kept(run, state, weights):
    """What is kept with the run, and whether it belongs to its present weights."""
    identity = {"weights": weights, "dataset": state.dataset_sha256}
    parts = [
        f"codes of {path.stem}{_codes_mark(run, path, weights)}"
        for path in sorted(run.path.glob("codes/*.npz"))
    ]
    for path in sorted(run.path.glob("noise/*.safetensors")):
        parts.append(f"noise{_fitted_mark(path, identity)}")
    priors = sorted(run.path.glob("priors/*/prior.safetensors"))
    if priors:
        names = ", ".join(f"{path.parent.name}{_fitted_mark(path, identity)}" for path in priors)
        parts.append(f"priors {names} (chosen: {_chosen(run.path)})")
    for path in sorted(run.path.glob("reference/*.safetensors")):
        parts.append(f"reference of what is like its galaxies{_fitted_mark(path, identity)}")
    for path in sorted(run.path.glob("axes/*.safetensors")):
        parts.append(f"names of the latent axes{_fitted_mark(path, identity)}")
    if [*run.path.glob("umap*/embedding.npz"), *run.path.glob("explore*/embedding.npz")]:
        parts.append("UMAP embedding")
    if (run.path / "galaxies.safetensors").is_file():
        parts.append("galaxies without images")
    return "; ".join(parts) or "nothing"


def _chosen(path):
    try:
        return read_json(path / "priors" / "chosen.json").get("chosen")
    except GalvaeError:
        return "none"


def _fitted_mark(path, identity):
    try:
        return "" if json.loads(weights_metadata(path)["identity"]) == identity else " (old)"
    except (GalvaeError, ValueError, KeyError):
        return " (damaged)"


def _codes_mark(run, path, weights):
    names = ["identity", "indices", "mean", *(["log_variance"] if run.config.model.name != "ae" else [])]
    try:
        return "" if json.loads(str(read_npz(path, names)["identity"]))["weights"] == weights else " (old)"
    except (GalvaeError, ValueError, KeyError, TypeError):
        return " (damaged)"


def _card(run, state, weights):
    numbers = card_numbers(run.path, state.best_epoch, weights)
    evaluated = evaluated_epoch(run.path, state.best_epoch, weights)
    if "card.w1" not in numbers:
        return "not evaluated" if evaluated is None else f"none; evaluated: {evaluated}"
    texts = []
    for name, label in (("w1", "mean W1"), ("auc", "AUC")):
        if f"card.{name}" in numbers:
            error, floor = numbers.get(f"card.{name}_error"), numbers.get(f"card.floor.{name}")
            text = f"{label} {numbers[f'card.{name}']:.3f}"
            text += "" if error is None else f" ± {error:.3f}"
            texts.append(text + ("" if floor is None else f" (floor {floor:.3f})"))
    return f"{', '.join(texts)}; evaluated: {evaluated}"


def _results(path):
    """Names of the folders with results, as they are in the run's directory."""
    pattern = re.compile(rf"({'|'.join(RESULTS)})(-\d+)?")
    names = [folder.name for folder in path.iterdir() if folder.is_dir() and pattern.fullmatch(folder.name)]
    names += [f"encode/{folder.name}" for folder in path.glob("encode/*") if folder.is_dir()]
    return ", ".join(sorted(names)) or "none yet"


def _sizes(path):
    """The size of a directory, and of its largest parts."""
    sizes = {}
    for file in path.rglob("*"):
        if file.is_file() and not file.is_symlink():
            part = file.relative_to(path).parts[0]
            sizes[part] = sizes.get(part, 0) + file.stat().st_size
    largest = sorted(sizes, key=sizes.get, reverse=True)[:LARGEST]
    parts = ", ".join(f"{name} {byte_counts(sizes[name])[0]}" for name in largest)
    return f"{byte_counts(sum(sizes.values()))[0]}: {parts}"


def _next(run, shown):
    if is_bundle(run.path):
        return f"galvae sample run={shown}; more of it: card.md"
    if not run.finished:
        return f"galvae train resume={shown}"
    return (
        f"galvae sample run={shown}, or evaluate, traverse, explore; galvae export run={shown} gives it away"
    )
