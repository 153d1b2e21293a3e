"""Initial kernels of every network, chosen by the key `network.initializer`."""

import math

import keras

TRUNCATION = 0.87962566103423978  # standard deviation of a unit normal cut off at two


def initializer(network):
    """Kernel initialiser of dense and plain convolution layers.

    Args:
        network: the network's configuration.

    Reference:
        He et al. 2015 (arXiv:1502.01852), equation 10, or Glorot & Bengio 2010, Keras' default.
    """
    return {"he": "he_normal", "glorot": "glorot_uniform"}[network.initializer]


def transposed_initializer(network, inputs, kernel, stride=2):
    """Kernel initialiser of a transposed convolution.

    With stride 2, each output pixel sums only kernel^2 / 4 of the kernel's entries per input channel, so that He's
    rule, 2 / (number of terms summed), gives four times the variance of a plain convolution.

    Args:
        network: the network's configuration.
        inputs: number of input channels.
        kernel: side of the kernel.
        stride: of the convolution.

    Reference:
        See `initializer`.
    """
    if network.initializer == "glorot":
        return initializer(network)
    return keras.initializers.TruncatedNormal(
        stddev=stride * math.sqrt(2.0 / (inputs * kernel**2)) / TRUNCATION
    )
