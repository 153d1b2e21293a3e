"""Training of a flow in Keras by maximum likelihood, see `galvae.latent.priors.flow`."""

import functools

import keras
import numpy as np
from keras import ops

from galvae.backend.optimizer import adam
from galvae.system.progress import progress_bar

RATE = 2e-3  # highest learning rate
WARMUP, FINAL = 100, 0.01  # steps until it is reached, and the share of it that is left at the end
CLIP_NORM = 5.0
BATCH = 256  # codes in a step
STEPS = 100  # until the next look at the validation codes
PATIENCE = 6  # looks without progress that end the fit


def train(flow, rows, validation, dropout, looks, seed):
    """Trains the networks of a flow, until validation codes are no longer better described.

    Args:
        flow: FlowPrior to start from.
        rows: (n, latent_dim + K) float32, white codes and their conditions.
        validation: (codes, condition), see `galvae.latent.priors.prior.Prior.fit`.
        dropout: share of the networks' features that are dropped.
        looks: the fit takes at most so many times STEPS steps.
        seed: seed of batches and dropout.

    Returns:
        The FlowPrior of the largest mean of log p(code | condition) over the validation codes.
    """
    model = _Couplings(flow, dropout, seed)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, looks * STEPS, alpha=FINAL, warmup_target=RATE, warmup_steps=WARMUP
    )
    model.compile(adam(rate, CLIP_NORM), jit_compile=keras.config.backend() == "jax")
    with progress_bar(looks * STEPS, "fitting a flow", "step") as bar:
        best, feed = _Best(flow, validation, bar), _Feed(rows, seed)
        model.fit(feed, epochs=looks, steps_per_epoch=STEPS, shuffle=False, verbose=0, callbacks=[best])
    return best.flow


class _Couplings(keras.Model):
    """The couplings of a flow as a Keras model, which maximises the log-density of its inputs."""

    def __init__(self, flow, dropout, seed):
        super().__init__(name="flow", dtype="float32")
        self.log_density = flow.log_density
        self.networks = {
            name: self.add_weight(array.shape, name=name) for name, array in flow.networks.items()
        }
        for name, variable in self.networks.items():
            variable.assign(flow.networks[name])
        self.dropout = keras.layers.Dropout(dropout, seed=seed, dtype="float32")
        self.built = True

    def call(self, inputs, training=False):
        networks = {name: ops.unstack(ops.convert_to_tensor(array)) for name, array in self.networks.items()}
        return self.log_density(ops, networks, inputs, functools.partial(self.dropout, training=training))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return -ops.mean(y_pred)


class _Feed(keras.utils.PyDataset):
    """Random batches of rows without an end, each a function of the seed and its number alone."""

    num_batches = None

    def __init__(self, rows, seed):
        super().__init__()
        self.rows, self.seed = rows, seed

    def __getitem__(self, step):
        generator = np.random.default_rng([self.seed, step])
        return (self.rows[generator.integers(len(self.rows), size=BATCH)],)


class _Best(keras.callbacks.Callback):
    """Keeps the flow that describes the validation codes best, and ends the fit when it no longer improves.

    Attributes:
        flow: the best FlowPrior so far, at first the Gaussian.
    """

    def __init__(self, start, validation, bar):
        super().__init__()
        self.flow, self.validation, self.bar = start, validation, bar
        self.highest, self.looks = start.log_prob(*validation).mean(), 0

    def on_epoch_end(self, epoch, logs=None):
        self.bar.update(STEPS)
        networks = {name: np.float64(variable.numpy()) for name, variable in self.model.networks.items()}
        flow = self.flow.with_networks(networks)
        likelihood = flow.log_prob(*self.validation).mean()
        self.looks += 1
        if likelihood > self.highest:
            self.flow, self.highest, self.looks = flow, likelihood, 0
        self.model.stop_training = self.looks >= PATIENCE
