"""galvae encode: galaxies of any dataset through a trained model."""

import logging

from galvae.analysis.additions import ADDITIONS
from galvae.analysis.encoded import Encoder
from galvae.analysis.encoded_table import encoded_table, repeated_ids
from galvae.analysis.novelty import Novelty
from galvae.data.catalogue import check_format, galaxy_table, read_written, write_table
from galvae.data.selection import Selection, write_selected
from galvae.errors import GalvaeError
from galvae.runs.alignment import aligned_dataset
from galvae.runs.encoding import Parts, table_digest
from galvae.runs.trained_run import TrainedRun
from galvae.system.signals import Stopped

LONG = 5  # seconds that a part takes which has a line of its own in the log

log = logging.getLogger(__name__)


def main(config, output_dir):
    """Encodes the parts that are missing; the process that writes the last one merges them.

    Args:
        config: EncodeConfig.
        output_dir: directory of the results, or of an array's job below it.

    Returns:
        Path of the directory of the results.

    Raises:
        GalvaeError: if the dataset does not suit the run, or the directory holds parts of something else.
    """
    folder = config.results_folder(output_dir)
    if config.select is not None:
        Selection(config.select)  # first, so that a wrong one costs no time
    check_format(config.table)
    run = TrainedRun.open(config.run, config.backend, force=config.force)
    own = config.dataset is None
    dataset = _own_galaxies(run) if own else aligned_dataset(run, config.dataset, config.allow)
    additions = {name: ADDITIONS[name](run, config) for name in config.add}
    rows = dataset.split("all")
    identity = {
        "weights": run.weights_digest,
        "dataset": dataset.digest,
        "catalogue": table_digest(galaxy_table(dataset, rows, {})),
        "add": list(config.add),
        "additions": {name: getattr(addition, "identity", None) for name, addition in additions.items()},
        "table": config.table,
    }
    parts = Parts(folder, identity, len(rows), config.shards)
    parts.check()
    if parts.written:
        log.info("%d of %d parts are there already", parts.written, parts.shards)
    encoder = Encoder(run, dataset, additions, parts.largest)
    try:
        if parts.results() is None:
            _check_selection(config.select, encoder, run, rows, own)
            for shard in range(parts.shards) if config.shard is None else [config.shard]:
                _encode(parts, shard, encoder, rows)
        with parts.locked():  # of several processes, one merges
            results = parts.results() or _merge(parts, encoder, run, rows, own, config)
            if results is not None:
                parts.remove()
    except Stopped as stopped:
        stopped.resume_command = "the same command"
        raise
    if results is None:
        print(f"{parts.written} of {parts.shards} parts are encoded; the last of them merges all")
        return folder
    if config.select is not None:
        write_selected(read_written(folder / results["table"]), config.select, folder)
    speed = f"{results['galaxies_per_second']:,.0f} per second"
    print(f"{results['galaxies']:,} galaxies ({speed}) in {results['table']}")
    return folder


def _own_galaxies(run):
    """The dataset that a run was trained on.

    Raises:
        GalvaeError: if it has gone, without the hint at a new path, which this command would take for new galaxies.
    """
    try:
        return run.dataset
    except GalvaeError as error:
        reason, moved, _ = str(error).partition("; if it has moved")
        if not moved:
            raise
        raise GalvaeError(
            f"{reason}; galvae encode takes the run's own galaxies only from there: put them or a link there, or "
            "dataset=files dataset.path=... encodes them as any others"
        ) from error


def _check_selection(text, encoder, run, rows, own):
    """Refuses an expression that the table will not satisfy, by the table of one galaxy, before all are encoded."""
    if text is not None:
        table, _ = encoded_table(encoder.dataset, rows[:1], [encoder.encode(rows[:1])], Novelty(run), own)
        Selection(text).rows(table)


def _encode(parts, shard, encoder, rows):
    """A part, encoded unless it is there; None for one beyond the last, which has no galaxies."""
    if shard >= parts.shards:
        log.info("part %d has no galaxies, since there are %d in %d parts", shard, parts.count, parts.shards)
        return None
    part = parts.read(shard)
    if part is None:
        part = encoder.encode(rows[parts.rows(shard)])
        parts.save(shard, part)
        if part.seconds > LONG:
            log.info("part %d of %d is encoded", shard, parts.shards)
    return part


def _merge(parts, encoder, run, rows, own, config):
    """Merges all parts into the table and encode.json, whose content it returns; None if a part is missing."""
    if parts.written < parts.shards:
        return None
    # A part that was damaged since it was written is encoded again.
    merged = [_encode(parts, shard, encoder, rows) for shard in range(parts.shards)]
    seconds = sum(part.seconds for part in merged)
    dataset, novelty = encoder.dataset, Novelty(run)
    dataset.mapped_files.check()  # whether its images were changed while they were read
    ids = dataset.ids[rows]
    table, unusual = encoded_table(dataset, rows, merged, novelty, own)
    path = write_table(table, parts.folder / "galaxies", config.table)
    report, warning = novelty.report(unusual, ids)
    repeated, examples = repeated_ids(ids)
    results = {
        "run": str(run.path),
        "epoch": run.state.best_epoch,
        "weights_sha256": run.weights_digest,
        "dataset": {
            "name": dataset.name,
            "path": None if own else getattr(config.dataset, "path", None),
            "sha256": dataset.report["sha256"],
        },
        "galaxies": len(rows),
        "left_out": dataset.report.get("left_out", 0),
        "alignment": dataset.report.get("alignment", []),
        "repeated_ids": repeated,
        "out_of_distribution": report,
        "warning": warning,
        "table": path.name,
        "seconds": seconds,
        "galaxies_per_second": len(rows) / max(seconds, 1e-9),
    }
    parts.finish(results)
    if repeated:
        log.warning(
            "%d galaxies have an id that another one has too, such as %s; the column index tells them apart",
            *(repeated, ", ".join(examples)),
        )
    if warning:
        log.warning("%s", warning)
    return results
