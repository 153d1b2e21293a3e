"""Programs that the benchmark runs in separate processes: galvae and the alternatives that it is compared with.

`python programs.py NAME` calls the function of that name with keyword arguments read as JSON from standard input,
and prints its result as JSON. The alternatives follow their own documentation: float32 arrays in memory, no validation.
"""

import contextlib
import json
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

LATENT_DIM = 8
BLOG_NETWORK = {"filters": [32, 64, 128, 192, 256], "kernels": [5, 5, 3, 3, 3], "dense": 256}  # network=conv


def galvae(overrides):
    """Runs `galvae train`; returns the time of its fit, with validation and checkpoints, history and metrics.

    On a GPU, "device_peak_mb" is the peak of its memory that the run allocated.
    """
    from galvae.backend.setup import setup
    from galvae.cli.main import main

    values = dict(override.split("=", 1) for override in overrides)
    setup(values.get("backend", "tensorflow"), values.get("precision", "auto"))
    from galvae.training import session  # after setup, since it imports Keras

    result, fit = {}, session.fit

    def timed_fit(model, *arguments):
        started = time.perf_counter()
        history, metrics = fit(model, *arguments)
        result.update(seconds=time.perf_counter() - started, history=history, metrics=metrics)
        result["parameters"] = sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
        return history, metrics

    session.fit = timed_fit
    try:
        with contextlib.redirect_stdout(None):
            main(["train", *overrides])
    except SystemExit as stop:
        if stop.code:
            raise
    return {**result, "device_peak_mb": _device_peak_mb()}


def prepare_files(path, cache, processes):
    """Prepares a dataset of several files, with so many processes that read; returns the time, "seconds"."""
    import yaml

    from galvae.config.check import from_dict
    from galvae.config.dataset import PrepareConfig
    from galvae.config.defaults import CONF
    from galvae.data import prepared_parts
    from galvae.data.load import load_dataset

    values = yaml.safe_load((CONF / "dataset" / "files.yaml").read_text())
    values |= {"path": path, "cache_dir": cache, "images": "images", "axes": "NHWC"}
    prepared_parts.cores = lambda: processes
    started = time.perf_counter()
    load_dataset(from_dict(PrepareConfig, {"dataset": values}).dataset)
    return {"seconds": time.perf_counter() - started}


def keras_tutorial(images, train, val, epochs=None, seconds=None, backend="tensorflow"):
    """Trains the network of the Galaxy10 blog as a Keras tutorial trains a VAE.

    Args:
        images: path of an .npy file, (N, H, W, 3) uint8.
        train, val: row indices of the images.
        epochs: number of epochs, unless `seconds` is given.
        seconds: training time after which to stop at the end of an epoch.
        backend: "tensorflow" or "jax".

    Returns:
        dict with the training time "seconds", that of each epoch, "epoch_seconds", and the number of "parameters"; if
        `seconds` is given, "curve" in place of "epoch_seconds", a list of [training time so far, validation loss] per
        epoch; on a GPU, "device_peak_mb".
    """
    import os

    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["KERAS_BACKEND"] = backend
    import keras
    from keras import layers, ops

    stored = np.load(images, mmap_mode="r")
    pixels = stored[train].astype("float32") / 255
    keras.utils.set_random_seed(0)

    class Sampling(layers.Layer):
        def __init__(self):
            super().__init__()
            self.generator = keras.random.SeedGenerator(1)

        def call(self, moments):
            mean, log_variance = moments
            noise = keras.random.normal(ops.shape(mean), seed=self.generator)
            return mean + ops.exp(0.5 * log_variance) * noise

    shape = pixels.shape[1:]
    inputs = features = keras.Input(shape)
    for filters, kernel in zip(BLOG_NETWORK["filters"], BLOG_NETWORK["kernels"], strict=True):
        features = layers.Conv2D(filters, kernel, strides=2, padding="same", activation="relu")(features)
    side = features.shape[1]
    features = layers.Dense(BLOG_NETWORK["dense"], activation="relu")(layers.Flatten()(features))
    mean = layers.Dense(LATENT_DIM)(features)
    log_variance = layers.Dense(LATENT_DIM, kernel_initializer="zeros")(features)
    encoder = keras.Model(inputs, [mean, log_variance, Sampling()([mean, log_variance])])

    code = keras.Input((LATENT_DIM,))
    decoded = layers.Dense(side * side * BLOG_NETWORK["filters"][-1], activation="relu")(code)
    decoded = layers.Reshape((side, side, BLOG_NETWORK["filters"][-1]))(decoded)
    outputs = [*BLOG_NETWORK["filters"][-2::-1], shape[-1]]
    for i, (filters, kernel) in enumerate(zip(outputs, reversed(BLOG_NETWORK["kernels"]), strict=True)):
        activation = "sigmoid" if i == len(outputs) - 1 else "relu"
        decoded = layers.Conv2DTranspose(filters, kernel, strides=2, padding="same", activation=activation)(
            decoded
        )
    decoder = keras.Model(code, decoded)

    class VAE(keras.Model):
        def __init__(self):
            super().__init__()
            self.encoder, self.decoder = encoder, decoder
            self.reconstruction, self.kl = (keras.metrics.Mean(name) for name in ("reconstruction", "kl"))

        def call(self, data):
            mean, log_variance, codes = self.encoder(data)
            return mean, log_variance, self.decoder(codes)

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            mean, log_variance, decoded = y_pred
            reconstruction = ops.mean(ops.sum(keras.losses.binary_crossentropy(x, decoded), axis=(1, 2)))
            kl = -0.5 * (1 + log_variance - ops.square(mean) - ops.exp(log_variance))
            kl = ops.mean(ops.sum(kl, axis=1))
            self.reconstruction.update_state(reconstruction)
            self.kl.update_state(kl)
            return reconstruction + kl

    model = VAE()
    model.compile(optimizer=keras.optimizers.Adam())
    parameters = encoder.count_params() + decoder.count_params()
    if seconds is None:
        ends = [time.perf_counter()]
        clock = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: ends.append(time.perf_counter())
        )
        model.fit(pixels, epochs=epochs, batch_size=128, verbose=0, callbacks=[clock])
        return {
            "seconds": time.perf_counter() - ends[0],
            "epoch_seconds": np.diff(ends).tolist(),
            "parameters": parameters,
            "device_peak_mb": _device_peak_mb(),
        }
    curve, elapsed = [], 0.0
    validation = stored[val].astype("float32") / 255
    while elapsed < seconds:
        started = time.perf_counter()
        model.fit(pixels, epochs=1, batch_size=128, verbose=0)
        elapsed += time.perf_counter() - started  # not the validation, which a tutorial leaves out
        loss = model.evaluate(validation, batch_size=128, verbose=0, return_dict=True)["loss"]
        curve.append([elapsed, float(loss)])
    return {"seconds": elapsed, "parameters": parameters, "curve": curve}


def pytorch(network, images, train, batch, epochs, channels_last):
    """Trains a network in plain PyTorch as vae-project does, with a loader over a tensor in memory.

    Args:
        network: "conv" or "dcgan".
        images: path of an .npy file, (N, H, W, C) uint8.
        train: row indices of the images.
        batch: images per step.
        epochs: number of epochs.
        channels_last: whether tensors are stored channels last; vae-project's are not.

    Returns:
        dict with the training time "seconds" and the number of "parameters".
    """
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    pixels = torch.from_numpy(np.load(images, mmap_mode="r")[train].astype("float32") / 255)
    pixels = pixels.permute(0, 3, 1, 2).contiguous()
    torch.manual_seed(0)
    encoder, decoder, features = {"conv": _torch_conv, "dcgan": _torch_dcgan}[network](pixels.shape[1:])
    heads = torch.nn.ModuleList([torch.nn.Linear(features, LATENT_DIM) for _ in range(2)])
    model = torch.nn.ModuleList([encoder, decoder, heads])
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    loader = DataLoader(TensorDataset(pixels), batch_size=batch, shuffle=True)
    started = time.perf_counter()
    for _ in range(epochs):
        for (data,) in loader:
            if channels_last:
                data = data.to(memory_format=torch.channels_last)
            hidden = encoder(data)
            mean, log_variance = (head(hidden) for head in heads)
            codes = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
            decoded = decoder(codes)
            if network == "conv":
                error = torch.nn.functional.binary_cross_entropy(
                    torch.sigmoid(decoded), data, reduction="sum"
                )
            else:
                error = torch.nn.functional.mse_loss(torch.sigmoid(decoded), data, reduction="sum")
            kl = -0.5 * torch.sum(1 + log_variance - mean**2 - torch.exp(log_variance))
            loss = (error + kl) / len(data)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()
    return {"seconds": time.perf_counter() - started, "parameters": _torch_parameters(model)}


def pythae(images, train, batch, epochs):
    """Trains the network of the Galaxy10 blog with Pythae's own trainer; arguments and result: see `pytorch`."""
    import logging
    import tempfile

    import torch
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    logging.disable(logging.INFO)
    pixels = torch.from_numpy(np.load(images, mmap_mode="r")[train].astype("float32") / 255)
    pixels = pixels.permute(0, 3, 1, 2).contiguous()
    torch.manual_seed(0)
    stack, mirror, features = _torch_conv(pixels.shape[1:])

    class Encoder(BaseEncoder):
        def __init__(self):
            super().__init__()
            self.latent_dim, self.stack = LATENT_DIM, stack
            self.mean = torch.nn.Linear(features, LATENT_DIM)
            self.log_variance = torch.nn.Linear(features, LATENT_DIM)

        def forward(self, data):
            hidden = self.stack(data)
            return ModelOutput(embedding=self.mean(hidden), log_covariance=self.log_variance(hidden))

    class Decoder(BaseDecoder):
        def __init__(self):
            super().__init__()
            self.stack = mirror

        def forward(self, codes):
            return ModelOutput(reconstruction=torch.sigmoid(self.stack(codes)))

    config = VAEConfig(input_dim=tuple(pixels.shape[1:]), latent_dim=LATENT_DIM, reconstruction_loss="bce")
    model = VAE(config, encoder=Encoder(), decoder=Decoder())
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        trainer = BaseTrainer(
            model=model,
            train_dataset=BaseDataset(pixels, torch.zeros(len(pixels))),
            training_config=BaseTrainerConfig(
                output_dir=folder,
                num_epochs=epochs,
                learning_rate=1e-3,
                per_device_train_batch_size=batch,
                optimizer_cls="Adam",
            ),
        )
        started = time.perf_counter()
        trainer.train()
        return {"seconds": time.perf_counter() - started, "parameters": _torch_parameters(model)}


def framework():
    """Only loads TensorFlow and Keras, to measure the memory that they take."""
    import os

    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import keras

    keras.ops.convert_to_tensor(np.zeros(1))
    return {}


def device(backend):
    """Describes the device: kind and name, the precision that galvae chooses on it, and the number of GPUs."""
    from galvae.backend.setup import setup

    chosen = setup(backend, "auto")
    from galvae.backend.devices import gpu_names  # after setup, since it imports Keras

    facts = {"kind": chosen.kind, "name": chosen.name, "precision": chosen.precision}
    return {**facts, "gpus": len(gpu_names())}


def matrix_products(backend, precision, rounds=9):
    """Measures the floating-point operations per second of large square matrix products, the median of `rounds`."""
    from galvae.backend.setup import setup

    side = 8192 if setup(backend).kind == "gpu" else 2048
    from keras import ops, random

    from galvae.backend.graph import compiled

    left, right = (ops.cast(random.normal((side, side)), precision) for _ in range(2))
    # The sum makes the result a single number, so that waiting for it copies no matrix from the device.
    product = compiled(lambda left, right: ops.sum(ops.matmul(left, right)))
    rates = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        float(product(left, right))
        rates.append(2 * side**3 / (time.perf_counter() - started))
    return {"rate": sorted(rates[1:])[rounds // 2]}  # without the first round, which compiles


def operations(network, shape, backend="tensorflow"):
    """Counts the floating-point operations of encoding and decoding an image; training on it takes three times that."""
    from galvae.backend.setup import setup

    setup(backend)
    import keras

    from benchmarking.training import network_config
    from galvae.models.build import VAE

    model = VAE(tuple(shape), LATENT_DIM, network_config(network))
    model.build_all()
    total = 0
    for stack in (model.encoder, model.decoder):
        for layer in stack.layers:
            kernel = getattr(layer, "kernel", None)
            if kernel is not None:
                # A transposed convolution multiplies once per input pixel, other layers once per output pixel.
                transposed = isinstance(layer, keras.layers.Conv2DTranspose)
                pixels = (layer.input if transposed else layer.output).shape
                total += 2 * int(np.prod(kernel.shape)) * int(np.prod(pixels[1:-1]))
    return {"operations": total}


def training_operations(network, shape, batch=8):
    """Counts the floating-point operations of training on an image, as XLA does, gradients included; on JAX."""
    from galvae.backend.setup import setup

    setup("jax")
    import jax
    import keras

    from benchmarking.training import network_config
    from galvae.models.build import VAE

    model = VAE(tuple(shape), LATENT_DIM, network_config(network))
    model.build_all()

    def loss(values, images):
        with keras.StatelessScope(list(zip(model.trainable_variables, values, strict=True))):
            inputs = {"images": images}
            return model.compute_loss(x=inputs, y_pred=model(inputs, training=True))

    values = [variable.value for variable in model.trainable_variables]
    # Before XLA's own rewriting, whose calls of other libraries have no count.
    lowered = jax.jit(jax.grad(loss)).lower(values, np.zeros((batch, *shape), np.uint8))
    return {"operations": lowered.cost_analysis()["flops"] / batch}


def checkpoints(overrides):
    """Runs `galvae train`; its result also has "spent", the seconds for snapshots of variables and for checkpoints."""
    from galvae.backend.setup import setup
    from galvae.runs import checkpoints

    setup("tensorflow", "auto")
    from galvae.training.state import TrainingState  # after setup, since it imports Keras

    spent = []

    def timed(function):
        def call(*arguments, **options):
            started = time.perf_counter()
            result = function(*arguments, **options)
            spent.append(time.perf_counter() - started)
            return result

        return call

    for owner, name in ((TrainingState, "snapshot"), (checkpoints, "save")):
        setattr(owner, name, timed(getattr(owner, name)))
    return {**galvae(overrides), "spent": sum(spent)}


def _device_peak_mb():
    """Peak of the memory that this process has allocated on the first GPU in MB; None on a processor."""
    import keras

    if keras.config.backend() == "jax":
        import jax

        peak = (jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    else:
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        peak = tf.config.experimental.get_memory_info("GPU:0")["peak"] if gpus else None
    return None if peak is None else peak / 1e6


def _torch_parameters(model):
    """Number of a PyTorch model's parameters."""
    return sum(parameter.numel() for parameter in model.parameters())


def _torch_conv(shape):
    """Encoder and decoder of the Galaxy10 blog in PyTorch, and the number of the encoder's features."""
    from torch import nn

    filters, kernels = BLOG_NETWORK["filters"], BLOG_NETWORK["kernels"]
    side = shape[-1] // 2 ** len(filters)
    encoder, decoder = [], []
    for inputs, outputs, kernel in zip([shape[0], *filters], filters, kernels, strict=False):
        encoder += [nn.Conv2d(inputs, outputs, kernel, stride=2, padding=kernel // 2), nn.ReLU()]
    flat = filters[-1] * side**2
    encoder += [nn.Flatten(), nn.Linear(flat, BLOG_NETWORK["dense"]), nn.ReLU()]
    decoder += [nn.Linear(LATENT_DIM, flat), nn.ReLU(), nn.Unflatten(1, (filters[-1], side, side))]
    outputs = [*filters[-2::-1], shape[0]]
    for inputs, output, kernel in zip(reversed(filters), outputs, reversed(kernels), strict=True):
        decoder += [nn.ConvTranspose2d(inputs, output, kernel, 2, kernel // 2, output_padding=1), nn.ReLU()]
    return nn.Sequential(*encoder), nn.Sequential(*decoder[:-1]), BLOG_NETWORK["dense"]


def _torch_dcgan(shape):
    """Encoder and decoder of vae-project for 158 px in PyTorch, and the number of the encoder's features."""
    from torch import nn

    filters, kernels = [64, 128, 256, 512], [4, 3, 4, 4]
    side = 5
    encoder = []
    for i, kernel in enumerate(kernels):
        inputs = shape[0] if i == 0 else filters[i - 1]
        encoder.append(nn.Conv2d(inputs, filters[i], kernel, 2, 1, bias=False))
        encoder += [nn.BatchNorm2d(filters[i])] if i else []
        encoder.append(nn.LeakyReLU(0.2))
    encoder += [nn.Conv2d(filters[-1], 1, 4, 2, 1, bias=False), nn.Flatten()]
    features = side**2
    decoder = [
        nn.Linear(LATENT_DIM, features),
        nn.Unflatten(1, (1, side, side)),
        nn.ConvTranspose2d(1, filters[-1], 4, 2, 1, bias=False),
    ]
    outputs = [shape[0], *filters]
    for i in range(len(filters), 0, -1):
        decoder += [nn.BatchNorm2d(filters[i - 1]), nn.ReLU()]
        decoder.append(nn.ConvTranspose2d(filters[i - 1], outputs[i - 1], kernels[i - 1], 2, 1, bias=False))
    return nn.Sequential(*encoder), nn.Sequential(*decoder), features


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](**json.load(sys.stdin))))
