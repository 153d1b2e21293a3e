"""The configuration of every experiment is the recorded one, however conf/ divides it into recipes and groups."""

import json
from pathlib import Path

import pytest
from builders.configs import composed, train_config
from hydra import compose, initialize_config_dir

from galvae.config.defaults import CONF

# Recorded before the recipes existed; keys that came later were added.
RECORDED = json.loads((Path(__file__).parent / "experiments.json").read_text(encoding="utf-8"))


def names(group):
    return sorted(file.stem for file in (CONF / group).glob("*.yaml"))


def test_all_experiments_are_recorded():
    assert names("experiment") == sorted(RECORDED)


@pytest.mark.parametrize("experiment", RECORDED)
def test_an_experiment_has_its_recorded_values(experiment):
    assert composed("train", f"experiment={experiment}") == RECORDED[experiment]


def test_the_blogs_sweep_is_a_sweep():
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", ["experiment=galaxy10_blog_sweep"], return_hydra_config=True).hydra
    assert (config.mode.name, config.sweeper.params) == ("MULTIRUN", {"latent_dim": "2,4,8,16"})


@pytest.mark.parametrize("recipe", names("recipe"))
def test_a_recipe_can_be_used_with_another_dataset(recipe):
    config = train_config(f"recipe={recipe}", "dataset=files", "dataset.path=x.npy", "batch=7")
    assert (config.dataset.name, config.batch) == ("files", 7)
    assert config.network.name == {"blog": "conv", "recommended": "slim", "vae_project": "dcgan"}[recipe]
