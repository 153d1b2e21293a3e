"""The share of a batch that is computed at once: that of one of several devices, or one of several parts."""

import contextlib
import threading
from typing import NamedTuple

from keras import ops

_current = threading.local()  # TensorFlow traces a step once per device, each time in a thread of its own


class Share(NamedTuple):
    """Some images of a batch.

    Attributes:
        rows: (B,) of these images in the whole batch, which devices and parts share.
        size: number of images of the whole batch; None: that of `rows` on every device.
        weights: (B,) of these images in a mean over them, with which the mean of such means over all parts is that over
            the whole batch; None: all are one.
    """

    rows: object
    size: object = None
    weights: object = None


@contextlib.contextmanager
def computing(share):
    """Context in which what is computed at once is a share of a batch.

    Args:
        share: Share.
    """
    before, _current.share = current(), share
    try:
        yield
    finally:
        _current.share = before


def current():
    """The Share that is being computed; None: a whole batch."""
    return getattr(_current, "share", None)


def weighted(values):
    """Values of images, of whose mean each image is to have its weight: unchanged where all weigh the same.

    Args:
        values: (B, ...) float32.
    """
    share = current()
    if share is None or share.weights is None:
        return values
    return values * ops.reshape(share.weights, (-1, *(1 for _ in values.shape[1:])))
