"""The operating system: whole files, untrusted files, signals."""
