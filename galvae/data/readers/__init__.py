"""Readers: one module for each source of images."""
