"""galvae prepare: download, check and cache a dataset, and summarise it."""

from galvae import figures
from galvae.data.dataset import evenly
from galvae.data.load import load_dataset
from galvae.data.quality import checked
from galvae.system.atomic import save_json

CONTACT_SHEET = 100  # number of galaxies on the contact sheet


def main(config, output_dir):
    """Fills the cache, prints a summary of the dataset, and draws a contact sheet.

    Args:
        config: PrepareConfig.
        output_dir: directory of data_report.json and contact_sheet.png.
    """
    dataset = checked(load_dataset(config.dataset))
    report = {
        "dataset": dataset.name,
        **dataset.report,
        "splits": {name: len(indices) for name, indices in dataset.splits.items()},
        "catalogue": sorted(dataset.catalogue),
    }
    save_json(output_dir / "data_report.json", report)
    indices = evenly(len(dataset), CONTACT_SHEET)
    figures.save(figures.grid(dataset.to_unit(dataset.images[indices])), output_dir / "contact_sheet")
    print("\n".join(summary(report)))


def summary(report):
    """Lines of the summary of a dataset.

    Args:
        report: dict, the content of data_report.json.
    """
    height, width, bands = report["image_shape"]
    yield f"{report['dataset']}: {report['count']:,} images of {height}x{width}x{bands}, {report['dtype']}"
    yield f"  values      {report['low']:.6g} to {report['high']:.6g}, {report['blank']} blank images"
    yield "  splits      " + ", ".join(f"{name} {size:,}" for name, size in report["splits"].items())
    for name, size in report.get("classes", {}).items():
        yield f"  class       {name}: {size:,}"
    for key, condition in report.items():
        if key.startswith("condition "):
            values = "all missing"
            if condition["known"]:
                low, high, missing = (condition[name] for name in ("low", "high", "missing"))
                values = f"{low:.4g} to {high:.4g}, {missing:,} missing"
            yield f"  condition   {key.removeprefix('condition ')}: {values}"
    yield "  catalogue   " + ", ".join(report["catalogue"])
