"""Hydra launchers, which decide where the jobs of a sweep run; Hydra finds them in a package named hydra_plugins."""
