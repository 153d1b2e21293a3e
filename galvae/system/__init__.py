"""The operating system: atomic writing, reading of untrusted files, signals."""
