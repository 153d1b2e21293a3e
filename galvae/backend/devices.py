"""The devices that the backend sees, and their memory."""

import contextlib

import keras

from galvae.backend.hardware import available_memory

if keras.config.backend() == "tensorflow":
    import tensorflow as tf
else:
    import jax


def gpu_names():
    """Names of the GPUs; empty if there is none."""
    if keras.config.backend() == "jax":
        return [device.device_kind for device in jax.devices() if device.platform != "cpu"]
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        # Without growth, one job takes the whole memory of a GPU that others share.
        with contextlib.suppress(RuntimeError):  # already in use by an earlier job of this process
            tf.config.experimental.set_memory_growth(gpu, True)
    return [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in gpus]


def cpu_count():
    """Number of CPU devices: one, unless the process was configured to have more."""
    if keras.config.backend() == "jax":
        return jax.device_count()
    return len(tf.config.list_logical_devices("CPU"))


def free_memory(kind):
    """Bytes of a device's memory that this process may still allocate; 0 if the device does not report it.

    Args:
        kind: "cpu" or "gpu".
    """
    if kind == "cpu":
        return available_memory()
    if keras.config.backend() == "jax":
        statistics = jax.local_devices()[0].memory_stats() or {}
        return max(0, statistics.get("bytes_limit", 0) - statistics.get("bytes_in_use", 0))
    # The limit is that of the allocator, which belongs to the process and not to the session that is asked.
    with tf.compat.v1.Session() as session:
        limits = [
            device.memory_limit_bytes for device in session.list_devices() if device.device_type == "GPU"
        ]
    return max(0, limits[0] - tf.config.experimental.get_memory_info("GPU:0")["current"])


def out_of_memory():
    """The class of the errors that the backend raises when a device's memory is full."""
    if keras.config.backend() == "jax":
        return jax.errors.JaxRuntimeError
    return tf.errors.ResourceExhaustedError
