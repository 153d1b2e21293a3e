"""Runs the command line as `python -m galvae`."""

from galvae.cli.main import main

main()
