"""Files on this machine's disk: the cache of prepared arrays, and downloads."""
