"""The training loop and what accompanies it."""
