"""galvae evaluate: score every galaxy of a split."""

import logging

from galvae import figures
from galvae.analysis.evaluators import column_names, evaluate
from galvae.analysis.measured import column
from galvae.data.catalogue import galaxy_table, plain_table, write_table
from galvae.data.selection import check_selection, write_selected
from galvae.data.summary import galaxies_of
from galvae.errors import GalvaeError
from galvae.figures.cards import CARDS
from galvae.runs.evaluations import mark_old
from galvae.runs.find import is_bundle
from galvae.runs.links import check_folder_of_tracker
from galvae.runs.trained_run import TrainedRun
from galvae.system.atomic import save_arrays, save_json
from galvae.system.citation import citation
from galvae.training.report import draw_losses
from galvae.training.trackers.tracking import FOLDER, Tracking, check_installed

log = logging.getLogger(__name__)


def main(config, output_dir):
    """Writes metrics.json, a table with a row per galaxy, and the figures of every evaluator.

    Earlier results in the run's directory stay, and are marked as old if they are of other weights.

    Args:
        config: EvaluateConfig.
        output_dir: directory of the results.
    """
    check_installed(config.tracker)
    run = TrainedRun.open(config.run, config.backend, vars(config.dataset), config.force)
    if config.tracker is not None and is_bundle(run.path):
        raise GalvaeError(f"tracker: expected null for {config.run}, a bundle, into which nothing is written")
    if config.tracker is not None:
        check_folder_of_tracker(run.path / FOLDER)  # before anything is measured
    indices = run.dataset.split(config.split)
    colour = column(run, config.colour, indices)  # first, so that a wrong name costs no time
    check_selection(config.select, run.dataset, column_names(run, config.cards))
    style = figures.Style.of(config, run.config.dataset, run.directory.display_range)

    metrics = {
        "run": str(run.path),
        "epoch": run.state.best_epoch,
        "weights_sha256": run.weights_digest,
        "split": config.split,
        "galaxies": len(indices),
        "cite": citation(),
    }
    summary, columns, reports = evaluate(run, indices, config)
    save_json(output_dir / "metrics.json", metrics | summary)
    table = galaxy_table(run.dataset, indices, columns)
    write_table(table, output_dir / "galaxies")

    draw_losses(run.config, run.dataset, run.state.history, output_dir, style)
    for name, report in reports.items():
        for file, arrays in report.arrays.items():
            save_arrays(output_dir / f"{file}.npz", **arrays)
        for file, table in report.tables.items():
            write_table(plain_table(table), output_dir / file)
        for file, figure in CARDS[name](report, colour, style).items():
            galaxies = report.arrays.get(file, {}).get("indices", report.facts.get("galaxies", indices))
            figures.save(figure, output_dir / file, style, galaxies_of(run.dataset, galaxies))

    tracking = Tracking(config.tracker, run.directory)
    tracking.results(output_dir, metrics | summary, f"evaluate/{config.split}", run.state.best_epoch)
    tracking.end(run.directory.status)
    old = mark_old(run.path, run.state.best_epoch, run.weights_digest)
    if old:
        log.info("%s", old)
    print(f"{len(indices):,} galaxies of the split {config.split}, weights of epoch {run.state.best_epoch}")
    for report in reports.values():
        for line in report.lines:
            print(line)
    write_selected(table, config.select, output_dir)  # last, since it may select nothing
