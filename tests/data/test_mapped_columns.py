"""Long columns of a cache entry, memory-mapped in place."""

import io
import struct
import zipfile

import numpy as np
import pytest
from builders.galaxies import ellipses

from galvae.data.source import Source
from galvae.data.store import cache_entry, mapped_columns
from galvae.data.store.cache_entry import Damaged
from galvae.data.store.mapped_files import FilesChanged

COLUMNS = {
    "id": np.array(["G1", "Ω", "a\0b", ""]),
    "labels": np.array([3, -1, 2**40, 0]),
    "condition": np.asfortranarray(np.arange(12, dtype=np.float32).reshape(4, 3)),
    "masked": np.array([True, False, True, True]),
    "none": np.empty((0, 2)),
}


def opened(path, long):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mapped_columns, "LONG", long)
        return mapped_columns.open_columns(path)


def test_columns_are_the_same_mapped_or_read(tmp_path):
    np.savez(tmp_path / "a.npz", **COLUMNS)
    read, mapped = (opened(tmp_path / "a.npz", long) for long in (10**9, 140))
    assert (read[1], mapped[1]) == (False, True)
    for name, values in COLUMNS.items():
        for column in (read[0][name], mapped[0][name]):
            assert type(column) is np.ndarray and column.dtype == values.dtype
            np.testing.assert_array_equal(column, values)
    # Those of 140 bytes and more with their headers, which have 128, and no others.
    assert {name for name, column in mapped[0].items() if not column.flags.writeable} == {
        "id",
        "labels",
        "condition",
    }


def packed(path, compression=zipfile.ZIP_STORED, content=None, name="a.npy"):
    """Writes an archive with one member, by default a whole array of ten numbers."""
    file = io.BytesIO()
    np.save(file, np.arange(10.0))
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr(name, file.getvalue() if content is None else content(file.getvalue()))
    return path


def test_what_is_no_whole_array_is_refused(tmp_path):
    np.testing.assert_array_equal(opened(packed(tmp_path / "a"), 0)[0]["a"], np.arange(10.0))
    objects = io.BytesIO()
    np.save(objects, np.array([None, {}]), allow_pickle=True)
    damaged = [
        packed(tmp_path / "b", zipfile.ZIP_DEFLATED),
        packed(tmp_path / "c", content=lambda whole: whole[:-8]),
        packed(tmp_path / "d", content=lambda whole: whole + b"\0"),
        packed(tmp_path / "e", content=lambda whole: whole.replace(b"(10,)", b"(99,)")),
        packed(tmp_path / "f", content=lambda whole: objects.getvalue()),
        packed(tmp_path / "g", content=lambda whole: whole[:6] + b"\3\0" + whole[8:]),
        packed(tmp_path / "h", content=lambda whole: b"x"),
    ]
    for path in damaged:
        with pytest.raises((ValueError, EOFError)):
            opened(path, 0)
    whole = packed(tmp_path / "i").read_bytes()
    place = whole.rindex(b"PK\1\2") + 42  # where the directory says that the member begins
    (tmp_path / "i").write_bytes(whole[:place] + struct.pack("<I", 3) + whole[place + 4 :])
    with pytest.raises((ValueError, zipfile.BadZipFile)):
        opened(tmp_path / "i", 0)


def test_an_entry_with_mapped_columns_is_checked_like_its_images(tmp_path, monkeypatch):
    monkeypatch.setattr(mapped_columns, "LONG", 200)
    images = ellipses(20, 8)
    source = Source(
        shape=images.shape,
        dtype="uint8",
        blocks=[images],
        pixel_range=(0, 255),
        catalogue={
            "id": np.array([f"G{number:06d}" for number in range(20)]),
            "mag": np.linspace(20, 25, 20),
        },
    )
    cache_entry.write(tmp_path, "files", source)
    entry = cache_entry.read(tmp_path)
    assert entry.columns["catalogue.id"][[3, 19]].tolist() == ["G000003", "G000019"]
    path = tmp_path / "columns.npz"
    assert path in entry.mapped_files.paths and tmp_path / "images.npy" in entry.mapped_files.paths
    entry.mapped_files.check()
    whole = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(whole.replace(np.array("G000007").tobytes(), np.array("G000008").tobytes()))
    assert entry.columns["catalogue.id"][7] == "G000008"  # what a map shows, until it is checked
    with pytest.raises(FilesChanged, match=r"columns\.npz: expected prepared images that stay"):
        entry.mapped_files.check()
    with pytest.raises(Damaged, match=r"columns\.npz"):
        cache_entry.read(tmp_path)
