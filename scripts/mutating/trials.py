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
    Mutant(
        "a passing trouble spends a trial",
        f"{PLUGINS}/_search.py",
        'elif trial.user_attrs.get("error") == message:',
        "elif message:",
        f"{TESTS}::test_trials_that_fail_fail_alone",
    ),
    Mutant(
        "a trial whose keys were not drawn is one of those that are asked for",
        f"{PLUGINS}/_search.py",
        "begun = self._begun()",
        "begun = len(self._trials())",
        f"{TESTS}::test_a_search_that_is_interrupted_has_the_trials_of_one_that_is_not",
    ),
    Mutant(
        "two directories share the trials of a database",
        f"{PLUGINS}/_study.py",
        '**({"hydra.sweep.dir": str(folder)} if sweeper.storage else {}),',
        "",
        f"{TESTS}::test_a_study_is_that_of_one_configuration_and_of_one_directory",
    ),
    Mutant(
        "a study goes on with another configuration",
        f"{PLUGINS}/_study.py",
        "for key, value in common.items() if key not in space",
        "for key, value in common.items() if key in space",
        f"{TESTS}::test_a_study_is_that_of_one_configuration_and_of_one_directory",
    ),
    Mutant(
        "everybody reads the password of a database",
        f"{PLUGINS}/optuna.py",
        "beside.touch(0o600 if self.storage else 0o666)",
        "beside.touch(0o666)",
        f"{TESTS}::test_a_study_is_that_of_one_configuration_and_of_one_directory",
    ),
    Mutant(
        "a trial that is trained on after its search is pruned again",
        "galvae/runs/study.py",
        "if trial.state != TrialState.RUNNING:",
        "if trial.state == TrialState.WAITING:",
        f"{TESTS}::test_a_hopeless_trial_ends_unless_it_has_anyway",
    ),
    Mutant(
        "test galaxies take part in the choice of a trial",
        "galvae/analysis/objective.py",
        'dataset.splits["test"][:0]',
        'dataset.splits["test"]',
        f"{TESTS}::test_cards_of_trials_are_measured_on_validation_galaxies_alone",
    ),
]
