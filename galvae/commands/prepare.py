"""galvae prepare: download, check and cache a dataset, summarise it and draw its galaxies."""

import numpy as np

from galvae import figures
from galvae.analysis.contact_sheet import captions
from galvae.data.catalogue import galaxy_table, write_table
from galvae.data.dataset import evenly
from galvae.data.load import load_dataset
from galvae.data.quality import checked
from galvae.data.summary import dataset_report, galaxies_of, summary
from galvae.system.atomic import save_json

ROWS, MOST_COLUMNS, FEWEST_COLUMNS = 6, 8, 4  # of the contact sheet
NARROWEST = 150  # dots that a galaxy needs for its caption
WIDEST = 2200  # dots of the sheet, of which 200 are an inch
DIGIT = 14.2  # dots of a digit in a caption


def main(config, output_dir):
    """Fills the cache, prints a summary of the dataset, and draws a contact sheet.

    Args:
        config: PrepareConfig.
        output_dir: directory of data_report.json, contact_sheet.png and, with a row for each galaxy on it in the same
            order, contact_sheet.ecsv.
    """
    dataset = checked(load_dataset(config.dataset), report=None)  # what it found is in the summary
    report = dataset_report(dataset, getattr(config.dataset, "path", None))
    save_json(output_dir / "data_report.json", report)
    lines = list(summary(report))
    columns, line = layout(dataset.image_shape[1])
    used = np.arange(len(dataset)) if config.dataset.select is None else dataset.split("all")
    indices = used[evenly(len(used), ROWS * columns)]
    texts = captions(dataset, indices, line)
    if report["display_range"] is not None:
        lines.append(
            "  figure      contact_sheet.png and the figures of runs are drawn by asinh, to show faint light"
        )
    sheet = figures.grid(
        dataset.to_unit(dataset.images[indices]),
        min(columns, len(indices)),
        texts,
        figures.Style().for_images(dataset.rgb, dataset.stretch, report["display_range"]),
    )
    figures.save(sheet, output_dir / "contact_sheet", note=galaxies_of(dataset, indices))
    texts = np.array([text.replace("\n", " ") for text in texts])
    write_table(galaxy_table(dataset, indices, {"caption": texts}), output_dir / "contact_sheet")
    print("\n".join(lines))


def layout(width):
    """Columns of a contact sheet, and how many characters of a caption fit under a galaxy.

    Args:
        width: of an image in pixels.
    """
    for columns in range(MOST_COLUMNS, FEWEST_COLUMNS - 1, -1):
        dots = width * figures.whole_zoom(width * columns)
        if dots >= NARROWEST and dots * columns <= WIDEST:
            break
    return columns, max(8, int(dots / DIGIT - 1))
