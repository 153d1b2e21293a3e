"""Mistakes of the commands that the tests must catch."""

from mutating.mutant import Mutant

MUTANTS = [
    Mutant(
        "samples of compared runs stand under the titles of others",
        "galvae/commands/compare.py",
        'runs.samples[name]["images"][:drawn] for name in order',
        'runs.samples[name]["images"][:drawn] for name in order[::-1]',
        "tests/commands/test_compare.py::test_a_sweep_is_compared_in_its_own_folder",
    ),
    Mutant(
        "samples of all compared runs are drawn in the same bands",
        "galvae/commands/compare.py",
        'style.for_images(own.get("dataset.rgb"), own["dataset.stretch"], ',
        'style.for_images(None, own["dataset.stretch"], ',
        "tests/commands/test_compare.py::test_samples_of_each_run_are_drawn_in_its_own_bands_and_stretch",
    ),
    Mutant(
        "samples of compared runs are drawn as dark as the network receives them",
        "galvae/commands/compare.py",
        "runs.display_ranges.get(name)",
        "None",
        "tests/commands/test_compare.py::test_samples_of_each_run_are_drawn_in_its_own_bands_and_stretch",
    ),
    Mutant(
        "the mosaic of umap says that it shows all galaxies",
        "galvae/commands/umap.py",
        'galaxies_of(run.dataset, mosaic["indices"][occupied])',
        "galaxies_of(run.dataset, embedding.indices)",
        "tests/commands/test_umap_figures.py::"
        "test_figures_have_the_display_stretch_of_the_run_and_say_which_galaxies_they_show",
    ),
    Mutant(
        "evaluated galaxies are coloured by the values of the first rows",
        "galvae/commands/evaluate.py",
        "column(run, config.colour, indices)",
        "column(run, config.colour, list(range(len(indices))))",
        "tests/commands/test_evaluate.py::"
        "test_figures_show_each_galaxy_with_its_own_value_in_the_colours_and_the_format_asked_for",
    ),
    Mutant(
        "the key colour of evaluate is ignored",
        "galvae/commands/evaluate.py",
        "column(run, config.colour, indices)",
        "column(run, None, indices)",
        "tests/commands/test_evaluate.py::"
        "test_figures_show_each_galaxy_with_its_own_value_in_the_colours_and_the_format_asked_for",
    ),
    Mutant(
        "a contact sheet shows other galaxies than its captions name",
        "galvae/commands/prepare.py",
        "dataset.to_unit(dataset.images[indices])",
        "dataset.to_unit(dataset.images[: len(indices)])",
        "tests/commands/test_prepare.py::test_the_contact_sheet_has_a_row_in_its_table_for_each_galaxy",
    ),
    Mutant(
        "real galaxies stand over the generated ones",
        "galvae/commands/sample.py",
        "figures.compared(generated, real, ",
        "figures.compared(real, generated, ",
        "tests/commands/test_traverse.py::test_samples_stand_over_their_nearest_training_galaxies",
    ),
    Mutant(
        "the scatter beside a traversed plane has its axes swapped",
        "galvae/commands/traverse.py",
        "codes.mean[:, axes]",
        "codes.mean[:, axes[::-1]]",
        "tests/commands/test_traverse.py::test_two_axes_have_a_plane_at_a_galaxy",
    ),
    Mutant(
        "a path's galaxies stand at each other's ends",
        "galvae/commands/traverse.py",
        "ends[:1], walk.images[0], ends[1:]",
        "ends[1:], walk.images[0], ends[:1]",
        "tests/commands/test_traverse.py::test_a_path_leads_from_galaxy_to_galaxy",
    ),
    Mutant(
        "embedded galaxies are coloured by the values of the first rows",
        "galvae/commands/umap.py",
        "measured.column(run, config.colour, indices)",
        "measured.column(run, config.colour, list(range(len(indices))))",
        "tests/commands/test_umap_figures.py::test_points_and_real_galaxies_stand_at_their_places",
    ),
    Mutant(
        "an embedding is drawn with its axes swapped",
        "galvae/commands/umap.py",
        "figures.scatter(*embedding.plane.T, ",
        "figures.scatter(*embedding.plane.T[::-1], ",
        "tests/commands/test_umap_figures.py::test_points_and_real_galaxies_stand_at_their_places",
    ),
    Mutant(
        "other decoded galaxies of a montage are faded",
        "galvae/commands/umap.py",
        "faded_cells[decoded] = faded",
        "faded_cells[decoded] = faded[::-1]",
        "tests/commands/test_umap_figures.py::test_points_and_real_galaxies_stand_at_their_places",
    ),
    Mutant(
        "evaluate shows other bands than the run's",
        "galvae/commands/evaluate.py",
        "figures.Style.of(config, run.config.dataset, run.directory.display_range)",
        "figures.Style.of(config)",
        "tests/commands/test_evaluate.py::"
        "test_figures_show_each_galaxy_with_its_own_value_in_the_colours_and_the_format_asked_for",
    ),
    Mutant(
        "sample shows other bands than the run's",
        "galvae/commands/sample.py",
        "figures.Style.of(config, run.config.dataset, run.directory.display_range)",
        "figures.Style.of(config)",
        "tests/commands/test_traverse.py::test_samples_stand_over_their_nearest_training_galaxies",
    ),
    Mutant(
        "the figure of many samples shows the first block under every title",
        "galvae/analysis/mock_catalogue.py",
        "shown = self.shown[block, first : first + len(images)]",
        "shown = self.shown[0, first : first + len(images)]",
        "tests/analysis/test_mock_catalogue.py::test_every_block_has_the_same_noise_and_the_figure_shows_it",
    ),
    Mutant(
        "generated galaxies of a block stand under the titles of others",
        "galvae/commands/sample.py",
        "for value in samples.values]",
        "for value in reversed(samples.values)]",
        "tests/commands/test_traverse.py::test_galaxies_of_every_redshift_are_drawn_and_their_nearest_listed",
    ),
    Mutant(
        "traverse shows other bands than the run's",
        "galvae/commands/traverse.py",
        "figures.Style.of(config, run.config.dataset, run.directory.display_range)",
        "figures.Style.of(config)",
        "tests/commands/test_traverse.py::test_two_axes_have_a_plane_at_a_galaxy",
    ),
    Mutant(
        "the figure of a walk along the condition ignores image_map",
        "galvae/commands/traverse.py",
        "figures.rows(walk.images, walk.row_labels, walk.column_labels, style=style)",
        "figures.rows(walk.images, walk.row_labels, walk.column_labels)",
        "tests/commands/test_traverse.py::test_a_redshift_is_refused_where_the_condition_is_another_one",
    ),
    Mutant(
        "umap shows other bands than the run's",
        "galvae/commands/umap.py",
        "figures.Style.of(config, run.config.dataset, run.directory.display_range)",
        "figures.Style.of(config)",
        "tests/commands/test_umap_figures.py::test_a_box_outlines_lists_and_enlarges_its_galaxies",
    ),
    Mutant(
        "the mosaic of umap covers the whole plane, whatever box= says",
        "galvae/commands/umap.py",
        "Cells.over(config.box or embedding.region, config.grid)",
        "Cells.over(embedding.region, config.grid)",
        "tests/commands/test_umap_figures.py::test_a_box_outlines_lists_and_enlarges_its_galaxies",
    ),
]
