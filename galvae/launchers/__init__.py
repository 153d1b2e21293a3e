"""Launchers and sweepers: where the jobs of a sweep run, and which; Hydra finds them in the package hydra_plugins."""
