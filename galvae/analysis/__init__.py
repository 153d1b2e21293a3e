"""Measurements of what a model has learned."""
