"""Mistakes in what saves memory, batches in parts, activations computed again, the batch that fits; and in devices."""

from mutating.mutant import Mutant

PARTS = "tests/backend/test_accumulation.py"
WHOLE = f"{PARTS}::test_a_step_in_parts_is_that_of_the_whole_batch"
REMAT = "tests/backend/test_remat.py"
AUTO = "tests/training/test_batch_auto.py"
DEVICES = "tests/backend/test_replicas.py::test_two_devices_train_as_one_on_jax"

MUTANTS = [
    Mutant(
        "images that fill up a part count",
        "galvae/backend/steps.py",
        'filled = ops.cast(order < size, "float32")',
        'filled = ops.ones_like(order, dtype="float32")',
        WHOLE,
    ),
    Mutant(
        "running statistics change with every part",
        "galvae/backend/steps.py",
        "total + (value - before) / count",
        "total + (value - before)",
        WHOLE,
    ),
    Mutant(
        "every part draws its own random numbers",
        "galvae/backend/steps.py",
        'Share(taken.pop("rows"), replicas() * size, taken.pop("share", None))',
        'Share(taken.pop("rows") // count, length, taken.pop("share", None))',
        WHOLE,
    ),
    Mutant(
        "activations are kept in any case",
        "galvae/backend/remat.py",
        "if not (self.remat and training):",
        "if True:",
        f"{REMAT}::test_values_gradients_and_statistics_are_the_same_and_computed_twice",
    ),
    Mutant(
        "a batch that needs more than there is fits",
        "galvae/training/auto_batch.py",
        "        if need <= room:",
        "        if need <= 1.5 * room:",
        f"{AUTO}::test_it_is_the_largest_power_of_two_that_fits",
    ),
    Mutant(
        "nothing is said of epochs of few steps",
        "galvae/training/auto_batch.py",
        "    if steps < FEW:",
        "    if steps < 1:",
        f"{AUTO}::test_epochs_of_few_steps_are_warned_of",
    ),
    Mutant(
        "every device draws the random numbers of the first images",
        "galvae/backend/steps.py",
        "jax.lax.axis_index(AXIS) * length + ",
        "",
        DEVICES,
    ),
    Mutant(
        "running statistics are summed over devices",
        "galvae/backend/steps.py",
        "[value / count for value in moved",
        "[value for value in moved",
        DEVICES,
    ),
    Mutant(
        "each device normalises its own images",
        "galvae/backend/replicas.py",
        "return jax.lax.pmean(value, AXIS)",
        "return value",
        DEVICES,
    ),
]
