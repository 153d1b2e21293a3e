"""Mistakes of exported models and of galaxies in GalSim that the tests must catch."""

from mutating.mutant import Mutant

MUTANTS = [
    Mutant(
        "a run is exported as ONNX on its own backend",
        "galvae/config/export.py",
        'self.backend = "tensorflow"',
        "self.backend = None",
        "tests/export/test_onnx.py::test_the_command_opens_every_run_on_tensorflow",
    ),
    Mutant(
        "GalSim's configuration draws pixels a second time",
        "galvae/export/galsim_config.py",
        "draw_method: no_pixel",
        "draw_method: auto",
        "tests/export/test_galsim_galaxy.py::test_galsim_draws_galaxies_from_its_configuration",
    ),
    Mutant(
        "galaxies are upside down in GalSim",
        "galvae/export/galsim_galaxy.py",
        "np.ascontiguousarray(stamp[::-1])",
        "stamp",
        "tests/export/test_galsim_galaxy.py::test_it_stands_as_in_the_files_of_sample",
    ),
    Mutant(
        "galaxies in GalSim keep their sky",
        "galvae/export/galsim_galaxy.py",
        "return stamp - sky_of(border)[0]",
        "return stamp",
        "tests/export/test_galsim_galaxy.py::test_it_is_the_stamp_above_the_sky",
    ),
    Mutant(
        "galaxies in GalSim keep their stretch",
        "galvae/export/galsim_galaxy.py",
        "from_unit(run.decode(codes, condition)[0], run.model.stretch,",
        'from_unit(run.decode(codes, condition)[0], "none",',
        "tests/export/test_galsim_galaxy.py::test_it_is_the_stamp_above_the_sky",
    ),
    Mutant(
        "a galaxy in GalSim has the condition of another seed than its code",
        "galvae/export/galsim_galaxy.py",
        "condition or {}, seed)",
        "condition or {}, 0)",
        "tests/export/test_galsim_galaxy.py::test_a_seed_is_the_galaxy_that_a_run_samples",
    ),
    Mutant(
        "GalSim's random numbers do not choose the galaxy",
        "galvae/export/galsim_galaxy.py",
        "            seed = rng.raw()",
        "            seed = 0",
        "tests/export/test_galsim_galaxy.py::test_a_seed_is_a_galaxy",
    ),
    Mutant(
        "GalSim's redshift is not asked of the model",
        "galvae/export/galsim_galaxy.py",
        'condition = {"redshift": redshift, **condition}',
        "condition = dict(condition)",
        "tests/export/test_galsim_galaxy.py::test_its_redshift_is_that_of_its_condition",
    ),
    Mutant(
        "a copy of a process that uses Keras computes",
        "galvae/export/galsim_galaxy.py",
        "if process != os.getpid():",
        "if process is None:",
        "tests/export/test_galsim_galaxy.py::test_a_copy_of_a_process_that_uses_keras_is_refused",
    ),
    Mutant(
        "images of the exported decoder keep the stretch",
        "galvae/export/onnx.py",
        "images = from_unit(intensities, model.stretch, model.pixel_range, ops)",
        'images = from_unit(intensities, "none", model.pixel_range, ops)',
        "tests/export/test_onnx.py::test_stored_pixels_come_out",
    ),
    Mutant(
        "a difference of onnxruntime from Keras is accepted",
        "galvae/export/onnx.py",
        "    if not largest <= LIMIT:",
        "    if largest <= 0:",
        "tests/export/test_onnx.py::test_another_function_is_a_difference",
    ),
    Mutant(
        "outputs of an exported model are in the order of their names",
        "galvae/export/onnx.py",
        "order[value.name])",
        "value.name)",
        "tests/export/test_onnx.py::test_names_and_axes_are_for_readers",
    ),
    Mutant(
        "the batch axis of an exported model keeps the converter's name",
        "galvae/export/onnx.py",
        'dim[0].dim_param = "batch"',
        "dim[0].dim_param = value.type.tensor_type.shape.dim[0].dim_param",
        "tests/export/test_onnx.py::test_names_and_axes_are_for_readers",
    ),
    Mutant(
        "the exported codes are of N(0, I)",
        "galvae/export/onnx.py",
        "run.prior().sample(CODES, condition, SEED)",
        'run.prior("normal").sample(CODES, condition, SEED + 1)',
        "tests/export/test_onnx.py::test_what_comes_out_goes_in_again",
    ),
]
