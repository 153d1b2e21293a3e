"""Changed config.yaml files of a run: other values, keys and characters, and special features of YAML."""

import copy

import yaml
from hypothesis import strategies as st

from fuzzing import draw_cases, schema
from fuzzing.overrides import SPECIAL
from fuzzing.runs import Runs

State = {}
TEXTS = (
    *(
        "",
        "\ufeff",
        "\0",
        "\t",
        "- 1\n",
        "--- \n---\n",
        "...",
        "null",
        "epochs",
        "%YAML 9.9\n---\na: 1\n",
        "[" * 99_000,
    ),
    *(
        "{a: " * 40_000,
        "- " * 60_000,
        "? " * 60_000,
        "a: " * 60_000,
        "'" * 99_999,
        "a: |\n" + " x\n" * 33_000,
    ),
    *(
        "[" + "1," * 49_000 + "]",
        "x" * 10_000_000,
        "\n" * 150_000,
        "!" * 99_999,
        "&a " * 40_000,
        "*a",
        "!!binary x\n",
    ),
    # Nine levels of nine aliases each, which would expand to almost a billion entries.
    "a0: &a0 [1]\n" + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)),
    *(
        "!!python/object/apply:os.system [touch /tmp/galvae-fuzz-was-here]",
        "!!python/name:os.system",
        "!!set {a, b}",
    ),
)
SNIPPETS = (
    *(
        "&a ",
        "*a",
        "!!python/object/apply:os.abort []",
        "!!str ",
        "!!int 3",
        "!!float 1",
        "!!bool x",
        "!!timestamp x",
    ),
    *(
        "<<: {epochs: 3}\n",
        "<<: *a\n",
        "${oc.env:HOME}",
        "${epochs}",
        "\t",
        "\r\n",
        "\0",
        "\x07",
        "\u2028",
        "\ufeff",
    ),
    *(
        "#",
        ": ",
        "- ",
        "? ",
        "| ",
        "> ",
        "[",
        "]",
        "{",
        "}",
        ",",
        "'",
        '"',
        "\\",
        "%",
        "@",
        "`",
        "---\n",
        "...\n",
    ),
    *(
        "epochs: 3\n",
        "seed: 1\n",
        "format_version: 99\n",
        "_target_: os.abort\n",
        "dataset: 3\n",
        "\n",
        " ",
        "é",
        "銀",
    ),
)
VALUES = st.one_of(
    st.sampled_from(
        [True, False, None, "8", "", "???", "auto", "..", "../x", "/etc/passwd", "a\0b", "x" * 5000]
    ),
    st.sampled_from([8.0, 1e400, -1e400, float("nan"), -0.0, 10**9, 2**63, -(2**63), 10**400, 0, -1, 1e-300]),
    st.sampled_from(
        [[], {}, [[]], [1], [None], {"a": 1}, {"name": "vae"}, {"_target_": "os.abort"}, [1] * 3000]
    ),
    st.sampled_from([text for text in SPECIAL if "\udcff" not in text]),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        ["cvae", "ae", "vae", "beta_vae", "slim", "dcgan", "conv", "hdf", "warmup", "none", "jax", "bce"]
    ),
)
positions = st.integers(0, 10**6)
mutations = st.one_of(
    st.tuples(st.just("value"), positions, VALUES),
    st.tuples(st.just("value"), positions, VALUES),
    st.tuples(st.just("edge"), positions, positions),
    st.tuples(st.sampled_from(["without", "line repeated", "line removed", "character removed"]), positions),
    st.tuples(
        st.just("key"),
        positions,
        st.one_of(st.sampled_from(["format", "version", "_target_", "x"]), st.text()),
        VALUES,
    ),
    st.tuples(st.just("rename"), positions, st.text(max_size=5)),
    st.tuples(st.just("snippet"), positions, st.sampled_from(SNIPPETS)),
    st.tuples(st.just("bytes"), positions, st.binary(min_size=1, max_size=4)),
    st.tuples(st.just("encoding"), st.sampled_from(["utf-16", "utf-16-le", "utf-32", "utf-8-sig", "utf-7"])),
    st.tuples(st.just("text"), st.sampled_from(TEXTS)),
)

strategy = st.lists(mutations, min_size=1, max_size=3)


def cases(count, seed):
    """Draws lists of one to three mutations."""
    return draw_cases(strategy, count, seed)


def prepare(folder):
    """Creates the runs."""
    prepare_with(Runs(folder))


def prepare_with(runs):
    """Uses existing runs.

    Args:
        runs: Runs.
    """
    from galvae.config.check import read_config, to_dict

    path = runs.a / "config.yaml"
    State.update(runs=runs, values=to_dict(read_config(path)), text=path.read_text())


def leaves(section, prefix=()):
    """Yields (keys, value) of every value and every section of a nested dict."""
    for key, value in section.items():
        yield (*prefix, key), value
        if isinstance(value, dict):
            yield from leaves(value, (*prefix, key))


def mutated(text, mutation):
    """Applies one mutation to the content of a config.yaml.

    Args:
        text: content of the file as bytes.
        mutation: tuple of the kind and its parameters, see `mutations`.

    Returns:
        The changed content as bytes.
    """
    kind, position, *more = mutation
    if kind == "text":
        return position.encode()
    if kind == "encoding":
        return text.decode("utf-8", "replace").encode(position, "replace")
    if kind == "bytes":
        position %= len(text) + 1
        return text[:position] + more[0] + text[position + len(more[0]) :]
    if kind in ("value", "edge", "without", "key", "rename"):
        try:
            values = copy.deepcopy(yaml.safe_load(text))
            entries = list(leaves(values))
            keys, _ = entries[position % len(entries)]
        except (yaml.YAMLError, ValueError, AttributeError, ZeroDivisionError, RecursionError, KeyError):
            return text  # an earlier mutation left nothing that can be read as a configuration
        section = values
        for key in keys[:-1]:
            section = section[key]
        if kind == "value":
            section[keys[-1]] = more[0]
        elif kind == "edge":
            boundaries = schema.boundary_values(State["schema"], ".".join(map(str, keys)))
            section[keys[-1]] = schema.parse(boundaries[more[0] % len(boundaries)])
        elif kind == "without":
            del section[keys[-1]]
        elif kind == "rename":
            section[more[0]] = section.pop(keys[-1])
        else:
            section[more[0]] = more[1]
        return yaml.safe_dump(values, sort_keys=False).encode("utf-8", "surrogatepass")
    lines = text.decode("utf-8", "replace").splitlines(keepends=True) or [""]
    position %= len(lines)
    if kind == "line repeated":
        lines.insert(position, lines[position])
    elif kind == "line removed":
        del lines[position]
    elif kind == "character removed":
        lines[position] = lines[position][:-2] + "\n"
    else:
        lines.insert(position, more[0])
    return "".join(lines).encode("utf-8", "surrogatepass")


def check(case):
    """Reads a run with a changed config.yaml; returns the outcome and a text."""
    from galvae.config.check import to_dict
    from galvae.config.train import TrainConfig
    from galvae.errors import GalvaeError
    from galvae.runs.directory import RunDirectory

    State["schema"] = TrainConfig
    text = State["text"].encode()
    for mutation in case:
        text = mutated(text, mutation)
    runs = State["runs"]
    path = runs.copy / "config.yaml"
    path.write_bytes(text)
    try:
        outcome, message = runs.read_copy()
        if outcome == "wrong" and not message.startswith("config: "):
            return outcome, message
        try:
            config = RunDirectory.open(runs.copy).config
        except GalvaeError:
            return outcome, message
        bad_keys = schema.invalid_keys(config) + differing_keys(config, yaml.safe_load(text))
        if bad_keys:
            return "wrong", f"accepted: {bad_keys}"
        if outcome == "refused":
            return outcome, message  # a valid configuration, but not that of the weights
        same_model = all(
            to_dict(config)[name] == State["values"][name] for name in State["values"] if name != "dataset"
        )
        return ("clean" if outcome == "clean" or same_model else "wrong"), message
    finally:
        path.write_text(State["text"])


def differing_keys(config, values):
    """Describes the keys of an accepted configuration whose values differ from those in the file."""
    from galvae.config.check import to_dict

    expected = schema.later_keys(config) | dict(leaves(values))
    return [
        f"{keys}: {value!r} instead of {expected.get(keys)!r}"
        for keys, value in leaves(to_dict(config))
        if not isinstance(value, dict) and not schema.matches(value, expected.get(keys, "missing"), keys[-1])
    ]
