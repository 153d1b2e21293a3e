"""The folder in which galvae keeps what it would otherwise download, prepare or compile again."""

import os
from pathlib import Path


def cache_folder(cache_dir=None):
    """The cache's folder: `cache_dir`, else $GALVAE_CACHE, else the user's cache folder."""
    if cache_dir or os.environ.get("GALVAE_CACHE"):
        return Path(os.path.expanduser(cache_dir or os.environ["GALVAE_CACHE"]))
    import pooch  # takes 40 ms

    return Path(pooch.os_cache("galvae"))
