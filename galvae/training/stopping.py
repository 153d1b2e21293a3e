"""The callback of Keras' fit by which signals stop training, of one process or of several at the same step."""

import keras

from galvae.backend import processes
from galvae.backend.setup import MOST_STEPS
from galvae.system import signals


class SignalStop(keras.callbacks.Callback):
    """Answers a signal, such as SIGTERM, after the current step, once the last whole epoch is saved.

    Several processes ask each other after MOST_STEPS steps, since each would wait for the slowest.

    Args:
        checkpointing: Checkpointing.
    """

    def __init__(self, checkpointing):
        super().__init__()
        self.checkpointing = checkpointing
        self.steps = 0  # since the processes asked each other

    def on_train_batch_end(self, batch, logs=None):
        self.after_step()

    def on_test_batch_end(self, batch, logs=None):
        self.after_step()

    def after_step(self):
        """Answers signals, those of several processes when it is time to."""
        if processes.count() > 1:
            self.steps += self.model.steps_per_execution
            if self.steps < MOST_STEPS:
                return
            self.steps = 0
        self.answer()

    def answer(self):
        """Saves a checkpoint and stops, or does whatever else a received signal asks for.

        Signals reach several processes at different steps, or only one of them: a signal to any is one to all. What
        it asks for, the first process finds out.

        Raises:
            signals.Stopped: if a signal was received whose handler, if any, does not let training continue.
        """
        numbers = [number for number in processes.gather("signals", signals.received()) if number is not None]
        if not numbers:
            return
        self.checkpointing.save()
        signals.record(numbers[0])
        if not processes.is_first():
            if processes.from_first("whether to stop", None):
                processes.wait_for_end()
            signals.record(None)
            return
        try:
            signals.answer()
        except BaseException:
            processes.from_first("whether to stop", True)
            raise
        processes.from_first("whether to stop", False)
