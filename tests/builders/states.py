"""States of checkpoints, as training writes them."""

from galvae.runs.state import CheckpointState

ROW = {"loss": 2.0, "val_loss": 1.0, "seconds": 3.0, "images_per_second": 4.0}


def checkpoint_state(epoch, **changes):
    """The CheckpointState of a run after so many epochs; `changes` replace its values."""
    return CheckpointState(
        **{
            "run_id": "a",
            "config_sha256": "b",
            "dataset_sha256": "c",
            "epoch": epoch,
            "epochs": 20000,
            "best_epoch": 1,
            "best_loss": 1.0,
            "learning_rate_scale": 1.0,
            "rollbacks": 0,
            "peak_memory_mb": 1.0,
            "image_shape": [8, 8, 1],
            "pixel_range": [0.0, 1.0],
            "stretch": "none",
            "condition_names": ["redshift"],
            "condition_ranges": [[0.1, None]],
            "history": [{"epoch": number + 1, **ROW} for number in range(epoch)],
            **changes,
        }
    )
