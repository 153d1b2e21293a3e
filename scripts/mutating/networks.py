"""Mistakes in the networks and in their initial weights."""

from mutating.mutant import Mutant

LAYERS = "tests/models/test_layers.py"
NETWORKS = "tests/models/test_networks.py"
BUILD = "galvae/models/networks/build.py"

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
        'kernels[i], stride=2, activation="relu")',
        "kernels[i], stride=2)",
        f"{NETWORKS}::test_every_layer_but_the_last_is_followed_by_its_nonlinearity",
    ),
    Mutant(
        "images of odd sides are shifted by a pixel",
        BUILD,
        "Cropping2D(((0, part.bottom), (0, part.right)),",
        "Cropping2D(((part.bottom, 0), (part.right, 0)),",
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
        BUILD,
        "ZeroPadding2D(((0, part.bottom), (0, part.right)),",
        "ZeroPadding2D(((part.bottom, 0), (part.right, 0)),",
        f"{NETWORKS}::test_slim_cuts_patches_from_the_upper_left_corner_and_puts_them_back_there",
    ),
    Mutant(
        "patches are drawn with kernels that are not smoothed",
        "galvae/models/layers.py",
        "features, self.smooth_kernel())",
        "features, self.kernel)",
        f"{LAYERS}::test_smooth_patches_leave_no_grid_in_constant_and_linear_features",
    ),
    Mutant(
        "each pixel of a patch has its own bias",
        "galvae/models/layers.py",
        "+ self.even_bias()",
        "+ self.bias",
        f"{LAYERS}::test_smooth_patches_leave_no_grid_in_constant_and_linear_features",
    ),
    Mutant(
        "kernels are smoothed as if a convolution's first row drew the first patch",
        "galvae/models/networks/smooth.py",
        "reshape(3, factor, 3, factor)[::-1, :, ::-1]",
        "reshape(3, factor, 3, factor)",
        f"{LAYERS}::test_smooth_patches_leave_no_grid_in_constant_and_linear_features",
    ),
    Mutant(
        "kernels are smoothed by a single box, which leaves the grid in gradients",
        "galvae/models/networks/smooth.py",
        "np.convolve(np.ones(factor), np.ones(factor))",
        "np.pad(np.ones(factor), (0, factor - 1))",
        f"{LAYERS}::test_smooth_patches_leave_no_grid_in_constant_and_linear_features",
    ),
    Mutant(
        "smoothed kernels start with less than their variance",
        "galvae/models/networks/smooth.py",
        "math.sqrt(factor * side / np.square(smooth).sum())",
        "1 / side",
        f"{LAYERS}::test_kernels_start_smooth_and_with_the_variance_of_their_rule",
    ),
    Mutant(
        "beyond the edges of a map of features there are zeros",
        "galvae/models/layers.py",
        'mode="symmetric"',
        'mode="constant"',
        f"{NETWORKS}::test_a_sky_is_decoded_without_a_grid_and_a_frame",
    ),
]
