"""Entries of the cache, prepared from images in memory."""

import codecs

from builders.galaxies import ellipses
from galvae.data.source import Source
from galvae.data.store import cache_entry
from galvae.data.store.cache import cached

IMAGES = ellipses(10, 8)
codecs.lookup(
    "cp437"
)  # zipfile looks for it when an entry is read, even as a user who may not read Python's own files


def source(images=IMAGES, **changes):
    values = {"shape": images.shape, "dtype": str(images.dtype), "pixel_range": (0, 255)}
    return Source(**{**values, "blocks": [images[:4], images[4:]], **changes})


def opened(folder, read=source, fingerprint=None, reader="test", verify="auto", **options):
    """The open entry, prepared first if need be, of what a function returns as Source."""

    def write_entry(building):
        cache_entry.write(building, reader, read(), **options)

    return cached(folder, reader, fingerprint or {}, write_entry, verify)


def prepared(folder, reader, fingerprint, read, verify="auto", **options):
    """Images, masks, columns and facts of `opened`."""
    return opened(folder, read, fingerprint, reader, verify, **options)[:4]


def overwrite(path, content):
    """Writes to a file of an entry, in place, as a program that ignores its rights does."""
    path.chmod(0o600)
    path.write_bytes(content)


def entries(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))
