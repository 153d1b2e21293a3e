"""Images in Parquet files: Hugging Face's image column, and the layout of the Multimodal Universe."""

import contextlib
import json
import os
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from galvae.data.formats.opened import Aside, Opened
from galvae.data.formats.parquet_images import BandColumn, EncodedColumn
from galvae.data.plain_columns import LONGEST_TEXT, plain
from galvae.data.tables.table_formats import NO_PYARROW, parquet_tables
from galvae.errors import GalvaeError, damage_as_one_line

BUFFER = 2**20  # bytes of each column that are read from the disk at once
THREADS = 8  # at most, which decode images
MOST_CLASSES = 1000


@contextlib.contextmanager
def open_parquet(path, config):
    """Context manager of the `Opened` of one Parquet file, of which a few rows at a time are unpacked.

    Args:
        path: the file.
        config: FilesConfig, of which `images` names the column of images, `mask` that of masks or, in the layout of the
            Multimodal Universe, the part of `image` that holds them ("mask" or "ivar"). `image_size` brings images that
            are stored as files, and may differ in size, to one size.

    Raises:
        GalvaeError: if pyarrow is missing, the file is damaged, or its images have not one size, type and set of bands.
    """
    try:
        import pyarrow.parquet  # an optional package
    except ImportError as error:
        raise GalvaeError(f"dataset.path: {path}: {NO_PYARROW}") from error
    with (
        damage_as_one_line(f"dataset.path: {path}: expected a whole Parquet file, received a damaged one"),
        contextlib.ExitStack() as stack,
    ):
        stack.enter_context(warnings.catch_warnings())
        # Pillow only warns about damaged EXIF and decompression bombs.
        warnings.filterwarnings("error", module=r"PIL\.")
        file = stack.enter_context(pyarrow.parquet.ParquetFile(path, pre_buffer=False, buffer_size=BUFFER))
        # Entered last, so that their threads have ended when the file is closed.
        unpacking = stack.enter_context(ThreadPoolExecutor(1))
        pool = stack.enter_context(ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)))
        yield _opened(path, config, file, unpacking, pool)


def _opened(path, config, file, unpacking, pool):
    """The Opened of an open file."""
    schema, count = file.schema_arrow, file.metadata.num_rows
    size = os.path.getsize(path)
    names = list(schema.names)
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise GalvaeError(
            f"dataset.path: {path}: expected columns of different names, received two named {repeated!r}"
        )
    if not 0 < count <= size:  # an image takes a byte at least
        raise GalvaeError(
            f"dataset.path: {path}: expected a row for each image, received {count:,} rows in {size:,} bytes"
        )
    name = _images_name(path, config, schema)
    base, notes, band_names = os.path.basename(path), [], []
    if _holds_bands(schema.field(name).type):
        images = BandColumn(file, name, "flux", path, unpacking)
        masks = (
            None
            if config.mask is None
            else BandColumn(file, name, _mask_part(path, config, schema, name), path, unpacking)
        )
        band_names = images.band_names
        notes.append(
            f"images from {name!r} of {base}: flux in {', '.join(band_names)}, {images.shape[1]} pixels"
        )
    else:
        # Masks belong to images as they are stored.
        images = EncodedColumn(
            file, name, path, unpacking, pool, config.image_size if config.mask is None else None
        )
        masks = (
            None
            if config.mask is None
            else EncodedColumn(file, _mask_column(path, config, schema, name), path, unpacking, pool)
        )
        notes.append(f"images from {name!r} of {base}, stored as files")
    if masks is not None and masks.shape not in (images.shape, (*images.shape[:3], 1)):
        raise GalvaeError(
            f"dataset.mask: {path}: expected masks of the images' shape {images.shape[1:]}, with or without bands, "
            f"received {masks.shape[1:]}"
        )
    columns, left_out = _columns(path, schema, count)
    columns |= _file_names(file, name)
    if left_out:
        notes.append(f"columns that are neither numbers nor short texts are not read: {', '.join(left_out)}")
    return Opened(
        images=images,
        columns=columns,
        class_names=_class_names(schema, columns),
        band_names=band_names,
        masks=None if masks is None else Aside(masks, config.mask_where),
        origin=lambda number: f"row {number} of {base}",
        notes=notes,
    )


def _images_name(path, config, schema):
    """The column that `dataset.images` names, or the only one that holds images."""
    candidates = [field.name for field in schema if _holds_bands(field.type) or _holds_files(field.type)]
    name, others = config.images, [name for name in candidates if name != config.mask]
    if name is None and len(others) == 1:
        (name,) = others
    if name not in candidates:
        raise GalvaeError(
            f"dataset.images: {path}: expected a column of images ({', '.join(candidates) or 'none'}), received "
            f"{'null' if name is None else name}; columns of images hold files, as Hugging Face's, or flux by band"
        )
    return name


def _holds_files(kind):
    """Whether a column's type is that of image files: bytes, alone or beside their path."""
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0 and _is_bytes(kind.field("bytes").type)
    return _is_bytes(kind)


def _is_bytes(kind):
    import pyarrow as pa

    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _holds_bands(kind):
    """Whether a column's type is that of the Multimodal Universe's images: names of bands, and nested lists of flux."""
    import pyarrow as pa

    return (
        pa.types.is_struct(kind) and kind.get_field_index("flux") >= 0 and kind.get_field_index("band") >= 0
    )


def _mask_part(path, config, schema, name):
    """The part of a column of images by bands that `dataset.mask` names, as "mask" or "image.mask"."""
    kind, part = schema.field(name).type, config.mask.removeprefix(f"{name}.")
    parts = [kind.field(number).name for number in range(kind.num_fields)]
    if part not in parts or part == "band":
        raise GalvaeError(
            f"dataset.mask: {path}: expected a part of {name!r} ({', '.join(parts)}), received {config.mask!r}"
        )
    return part


def _mask_column(path, config, schema, name):
    """The column of image files that `dataset.mask` names."""
    candidates = [field.name for field in schema if _holds_files(field.type) and field.name != name]
    if config.mask not in candidates:
        raise GalvaeError(
            f"dataset.mask: {path}: expected another column of images ({', '.join(candidates) or 'none'}), "
            f"received {config.mask!r}"
        )
    return config.mask


def _columns(path, schema, count):
    """The columns of numbers and short texts, and the names of those that are neither."""
    columns, left_out = {}, []
    with open(path, "rb") as file, parquet_tables(file) as (table,):
        for name, values in zip(table.names, table.read()[0], strict=True):
            if _holds_bands(schema.field(name).type) or _holds_files(schema.field(name).type):
                continue
            values = None if values is None else plain(values)
            if values is None or len(values) != count:
                left_out.append(name)
            else:
                columns[name] = values
    return columns, left_out


def _file_names(file, name):
    """The names of image files that stand beside their bytes, as a column by which a table can be joined."""
    import pyarrow as pa

    kind = file.schema_arrow.field(name).type
    if not pa.types.is_struct(kind) or kind.get_field_index("path") < 0:
        return {}
    names = (
        file.read(columns=[f"{name}.path"], use_threads=False)
        .column(0)
        .combine_chunks()
        .field("path")
        .to_pylist()
    )
    if all(isinstance(entry, str) and 0 < len(entry) <= LONGEST_TEXT for entry in names):
        return {f"{name}/path": np.array(names)}
    return {}


def _class_names(schema, columns):
    """Names of classes by column, from the description that Hugging Face writes into the schema."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        found = {
            name: features[name].get("names")
            for name in columns
            if features.get(name, {}).get("_type") == "ClassLabel"
        }
    except (
        LookupError,
        ValueError,
        TypeError,
        AttributeError,
        RecursionError,
    ):  # not from Hugging Face, or damaged
        return {}
    return {
        name: names
        for name, names in found.items()
        if isinstance(names, list)
        and 0 < len(names) <= MOST_CLASSES
        and all(isinstance(entry, str) for entry in names)
    }
