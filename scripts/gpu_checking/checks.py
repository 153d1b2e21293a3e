"""The checks, in the order in which they are run: those that most of the figures come from first."""

from gpu_checking import commands, devices, inference, memory, robustness, steps, training
from gpu_checking.check import Check

CHECKS = {
    check.name: check
    for check in (
        Check(training.throughput, 240),
        Check(training.slim, 120),
        Check(training.dcgan, 120),
        Check(training.large, 120),
        Check(training.resident, 240),
        Check(steps.profile, 240, ("jax",), environment=steps.BY_KERNEL),
        Check(inference.validation, 90),
        Check(inference.coding, 90),
        Check(training.precision),
        Check(robustness.interrupted),
        Check(robustness.two_processes),
        Check(robustness.full_card, 90, ("gpu", "jax")),
        Check(commands.after_training),
        Check(memory.accumulate, 150),
        Check(memory.remat, 150),
        Check(memory.batch_auto, 150),
        Check(devices.several_gpus, needs=("gpus",)),
        Check(devices.several_processes, needs=("places", "jax")),
        Check(devices.tensorflow, 300, ("tensorflow",)),
        Check(devices.tensorflow_sweep, 240, ("tensorflow",)),
    )
}
