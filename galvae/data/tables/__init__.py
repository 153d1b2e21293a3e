"""Tables of galaxies that stand beside images: read exactly, and joined by identity."""
