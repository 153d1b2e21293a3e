"""python -m galvae."""

from galvae.cli.main import main

main()
