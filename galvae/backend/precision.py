"""Precision: what a device multiplies in."""

import logging

# Of what TensorFlow would compute in bfloat16 on a CPU, the operations that make up losses and their means.
FLOAT32_OPERATIONS = "Sum,Mean,Sub,Square,SquaredDifference,Mul,Sigmoid,Exp,Log1p,Softplus"

BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}  # of /proc/cpuinfo: the processor multiplies bfloat16 natively

log = logging.getLogger(__name__)


def choose_precision(precision, kind, backend, flags):
    """The precision that a request comes to on a device.

    Args:
        precision: "auto", "float32" or "bfloat16".
        kind: "cpu" or "gpu".
        backend: "tensorflow" or "jax".
        flags: set of the processor's flags.

    Returns:
        "float32" or "bfloat16". A processor without bfloat16 arithmetic computes in float32, with a warning
        if bfloat16 was asked for.
    """
    able = kind == "gpu" or (backend == "tensorflow" and bool(BFLOAT16_FLAGS & flags))
    if precision == "bfloat16" and not able:
        log.warning(
            "precision=bfloat16: expected a GPU, or tensorflow on a processor with %s; computing in float32",
            " or ".join(sorted(BFLOAT16_FLAGS)),
        )
    return "bfloat16" if able and precision != "float32" else "float32"


def set_precision(backend, kind, precision):
    """Has Keras and TensorFlow compute as `choose_precision` chose."""
    import keras

    mixed = precision == "bfloat16"
    keras.config.set_dtype_policy("mixed_bfloat16" if mixed and kind == "gpu" else "float32")
    if backend == "tensorflow":
        import tensorflow as tf

        # On a CPU, oneDNN's rewrite of the float32 graph is faster than Keras' mixed policy.
        rewrite = mixed and kind == "cpu"
        tf.config.optimizer.set_experimental_options({"auto_mixed_precision_onednn_bfloat16": rewrite})
