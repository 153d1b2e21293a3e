"""galvae neighbors: the galaxies nearest to a galaxy, or to an image of the user's own, in the latent space."""

import logging

import numpy as np

from galvae import figures
from galvae.analysis.contact_sheet import shortened
from galvae.analysis.nearest import neighbors, read_images
from galvae.data.catalogue import write_table
from galvae.data.summary import galaxies_of
from galvae.runs.trained_run import TrainedRun

MOST_ROWS = 20  # queries in the figure
MOST_COLUMNS = 12  # neighbours in it
CAPTION = 14  # characters of a line

log = logging.getLogger(__name__)


def main(config, output_dir):
    """Writes neighbors.ecsv, and draws each query with its neighbours, nearest first.

    Args:
        config: NeighborsConfig.
        output_dir: directory of the results.

    Raises:
        GalvaeError: if there is no such galaxy, or an image that does not suit the run.
    """
    run = TrainedRun.open(config.run, config.backend, vars(config.dataset), config.force)
    images = condition = names = None
    if config.path is not None:
        images, condition, names = read_images(run, config.path, config.images)
    options = {"n": config.n, "metric": config.metric, "invariant": config.invariant, "split": config.split}
    table = neighbors(run, config.id, images, condition=condition, names=names, **options)
    path = write_table(table, output_dir / "neighbors")
    queries = len(table) // config.n
    print(f"{config.n} neighbours of {queries:,} galax{'y' if queries == 1 else 'ies'} in {path.name}")
    if run.images_missing:
        log.info("the galaxies are not drawn")
        return
    if images is None:
        ids = config.id if isinstance(config.id, list) else [config.id]
        images = run.dataset.images[[run.galaxies.find(one) for one in ids[:MOST_ROWS]]]
    style = figures.Style.of(config, run.config.dataset, run.directory.display_range)
    count, columns = min(queries, MOST_ROWS), min(config.n, MOST_COLUMNS)
    shown = table["index"].reshape(-1, config.n)[:count, :columns]
    found = run.dataset.to_unit(run.dataset.images[np.ravel(shown)]).reshape(
        count, columns, *images.shape[1:]
    )
    rows = np.concatenate([run.dataset.to_unit(images[:count])[:, None], found], axis=1)
    captions = [
        [
            "",
            *(
                f"{shortened(str(one['id']), CAPTION)}\n{one['distance']:.3g}"
                for one in table[query * config.n :][:columns]
            ),
        ]
        for query in range(count)
    ]
    labels = [shortened(str(table["query"][query * config.n]), CAPTION) for query in range(count)]
    figure = figures.rows(rows, labels, ["query", *map(str, range(1, columns + 1))], captions, style)
    which = galaxies_of(run.dataset, np.ravel(shown))
    turned = ", in any orientation of the query" if config.invariant else ""
    note = f"nearest by {config.metric} distance of codes{turned}, ids and distances below; {which}"
    figures.save(figure, output_dir / "neighbors", style, note)
