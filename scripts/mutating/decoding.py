"""Mistakes in the decoder that the page of galvae explore takes with it, and in the colours of its images."""

from mutating.mutant import Mutant

PLAN, PAGE = "galvae/explorer/decoder.py", "galvae/explorer/web/latent/decoder.js"
DISPLAY = "galvae/explorer/web/latent/display.js"
TESTS = "tests/explorer/test_decoder.py"
DECODES = f"{TESTS}::test_the_page_decodes_as_keras_does"
COLOURS = f"{TESTS}::test_images_have_the_colours_of_the_figures"

MUTANTS = [
    Mutant(
        "the page's convolutions have kernels upside down",
        PLAN,
        "kernel[::-1, ::-1], bias",
        "kernel, bias",
        DECODES,
    ),
    Mutant(
        "the page's transposed convolutions are shifted by a pixel",
        PLAN,
        "max(far - side, 0) // 2",
        "(max(far - side, 0) + 1) // 2",
        DECODES,
    ),
    Mutant(
        "batch normalisation in the page forgets the mean",
        PLAN,
        "(self.steps[-1].bias - mean) * factor",
        "self.steps[-1].bias * factor",
        DECODES,
    ),
    Mutant(
        "the page's kernels of smooth patches are free",
        PLAN,
        "kernel = smooth.smooth_kernel(kernel, smooth.projection(part.factor))",
        "kernel = kernel * 1",
        DECODES,
    ),
    Mutant(
        "the page gives cvae's decoder each condition once",
        PLAN,
        '"cvae": lambda latent_dim: latent_dim',
        '"cvae": lambda latent_dim: 1',
        DECODES,
    ),
    Mutant(
        "weights that a plan does not know are left out of the page",
        PLAN,
        "    builder.check_all_read()\n",
        "",
        f"{TESTS}::test_weights_of_another_configuration_are_refused",
    ),
    Mutant(
        "the page's conditions are not scaled",
        PAGE,
        "(condition[column] - mean) / scaling.std[column]",
        "condition[column]",
        DECODES,
    ),
    Mutant(
        "values below zero pass the page's nonlinearities",
        PAGE,
        "value < 0 ? slope * value : value",
        "value",
        DECODES,
    ),
    Mutant(
        "a decoded image of the page is overwritten by the next",
        PAGE,
        "const image = logits.map((logit) => 1 / (1 + Math.exp(-logit)));",
        "logits.forEach((logit, i) => { logits[i] = 1 / (1 + Math.exp(-logit)); }); const image = logits;",
        DECODES,
    ),
    Mutant(
        "the page's mirrored edges are dark",
        PAGE,
        "outputs.set(features.subarray(from, from + count), to);",
        "if (y % (rows - 1) && x % (columns - 1)) outputs.set(features.subarray(from, from + count), to);",
        DECODES,
    ),
    Mutant(
        "the page shows the first three bands, whichever were chosen",
        DISPLAY,
        "const chosen = rgb ?? [0, 1, 2];",
        "const chosen = [0, 1, 2];",
        COLOURS,
    ),
    Mutant(
        "colours of the page are stretched twice",
        DISPLAY,
        'lupton(colour, range ? "asinh" : stretch)',
        'lupton(colour, "none")',
        COLOURS,
    ),
    Mutant(
        "the page's images of one band miss the colour map's last entry",
        DISPLAY,
        "Math.min(Math.floor(256 * meanOf(units, from, bands)), 255)",
        "Math.floor(254 * meanOf(units, from, bands))",
        COLOURS,
    ),
]
