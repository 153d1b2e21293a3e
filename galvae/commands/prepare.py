"""galvae prepare: download, check and cache a dataset, and say what is in it."""

from galvae import figures
from galvae.data.dataset import evenly
from galvae.data.load import load_dataset
from galvae.data.quality import checked
from galvae.system.atomic import save_json

SHOWN = 100  # galaxies on the contact sheet


def main(config, output_dir):
    """Fills the cache, prints what the dataset holds, and draws a contact sheet.

    Args:
        config: PrepareConfig.
        output_dir: where data_report.json and contact_sheet.png go.
    """
    dataset = checked(load_dataset(config.dataset))
    report = {
        "dataset": dataset.name,
        **dataset.report,
        "splits": {name: len(indices) for name, indices in dataset.splits.items()},
        "catalogue": sorted(dataset.catalogue),
    }
    save_json(output_dir / "data_report.json", report)
    shown = evenly(len(dataset), SHOWN)
    figures.save(figures.grid(dataset.to_unit(dataset.images[shown])), output_dir / "contact_sheet")
    print("\n".join(summary(report)))


def summary(report):
    """Lines that say what a dataset holds."""
    height, width, bands = report["image_shape"]
    yield f"{report['dataset']}: {report['count']:,} images of {height}x{width}x{bands}, {report['dtype']}"
    yield f"  values      {report['low']:.6g} to {report['high']:.6g}, {report['blank']} blank images"
    yield "  splits      " + ", ".join(f"{name} {size:,}" for name, size in report["splits"].items())
    for name, size in report.get("classes", {}).items():
        yield f"  class       {name}: {size:,}"
    for name, facts in report.items():
        if name.startswith("condition "):
            found = f"{facts['low']:.4g} to {facts['high']:.4g}" if facts["known"] else "none known"
            yield f"  condition   {name.removeprefix('condition ')}: {found}, {facts['missing']:,} missing"
    yield "  catalogue   " + ", ".join(report["catalogue"])
