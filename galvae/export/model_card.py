"""The card of a model: what it is, what it was trained on, how good it is and where it ends, for people and for hubs.

A file that model hubs read: YAML between lines of three hyphens, then Markdown. What is not known is said to be so.
"""

import math

import yaml

from galvae.data.conditions import CLASS, classes_among
from galvae.errors import GalvaeError
from galvae.runs.priors import CHOSEN
from galvae.system.citation import bibtex, citation
from galvae.system.safe_read import read_json

NOT_STATED = "not stated"
# Of the datasets that galvae knows: what they are, whence they come, and under which licence where that is known.
SOURCES = {
    "hdf": (
        "galaxies cut from the Hubble eXtreme Deep Field's colour image, which ships with scikit-image",
        "http://hubblesite.org/newscenter/archive/releases/2012/37/image/a/",
        "an image of NASA that, as scikit-image says, may be freely used in the public domain",
    ),
    "galaxy10": (
        "Galaxy10, galaxies of DECaLS or SDSS in ten morphological classes, as astroNN distributes them",
        "https://astronn.readthedocs.io/en/latest/galaxy10.html",
        NOT_STATED,
    ),
    "cosmos": (
        "stamps of HST/ACS galaxies with redshifts; the public COSMOS sample of GalSim unless a file was given",
        "https://zenodo.org/record/3242143",
        NOT_STATED,
    ),
    "simulated": (
        "galaxies drawn by galvae with GalSim from known parameters",
        "drawn again by `galvae prepare dataset=simulated` and the keys of config.yaml",
        "none needed",
    ),
    "mnist": (
        "handwritten digits, no galaxies",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
        NOT_STATED,
    ),
}
SETS = {  # of the physics card, by their keys in its results
    "floor": "other real galaxies: the floor, what a perfect model would reach",
    "decoded": "their own reconstructions",
    "decoded_with_noise": "their own reconstructions, with noise",
    "sampled": "generated galaxies",
    "sampled_with_noise": "generated galaxies, with noise",
}
SCORES = ("mse", "psnr", "ssim", "r2")


def model_card(run, galaxies, report, evaluation, about):
    """The card of a run, as text.

    Args:
        run: TrainedRun.
        galaxies: Galaxies on which it was trained.
        report: content of its data_report.json, or an empty dict.
        evaluation: Evaluation of its present weights, or None.
        about: dict of "name", "licence" and "description", the last two None if they were not given.
    """
    results = {} if evaluation is None else evaluation.results
    front = yaml.safe_dump(_front(run, results, about), sort_keys=False, allow_unicode=True, width=1000)
    sections = {
        f"# {about['name']}": [about["description"] or _what(run, galaxies)],
        "## Model": _model(run, galaxies),
        "## Training data": _data(run, galaxies, report),
        "## How good it is": _numbers(results),
        "## Intended use": [
            "Generating mock galaxies like those of the training data, compressing and comparing images of such "
            "galaxies, and studying what their shapes depend on. It is not made for photometry, nor for any galaxy or "
            "survey unlike the training data."
        ],
        "## Limits": _limits(run, galaxies, results),
        "## How to use": _use(run, galaxies, about["name"]),
        "## How to cite": [f"{citation()}.", f"```bibtex\n{bibtex()}\n```"],
    }
    text = "\n\n".join("\n\n".join([title, *texts]) for title, texts in sections.items())
    return f"---\n{front}---\n\n{text}\n"


def _front(run, results, about):
    """The part that hubs read: https://huggingface.co/docs/hub/model-cards."""
    dataset = run.config.dataset.name
    metrics = [
        {"type": name, "name": label, "value": round(value, 6)}
        for name, label, value in (
            ("w1", "mean W1 of measured properties, generated against real", _number(results, "card.w1")),
            ("w1_floor", "the same of other real galaxies", _number(results, "card.floor.w1")),
            ("auc", "AUC of a classifier, generated against real", _number(results, "card.auc")),
            *((name, f"mean {name} of reconstructions", _score(results, name)) for name in SCORES),
        )
        if value is not None
    ]
    front = {
        "license": about["licence"] or "unknown",
        "library_name": "galvae",
        "pipeline_tag": "unconditional-image-generation",
        "tags": ["astronomy", "galaxies", "morphology", "variational-autoencoder", run.config.model.name],
        "datasets": [dataset],
    }
    if metrics:
        split = {"name": dataset, "type": dataset, "split": str(results.get("split"))}
        task = {"type": "unconditional-image-generation"}
        front["model-index"] = [
            {"name": about["name"], "results": [{"task": task, "dataset": split, "metrics": metrics}]}
        ]
    return front


def _what(run, galaxies):
    condition = f", conditional on {_conditions(run)}" if run.model.condition_dim else ""
    kind = "An autoencoder" if run.config.model.name == "ae" else "A variational autoencoder"
    return f"{kind} of galaxy images{condition}, trained by galvae on {galaxies.name}."


def _model(run, galaxies):
    config, environment, state = run.config, run.directory.environment, run.state
    height, width, bands = run.model.image_shape
    loss = config.reconstruction.loss
    loss = f"{loss}, learned noise: {config.reconstruction.noise}" if loss == "gaussian" else loss
    beta = "" if config.beta.name == "none" else f"; weight of the KL term: {_section(config.beta)}"
    rows = {
        "model": f"{config.model.name}, {run.model.latent_dim} latent dimensions"
        + (f", conditional on {_conditions(run)}" if run.model.condition_dim else ""),
        "images": f"{height} x {width} pixels, {bands} band{'s' * (bands > 1)}{_bands(galaxies)}",
        "network": f"{_section(config.network)}; {run.model.count_params():,} parameters",
        "objective": f"reconstruction: {loss}, weight {config.reconstruction.weight:g}{beta}",
        "training": f"{state.epoch} of {config.epochs} epochs in batches of {config.batch}, learning rate "
        f"{config.learning_rate:g} ({config.schedule.name}), seed {config.seed}; weights of epoch {state.best_epoch}, "
        f"validation loss {state.best_loss:.6g}; status: {run.directory.status}",
        "started from": _start(environment.get("init")),
        "generated from": _prior(run),
        "noise": "none was learned"
        if run.noise is None
        else "learned from residuals, added to generated galaxies",
        "software": f"galvae {environment.get('galvae')}, {config.backend}, {environment.get('precision')} on "
        f"{environment.get('kind')}",
        "weights": f"SHA-256 `{run.weights_digest}`",
    }
    return [_table(rows)]


def _start(init):
    """What the weights were before training, in words."""
    if not isinstance(init, dict):
        return "random weights"
    return f"the weights of epoch {init.get('epoch')} of another run, SHA-256 `{init.get('weights_sha256')}`"


def _data(run, galaxies, report):
    what, where, licence = SOURCES.get(galaxies.name, ("the maker's own images", NOT_STATED, NOT_STATED))
    low, high = run.state.pixel_range
    splits = ", ".join(f"{name} {len(rows):,}" for name, rows in galaxies.splits.items())
    rows = {
        "dataset": f"{galaxies.name}: {what}",
        "source": where,
        "licence of the data": licence,
        "galaxies": f"{len(galaxies.split('all')):,} ({splits})",
        "stored pixels": f"{report.get('dtype', NOT_STATED)}; {low:g} becomes 0 and {high:g} becomes 1, stretch "
        f"{run.state.stretch}",
        "flips and rotations": "at random in training" if run.config.dataset.augment else "none in training",
        "quality check": _findings(report),
    }
    return [_table(rows)]


def _findings(report):
    findings = report.get("findings")
    if not isinstance(findings, dict):
        return NOT_STATED
    return "; ".join(str(one.get("text")) for one in findings.values()) or "nothing found"


def _numbers(results):
    """Tables of the last evaluation, or a line that there is none."""
    if not results:
        return ["Not evaluated: `galvae evaluate run=...` measures how real its galaxies are."]
    texts = []
    rows = [
        f"| {label} | {_with_error(results, f'card.{name}.w1')} | {_with_error(results, f'card.{name}.auc')} |"
        for name, label in SETS.items()
        if _number(results, f"card.{name}.w1") is not None
    ]
    if rows:
        texts += [
            "Measured properties of real galaxies that training has not seen, against those of:",
            "\n".join(["| | mean W1 | AUC of a classifier |", "| --- | --- | --- |", *rows]),
            "W1 is the distance between two distributions in standard deviations of the real one, averaged over "
            "properties; an AUC of 0.5 means that a classifier cannot tell the two sets apart. Errors are those of a "
            f"bootstrap, n = {_number(results, 'card.n') or 0:.0f}.",
        ]
    scores = [
        f"| {name} | {_score(results, name):.4g} | {_number(results, f'scores.{name}.low') or math.nan:.4g} to "
        f"{_number(results, f'scores.{name}.high') or math.nan:.4g} |"
        for name in SCORES
        if _score(results, name) is not None
    ]
    if scores:
        texts += [
            f"Reconstructions of the {results.get('galaxies')} galaxies of the split {results.get('split')}:",
            "\n".join(["| score | mean | 95 % interval |", "| --- | --- | --- |", *scores]),
        ]
    return texts or ["Of its last evaluation no number is known."]


def _limits(run, galaxies, results):
    """What is known of where the model ends, a bullet each."""
    train = len(galaxies.splits["train"])
    texts = [
        f"It has learned from {train:,} galaxies. Any other image is encoded and decoded as if it showed one like "
        "them; `galvae encode` says how many of new galaxies do not.",
        "Its images carry the point spread function, the pixel scale, the noise and the selection of the training "
        "images. Convolving them again blurs twice.",
    ]
    w1, floor = _with_error(results, "card.w1"), _with_error(results, "card.floor.w1")
    if w1 and floor:
        texts.append(
            f"Generated galaxies differ from real ones by a mean W1 of {w1}, other real galaxies by {floor}."
        )
    copies = {name: _number(results, f"memorisation.{name}.share") for name in ("codes", "pixels")}
    for name, share in copies.items():
        expected = _number(results, f"memorisation.{name}.expected")
        if share is not None and expected is not None:
            texts.append(
                f"Of generated galaxies, {100 * share:.1f} % are closer to a training galaxy in {name} than "
                f"{100 * expected:.0f} % of new galaxies are."
            )
    dead = run.directory.metrics.get("dead_dimensions")
    if isinstance(dead, list) and dead:
        texts.append(f"{len(dead)} of {run.model.latent_dim} latent dimensions carry no information.")
    if run.model.condition_dim:
        ranges = ", ".join(
            f"{name} {low:.4g} to {high:.4g}"
            for name, (low, high) in zip(run.state.condition_names, run.state.condition_ranges, strict=True)
            if name in galaxies.condition_numbers and low is not None and high is not None
        )
        if ranges:
            texts.append(
                f"Conditions were seen in these ranges only: {ranges}. Beyond them the model extrapolates."
            )
    if not run.directory.finished:
        texts.append(f"Its training has not finished (status: {run.directory.status}).")
    return ["\n".join(f"- {text}" for text in texts)]


def _use(run, galaxies, name):
    height, width, bands = run.model.image_shape
    program = [
        "```python",
        "import galvae",
        f'run = galvae.open_run("{name}")  # this folder, or its .zip',
        f"images = run.sample(16, seed=0)  # (16, {height}, {width}, {bands}), intensities in [0, 1]",
        "```",
    ]
    commands = f"`galvae info run={name}`, `galvae sample run={name}` and other commands read it too."
    return ["\n".join(program), commands]


def _conditions(run):
    """By what a conditional model is asked for galaxies, in words."""
    classes = f" ({', '.join(classes_among(run.state.condition_names))})"
    return ", ".join(f"{name}{classes * (name == CLASS)}" for name in run.conditions.names)


def _bands(galaxies):
    return f": {', '.join(galaxies.band_names)}" if galaxies.band_names else ""


def _prior(run):
    """The prior from which galaxies are generated, with how well it fits."""
    try:
        label = run.prior().label
    except GalvaeError:  # one that was fitted to other weights
        return "a prior of earlier weights; `galvae prior` fits one anew"
    try:
        chosen = read_json(run.path / "priors" / CHOSEN)
    except GalvaeError:
        return label
    name = chosen.get("chosen")
    w1, own = (_with_error(chosen, path) for path in (f"priors.{name}.w1", "training_codes.w1"))
    return f"{label}; W1 from codes of validation galaxies {w1}, that of training codes themselves {own}"


def _section(section):
    """A section of the configuration in words: its name, and its settings."""
    settings = {key: value for key, value in vars(section).items() if key != "name" and value is not None}
    return ", ".join([section.name, *(f"{key} {value}" for key, value in settings.items())])


def _table(rows):
    cells = (f"| {name} | {str(text).replace('|', '/')} |" for name, text in rows.items())
    return "\n".join(["| | |", "| --- | --- |", *cells])


def _score(results, name):
    return _number(results, f"scores.{name}.mean")


def _number(values, path):
    """A finite number in nested dicts, by its dotted name; None where there is none."""
    for key in path.split("."):
        values = values.get(key) if isinstance(values, dict) else None
    is_number = isinstance(values, int | float) and not isinstance(values, bool) and math.isfinite(values)
    return float(values) if is_number else None


def _with_error(values, path):
    """A number with its error in words; empty where there is none."""
    number, error = _number(values, path), _number(values, f"{path}_error")
    if number is None:
        return ""
    return f"{number:.3f}" if error is None else f"{number:.3f} ± {error:.3f}"
