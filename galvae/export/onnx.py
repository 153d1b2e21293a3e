"""Encoder and decoder as ONNX, which other programs and languages run without galvae, Keras or TensorFlow."""

import json
import logging
from pathlib import Path

import keras
import numpy as np
from keras import ops

from galvae import __version__
from galvae.backend.graph import traced
from galvae.errors import CannotBeDone, GalvaeError, line_of
from galvae.stretch import from_unit
from galvae.system.atomic import replacing, save_arrays

try:
    import onnx
    import onnxruntime
    import tf2onnx
except ImportError as error:
    raise GalvaeError(
        "target=onnx: expected onnx, onnxruntime and tf2onnx to be installed (pip install -e '.[onnx]'), received: "
        f"{line_of(error)}"
    ) from error

OPSET = 18  # of ONNX: the newest that tf2onnx 1.17 writes
CODES = 1000  # galaxies of the prior in codes.npz
SEED = 0  # of these, and of the random pixels that are compared
BATCHES = (1, 3, 60)  # galaxies that are compared at a time
LIMIT = 1e-5  # largest difference between onnxruntime and Keras

EXAMPLE = """\
# Galaxies decoded and encoded in this folder by onnxruntime alone: pip install onnxruntime
import numpy as np
import onnxruntime

decoder = onnxruntime.InferenceSession("decoder.onnx")
encoder = onnxruntime.InferenceSession("encoder.onnx")
print(decoder.get_modelmeta().custom_metadata_map)  # pixel range, stretch, bands, conditions and their units

given = {name: array[:5] for name, array in np.load("codes.npz").items()}  # drawn from the model's prior
images, intensities = decoder.run(["images", "intensities"], given)  # in units of the dataset, and from 0 to 1
np.save("galaxies.npy", images)

given["images"] = images  # float32, as the dataset stores them
del given["codes"]
(mean,) = encoder.run(["mean"], given)
print("images", images.shape, "codes", mean.shape)
"""

log = logging.getLogger(__name__)


def export_onnx(run, folder):
    """Writes a run's encoder and decoder as ONNX, and codes of its prior to decode.

    - encoder.onnx: `images` (batch, H, W, C), pixels as the run's dataset stores them -> `mean` and `log_variance`
      (batch, latent_dim) of the posterior; a plain autoencoder has no `log_variance`.
    - decoder.onnx: `codes` (batch, latent_dim) -> `images`, pixels as the encoder takes them and as samples.fits has
      them, and `intensities`, the same in units of the network, 0 to 1, as `TrainedRun.decode` returns them.
    - codes.npz: `codes` (1000, latent_dim) of the prior from which `sample` generates galaxies and, for a conditional
      model, `condition` (1000, K), those of random training galaxies.
    - example.py, which decodes and encodes with onnxruntime alone.

    Encoder and decoder of a conditional model have the further input `condition` (batch, K), in physical units, with a
    column of zeros and ones for each class. Everything is float32, in batches of any size. The files' metadata say what
    the numbers mean: pixel range, stretch, names of bands and conditions, units, SHA-256 of the weights.

    Before anything is written, onnxruntime has to agree with Keras on decoded galaxies and on random pixels: to LIMIT
    for `intensities`, to LIMIT of the pixel range for `images`, and for `mean` and `log_variance` to LIMIT, or to LIMIT
    of their largest value where that is above 1.

    Args:
        run: TrainedRun that was opened on the backend "tensorflow", whatever backend it was trained on.
        folder: path of an existing folder.

    Returns:
        Paths of the files.

    Raises:
        GalvaeError: if Keras runs on another backend.
        CannotBeDone: if onnxruntime and Keras disagree.
    """
    if keras.config.backend() != "tensorflow":
        raise GalvaeError(
            "backend: expected tensorflow, which exports runs of any backend as ONNX, received "
            f"{keras.config.backend()}"
        )
    folder, model = Path(folder), run.model
    condition = run.random_condition(CODES, SEED) if model.condition_dim else None
    arrays = {"codes": run.prior().sample(CODES, condition, SEED), "condition": condition}
    arrays = {name: np.asarray(array, np.float32) for name, array in arrays.items() if array is not None}

    inputs = {name: array[: sum(BATCHES)] for name, array in arrays.items()}
    decoder, decoder_error, decoded = _converted("decoder", _decoding(model), inputs, run)
    images, generator = decoded["images"], np.random.default_rng(SEED)
    images[1::2] = generator.uniform(*model.pixel_range, images[1::2].shape)
    del inputs["codes"]
    encoder, encoder_error, _ = _converted("encoder", _encoding(model), {"images": images, **inputs}, run)
    log.info(
        "onnxruntime and Keras differ by at most %.1e (encoder) and %.1e (decoder), on %d galaxies in batches of %s; "
        "%.0e is allowed",
        *(encoder_error, decoder_error, len(images), ", ".join(map(str, BATCHES)), LIMIT),
    )

    save_arrays(folder / "codes.npz", **arrays)
    contents = {"encoder.onnx": encoder, "decoder.onnx": decoder, "example.py": EXAMPLE.encode()}
    for name, content in contents.items():
        with replacing(folder / name) as temporary:
            temporary.write_bytes(content)
    return [folder / name for name in (*contents, "codes.npz")]


def _encoding(model):
    """The encoder as a function of stored pixels and conditions that returns its outputs by name."""

    def encode(images, condition=None):
        mean, log_variance = model.encode(images, condition)
        return {"mean": mean} if log_variance is None else {"mean": mean, "log_variance": log_variance}

    return encode


def _decoding(model):
    """The decoder as a function of codes and conditions that returns its outputs by name."""

    def decode(codes, condition=None):
        intensities = model.decode(codes, condition)
        images = from_unit(intensities, model.stretch, model.pixel_range, ops)
        return {"images": images, "intensities": intensities}

    return decode


def _converted(name, function, inputs, run):
    """A function as ONNX, once onnxruntime has agreed with it.

    Args:
        name: of the graph.
        function: see `_encoding`.
        inputs: name of each argument -> (n, ...) float32, on which they are compared.
        run: TrainedRun whose model computes the function.

    Returns:
        (content of the file, largest difference, outputs by name -> (n, ...) as Keras computes them).

    Raises:
        CannotBeDone: if they disagree.
    """
    graph = traced(function, {argument: array.shape[1:] for argument, array in inputs.items()})
    logging.getLogger("tf2onnx").setLevel(logging.WARNING)  # else it reports each of its steps
    model, _ = tf2onnx.convert.from_function(graph, input_signature=graph.input_signature, opset=OPSET)
    expected = {output: np.array(array) for output, array in function(**inputs).items()}
    _describe(model, name, list(expected), run)
    content = model.SerializeToString()
    onnx.checker.check_model(content, full_check=True)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    scales = {output: max(1, np.abs(array).max()) for output, array in expected.items()}
    scales["images"] = np.ptp(run.model.pixel_range)
    errors, start = [], 0
    for count in BATCHES:
        part = slice(start, start := start + count)
        found = session.run(list(expected), {argument: array[part] for argument, array in inputs.items()})
        for (output, array), one in zip(expected.items(), found, strict=True):
            errors.append(np.abs(one - array[part]).max() / scales[output])
    largest = np.max(errors)  # NaN if one is
    if not largest <= LIMIT:
        raise CannotBeDone(
            f"target=onnx: expected the {name} to agree with Keras to {LIMIT:g} in onnxruntime, received a difference "
            f"of {largest:.1e}"
        )
    return content, largest, expected


def _describe(model, name, outputs, run):
    """Names the batch axis of a model, puts its outputs in order, and says what its numbers mean.

    Args:
        model: onnx.ModelProto, which is changed.
        name: of the graph.
        outputs: names of its outputs, in order.
        run: TrainedRun.
    """
    galaxies, low, high = run.galaxies, *run.model.pixel_range
    names, units = [], []
    if run.model.condition_dim:
        names, units = list(galaxies.condition_names), list(galaxies.condition_units)
    columns = [f"{column} [{unit}]" if unit else column for column, unit in zip(names, units, strict=True)]
    meanings = {
        "images": f"pixels as the dataset stores them, row 0 at the top; {low:g} to {high:g} are 0 to 1 of the network",
        "intensities": f"images in units of the network, 0 to 1, stretch {run.model.stretch}",
        "codes": "latent codes",
        "mean": "means of the latent codes",
        "log_variance": "natural logarithms of the variances of the latent codes",
        "condition": f"in physical units, classes as columns of zeros and ones: {', '.join(columns)}",
    }
    order = {output: position for position, output in enumerate(outputs)}
    ordered = sorted(model.graph.output, key=lambda value: order[value.name])
    del model.graph.output[:]
    model.graph.output.extend(ordered)
    for value in (*model.graph.input, *model.graph.output):
        value.doc_string = meanings[value.name]
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    model.graph.name = name
    model.producer_name, model.producer_version = "galvae", __version__
    model.doc_string = (
        f"{name} of galaxy images, model {run.config.model.name}, network {run.config.network.name}"
    )
    facts = {
        "latent_dim": run.model.latent_dim,
        "image_shape": list(run.model.image_shape),
        "pixel_range": [low, high],
        "stretch": run.model.stretch,
        "band_names": list(galaxies.band_names),
        "condition_names": names,
        "condition_units": units,
        "weights_sha256": run.weights_digest,
    }
    onnx.helper.set_model_props(
        model, {fact: value if isinstance(value, str) else json.dumps(value) for fact, value in facts.items()}
    )
