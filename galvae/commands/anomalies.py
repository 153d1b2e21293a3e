"""galvae anomalies: rank the galaxies of a run by how odd they are."""

import numpy as np

from galvae import figures
from galvae.analysis.anomaly import SCORES, anomalies
from galvae.analysis.contact_sheet import shortened
from galvae.data.catalogue import write_table
from galvae.data.summary import galaxies_of
from galvae.runs.trained_run import TrainedRun
from galvae.system.atomic import save_json

LABELS = {"error": "error for\nflux and size", "code": "rare code", "forest": "isolated\ncode"}
CAPTION = 12  # characters under an image


def main(config, output_dir):
    """Writes anomalies.ecsv, with three scores and ranks side by side, the oddest of each as a figure and a summary.

    Args:
        config: AnomaliesConfig.
        output_dir: directory of the results.

    Raises:
        GalvaeError: if the images have gone, or the run has no such prior.
    """
    run = TrainedRun.open(config.run, config.backend, vars(config.dataset), config.force)
    table = anomalies(run, split=config.split, prior=config.prior, seed=config.seed)
    path = write_table(table, output_dir / "anomalies")
    style = figures.Style.of(config, run.config.dataset, run.directory.display_range)
    n, images, captions, summary = min(config.n, len(table)), [], [], {}
    for name in SCORES:
        top = table[np.argsort(table[f"rank_{name}"])[:n]]
        rows = np.asarray(top["index"])
        decoded = run.decode(run.codes_at(rows).mean, run.condition(rows))
        images += [run.dataset.to_unit(run.dataset.images[rows]), decoded]
        captions += [[""] * n, [shortened(str(one), CAPTION) for one in top["id"]]]
        summary[name] = {
            "ids": [str(one) for one in top["id"]],
            "splits": [str(one) for one in top["split"]],
            "scores": [float(one) for one in top[f"score_{name}"]],
        }
    labels = [label for name in SCORES for label in (LABELS[name], "decoded")]
    figure = figures.rows(np.stack(images), labels, captions=captions, style=style)
    note = f"the {n} oddest by each score, ids below; {galaxies_of(run.dataset, table['index'])}"
    figures.save(figure, output_dir / "anomalies", style, note)
    save_json(
        output_dir / "anomalies.json",
        {"split": config.split, "prior": run.prior(config.prior).label, "n": len(table), "oddest": summary},
    )
    print(f"{len(table):,} galaxies by three scores in {path.name}")
    for name in SCORES:
        print(f"  {LABELS[name].replace(chr(10), ' '):24} {', '.join(summary[name]['ids'][:5])}")
