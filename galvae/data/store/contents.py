"""What an entry of the cache is, in words."""

import numpy as np

from galvae.data.store.cache import SOURCE
from galvae.data.store.cache_entry import PART
from galvae.errors import damage_as_one_line
from galvae.system.safe_read import read_json


def is_entry(folder):
    """Whether a folder is an entry of the cache."""
    return (folder / SOURCE).is_file() and (folder / "about.json").is_file()


def is_part(folder):
    """Whether an entry of the cache holds the images of one file of several, and is no dataset of its own."""
    return PART.fullmatch(folder.name) is not None


def entry_facts(folder):
    """What is in an entry of the cache, as pairs of a name and a text.

    Args:
        folder: the entry's folder.

    Raises:
        GalvaeError: if it is damaged.
    """
    about, source = read_json(folder / "about.json"), read_json(folder / SOURCE)
    with damage_as_one_line(f"run: {folder}: expected an entry of the cache"):
        if "parts" in about:
            (count, *shape), dtype = about["shape"], about["dtype"]
        else:
            images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
            (count, *shape), dtype = images.shape, images.dtype
        low, high = about.get("pixel_range") or (None, None)
        made_of = ", ".join(f"{name}={value}" for name, value in source.items() if name != "format" and value)
        yield "what", _what(about, source)
        yield "images", f"{count:,} of {'x'.join(map(str, shape))}, {dtype}, stored {low} to {high}"
        if "parts" in about:
            yield "parts", _parts(folder, about["parts"])
        if "part" in about:
            return
        yield "conditions", ", ".join(map(str, about.get("condition_names") or [])) or "none"
        yield "made of", made_of or "nothing but the reader itself"
        for name in ("notes", "warnings"):
            for sentence in about.get(name) or []:
                yield name[:-1], str(sentence)


def _what(about, source):
    reader = about.get("reader")
    if "parts" in about:
        return f"the galaxies of dataset {reader} in several files: their columns, and in which parts their images are"
    if "part" in about:
        images, of = about["part"]["images"], about["part"]["of"]
        some = "" if images == of else f", without {of - images:,} that are left out"
        return (
            f"prepared images of {source['source']['path']}{some}, a part of datasets of several files, which galvae "
            "reads again where they are asked for"
        )
    return f"prepared images of {reader}, which galvae reads again where they are asked for"


def _parts(folder, parts):
    """How many parts there are, and of which files."""
    gone = sum(not is_entry(folder.parent / str(part["entry"])) for part in parts)
    text = f"{len(parts):,}, {parts[0]['entry']} of {parts[0]['file']} to {parts[-1]['entry']} of {parts[-1]['file']}"
    return text + (
        f"; {gone:,} of them have gone, and are prepared again where they are asked for" if gone else ""
    )
