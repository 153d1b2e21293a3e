"""python -m galvae."""

from galvae.cli import main

main()
