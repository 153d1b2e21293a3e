"""Mistakes in the networks and in their initial weights."""

from mutating.mutant import Mutant

NETWORKS = "tests/models/test_networks.py"

MUTANTS = [
    Mutant(
        "transposed convolutions start with half of He's standard deviation",
        "galvae/models/initializers.py",
        "stddev=stride * math",
        "stddev=math",
        f"{NETWORKS}::test_he_initialisation_has_the_variance_of_its_rule",
    ),
    Mutant(
        "transposed convolutions forget that a normal is cut off",
        "galvae/models/initializers.py",
        " / TRUNCATION",
        "",
        f"{NETWORKS}::test_he_initialisation_has_the_variance_of_its_rule",
    ),
    Mutant(
        "the decoder's pixels cannot be darker than one half",
        "galvae/models/networks/conv.py",
        'None if is_image else "relu"',
        '"relu"',
        f"{NETWORKS}::test_every_layer_but_the_last_is_followed_by_its_nonlinearity",
    ),
    Mutant(
        "convolutions of the encoder have no nonlinearity",
        "galvae/models/networks/conv.py",
        'padding="same",\n            activation="relu",',
        'padding="same",',
        f"{NETWORKS}::test_every_layer_but_the_last_is_followed_by_its_nonlinearity",
    ),
    Mutant(
        "images of odd sides are shifted by a pixel",
        "galvae/models/networks/conv.py",
        "((0, surplus[0]), (0, surplus[1]))",
        "((surplus[0], 0), (surplus[1], 0))",
        f"{NETWORKS}::test_odd_sides_are_cropped_at_their_lower_right_end",
    ),
    Mutant(
        "the decoder's kernels are not mirrored",
        "galvae/models/networks/conv.py",
        "enumerate(reversed(kernels))",
        "enumerate(kernels)",
        f"{NETWORKS}::test_conv_at_128_pixels_has_the_blogs_layers",
    ),
    Mutant(
        "LeakyReLU has another slope than the published one",
        "galvae/models/networks/dcgan.py",
        "SLOPE = 0.2",
        "SLOPE = 0.3",
        f"{NETWORKS}::test_every_layer_but_the_last_is_followed_by_its_nonlinearity",
    ),
    Mutant(
        "batch normalisation has Keras' momentum instead of PyTorch's",
        "galvae/models/networks/dcgan.py",
        '"momentum": 0.9,',
        '"momentum": 0.99,',
        f"{NETWORKS}::test_every_layer_but_the_last_is_followed_by_its_nonlinearity",
    ),
    Mutant(
        "slim pads images above and left of them",
        "galvae/models/networks/slim.py",
        "((0, pad[0]), (0, pad[1]))",
        "((pad[0], 0), (pad[1], 0))",
        f"{NETWORKS}::test_slim_cuts_patches_from_the_upper_left_corner_and_puts_them_back_there",
    ),
    Mutant(
        "slim crops decoded images above and left",
        "galvae/models/networks/slim.py",
        "((0, crop[0]), (0, crop[1]))",
        "((crop[0], 0), (crop[1], 0))",
        f"{NETWORKS}::test_slim_cuts_patches_from_the_upper_left_corner_and_puts_them_back_there",
    ),
]
