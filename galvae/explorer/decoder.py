"""A run's decoder for the page, from its configuration and the weights of a checkpoint, without Keras.

The page knows three kinds of steps (`web/latent/decoder.js`). All that multiplies is a transposed convolution there: a
plain one is that with its kernel turned by 180 degrees, a dense layer is one of a single pixel. Batch normalisation and
smooth patches become part of the kernels, and what is cropped is not computed.
"""

from dataclasses import dataclass

import numpy as np

from galvae.config.model import ConditionalConfig
from galvae.errors import GalvaeError
from galvae.models.networks import parts, smooth
from galvae.models.networks.plan import decoder_plan

# How many times each column of the condition stands behind the code of so many latents, by the model's name.
TIMES = {"cvae": lambda latent_dim: latent_dim, "cvae2": lambda latent_dim: 1}
TIMES["fancy_cvae"] = TIMES["cvae"]
SLOPES = {None: 1.0, "relu": 0.0}
LEVELS = 32767  # of the largest weight of a filter: at the same size, errors are a fifth of those of float16
LARGEST = 1e30  # weight or bias


@dataclass
class _Step:
    """A step of the decoder in the making; shapes are (height, width, channels).

    A convolution adds to its outputs at (stride y + i - offset, stride x + j - offset) the inputs at (y, x) times the
    kernel at (i, j), where these lie within the outputs, then the bias; a value below zero is multiplied by the slope.
    """

    kind: str
    inputs: tuple
    outputs: tuple
    kernel: np.ndarray | None = None  # (k, k, N, F) float64
    bias: np.ndarray | None = None  # (F,) float64
    stride: int = 1
    offset: tuple = (0, 0)
    slope: float = 1.0


def decoder_of(config, state, weights):
    """The decoder of a run as the page takes it.

    Args:
        config: TrainConfig.
        state: CheckpointState, for the shape of images and the columns of the condition.
        weights: dict of path -> array, the variables of the checkpoint.

    Returns:
        (spec, arrays). The spec is a JSON-able dict of `latent_dim`, `condition` (null, or `mean`
        and `std`, by which its K columns are scaled, and how many `times` each of them stands behind the code) and
        `steps`: dicts of `kind` ("convolution", "edges" or "pixels"), `inputs` and `outputs` [height, width, channels],
        and of a convolution `name`, `size` k of its kernel, `stride`, `offset` and `slope`, see `_Step`. Its arrays are
        NAME.kernel (N, k, k, F) int16, NAME.scale (F,), by which it is multiplied, and NAME.bias (F,), both float32.
        The outputs of the last step are logits.

    Raises:
        GalvaeError: if the weights are not of this configuration, or the page does not know a part of its network.
    """
    condition = _condition(config, state, weights)
    code_dim = config.latent_dim
    if condition is not None:
        code_dim += len(condition["mean"]) * condition["times"]
    builder = _Builder(code_dim, weights)
    for part in decoder_plan(code_dim, state.image_shape, config.network):
        builder.add(part)
    builder.check_all_read()
    spec = {"latent_dim": config.latent_dim, "condition": condition}
    spec["steps"], arrays = [], {}
    for number, step in enumerate(builder.steps):
        entry = {"kind": step.kind, "inputs": list(step.inputs), "outputs": list(step.outputs)}
        if step.kind == "convolution":
            entry |= {"name": f"decoder.{number}", "size": len(step.kernel), "stride": step.stride}
            entry |= {"offset": list(step.offset), "slope": step.slope}
            arrays |= _stored(entry["name"], step)
        spec["steps"].append(entry)
    return spec, arrays


def _condition(config, state, weights):
    """How the decoder receives the condition; None for a model without one."""
    if not isinstance(config.model, ConditionalConfig):
        return None
    if config.model.name not in TIMES:
        raise GalvaeError(
            f"model {config.model.name}: the page cannot decode it; expected a conditional model of "
            f"{', '.join(TIMES)}"
        )
    shape = (len(state.condition_names),)
    return {
        "mean": _checked(weights, "condition_mean", shape).tolist(),
        "std": _checked(weights, "condition_spread", shape).tolist(),
        "times": TIMES[config.model.name](config.latent_dim),
    }


class _Builder:
    """Makes steps of a plan's parts, one after another.

    Args:
        code_dim: length of the decoder's input vectors.
        weights: dict of path -> array, the variables of a checkpoint.
    """

    def __init__(self, code_dim, weights):
        self.steps = []
        self.shape = (1, 1, code_dim)  # of what the next part receives
        self.weights = weights
        self.read = set()

    def add(self, part):
        """Adds what a part computes, as a step or to the step before.

        Raises:
            GalvaeError: if its weights are missing or of another shape, or the page does not know such a part.
        """
        height, width, inputs = self.shape
        match part:
            case parts.Dense():
                kernel = self.variable(part, "kernel", (inputs, part.units))
                bias = self.variable(part, "bias", (part.units,))
                self.convolve(kernel[None, None], bias, (1, 1), slope=SLOPES[part.activation])
            case parts.Reshape():
                self.shape = (part.height, part.width, part.filters)
            case parts.Transposed():
                kernel = self.variable(part, "kernel", (part.kernel, part.kernel, part.filters, inputs))
                sides = [_transposed_side(side, part) for side in (height, width)]
                reach = [(side - 1) * part.stride + part.kernel for side in (height, width)]
                offset = tuple(max(far - side, 0) // 2 for far, side in zip(reach, sides, strict=True))
                bias = self.bias(part, part.filters)
                options = {"stride": part.stride, "offset": offset, "slope": SLOPES[part.activation]}
                self.convolve(kernel.transpose(0, 1, 3, 2), bias, sides, **options)
            case parts.Conv(stride=1):
                kernel = self.variable(part, "kernel", (part.kernel, part.kernel, inputs, part.filters))
                self.plain(part, kernel, self.bias(part, part.filters), slope=SLOPES[part.activation])
            case parts.SmoothPatches():
                filters = part.factor**2 * part.bands
                kernel = self.variable(part, "kernel", (3, 3, inputs, filters))
                kernel = smooth.smooth_kernel(kernel, smooth.projection(part.factor))
                bias = smooth.even_bias(self.variable(part, "bias", (filters,)), part.factor)
                self.plain(part, kernel, bias)
            case parts.Normalisation() if self.follows_sums():
                gamma, beta, mean, variance = (
                    self.variable(part, name, (inputs,))
                    for name in ("gamma", "beta", "moving_mean", "moving_variance")
                )
                factor = gamma / np.sqrt(np.maximum(variance, 0) + part.epsilon)
                self.steps[-1].kernel = self.steps[-1].kernel * factor
                self.steps[-1].bias = (self.steps[-1].bias - mean) * factor + beta
            case parts.Rectifier() if self.follows_sums():
                self.steps[-1].slope = part.slope
            case parts.Crop() if self.follows_step():
                self.shape = (height - part.bottom, width - part.right, inputs)
                self.steps[-1].outputs = self.shape
            case parts.MirroredEdges():
                self.step(_Step("edges", self.shape, (height + 2, width + 2, inputs)))
            case parts.DepthToSpace():
                f = part.factor
                self.step(_Step("pixels", self.shape, (f * height, f * width, inputs // f**2)))
            case _:
                raise GalvaeError(f"network: {part}: the page cannot decode such a part at this place")

    def plain(self, part, kernel, bias, **options):
        """Adds a convolution with stride 1, whose kernel is (k, k, N, F)."""
        size = len(kernel)
        before, less = ((size - 1) // 2, 0) if part.padding == "same" else (0, size - 1)
        sides = [side - less for side in self.shape[:2]]
        self.convolve(kernel[::-1, ::-1], bias, sides, offset=(size - 1 - before,) * 2, **options)

    def convolve(self, kernel, bias, sides, **options):
        """Adds a step of kind convolution, whose outputs have the given sides."""
        outputs = (*sides, kernel.shape[-1])
        self.step(_Step("convolution", self.shape, outputs, kernel, bias, **options))

    def step(self, step):
        """Adds a step."""
        self.steps.append(step)
        self.shape = step.outputs

    def follows_sums(self):
        """Whether the last step is a convolution without a nonlinearity, whose outputs have kept their shape."""
        return self.follows_step() and self.steps[-1].kind == "convolution" and self.steps[-1].slope == 1

    def follows_step(self):
        """Whether there is a step, whose outputs have kept their shape."""
        return bool(self.steps) and self.steps[-1].outputs == self.shape

    def bias(self, part, filters):
        """The bias of a part, zero if it has none."""
        return self.variable(part, "bias", (filters,)) if part.bias else np.zeros(filters)

    def variable(self, part, name, shape):
        """A variable of a part, in float64; its shape is compared with the plan's."""
        path = f"decoder/{part.name}/{name}"
        self.read.add(path)
        return _checked(self.weights, path, shape)

    def check_all_read(self):
        """Checks that the decoder has no variables beside those of the plan.

        Raises:
            GalvaeError: if it has.
        """
        for path in sorted(self.weights):
            if path.startswith("decoder/") and path not in self.read:
                raise _other_weights(path, "none", self.weights[path].shape)


def _transposed_side(side, part):
    """Side of what a transposed convolution returns, as Keras has it."""
    if part.padding == "valid":
        return part.stride * side + max(part.kernel - part.stride, 0)
    if part.output_padding is None:
        return part.stride * side
    return part.stride * (side - 1) + part.kernel % 2 + part.output_padding


def _stored(name, step):
    """The arrays of a convolution, by name; raises GalvaeError where float32 cannot hold them."""
    scale = np.abs(step.kernel).max(axis=(0, 1, 2)) / LEVELS
    if not np.all(np.append(scale, np.abs(step.bias)) < LARGEST):  # NaN included
        raise GalvaeError(
            f"checkpoint: {name}: expected finite weights and statistics, received infinite ones"
        )
    scale[scale == 0] = 1
    return {
        f"{name}.kernel": np.round(step.kernel / scale).transpose(2, 0, 1, 3).astype(np.int16),
        f"{name}.scale": scale.astype(np.float32),
        f"{name}.bias": step.bias.astype(np.float32),
    }


def _checked(weights, path, shape):
    """A variable in float64; raises GalvaeError if there is none, or of another shape."""
    if path not in weights or weights[path].shape != shape:
        raise _other_weights(path, shape, weights[path].shape if path in weights else "none")
    return np.asarray(weights[path], np.float64)


def _other_weights(path, expected, received):
    return GalvaeError(
        f"checkpoint: variable {path}: expected {expected}, received {received}; the weights are not of this "
        "configuration"
    )
