"""What an entry of the cache is, in words."""

import numpy as np

from galvae.data.store.cache import SOURCE
from galvae.errors import damage_as_one_line
from galvae.system.safe_read import read_json


def is_entry(folder):
    """Whether a folder is an entry of the cache."""
    return (folder / SOURCE).is_file() and (folder / "about.json").is_file()


def entry_facts(folder):
    """What is in an entry of the cache, as pairs of a name and a text.

    Args:
        folder: the entry's folder.

    Raises:
        GalvaeError: if it is damaged.
    """
    about, source = read_json(folder / "about.json"), read_json(folder / SOURCE)
    with damage_as_one_line(f"run: {folder}: expected an entry of the cache"):
        images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
        count, *shape = images.shape
        low, high = about.get("pixel_range") or (None, None)
        made_of = ", ".join(f"{name}={value}" for name, value in source.items() if name != "format" and value)
        yield (
            "what",
            f"prepared images of {about.get('reader')}, which galvae reads again where they are asked for",
        )
        yield "images", f"{count:,} of {'x'.join(map(str, shape))}, {images.dtype}, stored {low} to {high}"
        yield "conditions", ", ".join(map(str, about.get("condition_names") or [])) or "none"
        yield "made of", made_of or "nothing but the reader itself"
        for name in ("notes", "warnings"):
            for sentence in about.get(name) or []:
                yield name[:-1], str(sentence)
