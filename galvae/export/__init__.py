"""Trained runs, made to be given away: bundles, and what other programs read."""
