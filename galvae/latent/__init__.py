"""The latent space: codes, walks, priors and a two-dimensional embedding."""
