"""Mistakes of trackers that the tests must catch."""

from mutating.mutant import Mutant

TRACKING = "galvae/training/trackers/tracking.py"
TENSORBOARD = "galvae/training/trackers/tensorboard.py"
WANDB = "galvae/training/trackers/wandb.py"
TESTS = "tests/training/test_trackers.py"

MUTANTS = [
    Mutant(
        "epochs that were lost stay in TensorBoard's record beside those trained again",
        TENSORBOARD,
        "self.next_epoch = min(run.written, run.epochs) + 1",
        "self.next_epoch = run.written + 1",
        f"{TESTS}::test_epochs_that_were_lost_and_trained_again_are_recorded_once",
    ),
    Mutant(
        "every tracked epoch is recorded again when a run is resumed",
        TRACKING,
        "if epoch < tracker.next_epoch:",
        "if epoch < 0:",
        f"{TESTS}::test_epochs_that_were_lost_and_trained_again_are_recorded_once",
    ),
    Mutant(
        "every epoch counts as recorded, though its tracker may lose it",
        TRACKING,
        "if sure and self._calls.empty():",
        "if self._calls.empty():",
        f"{TESTS}::test_epochs_that_may_be_lost_with_a_killed_process_are_recorded_again",
    ),
    Mutant(
        "the state of another run in the same directory counts",
        TRACKING,
        ' and state.get("run_id") == self._run_id',
        "",
        f"{TESTS}::test_the_record_of_another_run_in_the_same_directory_counts_no_more",
    ),
    Mutant(
        "every process of several tracks the run",
        TRACKING,
        "if name is None or not is_first():",
        "if name is None:",
        f"{TESTS}::test_nothing_is_tracked_without_a_tracker_and_by_other_processes_than_the_first",
    ),
    Mutant(
        "W&B reports its own use to its makers though it is offline",
        WANDB,
        '"WANDB_MODE": "offline",',
        '"WANDB_NOTEBOOK_NAME": "",',
        f"{TESTS}::test_a_tracker_needs_neither_tensorflow_nor_a_network_and_leaves_no_process",
    ),
    Mutant(
        "a tracker writes through a link into another folder",
        TRACKING,
        "        check_folder_of_tracker(folder)\n",
        "",
        f"{TESTS}::test_nothing_is_written_through_a_link",
    ),
]
