"""Parts of an encoded dataset: written one by one, found again by the same command, and merged when all are there."""

import hashlib
import json
import logging
import shutil
from dataclasses import dataclass

import numpy as np
from filelock import FileLock

from galvae.errors import GalvaeError, damage_as_one_line
from galvae.runs.links import refuse_link_below
from galvae.system.atomic import save_arrays, save_json
from galvae.system.safe_read import read_json, read_npz

FORMAT = 1  # version of a part's layout
FOLDER, RESULTS, LOCK = "parts", "encode.json", ".lock"
# Where a part belongs to something else: what differs, in words, and what else than another name= helps.
DIFFERENCES = {
    "format": "written by another version of galvae",
    "weights": "encoded with other weights, as before the run was trained further",
    "dataset": "of other galaxies, or of these as they were before they changed",
    "catalogue": "with other columns of the catalogue, as of another dataset.table, or with other classes or units",
    "shards": "of shards={}; shards={} continues these",
    "add": "with add=[{}]; add=[{}] continues these",
    "additions": "with another embedding, or another fit, of the run",
    "table": "with table={}; table={} keeps these",
}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Part:
    """What was computed of the galaxies of one part.

    Attributes:
        arrays: name -> (n, ...) array.
        units: name -> unit as text, of the arrays that have one.
        seconds: that it took.
    """

    arrays: dict
    units: dict
    seconds: float


def table_digest(table):
    """SHA-256 of an astropy Table's values, names and units, hexadecimal; the same in every process."""
    digest = hashlib.sha256()
    for name in table.colnames:
        values, unit = np.asarray(table[name]), table[name].unit
        digest.update(json.dumps([name, str(unit), values.dtype.str, values.shape]).encode())
        digest.update(values.tobytes())
    return digest.hexdigest()


class Parts:
    """The parts of a dataset in the folder of its results.

    Args:
        folder: path of the folder.
        identity: JSON-able dict of all that the parts depend on, with the keys of DIFFERENCES.
        count: number of galaxies.
        shards: number of parts; no more than there are galaxies.
    """

    def __init__(self, folder, identity, count, shards):
        self.folder, self.count, self.shards = folder, count, min(shards, count)
        self.identity = {"format": FORMAT, "shards": shards, **identity}
        for path in (folder / FOLDER / "part", folder / RESULTS, folder / LOCK):
            refuse_link_below(folder.parent, path)

    def rows(self, shard):
        """Positions of the galaxies of a part among all, as a slice; parts differ by one galaxy at most."""
        ends = [self.count * number // self.shards for number in (shard, shard + 1)]
        return slice(*ends)

    @property
    def largest(self):
        """Number of galaxies of the largest part."""
        return -(-self.count // self.shards)

    @property
    def written(self):
        """Number of parts that are there."""
        return sum(self._path(shard).exists() for shard in range(self.shards))

    def check(self):
        """Refuses to continue parts of something else; the first whole part speaks for all, which `read` checks again.

        Raises:
            GalvaeError: if it is such a part.
        """
        for path in sorted((self.folder / FOLDER).glob("part-*.npz")):
            try:
                self._read(path)
                return
            except Damaged:
                continue

    def results(self):
        """The content of RESULTS, if all has been merged, or None; without their table they are removed with a line.

        Raises:
            GalvaeError: if these are results of something else.
        """
        path = self.folder / RESULTS
        if not path.exists():
            return None
        results = read_json(path)
        self._check_identity(path, results.get("identity"))
        table = self.folder / str(results.get("table"))
        if not table.is_file():
            log.warning("%s has gone; the galaxies are encoded again", table)
            path.unlink(missing_ok=True)
            return None
        return results

    def read(self, shard):
        """A part, None if it has not been written; a damaged one is removed with a line in the log.

        Raises:
            GalvaeError: if it is a part of something else.
        """
        path = self._path(shard)
        if not path.exists():
            return None
        rows = self.rows(shard)
        try:
            arrays = self._read(path)
            units, seconds = json.loads(str(arrays.pop("units"))), float(arrays.pop("seconds"))
            if any(len(array) != rows.stop - rows.start for array in arrays.values()):
                raise Damaged("arrays of another length")
        except (Damaged, ValueError, KeyError, TypeError) as error:
            log.warning("%s is damaged and is encoded again (%s)", path, error)
            path.unlink(missing_ok=True)
            return None
        return Part(arrays, units, seconds)

    def save(self, shard, part):
        """Writes a part, atomically."""
        path = self._path(shard)
        path.parent.mkdir(exist_ok=True)
        facts = {
            "identity": json.dumps(self.identity, sort_keys=True),
            "units": json.dumps(part.units),
            "seconds": np.array(part.seconds),
        }
        save_arrays(path, **{name: np.array(fact) for name, fact in facts.items()}, **part.arrays)

    def locked(self):
        """Context in which no other process merges."""
        return FileLock(self.folder / LOCK)

    def finish(self, results):
        """Writes RESULTS, which say that the table is whole.

        Args:
            results: JSON-able dict.
        """
        save_json(self.folder / RESULTS, {**results, "identity": self.identity})

    def remove(self):
        """Removes the parts, which the table has replaced."""
        shutil.rmtree(self.folder / FOLDER, ignore_errors=True)

    def _path(self, shard):
        return self.folder / FOLDER / f"part-{shard:05}-of-{self.shards:05}.npz"

    def _read(self, path):
        """The arrays of a part without its identity, which is checked."""
        try:
            arrays = read_npz(path, None)
            with damage_as_one_line("expected its identity"):
                identity = json.loads(str(arrays.pop("identity")))
        except GalvaeError as error:
            raise Damaged(str(error)) from error
        self._check_identity(path, identity)
        return arrays

    def _check_identity(self, path, received):
        received = received if isinstance(received, dict) else {}
        different = [name for name in DIFFERENCES if received.get(name) != self.identity[name]]
        if not different:
            return
        value = received.get(different[0])
        text = ",".join(map(str, value)) if isinstance(value, list) else "null" if value is None else value
        what = DIFFERENCES[different[0]].format(text, text)
        raise GalvaeError(
            f"name: {path}: expected what this command has begun, received one {what}; another name= encodes beside "
            f"it, or remove {self.folder}"
        )


class Damaged(Exception):
    """A part that is not as it was written."""
