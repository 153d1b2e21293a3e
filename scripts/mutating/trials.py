"""Mistakes of the hyperparameter search that the tests must catch."""

from mutating.mutant import Mutant

TESTS = "tests/launchers/test_optuna.py"
PLUGINS = "galvae/launchers/hydra_plugins"

MUTANTS = [
    Mutant(
        "a range of a search includes its end",
        f"{PLUGINS}/_space.py",
        "(count - 1) * step",
        "count * step",
        f"{TESTS}::test_search_spaces_are_those_of_hydras_grammar",
    ),
    Mutant(
        "an interrupted search draws its first trials again",
        f"{PLUGINS}/_study.py",
        "SeedSequence([seed, number])",
        "SeedSequence([seed, 0])",
        f"{TESTS}::test_samplers_draw_by_seed_and_number",
    ),
    Mutant(
        "trials that were interrupted are forgotten",
        f"{PLUGINS}/_search.py",
        "interrupted.append(trial)",
        "pass",
        f"{TESTS}::test_a_search_that_is_interrupted_has_the_trials_of_one_that_is_not",
    ),
    Mutant(
        "a study of another search is gone on with",
        f"{PLUGINS}/_study.py",
        "elif there != here:",
        "elif there is None:",
        f"{TESTS}::test_a_search_that_is_interrupted_has_the_trials_of_one_that_is_not",
    ),
    Mutant(
        "losses are reported upside down where more of the objective is better",
        "galvae/runs/study.py",
        "self.sign * val_loss",
        "val_loss",
        f"{TESTS}::test_a_trial_ends_where_its_loss_is_above_the_median",
    ),
    Mutant(
        "a trial that has trained to its end is pruned",
        "galvae/training/pruning.py",
        "if hopeless and not self.state.is_done:",
        "if hopeless:",
        f"{TESTS}::test_a_hopeless_trial_ends_unless_it_has_anyway",
    ),
    Mutant(
        "the last losses of pruned trials are results",
        f"{PLUGINS}/_search.py",
        'if metrics.get("status") == "pruned":',
        'if metrics.get("status") == "running":',
        f"{TESTS}::test_pruned_trials_are_counted_and_are_no_results",
    ),
]
