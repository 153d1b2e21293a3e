"""The base class of models: it handles where batches are stored, and how many devices share them."""

import keras
from keras import ops

from galvae.backend.random_numbers import rows_of_batch
from galvae.backend.replicas import replicas


class BatchModel(keras.Model):
    """A Keras model that `galvae.backend.input_pipeline.feed` can train, whatever device its images are on.

    Subclasses implement `terms` and `forward`, and compute the objective with `mean_over_batch`.

    Attributes:
        resident: ResidentImages, where the device holds the images of a training run; else None.
        trackers: running means of the objective and its terms, which Keras logs under these names.
    """

    def __init__(self, name):
        # The model itself stays in float32, so that targets and losses do; its layers follow the policy.
        super().__init__(name=name, dtype="float32")
        self.resident = None
        # "loss" replaces Keras' own in the logs, which cannot weight images.
        self.trackers = [keras.metrics.Mean(name=name) for name in ("loss", *self.terms)]

    @property
    def terms(self):
        """Names of the objective's terms, in the order in which they are logged."""
        raise NotImplementedError

    def forward(self, inputs, training):
        """The tensors that the objective is computed from.

        Args:
            inputs: dict of images (B, H, W, C) as stored; for conditional models, condition (B, K); and mask
                (B, H, W, C), 1 where a pixel is set aside, if the dataset has masks.
            training: whether this is a training step.

        Returns:
            dict of tensors.
        """
        raise NotImplementedError

    def call(self, inputs, training=False):
        """The tensors that the objective is computed from, for a batch in any form that `feed` gives it.

        Args:
            inputs: dict of what `forward` takes, or in its place `positions` (B,) among the resident images; where
                devices share a batch, also the `rows` (B,) of these images in it, and their `weight` (B,) in its
                mean.
            training: whether this is a training step.

        Returns:
            dict of tensors, see `forward`.
        """
        with rows_of_batch(inputs.get("rows")):
            return self.forward(self.resident.take(inputs) if "positions" in inputs else inputs, training)

    def mean_over_batch(self, values, inputs):
        """The mean of the objective over a batch, in the form whose gradients Keras sums over devices.

        Args:
            values: dict of (B,) arrays: "loss", the objective, and its terms, which are logged.
            inputs: what `call` received.

        Returns:
            Scalar.
        """
        for tracker in self.trackers:
            tracker.update_state(values[tracker.name], sample_weight=inputs.get("weight"))
        return ops.mean(values["loss"]) / replicas()
