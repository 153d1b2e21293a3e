"""The images of a cache entry: checked, counted and written block by block, without those that are left out."""

import hashlib
import io

import numpy as np

from galvae.data.masking import is_cut
from galvae.errors import GalvaeError

NAMED = 3  # images that are named in a message


class ImagesWriter:
    """Writes blocks of images to an open file, and their masks to another.

    Args:
        reader: name of the dataset's reader, for messages.
        source: `galvae.data.source.Source`, whose blocks will be added.
        images, masks: files with `write` and `replace_start`; no masks: None.
        nan: "drop" to leave out images with NaN or infinite pixels; else these are an error.
        drop: "blank" to leave out images that are blank or cut, or None.

    Attributes:
        notes, warnings: after `finish`, sentences about images with pixels set aside, and about what was left out.
        any_masked: whether any pixel so far is set aside.
    """

    def __init__(self, reader, source, images, masks, nan, drop):
        self.reader, self.source, self.images, self.masks = reader, source, images, masks
        self.nan, self.drop = nan, drop
        self.notes, self.warnings = [], []
        self._number = 0  # of the next image of the source
        self._left_out = {"not finite": [], "blank": [], "cut": []}  # numbers of images
        self._cut = []  # numbers of images that are cut, and used
        self._masked = []  # numbers of images with pixels that are set aside
        self._hashes, self._lows, self._highs = [], [], []
        images.write(_header(source.shape, source.dtype))
        if masks is not None:
            masks.write(_header(source.shape, "uint8"))

    @property
    def any_masked(self):
        return bool(self._masked)

    def add(self, block):
        """Writes the images of a block that are used.

        Raises:
            GalvaeError: if the block has another shape than the source, or pixels that are not finite.
        """
        shape = tuple(self.source.shape[1:])
        if block.shape[1:] != shape:
            raise GalvaeError(
                f"dataset {self.reader}: expected images of shape {shape}, received {block.shape[1:]} after "
                f"{self._number} images, in {self._name(self._number)}"
            )
        images = np.ma.getdata(block)
        used = np.ones(len(block), bool)
        if images.dtype.kind == "f":
            self._leave_out(used, ~np.isfinite(images).all(axis=(1, 2, 3)), "not finite")
        if self.source.drop_constant or self.drop == "blank":
            self._leave_out(used, images.min(axis=(1, 2, 3)) == images.max(axis=(1, 2, 3)), "blank")
        cut = used & is_cut(images)
        if self.drop == "blank":
            self._leave_out(used, cut, "cut")
        else:
            self._cut += (self._number + np.flatnonzero(cut)).tolist()
        numbers = self._number + np.flatnonzero(used)
        self._number += len(block)
        images = np.ascontiguousarray(images if used.all() else images[used], self.source.dtype)
        if not len(images):
            return
        self.images.write(images)
        if self.masks is not None:
            aside = np.ascontiguousarray(np.ma.getmaskarray(block)[used], np.uint8)
            self._masked += numbers[aside.any(axis=(1, 2, 3))].tolist()
            self.masks.write(aside)
        self._hashes += [hashlib.sha256(image).digest()[:8] for image in images]
        self._lows.append(images.min(axis=(1, 2, 3)))
        self._highs.append(images.max(axis=(1, 2, 3)))

    def _leave_out(self, used, wrong, reason):
        """Marks images as not used; those that are not finite are an error unless they are to be dropped."""
        wrong = used & wrong
        if reason == "not finite" and wrong.any() and self.nan != "drop":
            raise GalvaeError(
                f"dataset {self.reader}: expected finite pixels, received NaN or infinity in "
                f"{self._name(self._number + int(np.argmax(wrong)))}; dataset.nan=fill sets such pixels aside, "
                "dataset.nan=drop leaves such images out"
            )
        self._left_out[reason] += (self._number + np.flatnonzero(wrong)).tolist()
        used &= ~wrong

    def finish(self):
        """Completes the files.

        Returns:
            (used, facts): (N,) bool, which images of the source were written; and the hash, the darkest and the
            brightest pixel of each of them.

        Raises:
            GalvaeError: if there were more or fewer images than the source declared, or none is left.
        """
        if self._number != self.source.shape[0]:
            raise GalvaeError(
                f"dataset {self.reader}: expected {self.source.shape[0]} images, received {self._number}"
            )
        used = np.ones(self._number, bool)
        for reason, numbers in self._left_out.items():
            used[numbers] = False
            if numbers:
                self.warnings.append(
                    f"{self._counted(numbers)} {reason} and left out: {self._names(numbers)}"
                )
        if self._masked:
            counted = f"{len(self._masked):,} of {self._number:,} images"
            self.notes.append(f"{counted} with pixels that are set aside: {self._names(self._masked)}")
        if 0 < len(self._cut) <= self._number / 2:  # of most images, zeros are the sky
            self.warnings.append(
                f"{self._counted(self._cut)} partly blank, and used: {self._names(self._cut)}; "
                "dataset.drop=blank leaves such images out"
            )
        if not used.any():
            raise GalvaeError(
                f"dataset {self.reader}: expected images with light, received {self._number}, all of which are left "
                f"out: {'; '.join(self.warnings)}"
            )
        if not used.all():
            shape = (int(used.sum()), *self.source.shape[1:])
            self.images.replace_start(_header(shape, self.source.dtype))
            if self.masks is not None:
                self.masks.replace_start(_header(shape, "uint8"))
        return used, {
            "hash": np.frombuffer(b"".join(self._hashes), "<u8"),
            "low": np.concatenate(self._lows),
            "high": np.concatenate(self._highs),
        }

    def _counted(self, numbers):
        return f"{len(numbers):,} of {self._number:,} images {'is' if len(numbers) == 1 else 'are'}"

    def _names(self, numbers):
        more = f" and {len(numbers) - NAMED:,} more" if len(numbers) > NAMED else ""
        return ", ".join(self._name(number) for number in numbers[:NAMED]) + more

    def _name(self, number):
        """An image as the user knows it."""
        if self.source.origin is not None:
            return self.source.origin(number)
        ids = self.source.catalogue.get("id")
        return f"image {number if ids is None or number >= len(ids) else ids[number]}"


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
