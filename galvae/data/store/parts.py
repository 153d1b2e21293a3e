"""A dataset of several files in the cache: its images in parts, one for each file, and an entry that joins them.

The plan comes first: the columns of all galaxies, joined with a table, and which rows of which file they are. It is
made without reading images, like the joining entry, so that a file more costs no more than its own part. A part holds
the images of its file that are used, their facts, and what became of the others; the joining entry holds all columns.
"""

import hashlib
import json
from typing import NamedTuple

import numpy as np

from galvae.data.redshifts import with_known_redshifts
from galvae.data.store.cache_entry import (
    FACTS,
    MANIFEST,
    about_of,
    add_columns,
    check_space,
    columns_of,
    content_of,
    finish,
    write_images,
)
from galvae.data.store.entry_images import check_used, is_masked, is_used, sentences
from galvae.data.store.mapped_columns import open_columns

ROWS = "plan.rows"  # column of a plan: the row of each galaxy in its file
FATES = "plan.fates"  # column of a part: what became of each image of its source


class Images(NamedTuple):
    """How much is to be written, for `check_space`; see Plan."""

    shape: tuple
    dtype: str
    masked: bool


class PlannedFile(NamedTuple):
    """A file with images that are used.

    Attributes:
        path: of the file.
        name: by which messages call it.
        rows: (count,) numbers of the rows that are used, or None for all.
        count: number of these.
    """

    path: str
    name: str
    rows: np.ndarray | None
    count: int


class Plan:
    """What is to be prepared: all of a dataset but its images.

    Attributes:
        columns, about: see `galvae.data.store.cache_entry.Entry`.
        shape: (N, H, W, C) of all images; dtype: "uint8" or "float32"; masked: whether any may have masked pixels.
        files: list of PlannedFile that have images in it.
    """

    def __init__(self, folder):
        """Reads what `write_plan` has written to a folder."""
        self.columns, _ = open_columns(folder / "columns.npz")
        self.about = json.loads((folder / "about.json").read_bytes())
        plan = self.about.pop("plan")
        self.shape, self.dtype, self.masked = tuple(plan["shape"]), plan["dtype"], plan["masked"]
        self._rows = self.columns.pop(ROWS)
        self._starts = np.cumsum([0, *(file["count"] for file in plan["files"])])
        self.files = [
            PlannedFile(
                file["path"],
                file["name"],
                None if file["all"] else self._rows[start : start + file["count"]],
                file["count"],
            )
            for file, start in zip(plan["files"], self._starts, strict=False)
        ]

    def origin(self, number):
        """A galaxy as the user knows it."""
        file = np.searchsorted(self._starts, number, side="right") - 1
        return f"row {self._rows[number]} of {self.files[file].name}"


class Part(NamedTuple):
    """What a dataset's entry needs to know of a part.

    Attributes:
        entry: name of the part's folder.
        manifest: SHA-256 of its manifest, hexadecimal.
        fates: (n,) what became of each image of its file that was asked for, see `entry_images.ImagesWriter`.
        facts: name -> (m,) array: hash, low, high and mask of those that it holds.
    """

    entry: str
    manifest: str
    fates: np.ndarray
    facts: dict


def write_plan(folder, reader, source):
    """Writes a plan to an empty folder.

    Args:
        reader: name of the dataset's reader.
        source: `galvae.data.source.Source` with `files`, whose blocks are not read.
    """
    source = with_known_redshifts(source)
    columns = columns_of(source, np.ones(source.shape[0], bool))
    columns[ROWS] = np.concatenate([file.rows for file in source.files])
    files = [
        {"path": file.path, "name": file.name, "count": len(file.rows), "all": len(file.rows) == file.count}
        for file in source.files
        if len(file.rows)
    ]
    plan = {"shape": [int(length) for length in source.shape], "dtype": source.dtype, "files": files}
    about = {**about_of(reader, source), "notes": source.notes, "warnings": source.warnings}
    finish(folder, {}, columns, {**about, "plan": {**plan, "masked": source.masked}})


def write_part(folder, reader, source, nan, drop, report):
    """Writes a part to an empty folder.

    Args:
        source: Source of the images of one file, without columns.
        folder, reader, source, nan, drop, report: see `cache_entry.write_images`.

    Raises:
        GalvaeError, CannotBeDone: see `cache_entry.write`.
    """
    check_space(folder.parent, source)
    manifest = {}
    fates, facts = write_images(folder, manifest, reader, source, nan, drop, report or (lambda count: None))
    about = {
        **about_of(reader, source),
        "part": {"images": int(is_used(fates).sum()), "of": len(fates)},
        "content": content_of(manifest, {}),
    }
    columns = {f"image.{name}": fact for name, fact in facts.items()}
    finish(folder, manifest, {**columns, FATES: fates}, about)


def described(entry, path):
    """The Part of an open entry.

    Args:
        entry: `cache_entry.Entry`.
        path: its folder.
    """
    facts = {name: entry.columns[f"image.{name}"] for name in (*FACTS, "mask")}
    manifest = hashlib.sha256((path / MANIFEST).read_bytes()).hexdigest()
    return Part(path.name, manifest, entry.columns[FATES], facts)


def write_index(folder, reader, plan, parts):
    """Writes the entry that joins parts to an empty folder.

    Args:
        reader: name of the dataset's reader.
        plan: Plan.
        parts: list of Part, one for each of its files.

    Raises:
        GalvaeError: if no image is left.
    """
    fates = np.concatenate([part.fates for part in parts])
    used = is_used(fates)
    notes, warnings = sentences(plan, fates)
    check_used(reader, fates, warnings)
    facts = {name: np.concatenate([part.facts[name] for part in parts]) for name in (*FACTS, "mask")}
    columns = {name: column if used.all() else column[used] for name, column in plan.columns.items()}
    shape = [int(used.sum()), *plan.shape[1:]]
    about = {
        **plan.about,
        "notes": [*plan.about["notes"], *notes],
        "warnings": [*plan.about["warnings"], *warnings],
        "content": _content(shape, plan.dtype, facts, columns),
        "shape": shape,
        "dtype": plan.dtype,
        "parts": [
            {
                "entry": part.entry,
                "manifest": part.manifest,
                "masked": bool(is_masked(part.fates).any()),
                "images": int(is_used(part.fates).sum()),
                "file": file.path,
            }
            for part, file in zip(parts, plan.files, strict=True)
        ],
    }
    finish(folder, {}, columns | {f"image.{name}": facts[name] for name in FACTS}, about)


def _content(shape, dtype, facts, columns):
    """SHA-256 of images, masks, labels, conditions and ids, which does not depend on how files share the images.

    It is made of the hashes of the images, so that these need not be read again where a file is added.
    """
    digest = hashlib.sha256(json.dumps(["images by their hashes", shape, dtype]).encode())
    digest.update(np.ascontiguousarray(facts["hash"], "<u8"))
    if facts["mask"].any():
        digest.update(np.ascontiguousarray(facts["mask"], "<u8"))
    add_columns(digest, columns)
    return digest.hexdigest()
