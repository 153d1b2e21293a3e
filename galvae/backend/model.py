"""The base class of models: it handles where batches are stored, and how many devices share them."""

import contextlib

import keras
from keras import ops

from galvae.backend import steps
from galvae.backend.remat import Stack
from galvae.backend.replicas import mesh, replicas
from galvae.backend.shares import Share, computing, weighted


class BatchModel(keras.Model):
    """A Keras model that `galvae.backend.input_pipeline.feed` can train, whatever device its images are on.

    Subclasses implement `terms` and `forward`, and compute the objective with `mean_over_batch`.

    Attributes:
        resident: ResidentImages, where the device holds the images of a training run; else None.
        accumulate: number of parts in which a step computes its batch, one after the other.
        trackers: running means of the objective and its terms, which Keras logs under these names.
    """

    def __init__(self, name):
        # The model itself stays in float32, so that targets and losses do; its layers follow the policy.
        super().__init__(name=name, dtype="float32")
        self.resident = None
        self.accumulate = 1
        self.mesh = None
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
        with computing(Share(inputs["rows"])) if "rows" in inputs else contextlib.nullcontext():
            return self.forward(self.resident.take(inputs) if "positions" in inputs else inputs, training)

    def compile(self, *arguments, **options):
        super().compile(*arguments, **options)
        self.mesh = mesh()

    def recompute(self, remat):
        """Sets whether training computes the activations of its encoders and decoders again for their gradients."""
        for layer in self.layers:
            if isinstance(layer, Stack):
                layer.remat = remat

    # Keras' own steps on JAX would not tell batch normalisation that it is training.

    def train_step(self, *arguments):
        if self.accumulate == 1 and keras.config.backend() == "tensorflow":
            return super().train_step(*arguments)
        return steps.train_step(self, *arguments)

    def test_step(self, *arguments):
        if self.accumulate == 1 and keras.config.backend() == "tensorflow":
            return super().test_step(*arguments)
        return steps.test_step(self, *arguments)

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
        return ops.mean(weighted(values["loss"])) / replicas()
