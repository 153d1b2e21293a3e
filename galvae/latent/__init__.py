"""The latent space: codes, walks, priors and its layout in a plane."""
