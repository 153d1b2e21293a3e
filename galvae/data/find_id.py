"""A galaxy found by its id, as the user types it."""

import itertools
from decimal import Decimal, InvalidOperation

import numpy as np

from galvae.errors import GalvaeError

SHOWN = 3  # ids that an error message shows


def find_id(identifier, ids, name):
    """Row of the galaxy that has an id.

    Ids are compared as texts: 0012 and 12 are different galaxies.

    Args:
        identifier: the id, an integer or text.
        ids: (N,) ids, integers or texts.
        name: name of the dataset, for messages.

    Returns:
        Its row, an integer.

    Raises:
        GalvaeError: if no galaxy has it, or several do.
    """
    wanted, texts = str(identifier).strip(), np.char.strip(ids.astype(str))
    matches = np.flatnonzero(texts == wanted)
    if len(matches) == 1:
        return int(matches[0])
    received = f"{len(matches)} of them" if len(matches) else "none"
    alike = [] if len(matches) else _same_number(wanted, texts)
    hint = f"; did you mean {' or '.join(alike)}, which is another id?" if alike else ""
    raise GalvaeError(
        f"id {identifier}: expected one galaxy of dataset {name} with it, received {received}{hint}; its ids are like "
        f"{', '.join(texts[:SHOWN])}"
    )


def _same_number(text, texts):
    """A few of some texts that are other ways to write the number of a text; empty if it is no number."""
    value = _number(text)
    if value is None:
        return []
    return list(map(str, itertools.islice((other for other in texts if _number(other) == value), SHOWN)))


def _number(text):
    """The finite number that a text writes, exactly; None if it writes none."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() and "_" not in text else None
