"""Precision of a device's matrix products."""

import logging

import keras

if keras.config.backend() == "tensorflow":
    import tensorflow as tf

BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}  # of /proc/cpuinfo: the processor multiplies bfloat16 natively

log = logging.getLogger(__name__)


def choose_precision(precision, kind, backend, flags):
    """The precision in which a device computes, given the one that was requested.

    A processor without bfloat16 arithmetic computes in float32, with a warning if bfloat16 was requested.

    Args:
        precision: "auto", "float32" or "bfloat16".
        kind: "cpu" or "gpu".
        backend: "tensorflow" or "jax".
        flags: set of the processor's flags.

    Returns:
        "float32" or "bfloat16".
    """
    able = kind == "gpu" or (backend == "tensorflow" and bool(BFLOAT16_FLAGS & flags))
    if precision == "bfloat16" and not able:
        log.warning(
            "precision=bfloat16: expected a GPU, or tensorflow on a processor with %s; computing in float32",
            " or ".join(sorted(BFLOAT16_FLAGS)),
        )
    return "bfloat16" if able and precision != "float32" else "float32"


def set_precision(precision, kind):
    """Sets the precision in which Keras and TensorFlow compute.

    Args:
        precision: "float32" or "bfloat16".
        kind: "cpu" or "gpu".
    """
    mixed = precision == "bfloat16"
    keras.config.set_dtype_policy("mixed_bfloat16" if mixed and kind == "gpu" else "float32")
    if keras.config.backend() == "tensorflow":
        # On a CPU, oneDNN's rewrite of the float32 graph is faster than Keras' mixed policy.
        rewrite = mixed and kind == "cpu"
        tf.config.optimizer.set_experimental_options({"auto_mixed_precision_onednn_bfloat16": rewrite})
