import dataclasses
import math

import pytest
import yaml
from builders.configs import composed, train_command, train_config

from galvae.config.check import flatten, from_dict, read_config, to_dict, write_config
from galvae.config.defaults import CONF
from galvae.config.fields import absolute
from galvae.config.registry import COMMANDS, GROUPS
from galvae.config.train import TrainCommand
from galvae.errors import GalvaeError


def test_defaults_of_train_are_those_that_the_readme_promises():
    config = train_config()
    assert (config.dataset.name, config.model.name, config.network.name) == ("hdf", "vae", "conv")
    assert (config.latent_dim, config.beta.name, config.beta.value) == (32, "constant", 1.0)
    assert (config.reconstruction.loss, config.reconstruction.noise, config.prior) == (
        "gaussian",
        "covariance",
        "auto",
    )
    assert (config.epochs, config.batch) == (300, 128)
    assert config.dataset.split == [0.8, 0.1, 0.1]
    assert config == train_config("experiment=hdf_recommended")


@pytest.mark.parametrize("group", GROUPS)
def test_every_choice_of_a_group_has_a_file_and_composes(group):
    files = {file.stem for file in (CONF / group).glob("*.yaml")}
    assert set(GROUPS[group]) <= files
    given = {"files": ["dataset.path=x"], "per_epoch": ["beta.values=[0.5]"], "none": ["model=ae"]}
    for choice in sorted(files):
        config = train_config(f"{group}={choice}", *given.get(choice, []))
        if group != "network":
            assert getattr(config, group).name == choice


def test_every_key_has_a_value_in_conf_and_the_other_way_round():
    assert to_dict(train_command()) == {**composed("train"), "dataset": to_dict(train_command().dataset)}


@pytest.mark.parametrize("experiment", sorted(file.stem for file in (CONF / "experiment").glob("*.yaml")))
def test_every_experiment_composes_and_opens_with_its_command(experiment):
    text = (CONF / "experiment" / f"{experiment}.yaml").read_text()
    assert f"# command   galvae train experiment={experiment}" in text
    assert "# time " in text
    assert "# expect " in text
    train_config(f"experiment={experiment}")


def test_the_blogs_experiment_has_the_blogs_settings_and_the_command_line_wins():
    config = train_config("experiment=galaxy10_blog", "latent_dim=16")
    assert (config.dataset.name, config.dataset.image_size, config.dataset.augment) == (
        "galaxy10",
        128,
        False,
    )
    assert (config.latent_dim, config.epochs, config.batch, config.learning_rate) == (16, 300, 128, 1e-3)
    assert (config.schedule.name, config.schedule.warmup) == ("constant", 0)
    assert (config.reconstruction.loss, config.reconstruction.weight) == ("bce", 1)
    assert (config.network.initializer, config.network.output_bias) == ("glorot", "zero")
    assert (config.model.name, config.beta.value) == ("vae", 1)


def test_beta_vae_has_its_own_beta_and_the_command_line_wins():
    assert train_config("model=beta_vae").beta.value == 0.1
    assert train_config("model=beta_vae", "beta=warmup").beta.value == 0.1
    assert train_config("model=beta_vae", "beta.value=0.5").beta.value == 0.5


@pytest.mark.parametrize(
    ("command", "key", "alias", "value"),
    [
        ("sample", "condition", "redshift", [0.5]),
        ("traverse", "condition", "redshift", 0.5),
        ("traverse", "conditions", "redshifts", [0.1, 2.0]),
    ],
)
def test_redshift_is_an_alias_of_condition(command, key, alias, value):
    def config(**given):
        return from_dict(COMMANDS[command], {**composed(command), "run": "x", **given})

    assert getattr(config(), key) is None
    assert getattr(config(**{key: value}), key) == value
    assert getattr(config(**{key: value}), alias) is None
    meant = {"redshift": value} if key == "condition" else value  # which need not be the first condition
    assert getattr(config(**{alias: value}), key) == meant
    assert getattr(config(**{alias: value}), alias) == value  # so that the command can refuse it
    with pytest.raises(GalvaeError, match=f"^{key}, {alias}: expected one of them, received both$"):
        config(**{key: value, alias: value})


@pytest.mark.parametrize(
    "value", [0.5, "Edge-on", [0.5, 3.0], ["Edge-on", 3.0], {"class": "Edge-on", "redshift": [0.1, 2.0]}]
)
def test_a_condition_is_a_number_a_name_a_list_or_a_mapping(value):
    def config(value):
        return from_dict(COMMANDS["sample"], {**composed("sample"), "run": "x", "condition": value})

    assert config(value).condition == value and config({3: 1}).condition == {"3": 1.0}
    for wrong in ([[1]], {"class": {"a": 1}}, True, "", {"class": None}):
        with pytest.raises(
            GalvaeError, match=r"^condition: expected number or text or list of .* or mapping"
        ):
            config(wrong)


@pytest.mark.parametrize("key", ["condition", "redshift"])
def test_a_condition_is_not_empty(key):
    for empty in [[], *([{}, {"class": []}] if key == "condition" else [])]:
        with pytest.raises(GalvaeError, match=f"^{key}: expected at least one value or null, received"):
            from_dict(COMMANDS["sample"], {**composed("sample"), "run": "x", key: empty})


@pytest.mark.parametrize("key", ["conditions", "redshifts"])
def test_a_walk_along_a_condition_has_two_ends(key):
    with pytest.raises(GalvaeError, match=rf"^{key}: expected two numbers, as \[0,2.5\], received \[1.0\]"):
        from_dict(COMMANDS["traverse"], {**composed("traverse"), "run": "x", key: [1.0]})


def test_every_key_has_a_meaning_that_stands_alone():
    """A phrase, not a fragment such as "of Keras"."""
    fragments = ("of ", "and ", "as ", "at ", "when ", "then ", "so ")

    def meanings(schema):
        for field in dataclasses.fields(schema):
            yield field.metadata["meaning"]
            if dataclasses.is_dataclass(field.type):
                yield from meanings(field.type)

    schemas = [*COMMANDS.values(), *(schema for group in GROUPS.values() for schema in group.values())]
    for meaning in (text for schema in schemas for text in meanings(schema)):
        assert len(meaning.split()) > 1, meaning
        assert not meaning.startswith(fragments), meaning


def test_paths_are_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = train_config("dataset=galaxy10", "dataset.path=a/b.h5", "dataset.cache_dir=c")
    assert config.dataset.path == str(tmp_path / "a" / "b.h5")
    assert config.dataset.cache_dir == str(tmp_path / "c")
    assert absolute("~/x").endswith("/x")
    assert "~" not in absolute("~/x")


def changed(key, value):
    values = composed("train")
    section = values
    *path, last = key.split(".")
    for name in path:
        section = section[name]
    section[last] = value
    return values


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("epochs", 0, "epochs: expected integer, at least 1 and at most 1000000, received 0"),
        ("epochs", 2.5, "epochs: expected integer, at least 1 and at most 1000000, received 2.5"),
        ("epochs", "3", "received '3'"),
        ("epochs", True, "received True"),
        ("epochs", None, "received None"),
        ("latent_dim", 0, "latent_dim: expected integer, at least 1 and at most 65536, received 0"),
        ("latent_dim", 257, "expected at most 256"),
        ("learning_rate", 0, "learning_rate: expected number, above 0, received 0"),
        ("learning_rate", math.nan, "received nan"),
        ("learning_rate", math.inf, "received inf"),
        ("precision", "float16", "expected auto or float32 or bfloat16, received 'float16'"),
        ("checkpoint.every", "often", "expected auto or a number"),
        ("checkpoint.every", 0, "checkpoint.every: expected"),
        ("dataset.split", [1, 0, 0], "dataset.split: expected list of numbers, above 0"),
        ("dataset.split", [0.5, 0.3, 0.1], "sum to 1"),
        ("dataset.split", "abc", "received 'abc'"),
        ("dataset.image_size", 4, "dataset.image_size: expected integer, at least 8"),
        ("dataset.image_size", None, "expected at most 512 pixels for hdf, received null"),
        ("dataset.name", "nix", "dataset.name: expected hdf or galaxy10 or hst or"),
        ("dataset", 3, "dataset: expected keys and values, received 3"),
        ("network.filters", [], "at least one entry"),
        ("network.filters", [32, "a"], "network.filters: expected list of integers"),
        ("beta.value", -1.0, "beta.value: expected number, at least 0"),
        ("beta.valeu", 1.0, "beta.valeu: unknown key; did you mean value?"),
        ("latent", 3, "latent: unknown key; did you mean latent_dim?"),
        ("latent_dim", "???", "latent_dim: missing; expected number of latent dimensions"),
    ],
)
def test_mistakes_name_key_expectation_and_value(key, value, message):
    with pytest.raises(GalvaeError) as error:
        from_dict(TrainCommand, changed(key, value))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("epochs", [1, 1_000_000]),
        ("latent_dim", [1, 256]),  # as many as the network is wide
        ("seed", [0, 2**31 - 1]),
        ("schedule.warmup", [0.0, 0.5]),
        ("dataset.image_size", [8, 512]),
        ("dataset.split", [[0.5, 0.25, 0.25], [0.98, 0.01, 0.0100001]]),
    ],
)
def test_the_bounds_of_a_range_belong_to_it(key, values):
    for value in values:
        found = flatten(from_dict(TrainCommand, changed(key, value)))
        assert (found[key], type(found[key])) == (value, type(value))


def test_a_cycle_of_beta_has_two_epochs_or_more():
    config = train_config("beta=cyclical", "beta.cycles=3", "epochs=6")
    assert (config.beta.cycles, config.epochs) == (3, 6)
    with pytest.raises(
        GalvaeError, match=r"^beta.cycles: expected at least two .* received 3 cycles in 5 epochs$"
    ):
        train_config("beta=cyclical", "beta.cycles=3", "epochs=5")


def test_integers_are_accepted_where_numbers_are():
    assert from_dict(TrainCommand, changed("learning_rate", 1)).learning_rate == 1.0


def test_ae_refuses_beta_and_the_others_need_it():
    with pytest.raises(GalvaeError, match="received beta=warmup"):
        train_config("model=ae", "beta=warmup")
    with pytest.raises(GalvaeError, match="received none"):
        train_config("model=vae", "beta=none")


def test_more_values_of_beta_than_epochs_are_refused():
    with pytest.raises(GalvaeError, match=r"beta\.values: .*expected at most 1, received 2"):
        train_config("beta=per_epoch", "beta.values=[0,0.3]", "epochs=1")


def test_config_survives_the_way_to_disk_and_back(tmp_path):
    for overrides in (["model=ae"], ["beta=per_epoch", "beta.values=[0,1e-5]", "learning_rate=1e-4"]):
        config = train_config(*overrides)
        write_config(config, tmp_path / "config.yaml")
        assert read_config(tmp_path / "config.yaml") == config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &x 1\nb: *x\n", "an alias, an anchor or a tag"),
        ("a: ${oc.env:HOME}\n", "an interpolation"),
        ("a: !!python/object/apply:os.system ['true']\n", "an alias, an anchor or a tag"),
        ("<<: {epochs: 3}\n", "the key '<<' twice, or merged"),
        ("epochs: 3\nseed: 0\nepochs: 4\n", "the key 'epochs' twice"),
        ("a: 2026-99-99\n", "not a configuration"),
        ("a: " + "9" * 5000, "not a configuration"),
        ("[" * 99_000, "more than 8 levels"),
        ("{a: " * 24_000, "more than 8 levels"),
        ('dataset: "a\\0b"\n', "expected keys and values, received 'a\\x00b'"),
        ('"\\e[2J\\u202e": 1\n', r"\x1b[2J\u202e: unknown key"),
        ("a: [1\n", "not a configuration"),
        ("- 1\n", "expected keys and values"),
        ("", "expected keys and values"),
        ("a: 1\n", "a: unknown key"),
        ("x" * 100_001, "100001 bytes, more than 100000"),
        ("\ufeff\x00", "not a configuration"),
    ],
)
def test_a_hostile_or_broken_config_is_one_line(tmp_path, text, message):
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(GalvaeError) as error:
        read_config(path)
    assert message in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_swapped_types_in_a_runs_config_are_refused(tmp_path):
    values = to_dict(train_config())
    for key, value in (("latent_dim", "8"), ("seed", True), ("epochs", 3.0), ("backend", 1)):
        (tmp_path / "config.yaml").write_text(yaml.safe_dump({**values, key: value}))
        with pytest.raises(GalvaeError, match=f"{key}: expected"):
            read_config(tmp_path / "config.yaml")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_primary_config(command):
    assert (CONF / f"{command}.yaml").is_file()
    assert COMMANDS[command].__doc__.endswith(".")
