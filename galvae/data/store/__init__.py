"""What is kept on disk: the cache of prepared arrays, and downloads."""
