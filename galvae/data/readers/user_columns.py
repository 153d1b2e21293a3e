"""The columns of the user's own images, joined from their files and from a table."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from galvae.data.column_names import IDS, is_named, is_redshift
from galvae.data.conditions import numbers_of
from galvae.data.formats.opened import id_columns
from galvae.data.plain_columns import plain
from galvae.data.tables.joins import Identity, Join, join
from galvae.data.tables.table import find, read_table
from galvae.data.tables.text_tables import MISSING, ONE_NUMBER
from galvae.errors import GalvaeError, line_of


@dataclass(kw_only=True)
class Columns:
    """The columns of the images that are used, joined from their files and a table.

    Attributes:
        images: (n,) increasing indices of the images that are used.
        columns: name -> (n,) array.
        units: name -> unit.
        catalogue: the columns with the ids first, for the dataset's catalogue.
        ids_are_rows: whether these ids are but `images`.
        where: the files they come from, for messages.
        unused: see `galvae.data.formats.opened.Opened`.
        class_names: name of a column of the images' files -> names of its classes.
        origin: function of a position among the used images that says which image it is, for messages.
        notes, warnings: see `galvae.data.source.Source`.
    """

    images: np.ndarray
    columns: dict[str, np.ndarray]
    units: dict[str, str]
    catalogue: dict[str, np.ndarray]
    where: str
    unused: dict[str, str]
    class_names: dict[str, list[str]]
    origin: Callable[[int], str]
    ids_are_rows: bool = False
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def find(self, name, key):
        """The name under which the column is stored that a key of the `dataset` section names.

        Raises:
            GalvaeError: if there is no such column, or it has not one number or short text per image.
        """
        if name in self.unused and name not in self.columns:
            raise GalvaeError(
                f"dataset.{key}: {self.where}: expected {len(self.images)} numbers or short texts in {name!r}, one per "
                f"image, received {self.unused[name]}"
            )
        return find(self.columns, name, self.where, key)


def read_users_table(config):
    """The table that `dataset.table` names, or None.

    Args:
        config: FilesConfig.
    """
    if config.table is None:
        return None
    named = [config.ids, config.labels, config.redshift, config.split_from, *numbers_of(config)]
    wanted = [name for name in named if name not in (None, "folder") and not name.endswith(".npy")]
    if isinstance(config.band_files, list):
        wanted += config.band_files
    text = [config.ids] if config.ids in wanted else []
    return read_table(config.table, wanted=wanted, name=config.table_name, text_columns=text)


def joined(config, opened, table):
    """The columns of the images' files and of the table, one entry for each image that is used.

    Columns of the table take precedence over those of the same name in the images' files, which a note says. Images
    without a row are left out, which a warning counts.

    Args:
        config: FilesConfig.
        opened: galvae.data.formats.opened.Opened.
        table: galvae.data.tables.table.Table, or None.

    Returns:
        Columns.

    Raises:
        GalvaeError: if rows and images cannot be joined without doubt.
    """
    count, ids = len(opened.images), None
    if config.ids is not None and config.ids.endswith(".npy"):
        ids = _ids_from_file(config.ids, count)
    where = [str(config.path)]
    columns, units, images = dict(opened.columns), dict(opened.units), np.arange(count)
    class_names = dict(opened.class_names)
    notes, warnings, by = [], [], None
    if table is not None:
        where.insert(0, str(config.table))
        if isinstance(
            config.band_files, list
        ):  # the table's rows name the files that were opened, in their order
            pairs = Join(images=images, rows=images, by=None)
        else:
            pairs = join(
                Identity(where=str(config.path), count=count, columns=columns, names=opened.names, ids=ids),
                Identity(where=table.source, count=table.rows, columns=table.columns),
                ids=None if ids is not None else config.ids,
                how=config.join,
            )
        images, by = pairs.images, pairs.by
        if by is None and ids is None and config.join != "order":
            _refuse_unused_ids(config, opened)
        notes, warnings = [*table.notes, *pairs.notes], list(pairs.warnings)
        rows = {name: values[pairs.rows] for name, values in table.columns.items()}
        columns, replaced = _merged({name: values[images] for name, values in columns.items()}, rows, by)
        if replaced:
            notes.append(
                f"columns of the table instead of the images' own of the same name: {', '.join(replaced)}"
            )
        units |= table.units
        class_names = {name: names for name, names in class_names.items() if name not in table.columns}
    names = None if opened.names is None else opened.names[images]
    merged = Columns(
        images=images,
        columns=columns,
        units=units,
        catalogue={},
        where=" or ".join(where),
        unused=opened.unused,
        class_names=class_names,
        origin=lambda index: opened.origin(int(images[index])),
        notes=notes,
        warnings=warnings,
    )
    merged.catalogue.update(_catalogue(config, merged, names, by, None if ids is None else ids[images]))
    _rename_redshift(config, merged)
    return merged


def _refuse_unused_ids(config, opened):
    """Refuses to join by position beside ids that cannot be read, as one for each image is missing.

    Raises:
        GalvaeError: if there are such ids.
    """
    for name, received in opened.unused.items():
        if is_named(name, IDS) or (config.ids is not None and is_named(name, (config.ids.lower(),))):
            raise GalvaeError(
                f"dataset.ids: {config.path}: expected {len(opened.images)} numbers or short texts in {name!r}, one "
                f"per image, received {received}; dataset.join=order joins rows in their order"
            )


def _merged(own, rows, by):
    """The columns of the images and of their rows, and the names of those of the images that a row's replaces.

    A row's column replaces those of the same name in any case, but for the ids by which they were joined: the table may
    have them in a type that loses digits or zeros.

    Args:
        own, rows: name -> (n,) array.
        by: see `galvae.data.tables.joins.Join`.
    """
    kept = None if by is None else by[0]
    names = {name.lower(): name for name in rows}
    if kept is not None:
        rows = {name: values for name, values in rows.items() if name.lower() != kept.lower()}
    replaced = [name for name in own if name.lower() in names and name != kept]
    return {**{name: values for name, values in own.items() if name not in replaced}, **rows}, replaced


def _ids_from_file(path, count):
    """The ids in a .npy file, one for each image."""
    try:
        with open(path, "rb") as file:
            ids = np.lib.format.read_array(file, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise GalvaeError(f"dataset.ids: {path}: expected an .npy file of ids ({line_of(error)})") from error
    if ids.shape != (count,):
        raise GalvaeError(
            f"dataset.ids: {path}: expected {count} ids, one per image, received shape {ids.shape}"
        )
    return integers_or_text("ids", path, plain(ids), "entry {}".format)


def _catalogue(config, merged, names, by, ids):
    """All columns, with the ids first and, where `dataset.ids` replaces them, the names of the files."""
    columns, files = dict(merged.columns), {}
    if ids is None and config.ids is not None:
        name = merged.find(config.ids, "ids")
        ids = integers_or_text("ids", name, columns[name], merged.origin)
        if ids.dtype.kind == "U" and (ids == "").any():
            where = merged.origin(int(np.argmax(ids == "")))
            raise GalvaeError(
                f"dataset.ids: expected an id in {name!r} for every image, received none for {where}"
            )
        files = {} if names is None else {"file": names}
    elif ids is None:
        ids = merged.images if names is None else names
        found = id_columns({name: columns[name] for name in by or () if name in columns})
        is_named_by_file = by is not None and names is not None
        if not found and not is_named_by_file:
            found = id_columns(columns)
        if len(found) == 1 or (found and by):
            name, ids = next(iter(found.items()))
            files = {} if names is None else {"file": names}
            if name != "id":
                merged.notes.append(f"ids from {name!r}, by its name")
        elif not is_named_by_file:
            merged.notes.extend(
                _why_not_ids(
                    list(found) or [name for name in (*columns, *merged.unused) if is_named(name, IDS)], names
                )
            )
    merged.ids_are_rows = ids is merged.images
    if "id" in columns and columns["id"] is not ids:
        columns["id_"] = columns["id"]
    return {**columns, "id": ids, **files}


def _why_not_ids(columns, names):
    """A note about columns that are called like ids but are not used as such, if there are any."""
    what = "numbers of images" if names is None else "names of files"
    if len(columns) == 1:
        return [f"{what} as ids, since {columns[0]!r} has not an id of its own for each image"]
    return (
        [f"{what} as ids, as several columns may be: {', '.join(columns)}; dataset.ids= names one"]
        if columns
        else []
    )


def _rename_redshift(config, merged):
    """Calls the column that `dataset.redshift` names "redshift", under which every later step recognises it."""
    if config.redshift is None:
        return
    name = merged.find(config.redshift, "redshift")
    if merged.columns[name].dtype.kind not in "biuf":
        raise GalvaeError(f"dataset.redshift: {no_numbers(name, merged)}")
    if is_redshift(name):
        return
    merged.notes.append(f"{name!r} is taken as the redshift, as dataset.redshift asks for")
    for columns in (merged.columns, merged.catalogue):
        columns["redshift"] = columns.pop(name)
    if name in merged.units:
        merged.units["redshift"] = merged.units.pop(name)


def no_numbers(name, merged):
    """The message about a column of text where numbers are expected, with the first entry that is none."""
    for index, text in enumerate(merged.columns[name].tolist()):
        if ONE_NUMBER.fullmatch(text.strip()) is None and text.strip().lower() not in MISSING:
            return f"expected numbers in {name!r}, received text, as {text} for {merged.origin(index)}"
    return (
        f"expected numbers in {name!r}, received text that reads like them, as {merged.columns[name][0]}; store "
        "numbers, also in rows that belong to no image"
    )


def integers_or_text(key, name, values, origin):
    """The values of a column as integers or text; floats must be whole numbers."""
    if values.dtype.kind == "b":
        return values.astype(np.int64)
    if values.dtype.kind != "f":
        return values
    wrong = ~(np.abs(values) < 2**53) | (np.round(values) != values)  # NaN included
    if wrong.any():
        index = int(np.argmax(wrong))
        raise GalvaeError(
            f"dataset.{key}: expected integers or text in {name!r}, received {values[index]} for {origin(index)}"
        )
    return values.astype(np.int64)
