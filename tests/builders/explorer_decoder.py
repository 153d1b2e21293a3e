"""Contents of an explorer page that decodes: a decoder that NumPy knows too, a prior and noise."""

from types import SimpleNamespace

import numpy as np

from builders.explorer import synthetic
from builders.galaxies import ellipses
from galvae.explorer.generation import noise_of_run
from galvae.figures import Style, rgb
from galvae.noise.residual_noise import ResidualNoise

KERNEL = "decoder.0"


def decodable(count=200, latent_dim=6, **options):
    """Contents of a page, see `builders.explorer.synthetic`, whose decoder is one dense layer before a sigmoid.

    Each latent, and each column of the condition, adds a galaxy without symmetry of its own.
    """
    manifest, arrays, sheets = synthetic(count, latent_dim, **options)
    image = manifest["image"]
    shape = image["height"], image["width"], image["bands"]
    columns = arrays["condition"].shape[1] if manifest["conditions"] else 0
    size = max(shape[:2])  # kernels are square
    parts = ellipses(latent_dim + columns, size, shape[2], seed=3) / 255
    arrays[f"{KERNEL}.kernel"] = parts.astype(np.float16)
    arrays[f"{KERNEL}.scale"] = np.full(shape[2], 2, np.float32)
    arrays[f"{KERNEL}.bias"] = np.linspace(-2, -1, shape[2], dtype=np.float32)
    step = {
        "kind": "convolution",
        "name": KERNEL,
        "inputs": [1, 1, latent_dim + columns],
        "outputs": [*shape],
    }
    step |= {"size": size, "stride": 1, "offset": [0, 0], "slope": 1.0}
    scaling = {"mean": [0.0] * columns, "std": [1.0] * columns, "times": 1} if columns else None
    manifest["decoder"] = {"latent_dim": latent_dim, "condition": scaling, "steps": [step]}
    prior = {"kind": "normal", "label": "N(0, I)", "latent_dim": latent_dim, "condition_dim": 0, "arrays": []}
    manifest |= {"prior": prior, "no_noise": ""}
    manifest["noise"], noise, _ = noise_of_run(SimpleNamespace(noise=_noise(shape)))
    return manifest, arrays | noise, sheets


def decoded(contents, code, condition=()):
    """The bytes of a code's image as the page should show it, (H, W, 3) uint8.

    Args:
        contents: as `decodable` returns them.
        code: (latent_dim,).
        condition: (K,) in physical units.
    """
    manifest, arrays, _ = contents
    kernel = arrays[f"{KERNEL}.kernel"].astype(float) * arrays[f"{KERNEL}.scale"]
    height, width = manifest["image"]["height"], manifest["image"]["width"]
    logits = np.tensordot([*code, *condition], kernel[:, :height, :width], 1) + arrays[f"{KERNEL}.bias"]
    display = manifest["image"]["display"]
    style = Style().for_images(display["rgb"], display["stretch"], display["range"])
    return rgb(1 / (1 + np.exp(-logits))[None], style)[0]


def _noise(shape):
    generator = np.random.default_rng(4)
    images = ellipses(60, shape[:2], shape[2], seed=5) / 255
    return ResidualNoise.fit(0.05 * generator.normal(size=images.shape) * (1 + images), images)
