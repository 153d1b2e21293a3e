"""Checks of what can only be seen on a GPU, which `scripts/gpu_check.py` runs one after the other."""
