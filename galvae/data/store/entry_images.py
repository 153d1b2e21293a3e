"""The images of a cache entry: checked, counted and written block by block, without those that are left out."""

import hashlib
import io

import numpy as np

from galvae.data.masking import is_cut
from galvae.errors import GalvaeError

NAMED = 3  # images that are named in a message
# What becomes of an image of a source; MASKED is added to it where pixels of an image that is used are set aside.
USED, NOT_FINITE, BLANK, CUT, PARTLY_BLANK, MASKED = 0, 1, 2, 3, 4, 8
LEFT_OUT = {NOT_FINITE: "not finite", BLANK: "blank", CUT: "cut"}


class ImagesWriter:
    """Writes blocks of images to an open file, and their masks to another.

    Args:
        reader: name of the dataset's reader, for messages.
        source: `galvae.data.source.Source`, whose blocks will be added.
        images, masks: files with `write` and `replace_start`; no masks: None.
        nan: "drop" to leave out images with NaN or infinite pixels; else these are an error.
        drop: "blank" to leave out images that are blank or cut, or None.
    """

    def __init__(self, reader, source, images, masks, nan, drop):
        self.reader, self.source, self.images, self.masks = reader, source, images, masks
        self.nan, self.drop = nan, drop
        self._number = 0  # of the next image of the source
        self._fates, self._hashes, self._mask_hashes = [], [], []
        self._lows, self._highs = ([np.empty(0, source.dtype)] for _ in range(2))
        images.write(_header(source.shape, source.dtype))
        if masks is not None:
            masks.write(_header(source.shape, "uint8"))

    def add(self, block):
        """Writes the images of a block that are used.

        Raises:
            GalvaeError: if the block has another shape than the source, or pixels that are not finite.
        """
        shape = tuple(self.source.shape[1:])
        if block.shape[1:] != shape:
            raise GalvaeError(
                f"dataset {self.reader}: expected images of shape {shape}, received {block.shape[1:]} after "
                f"{self._number} images, in {name_of(self.source, self._number)}"
            )
        images = np.ma.getdata(block)
        fates = self._fates_of(images)
        used = is_used(fates)
        self._fates.append(fates)
        self._number += len(block)
        images = np.ascontiguousarray(images if used.all() else images[used], self.source.dtype)
        if not len(images):
            return
        self.images.write(images)
        masked = np.zeros(len(images), bool)
        if self.masks is not None:
            aside = np.ascontiguousarray(np.ma.getmaskarray(block)[used], np.uint8)
            masked = aside.any(axis=(1, 2, 3))
            fates[np.flatnonzero(used)[masked]] += MASKED
            self.masks.write(aside)
        self._hashes += [_hash(image) for image in images]
        self._mask_hashes += [
            _hash(aside[number]) if any_aside else bytes(8) for number, any_aside in enumerate(masked)
        ]
        self._lows.append(images.min(axis=(1, 2, 3)))
        self._highs.append(images.max(axis=(1, 2, 3)))

    def _fates_of(self, images):
        """What becomes of each image of a block, (n,) uint8; those that are not finite may be an error."""
        fates = np.zeros(len(images), np.uint8)
        if images.dtype.kind == "f":
            wrong = ~np.isfinite(images).all(axis=(1, 2, 3))
            if wrong.any() and self.nan != "drop":
                raise GalvaeError(
                    f"dataset {self.reader}: expected finite pixels, received NaN or infinity in "
                    f"{name_of(self.source, self._number + int(np.argmax(wrong)))}; dataset.nan=fill sets such pixels "
                    "aside, dataset.nan=drop leaves such images out"
                )
            fates[wrong] = NOT_FINITE
        if self.source.drop_constant or self.drop == "blank":
            blank = images.min(axis=(1, 2, 3)) == images.max(axis=(1, 2, 3))
            fates[blank & (fates == USED)] = BLANK
        cut = is_cut(images) & (fates == USED)
        fates[cut] = CUT if self.drop == "blank" else PARTLY_BLANK
        return fates

    def finish(self):
        """Completes the files.

        Returns:
            (fates, facts): (N,) uint8, what became of each image of the source; and for each image that was written its
            hash, its darkest and brightest pixel, and the hash of its mask, 0 where no pixel is set aside.

        Raises:
            GalvaeError: if there were more or fewer images than the source declared.
        """
        if self._number != self.source.shape[0]:
            raise GalvaeError(
                f"dataset {self.reader}: expected {self.source.shape[0]} images, received {self._number}"
            )
        fates = np.concatenate(self._fates) if self._fates else np.zeros(0, np.uint8)
        used = is_used(fates)
        if not used.all():
            shape = (int(used.sum()), *self.source.shape[1:])
            self.images.replace_start(_header(shape, self.source.dtype))
            if self.masks is not None:
                self.masks.replace_start(_header(shape, "uint8"))
        return fates, {
            "hash": np.frombuffer(b"".join(self._hashes), "<u8"),
            "low": np.concatenate(self._lows),
            "high": np.concatenate(self._highs),
            "mask": np.frombuffer(b"".join(self._mask_hashes), "<u8"),
        }


def is_used(fates):
    """Whether images are used, (N,) bool, by what became of them."""
    return ~np.isin(fates, list(LEFT_OUT))


def is_masked(fates):
    """Whether pixels of images are set aside, (N,) bool."""
    return fates >= MASKED


def sentences(source, fates):
    """Notes and warnings about images that have pixels set aside, are left out, or are partly blank.

    Args:
        source: `galvae.data.source.Source`, whose images are named.
        fates: (N,) uint8, see `ImagesWriter.finish`.

    Returns:
        (notes, warnings), lists of sentences.
    """
    notes, warnings = [], []

    def counted(chosen):
        return f"{len(chosen):,} of {len(fates):,} images {'is' if len(chosen) == 1 else 'are'}"

    def names(chosen):
        more = f" and {len(chosen) - NAMED:,} more" if len(chosen) > NAMED else ""
        return ", ".join(name_of(source, number) for number in chosen[:NAMED]) + more

    for fate, reason in LEFT_OUT.items():
        chosen = np.flatnonzero(fates == fate)
        if len(chosen):
            warnings.append(f"{counted(chosen)} {reason} and left out: {names(chosen)}")
    masked = np.flatnonzero(is_masked(fates))
    if len(masked):
        notes.append(
            f"{len(masked):,} of {len(fates):,} images with pixels that are set aside: {names(masked)}"
        )
    cut = np.flatnonzero(fates % MASKED == PARTLY_BLANK)
    if 0 < len(cut) <= len(fates) / 2:  # of most images, zeros are the sky
        warnings.append(
            f"{counted(cut)} partly blank, and used: {names(cut)}; dataset.drop=blank leaves such images out"
        )
    return notes, warnings


def check_used(reader, fates, warnings):
    """Refuses a dataset of which no image is left.

    Raises:
        GalvaeError: if all are left out, with the sentences that say why.
    """
    if not is_used(fates).any():
        raise GalvaeError(
            f"dataset {reader}: expected images with light, received {len(fates)}, all of which are left out: "
            f"{'; '.join(warnings)}"
        )


def name_of(source, number):
    """An image of a source as the user knows it."""
    number = int(number)
    if source.origin is not None:
        return source.origin(number)
    ids = source.catalogue.get("id")
    return f"image {number if ids is None or number >= len(ids) else ids[number]}"


def _hash(array):
    return hashlib.sha256(array).digest()[:8]


def _header(shape, dtype):
    """The first bytes of an .npy file, which are as many for every number of images."""
    header, dtype = io.BytesIO(), np.dtype(dtype)
    layout = {
        "descr": np.lib.format.dtype_to_descr(dtype),
        "fortran_order": False,
        "shape": tuple(int(length) for length in shape),
    }
    np.lib.format.write_array_header_1_0(header, layout)
    return header.getbuffer()
