"""Keys of `galvae encode`, and the name of its results."""

import re
from dataclasses import dataclass
from pathlib import Path

from galvae.config.analysis import SELECT, OpeningConfig
from galvae.config.dataset import DatasetConfig
from galvae.config.fields import key
from galvae.errors import GalvaeError

ADDITIONS = ("scores", "morphology", "neighbors", "anomaly", "plane")  # of galvae.analysis.additions
TABLES = ("fits", "parquet")
DIFFERENCES = ("bands", "pixel_scale")  # of galvae.runs.alignment
JOBS = "jobs"  # folder below that of the results, with a folder for the log of each job of an array
OWN = "own"  # name of the results for the run's own galaxies


@dataclass(kw_only=True)
class EncodeConfig(OpeningConfig):
    """Put galaxies, of any dataset, through a trained model: codes, scores and more, as one table."""

    run: str = key("directory of the run, or latest: the newest finished one that is no job of a sweep")
    dataset: DatasetConfig | None = key("galaxies that are encoded; null: those of the run itself")
    add: list[str] = key(
        "what the table has besides codes and their errors: scores of the reconstructions; morphology; neighbors, the "
        "nearest training galaxies; anomaly, how unusual each galaxy is; plane, its place in the run's UMAP embedding; "
        "[]: nothing",
        choices=ADDITIONS,
    )
    select: str | None = key(SELECT.format("selected.ecsv", "'p_code<0.01'"))
    table: str | None = key(
        "format of the table: fits, or parquet (install -e '.[parquet]'); null: ECSV, FITS above 100,000 rows",
        choices=TABLES,
    )
    name: str | None = key(
        "name of the results, in encode/ of the run; null: that of the file of images, else of the dataset"
    )
    shards: int = key(
        "number of parts into which the galaxies are divided; an interrupted command loses at most the one under way",
        at_least=1,
        at_most=10_000,
    )
    shard: int | None = key(
        "the only part that is encoded, counted from 0, as in an array of jobs, of which the last merges; null: all in "
        "turn",
        at_least=0,
    )
    allow: list[str] = key(
        "differences from the run's images that are accepted: bands, of other names, taken by their position; "
        "pixel_scale, at which galaxies look larger or smaller",
        choices=DIFFERENCES,
    )

    def check(self):
        if len(set(self.add)) < len(self.add):
            raise GalvaeError(f"add: expected different names, as [scores,plane], received {self.add}")
        if self.shard is not None and self.shard >= self.shards:
            raise GalvaeError(f"shard: expected a number below shards={self.shards}, received {self.shard}")
        if self.name is not None:
            check_name(self.name)
        if self.dataset is not None:
            self.dataset.check_new()

    def results_folder(self, output_dir):
        """Directory of the results: that of the command, or for a job of an array, that of all its jobs."""
        in_array = self.shard is not None and output_dir.parent.name == JOBS
        return output_dir.parent.parent if in_array else output_dir


def default_name(dataset, path):
    """The name of results: that of the file or folder of images, without its ending, else of the dataset.

    Args:
        dataset: name of the dataset, or None for the run's own galaxies.
        path: `dataset.path`, or None.
    """
    if path is None:
        return dataset or OWN
    return re.sub(r"[^\w.+-]+", "_", Path(path).stem).lstrip(".-+")[:100] or dataset


def check_name(name):
    """Refuses a name that could not be that of a folder.

    Raises:
        GalvaeError: if it has other characters than letters, digits, and . + - _ after the first.
    """
    if re.fullmatch(r"\w[\w.+-]{0,100}", name) is None:
        raise GalvaeError(
            f"name: expected letters, digits, and . + - _ after the first, at most 101, received {name!r}"
        )
