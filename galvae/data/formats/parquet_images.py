"""Columns of images in Parquet files, read a few rows at a time."""

import bisect
import itertools
import math
from collections import deque

import numpy as np

from galvae.data.area_average import area_average
from galvae.data.formats.axes import LARGEST_IMAGE, MOST_BANDS
from galvae.data.formats.image_files import decode_image
from galvae.data.store.isolation import extend_time_limit
from galvae.errors import GalvaeError

BATCH = 16_000_000  # bytes of images that are unpacked at a time
MOST_ROWS = 512  # unpacked at a time
AHEAD = 3  # batches that are unpacked before they are needed


class _Rows:
    """Rows of some columns, read in order; one batch of them is in use, while a thread unpacks those that follow.

    Args:
        file: an open ParquetFile.
        columns: names of the columns, with dots before parts of them.
        unpacking: a pool of one thread, since batches come one after the other.
    """

    def __init__(self, file, columns, unpacking):
        metadata = file.metadata
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        chunks = [group.column(number) for group in groups for number in range(group.num_columns)]
        wanted = [
            chunk
            for chunk in chunks
            if f"{chunk.path_in_schema}.".startswith(tuple(f"{name}." for name in columns))
        ]
        size = sum(max(0, chunk.total_uncompressed_size) for chunk in wanted) // max(1, metadata.num_rows)
        self.count = metadata.num_rows
        self._file, self._columns, self._unpacking = file, columns, unpacking
        self._starts = np.cumsum([0, *(group.num_rows for group in groups)]).tolist()
        self._step = max(1, min(MOST_ROWS, BATCH // max(1, size)))
        self._batches, self._ahead = None, deque()  # all that follow, and the futures of the next of them
        self._batch, self._first = None, 0  # and the number of its first row

    def pieces(self, rows):
        """Yields (number of the first row, record batch) of consecutive pieces that make up a slice."""
        position, stop, _ = rows.indices(self.count)
        extend_time_limit()
        if self._batches is None or position < self._first:
            group = bisect.bisect_right(self._starts, position) - 1
            groups = list(range(group, len(self._starts) - 1))
            self._batches = self._file.iter_batches(self._step, row_groups=groups, columns=self._columns)
            self._ahead.clear()
            self._first = self._starts[group]
            self._advance()
        while position < stop:
            while position >= self._first + len(self._batch):
                self._first += len(self._batch)
                self._advance()
                extend_time_limit()
            start = position - self._first
            piece = self._batch.slice(start, min(stop - position, len(self._batch) - start))
            yield position, piece
            position += len(piece)

    def _advance(self):
        """Takes the next batch, and has those after it unpacked."""
        while len(self._ahead) <= AHEAD:
            self._ahead.append(self._unpacking.submit(next, self._batches, None))
        self._batch = self._ahead.popleft().result()
        if self._batch is None:
            raise ValueError("fewer rows than the file declares")


class EncodedColumn:
    """Images that are stored as files of PNG, JPEG and the like in a column, decoded when sliced.

    Args:
        file: an open ParquetFile.
        name: of the column.
        path: of the file, for messages.
        unpacking: see `_Rows`.
        pool: threads that decode.
        size: side in pixels to which the images, which may then differ in size, are averaged, or None.

    Attributes:
        shape: (N, H, W, C).
        dtype: as stored; averaged images other than uint8 are float32.
    """

    def __init__(self, file, name, path, unpacking, pool, size=None):
        import pyarrow as pa

        is_struct = pa.types.is_struct(file.schema_arrow.field(name).type)
        self._rows = _Rows(file, [f"{name}.bytes" if is_struct else name], unpacking)
        self._path, self._pool, self._size, self._is_struct = path, pool, size, is_struct
        number, piece = next(self._rows.pieces(slice(0, 1)))
        first = self._decoded(number, self._bytes(number, piece)[0])
        self.dtype, self._bands = first.dtype, first.shape[2]
        self._first = (*((size, size) if size else first.shape[:2]), first.shape[2])
        self.shape = (self._rows.count, *self._first)
        self._ahead = max(1, min(MOST_ROWS, BATCH // first.nbytes))
        self._images, self._next = None, None  # the decoded images, and the row of the next of them

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        start, stop, _ = rows.indices(len(self))
        if self._images is None or start != self._next:
            self._images = self._decoded_from(start)
        self._next = stop
        return np.stack(list(itertools.islice(self._images, stop - start)))

    def _decoded_from(self, row):
        """Yields the images from a row on, while threads decode the next ones."""
        pending = deque()
        for number, piece in self._rows.pieces(slice(row, len(self))):
            for position, data in enumerate(self._bytes(number, piece), number):
                pending.append(self._pool.submit(self._like_first, position, data))
                if len(pending) > self._ahead:
                    yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()

    def _bytes(self, number, piece):
        """The bytes of each image file in a piece of rows."""
        values = piece.column(0).field("bytes") if self._is_struct else piece.column(0)
        data = values.to_pylist()
        if None in data:
            raise GalvaeError(
                f"dataset.path: row {number + data.index(None)} of {self._path}: expected the bytes of an image file, "
                "received null"
            )
        return data

    def _decoded(self, number, data):
        try:
            return decode_image(data)
        except GalvaeError as error:
            raise GalvaeError(f"dataset.path: row {number} of {self._path}: {error}") from error

    def _like_first(self, number, data):
        """An image, which must have the size and type of the first one, or is brought to its size."""
        image = self._decoded(number, data)
        where = f"row {number} of {self._path}"
        if (image.dtype, image.shape[2]) != (self.dtype, self._bands):
            raise GalvaeError(
                f"dataset.path: {where}: expected {self._bands} bands of {self.dtype} as in row 0, received "
                f"{image.shape[2]} of {image.dtype}"
            )
        if self._size is not None:
            image = image if image.dtype == np.uint8 else image.astype(np.float32)
            try:
                return area_average(image[None], self._size)[0]
            except GalvaeError as error:
                raise GalvaeError(f"{error} in {where}") from error
        if image.shape != self._first:
            raise GalvaeError(
                f"dataset.image_size: {where}: expected {self._first[0]}x{self._first[1]} pixels as in row 0, received "
                f"{image.shape[0]}x{image.shape[1]}; with dataset.image_size=, sizes may differ"
            )
        return image


class BandColumn:
    """Images, or their masks, that are stored as nested lists by band, read when sliced.

    Args:
        file: an open ParquetFile.
        name: of the column.
        part: of the column, as "flux".
        path: of the file, for messages.
        unpacking: see `_Rows`.

    Attributes:
        shape: (N, H, W, C).
        dtype: as stored.
        band_names: of the C bands.
    """

    def __init__(self, file, name, part, path, unpacking):
        self._rows = _Rows(file, [f"{name}.band", f"{name}.{part}"], unpacking)
        self._part, self._path = part, path
        self._lengths, self.band_names = None, None
        number, piece = next(self._rows.pieces(slice(0, 1)))
        first = self._array(number, piece.column(0))
        self.band_names = [str(band) for band in piece.column(0).field("band")[0].as_py()]
        self._lengths, self.dtype = first.shape[1:], first.dtype
        if (
            len(self.band_names) != self._lengths[0]
            or self._lengths[0] > MOST_BANDS
            or self.dtype.kind not in "biuf"
        ):
            raise GalvaeError(
                f"dataset.path: row 0 of {path}: expected numbers in 1 to {MOST_BANDS} bands with names, received "
                f"{self.dtype} in {self._lengths[0]} bands and {len(self.band_names)} names"
            )
        if math.prod(self._lengths) > LARGEST_IMAGE:
            raise GalvaeError(
                f"dataset.path: {path}: expected images of at most {LARGEST_IMAGE} values, received {self._lengths}"
            )
        self.shape = (self._rows.count, *self._lengths[1:], self._lengths[0])

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        pieces = [self._array(number, piece.column(0)) for number, piece in self._rows.pieces(rows)]
        return np.moveaxis(np.concatenate(pieces) if len(pieces) > 1 else pieces[0], 1, 3)

    def _array(self, number, images):
        """A piece of the column as (n, C, H, W), whose bands and lengths are those of the first row."""
        import pyarrow.compute

        self._refuse_nulls(number, 1, images, "an image")
        bands, values, per_image, lengths = images.field("band"), images.field(self._part), 1, []
        for level, what in enumerate(("bands", "rows", "pixels a row")):
            received = pyarrow.compute.list_value_length(values).fill_null(0).to_numpy(zero_copy_only=False)
            length = int(received[0]) if self._lengths is None else self._lengths[level]
            self._refuse(
                number,
                per_image,
                (received != length) | (received == 0),
                f"{length or 'some'} {what}",
                received,
            )
            values, per_image = values.flatten(), per_image * length
            lengths.append(length)
        self._refuse_nulls(number, per_image, values, "numbers")
        if self.band_names is not None:
            names = bands.to_pylist()
            self._refuse(
                number,
                1,
                np.array([name != self.band_names for name in names]),
                f"bands {self.band_names}",
                names,
            )
        return values.to_numpy(zero_copy_only=False).reshape(len(images), *lengths)

    def _refuse_nulls(self, number, per_image, values, expected):
        if values.null_count:
            nulls = values.is_null().to_numpy(zero_copy_only=False)
            self._refuse(number, per_image, nulls, expected, "null")

    def _refuse(self, number, per_image, wrong, expected, received):
        """Refuses a piece of the column, which starts at row `number`, if any of its entries is wrong.

        Args:
            per_image: how many entries one image has.
            wrong: one bool for each entry.
            expected: words for the message.
            received: the same, or a value for each entry.
        """
        if wrong.any():
            worst = int(np.argmax(wrong))
            value = received if isinstance(received, str) else received[worst]
            raise GalvaeError(
                f"dataset.path: row {number + worst // per_image} of {self._path}: expected {expected} of "
                f"{self._part!r}, as in other rows, received {value}"
            )
