"""Encoder and decoder stacks, a module for each network."""
