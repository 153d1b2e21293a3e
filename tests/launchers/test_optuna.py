"""hydra/sweeper=optuna: search spaces, studies that are interrupted, trials that fail, and what is compared.

Trials train nothing, except in the slow tests: their losses are a known function of their keys.
"""

import csv
import dataclasses
import fcntl
import importlib
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import optuna
import pytest
from builders.configs import SMALL
from builders.galaxies import ellipses

import galvae.cli.application  # noqa: F401  (makes hydra_plugins importable)
import galvae.commands.train as train_command
from galvae.analysis import objective
from galvae.analysis.evaluators import card
from galvae.errors import CannotBeDone, GalvaeError, TrainingDiverged
from galvae.runs.search import (
    NUMBERS,
    RECORD,
    NotMeasured,
    SearchRecord,
    card_of,
    number_at,
    read_trial,
    trial_word,
)
from galvae.runs.study import JOURNAL, open_storage
from galvae.runs.trained_run import TrainedRun
from galvae.system.atomic import save_json
from galvae.system.signals import Stopped
from galvae.training.pruning import Pruned, pruning

plugins = [
    importlib.import_module(f"hydra_plugins.{name}") for name in ("optuna", "_search", "_space", "_study")
]
sweeping, searching, spaces, studies = plugins

KEYS = {
    "trials": 20,
    "objective": "val_loss",
    "sampler": "tpe",
    "seed": 0,
    "startup": 10,
    "pruner": "none",
    **dict.fromkeys(("direction", "grace", "storage", "study", "params")),
}
ANYWHERE = ("-m", "hydra/sweeper=optuna", "hydra.sweeper.startup=2")
SEARCH = (*ANYWHERE, "hydra.sweep.dir=search")
SPACE = ("latent_dim=choice(2,3,4)", "learning_rate=tag(log,interval(1e-4,1e-2))")
MINUTE = 60  # seconds


def loss_of(config):
    """The validation loss of a trial that trains nothing: smallest at latent_dim=3, learning_rate=1e-3."""
    return 100 + (config.latent_dim - 3) ** 2 + (math.log10(config.learning_rate) + 3) ** 2


@pytest.fixture
def calls(monkeypatch):
    """Replaces the training of trials; yields what it was called with, and `instead`, exceptions that it raises."""

    class Calls(list):
        instead = {}
        metrics = {}
        measured = {}

    calls = Calls()

    def main(config, output_dir):
        calls.append((config.latent_dim, config.learning_rate, output_dir.name))
        if len(calls) in calls.instead:
            error = calls.instead[len(calls)]
            if isinstance(error, TrainingDiverged):
                (output_dir / "metrics.json").write_text('{"status": "diverged"}')
            raise error
        metrics = {"status": "finished", "val_loss": loss_of(config), "val_kl": float(config.latent_dim)}
        (output_dir / "metrics.json").write_text(json.dumps(metrics | calls.metrics))
        (output_dir / "config.yaml").touch()  # so that it is a run, which may be resumed
        if len(calls) in calls.measured:
            save_json(output_dir / NUMBERS, calls.measured[len(calls)])

    monkeypatch.setattr(train_command, "main", main)
    return calls


def table(folder="search"):
    """Rows of trials.csv, as dicts."""
    with open(Path(folder) / "trials.csv", newline="") as file:
        return list(csv.DictReader(file))


def space(*words):
    """The search space of some words, as text by key, and what is fixed."""
    found, fixed = spaces.read_space(list(words), None)
    return {key: spaces.describe(one) for key, one in found.items()}, fixed


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("choice(8,16,8)", "choice(8,16)"),
        ("8,'a b',[1,2]", "choice(8,'a b',[1,2])"),
        ("range(1,10)", "int from 1 to 9"),  # as in a sweep, whose ranges end before their last number
        ("range(1,10,4)", "int from 1 to 9, step 4"),
        ("range(10,1,-4)", "int from 2 to 10, step 4"),
        ("range(0,1,0.1)", "float from 0.0 to 0.9, step 0.1"),
        ("range(0.5,3)", "float from 0.5 to 2.5, step 1"),
        ("interval(1,4)", "float from 1.0 to 4.0"),
        ("int(interval(1,4))", "int from 1 to 4"),
        ("tag(log,int,interval(1,64))", "int from 1 to 64, log"),
        ("tag(log,interval(1e-4,1e-2))", "float from 0.0001 to 0.01, log"),
    ],
)
def test_search_spaces_are_those_of_hydras_grammar(values, expected):
    assert space("batch=4", f"key={values}", "batch=8") == ({"key": expected}, {"batch": "8"})


def test_points_of_a_space_are_counted():
    words = ["a=1,2", "b=range(1,10,4)", "c=int(interval(1,4))", "d=range(0,1,0.1)"]
    assert spaces.points(spaces.read_space(words, None)[0]) == 2 * 3 * 4 * 10
    assert spaces.points(spaces.read_space([*words, "e=interval(0,1)"], None)[0]) == math.inf


def test_the_last_word_for_a_key_counts():
    assert space("a=1,2", "b=1,2", "a=5") == ({"b": "choice(1,2)"}, {"a": "5"})


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("a=3", "a key with several values"),
        ("a=tag(x,interval(1,2))", "a: expected the tags log and int, received x"),
        ("a=tag(log,choice(1,2))", "a: expected tags of an interval or a range only"),
        ("a=tag(log,interval(0,1))", "a: expected ends above 0 with the tag log, received 0.0 to 1.0"),
        ("a=tag(log,range(1,9,2))", "a: expected no step with the tag log"),
        ("a=tag(int,interval(0.5,2))", "a: expected integers as the ends"),
        ("a=interval(5,2)", "a: expected the smaller end first"),
        ("a=range(5,5)", "a: expected a range of one value or more"),
    ],
)
def test_values_that_cannot_be_searched_over_are_refused(word, message):
    with pytest.raises(GalvaeError, match=message.replace("(", r"\(")):
        space(word)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trials": 0}, "hydra.sweeper.trials: expected integer, at least 1, received 0"),
        ({"seed": None}, "hydra.sweeper.seed: expected integer, at least 0, received None"),
        ({"sampler": "grid"}, "hydra.sweeper.sampler: expected tpe or nsga2 or random, received 'grid'"),
        ({"pruner": "best"}, "hydra.sweeper.pruner: expected none or median or hyperband, received 'best'"),
        (
            {"objective": "val_kl"},
            "hydra.sweeper.direction: expected .* less or more of val_kl may be better",
        ),
        ({"objective": ["val_loss", "val_loss"]}, "hydra.sweeper.objective: expected the name"),
        ({"objective": ["val_loss", "card.w1"], "direction": ["minimize"]}, "each of the 2 objectives"),
        ({"direction": "less"}, "hydra.sweeper.direction: expected minimize or maximize"),
        (
            {"objective": ["val_loss", "card.w1"], "pruner": "median"},
            "hydra.sweeper.pruner: expected none with",
        ),
        ({"storage": "study.db"}, "hydra.sweeper.storage: expected the URL of a database"),
        ({"study": "mine"}, "hydra.sweeper.study: expected null without hydra.sweeper.storage"),
    ],
)
def test_wrong_keys_of_the_sweeper_are_one_line(changes, message):
    with pytest.raises(GalvaeError, match=message):
        sweeping.OptunaSweeper(**KEYS | changes)


def test_directions_of_known_numbers_are_known():
    names = ["val_loss", "card.w1", "card.decoded.w1", "scores.psnr.mean", "scores.mse.median"]
    sweeper = sweeping.OptunaSweeper(**KEYS | {"objective": names})
    assert sweeper.directions == ["minimize", "minimize", "minimize", "maximize", "minimize"]


def test_numbers_are_found_by_their_keys_with_dots_between():
    values = {"w1": 2, "card": {"w1": 0.5, "power": {"0.25": {"ratio": 3.0}}, "auc": None, "n": float("nan")}}
    assert number_at(values, "card.w1", "x") == 0.5
    assert number_at(values, "w1", "x") == 2.0
    assert number_at(values, "card.power.0.25.ratio", "x") == 3.0  # a key with a dot
    for name, message in {
        "card.w2": "expected the name of a number of x, received 'card.w2', which is none; there are w1, power",
        "card.power": "which is not one; there are 0.25",
        "card.n": "card.n: expected a finite number in x, received nan",
        "card.auc": "card.auc: not measured in x, since too few galaxies",
    }.items():
        with pytest.raises(GalvaeError, match=message):
            number_at(values, name, "x")
    # What one trial lacks is no wrong name.
    for values in ({"not measured": "few"}, {"sampled": {"not measured": "few"}}):
        for name in ("card.sampled.w1", "card.w1"):
            with pytest.raises(NotMeasured, match=f"{name}: not measured in x: few"):
                number_at({"card": values}, name, "x")
    assert [card_of(name) for name in ("card.w1", "card", "val_loss", "val.loss")] == [
        "card",
        None,
        None,
        None,
    ]


@pytest.mark.parametrize("word", ["3", "#3", "folder#x", "folder#"])
def test_a_trial_that_no_search_has_given_is_refused(word):
    with pytest.raises(GalvaeError, match="trial: expected no value"):
        read_trial(word)


@pytest.mark.slow
def test_a_search_that_is_interrupted_has_the_trials_of_one_that_is_not(galvae, calls, small_files):
    words = (*small_files, *SPACE, "hydra.sweeper.trials=4")
    command = ("train", *words, *SEARCH)
    assert galvae("train", *words, *ANYWHERE, "hydra.sweep.dir=calm")[0] == 0
    undisturbed, calls[:] = calls[:], []
    calls.instead = {3: Stopped(signal.SIGTERM)}
    status, _, err = galvae(*command)
    assert status == 75 and "sweep of 3: 2 finished, 1 stopped" in err
    assert "resume with: the same command and hydra.sweep.dir='search'" in err
    # As if a signal had come before the keys of trial 3 were drawn: it counts for none.
    optuna.load_study(study_name="galvae", storage=open_storage(JOURNAL, Path("search"))).ask()
    status, out, err = galvae(*command, "epochs=2")  # as in SMALL
    assert status == 0 and err == "sweep of 4: 4 finished\n"
    assert out.splitlines()[-1] == str(Path("search").absolute())
    assert [call[:2] for call in (*calls[:2], *calls[3:])] == [call[:2] for call in undisturbed]
    assert calls[2] == calls[3]
    rows = table()
    assert [row["trial"] for row in rows] == ["0", "1", "2", "4"]
    assert {row["status"] for row in rows} == {"finished"}
    for (latent_dim, rate, name), row in zip([*calls[:2], *calls[3:]], rows, strict=True):
        found = int(row["latent_dim"]), float(row["learning_rate"]), row["directory"]
        assert found == (latent_dim, rate, name)
        expected = 100 + (latent_dim - 3) ** 2 + (math.log10(rate) + 3) ** 2
        assert float(row["val_loss"]) == pytest.approx(expected)
    best = min(rows, key=lambda row: float(row["val_loss"]))
    assert f"best of 4 trials, all in trials.csv:\n  trial {best['trial']}: val_loss" in out
    assert f"    latent_dim={best['latent_dim']} learning_rate={best['learning_rate']}\n" in out
    # Once more: nothing is left to do, and another search does not take its place.
    assert galvae(*command)[0] == 0 and len(calls) == 5
    status, _, err = galvae(*command, "latent_dim=choice(2,3)", "epochs=9")
    assert status == 2 and err.count("\n") == 1
    assert "holds the study of another search" in err and "epochs=9 (there 2)" in err
    assert "latent_dim=choice(2,3) (there choice(2,3,4))" in err


def test_a_study_is_that_of_one_configuration_and_of_one_directory(galvae, calls, small_files):
    experiment = Path("own/experiment/mine.yaml")
    experiment.parent.mkdir(parents=True)
    experiment.write_text("# @package _global_\nearly_stopping: 5\n")
    words = (*small_files, *ANYWHERE, "latent_dim=choice(2,3)", "--config-dir", "own", "experiment=mine")
    keys = ("hydra.sweeper.trials=1", "hydra.sweeper.storage=sqlite:///study.db", "hydra.sweeper.study=x")
    command = ("train", *words, *keys)
    assert galvae(*command, "hydra.sweep.dir=one")[0] == 0
    for name in (RECORD, "multirun.yaml"):  # a URL may hold a password
        assert (Path("one") / name).stat().st_mode & 0o077 == 0
    descriptor = os.open("one", os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    status, _, err = galvae(*command, "hydra.sweep.dir=one")
    assert status == 75 and "expected no other process that searches here" in err
    os.close(descriptor)
    status, _, err = galvae(*command, "hydra.sweep.dir=two")
    assert (
        status == 2 and err.count("\n") == 1 and "hydra.sweeper.storage: 'x' is the study of another" in err
    )
    assert f"hydra.sweep.dir={Path('two').absolute()} (there {Path('one').absolute()})" in err
    experiment.write_text("# @package _global_\nearly_stopping: 6\n")
    status, _, err = galvae(*command, "hydra.sweep.dir=one")
    assert status == 2 and "received early_stopping=6 (there 5)" in err and len(calls) == 1
    before = {path.name: path.read_bytes() for path in Path("one").iterdir() if path.is_file()}
    status, _, err = galvae("train", *small_files, "-m", "latent_dim=2,3", "hydra.sweep.dir=one")
    assert (
        status == 2
        and err.count("\n") == 1
        and "received that of a search, which hydra/sweeper=optuna" in err
    )
    assert {path.name: path.read_bytes() for path in Path("one").iterdir() if path.is_file()} == before


def test_a_trial_that_cannot_be_measured_fails_alone(galvae, calls, small_files):
    calls.measured = {1: {"not measured": {"card.w1": "NaN"}}, 2: {"numbers": {"card.w1": 0.5}}}
    keys = ("hydra.sweeper.trials=2", "hydra.sweeper.objective=card.w1")
    status, _, err = galvae("train", *small_files, *SEARCH, *SPACE, *keys)
    assert status == 0 and "sweep of 2: 1 finished, 1 failed" in err
    found = [(row["status"], row["card.w1"], row["error"]) for row in table()]
    assert found == [("failed", "", "NaN"), ("finished", "0.5", "")]


def test_trials_that_fail_fail_alone(galvae, calls, small_files):
    calls.instead = {
        1: TrainingDiverged("training diverged in epoch 1", {}),
        3: CannotBeDone("no disk"),
        **dict.fromkeys((5, 6), GalvaeError("no such size")),
    }
    words = ("latent_dim=choice(3,99)", SPACE[1], "hydra.sweeper.trials=6", "hydra.sweeper.sampler=random")
    command = ("train", *small_files, *SEARCH, *words)
    # A passing trouble ends the search, and the next call resumes the trial; twice the same is no passing one.
    assert galvae(*command)[0] == 1 and len(calls) == 3
    assert (table()[-1]["status"], table()[-1]["error"]) == ("running", "no disk")
    assert galvae(*command)[0] == 2 and len(calls) == 5 and calls[2] == calls[3]
    assert (table()[-1]["status"], table()[-1]["error"]) == ("running", "no such size")
    status, out, err = galvae(*command)
    refused = "latent_dim: more than the network's width; expected at most 16 (network.dense), received 99"
    rows = table()
    # 99 is drawn at least once, or this tests nothing; a refused trial is no job.
    numbers = [int(row["trial"]) for row in rows if row["latent_dim"] == "99"]
    assert numbers and len(set(calls)) == 6 - len(numbers) == 4
    assert all(rows[number]["error"] == refused for number in numbers)
    errors = [row["error"] for row in rows if row["latent_dim"] == "3"]
    assert errors == ["training diverged in epoch 1", "", "", "no such size"]
    assert status == 2  # of the last one: the others are results of a search
    assert f"sweep of 6: {6 - len(numbers) - 2} finished, {len(numbers) + 2} failed" in err
    assert "best of 6 trials" in out


def test_pruned_trials_are_counted_and_are_no_results(galvae, calls, small_files):
    calls.metrics = {"status": "pruned", "epochs": 1}
    keys = ("hydra.sweeper.trials=2", "hydra.sweeper.params={early_stopping: null}")
    status, _, err = galvae("train", *small_files, *SEARCH, *SPACE, *keys)
    assert status == 1 and err.startswith("sweep of 2: 2 pruned\n")
    assert err.splitlines()[1].startswith("galvae: none of 2 trials has finished")
    assert [(row["status"], row["val_loss"]) for row in table()] == [("pruned", "")] * 2


def test_a_search_whose_first_trials_are_refused_ends_and_leaves_nothing(galvae, calls, small_files):
    words = ("latent_dim=interval(2,8)", "hydra.sweeper.trials=2")
    status, _, err = galvae("train", *small_files, *SEARCH, *words)
    assert status == 2 and not calls
    assert err.splitlines()[-1].startswith(
        "galvae: the first 2 trials have failed, the last of them because of"
    )
    assert err.endswith("; latent_dim=int(interval(2,8)) draws integers\n")
    assert not Path("search").exists()
    status, _, err = galvae(
        "train", *small_files, *SEARCH, "latent_dim=choice(3,4)", "hydra.sweeper.trials=1"
    )
    assert status == 0 and len(calls) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["model=vae,nix"], "model: expected ae or"),
        (["latent_dimm=1,2"], "unknown key 'latent_dimm'; did you mean latent_dim?"),
        (["latent_dim=1,2", "devices=1,2"], "devices: expected no values to search over"),
        (["latent_dim=1,2", "trial=x"], "trial: expected no value"),
        (
            ["latent_dim=1,2", "hydra.sweeper.objective=peak_memory_mb"],
            "hydra.sweeper.objective: peak_memory",
        ),
        (
            ["hydra.sweeper.trails=3"],
            "unknown key 'hydra.sweeper.trails'; did you mean hydra.sweeper.trials?",
        ),
        (["hydra/sweeper=opt"], "hydra/sweeper: expected optuna, received 'opt'"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_leaves_nothing(galvae, calls, small_files, words, message):
    status, _, err = galvae("train", *small_files, *SEARCH, *words)
    assert status == 2 and err.count("\n") == 1 and err.startswith(f"galvae: {message}")
    assert not calls and not Path("search").exists()


@pytest.mark.slow
def test_two_objectives_have_a_front_and_an_unknown_one_ends_the_search(galvae, calls, small_files):
    keys = ("hydra.sweeper.objective=[val_loss,val_kl]", "hydra.sweeper.direction=[minimize,maximize]")
    command = ("train", *small_files, "latent_dim=choice(2,3,4)", "hydra.sweeper.trials=6")
    status, out, _ = galvae(*command, *SEARCH, *keys)
    rows = table()
    assert status == 0 and {row["latent_dim"] for row in rows} == {"2", "3", "4"}
    assert all(float(row["val_kl"]) == float(row["latent_dim"]) for row in rows)
    # 3 has the smallest loss, 4 the largest KL; 2 is worse than 3 in both.
    front = {row["trial"] for row in rows if row["latent_dim"] != "2"}
    assert f"Pareto front, {len(front)} of 6 trials" in out
    assert {line.split()[1][:-1] for line in out.splitlines() if line.startswith("  trial ")} == front
    command = (*command, *ANYWHERE, "hydra.sweep.dir=other", "hydra.sweeper.trials=1")
    status, _, err = galvae(*command, "hydra.sweeper.objective=val_los", "hydra.sweeper.direction=minimize")
    assert status == 2 and "there are val_loss, val_kl" in err
    assert [row["status"] for row in table("other")] == ["running"]
    # As long as none has a number, the corrected command takes its place.
    assert galvae(*command)[0] == 0
    assert [row["status"] for row in table("other")] == ["finished"] and calls[-1] == calls[-2]


@pytest.mark.parametrize("name", ["tpe", "nsga2", "random"])
def test_samplers_draw_by_seed_and_number(name):
    intervals = {"x": optuna.distributions.FloatDistribution(0, 1)}

    def drawn(seed, number):
        return optuna.create_study(sampler=studies.sampler(name, seed, number, 5)).ask(intervals).params["x"]

    assert drawn(0, 1) == drawn(0, 1)
    assert len({drawn(0, 1), drawn(0, 2), drawn(1, 1)}) == 3


def test_as_many_trials_are_asked_for_as_the_launcher_runs_at_a_time(galvae, calls, small_files, monkeypatch):
    launched = []
    original = searching.Search._launch

    def launch(self, jobs):
        self.slots = 2
        launched.append(list(jobs))
        original(self, jobs)

    monkeypatch.setattr(searching.Search, "_launch", launch)
    words = ("latent_dim=range(2,5)", "hydra.sweeper.trials=4")
    assert galvae("train", *small_files, *SEARCH, *words)[0] == 0
    assert launched == [[0], [1, 2], [3]]
    assert [name[0] for _, _, name in calls] == ["0", "1", "2", "3"]


def study_of(folder, losses, direction="minimize", name="median"):
    """Makes a search whose study has trials with some losses in epochs 1 and 2, and one that is running."""
    search = SearchRecord(
        storage=JOURNAL,
        study="galvae",
        objectives=["val_loss"],
        pruner={"name": name, "grace": 1, "epochs": 9},
        sign=-1 if direction == "maximize" else 1,
    )
    save_json(folder / RECORD, vars(search))
    study = optuna.create_study(
        storage=open_storage(JOURNAL, folder), study_name="galvae", direction=direction
    )
    for loss in losses:
        trial = study.ask()
        for epoch in (1, 2):
            trial.report(search.sign * loss, epoch)
        study.tell(trial, 0.0)
    study.ask()
    return study


def after(*losses, epochs=9):
    """The state of a training after epochs with some validation losses."""
    history = [{"val_loss": loss, "val_kl": 1.0} for loss in losses]
    best = int(np.argmin(losses)) + 1
    return SimpleNamespace(history=history, epoch=len(losses), best_epoch=best, is_done=len(losses) >= epochs)


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_a_trial_ends_where_its_loss_is_above_the_median(tmp_path, direction):
    study = study_of(tmp_path, [10.0, 20.0, 30.0, 40.0, 50.0], direction)
    good, bad = after(25.0), after(25.0, 35.0)
    (callback,) = pruning(good, trial_word(tmp_path, 5))
    callback.on_epoch_end(0)
    callback.state = bad  # its best loss so far is 25, less than the median of 30
    callback.on_epoch_end(1)
    sign = -1 if direction == "maximize" else 1
    assert study.trials[5].intermediate_values == {1: sign * 25.0, 2: sign * 35.0}
    callback.state = after(25.0, 5.0)  # an epoch that is trained again is not reported again
    callback.on_epoch_end(1)
    assert study.trials[5].intermediate_values[2] == sign * 35.0


def test_a_hopeless_trial_ends_unless_it_has_anyway(tmp_path):
    study = study_of(tmp_path, [10.0, 20.0, 30.0, 40.0, 50.0])
    word = trial_word(tmp_path, 5)
    (callback,) = pruning(after(31.0), word)
    with pytest.raises(Pruned, match="pruned after epoch 1: validation loss 31") as raised:
        callback.on_epoch_end(0)
    expected = {"status": "pruned", "epochs": 1, "best_epoch": 1, "val_loss": 31.0, "val_kl": 1.0}
    assert raised.value.metrics == {**expected, "trial": word}
    callback.state = after(31.0, epochs=1)
    callback.on_epoch_end(0)
    assert pruning(after(31.0), None) == []
    study.tell(5, state=optuna.trial.TrialState.PRUNED)
    callback.state = after(31.0)
    callback.on_epoch_end(0)  # somebody trains it on after the search


def test_training_goes_on_without_its_study(tmp_path, caplog):
    study_of(tmp_path, [10.0] * 5)
    (callback,) = pruning(after(99.0), trial_word(tmp_path, 5))

    def get_trial(number):
        raise ConnectionError("no route to the database")

    callback.trial.storage.get_trial = get_trial
    for _ in range(2):
        callback.on_epoch_end(0)
    assert caplog.text.count("cannot stop this trial: no route to the database") == 1


def test_a_journal_that_is_cut_off_loses_its_last_line_and_another_file_is_refused(tmp_path):
    study_of(tmp_path, [10.0, 20.0])
    path = tmp_path / JOURNAL
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"op_code":4,"work')
    for _ in range(2):
        study = optuna.load_study(study_name="galvae", storage=open_storage(JOURNAL, tmp_path))
        study.ask()
    assert len(study.trials) == 5 and path.read_bytes().startswith(whole + b'{"op_code":4,"worker_id"')
    path.write_text("no journal\nat all\n")
    with pytest.raises(GalvaeError, match="expected the journal of a study of Optuna, received a damaged"):
        open_storage(JOURNAL, tmp_path)


def test_a_trial_that_its_study_does_not_have_is_refused(tmp_path):
    study_of(tmp_path, [])
    with pytest.raises(GalvaeError, match="expected a trial of the study in .*, received 7"):
        pruning(after(1.0), trial_word(tmp_path, 7))


def wait_for(condition, seconds=2 * MINUTE):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.1)


@pytest.mark.slow
def test_a_search_in_processes_survives_kill_9(galvae, small_files, tmp_path):
    words = (
        *small_files,
        *SEARCH,
        "learning_rate=tag(log,interval(1e-6,1e-2))",
        "epochs=3",
        "hydra.sweeper.trials=2",
    )
    launcher = ("hydra/launcher=processes", "hydra.launcher.jobs=1")
    command = [sys.executable, "-m", "galvae", "train", *words, *launcher]
    first = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: list(tmp_path.glob("search/*/checkpoints/epoch-*")))
    first.kill()
    first.wait()
    # In this process, where trials take less time; the launcher is no part of a study.
    status, _, err = galvae("train", *words)
    assert status == 0 and err.endswith("sweep of 2: 2 finished\n")
    rows = table()
    assert [row["status"] for row in rows] == ["finished"] * 2
    runs = [tmp_path / "search" / row["directory"] for row in rows]
    losses = [json.loads((run / "metrics.json").read_text())["val_loss"] for run in runs]
    assert [float(row["val_loss"]) for row in rows] == losses


@pytest.mark.slow
def test_a_hopeless_trial_is_pruned_and_can_be_trained_on(galvae, small_files, tmp_path):
    study_of(tmp_path, losses=[1e-3] * 5)  # less than any squared error of these images
    words = ("train", *small_files, f"trial='{tmp_path}#5'", "hydra.run.dir=run")
    for message in ("pruned after epoch 1: validation loss", "already pruned, as trial"):
        status, _, err = galvae(*words)
        assert status == 0 and message in err
        metrics = json.loads(Path("run/metrics.json").read_text())
        assert (metrics["status"], metrics["epochs"], metrics["best_epoch"]) == ("pruned", 1, 1)
        assert [path.name for path in Path("run/checkpoints").iterdir()] == ["epoch-0001"]
    assert galvae("train", "resume=run")[0] == 0
    assert json.loads(Path("run/metrics.json").read_text())["status"] == "finished"
    rows = Path("run/history.csv").read_text().splitlines()
    assert [row.partition(",")[0] for row in rows] == ["epoch", "1", "2"]


@pytest.mark.slow
def test_cards_of_trials_are_measured_on_validation_galaxies_alone(galvae, tmp_path, monkeypatch):
    np.save(tmp_path / "galaxies.npy", ellipses(300, 16))
    files = ("dataset=files", f"dataset.path={tmp_path}/galaxies.npy", "dataset.axes=NHWC", *SMALL)
    words = ("dataset.split=[0.5,0.25,0.25]", "epochs=1", "latent_dim=choice(2,3)")
    keys = ("hydra.sweeper.trials=1", "hydra.sweeper.objective=[card.w1,scores.mse.mean]")
    assert galvae("train", *files, *SEARCH, *words, *keys)[0] == 0
    (row,) = table()
    run = tmp_path / "search" / row["directory"]
    measured = json.loads((run / NUMBERS).read_text())
    assert measured["split"] == "val" and measured["galaxies"] == 75
    assert {name: float(row[name]) for name in ("card.w1", "scores.mse.mean")} == measured["numbers"]
    assert trial_word(run.parent, 0) not in (run / "config.yaml").read_text()
    opened = TrainedRun.open(run)
    expected, _ = card(opened, cards=["scores"], split="val")
    assert measured["numbers"]["scores.mse.mean"] == pytest.approx(expected["scores"]["mse"]["mean"])
    # The card that compares galaxies of both splits elsewhere knows nothing of other test galaxies.
    splits = opened.dataset.splits
    opened.dataset = dataclasses.replace(opened.dataset, splits={**splits, "test": splits["train"][:50]})
    monkeypatch.setattr(objective.TrainedRun, "open", lambda path: opened)
    objective.measure(run, ["card.w1", "scores.mse.mean"])
    assert json.loads((run / NUMBERS).read_text()) == measured
    opened.dataset = dataclasses.replace(opened.dataset, splits={**splits, "val": splits["val"][:49]})
    with pytest.raises(GalvaeError, match="card.w1: expected 50 validation galaxies or more, .* received 49"):
        objective.measure(run, ["card.w1"])
