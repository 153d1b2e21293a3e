"""galvae compare: compare the runs of a sweep."""

import logging
import math

from galvae import figures
from galvae.analysis.compared_runs import compare_runs
from galvae.analysis.comparison import arrange_panels, not_comparable
from galvae.analysis.run_table import as_csv, as_markdown
from galvae.system.atomic import replacing, save_arrays

MAX_PIXELS = 50_000_000  # of all galaxies in the figure of samples
VALIDATION = "validation galaxies of each run"  # below the figures of losses

log = logging.getLogger(__name__)


def main(config, output_dir):
    """Draws samples of every run with the same seed, tabulates the runs and plots their losses.

    Args:
        config: CompareConfig.
        output_dir: directory of the results: runs.csv, runs.md, samples, loss, rate_distortion and samples.npz, which
            holds `runs`, the names of the runs drawn, `noise`, and `codes_0`, `images_0`, ... of each.

    Raises:
        GalvaeError: if no run can be read.
    """
    runs = compare_runs(config)
    warning = not_comparable(runs.keys)
    if warning:
        log.warning("%s", warning)
    table = as_markdown(runs.rows, runs.columns)
    for name, text in {"runs.csv": as_csv(runs.rows, runs.columns), "runs.md": table}.items():
        with replacing(output_dir / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    style = figures.Style.of(config)
    if runs.samples:
        draw_samples(runs, config, output_dir, style)
    losses, curve = runs.losses_by_latent_dim(), runs.rate_distortion()
    if losses is not None:
        figures.save(figures.loss_against_latent_dim(*losses, style), output_dir / "loss", style, VALIDATION)
    if curve is not None:
        figures.save(
            figures.rate_distortion(*curve, style), output_dir / "rate_distortion", style, VALIDATION
        )
    print(table, end="")


def draw_samples(runs, config, output_dir, style):
    """Draws a panel of samples for each run, and writes samples.npz.

    Args:
        runs: ComparedRuns.
        config: CompareConfig.
        output_dir: directory of the results.
        style: Style.
    """
    order, titles, columns = arrange_panels(runs.samples, runs.settings, runs.keys)
    pixels = sum(math.prod(samples["images"].shape[1:3]) for samples in runs.samples.values())
    count = len(runs.noise)
    drawn = min(count, max(1, math.isqrt(MAX_PIXELS // pixels)) ** 2)
    if drawn < count:
        log.info("the figure shows the first %d of %d samples of each run", drawn, count)
    panels = [runs.samples[name]["images"][:drawn] for name in order]
    settings = [runs.settings[name] for name in order]
    styles = [
        style.for_images(own.get("dataset.rgb"), own["dataset.stretch"], runs.display_ranges.get(name))
        for name, own in zip(order, settings, strict=True)
    ]
    figure = figures.panels(panels, titles, columns, styles)
    which = "its run's prior" if config.prior is None else f"its {config.prior} prior"
    note = f"generated with the same seed, each by {which}, temperature {config.temperature:g}"
    figures.save(figure, output_dir / "samples", style, note)
    save_arrays(output_dir / "samples.npz", **runs.sample_arrays(order))
