"""The explorer: a latent space as a page of its own, which decodes galaxies in the browser."""
