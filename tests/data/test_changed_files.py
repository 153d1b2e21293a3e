"""Prepared images and source files that other programs change, while a run trains on them or between two commands."""

import hashlib
import json
import os
import shutil
import stat

import numpy as np
import pytest
from builders.entries import IMAGES, entries, opened, overwrite, prepared, source

from galvae.data.formats import folder_listing, shards
from galvae.data.load import load_dataset
from galvae.data.store import cache, cache_entry
from galvae.data.store.cache import file_identity
from galvae.data.store.mapped_files import FilesChanged

FILES = (*cache_entry.FILES, "manifest.json", "source.json", cache_entry.MASKS)
SKY = np.random.default_rng(3).normal(size=(10, 8, 8, 3)).astype(np.float32)


def masked_source():
    return source(SKY, masked=True, blocks=[np.ma.MaskedArray(SKY, SKY > 2)])


def test_nobody_may_write_to_an_entry_but_it_can_be_replaced(nobody):
    opened(nobody, masked_source)
    folder = nobody / entries(nobody)[0]
    for name in FILES:
        assert stat.S_IMODE((folder / name).stat().st_mode) & 0o222 == 0, name
        with pytest.raises(PermissionError):
            os.open(folder / name, os.O_RDWR)
    overwrite(folder / "images.npy", b"")
    np.testing.assert_array_equal(opened(nobody, masked_source).images, SKY)
    shutil.rmtree(folder)


def change(file, how):
    """Changes a file of an entry as other programs do."""
    status, content = file.stat(), bytearray(file.read_bytes())
    if how in ("bit", "bit under the old time"):
        content[-1] ^= 1
        overwrite(file, content)
        if how != "bit":
            os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    elif how == "through a map":
        file.chmod(0o600)
        array = np.load(file, mmap_mode="r+")
        array[0] = 0
        array.flush()
    elif how in ("cut", "longer"):
        overwrite(file, content[:-1] if how == "cut" else content + b" ")
    elif how == "same bytes":
        overwrite(file, content)
    elif how == "replaced":
        file.unlink()
        file.write_bytes(bytes(len(content)))
    elif how == "rights":
        file.chmod(0o640)
    elif how == "link":
        os.link(file, file.with_name("backup"))
    elif how == "read":
        os.utime(file, ns=(0, status.st_mtime_ns))


@pytest.mark.parametrize("name", ["images.npy", cache_entry.MASKS])
@pytest.mark.parametrize(
    "how", ["bit", "bit under the old time", "through a map", "cut", "longer", "same bytes"]
)
def test_a_file_that_is_written_to_while_it_is_mapped_is_noticed(tmp_path, name, how):
    entry = opened(tmp_path, masked_source)
    file = tmp_path / entries(tmp_path)[0] / name
    entry.mapped_files.check()
    size = file.stat().st_size
    change(file, how)
    received = {
        "cut": f"of {size - 1:,} bytes instead of {size:,}",
        "longer": f"of {size + 1:,} bytes instead",
    }
    message = rf"{name}: expected .* received a file that is {received.get(how, 'written to')}"
    with pytest.raises(FilesChanged, match=message) as error:
        entry.mapped_files.check()
    assert error.value.exit_status == 1 and "\n" not in str(error.value)
    again = opened(tmp_path, masked_source)
    np.testing.assert_array_equal(again.images, SKY)
    np.testing.assert_array_equal(again.masks, SKY > 2)


@pytest.mark.parametrize("how", ["replaced", "rights", "link", "read"])
def test_a_file_whose_bytes_stay_may_be_deleted_linked_and_given_rights(tmp_path, how, caplog):
    caplog.set_level("INFO")
    entry = opened(tmp_path)
    file = tmp_path / entries(tmp_path)[0] / "images.npy"
    change(file, how)
    caplog.clear()
    for _ in range(2):
        entry.mapped_files.check()
    assert len(caplog.messages) == 1 and "its checksums are as before" in caplog.text
    np.testing.assert_array_equal(entry.images, IMAGES)
    if how != "replaced":
        change(file, "bit under the old time")
        with pytest.raises(FilesChanged):
            entry.mapped_files.check()


def test_other_processes_that_open_or_rebuild_an_entry_do_not_disturb(tmp_path, caplog):
    caplog.set_level("INFO")
    entry = opened(tmp_path)
    prepared(tmp_path, "test", {}, source, verify="always")
    entry.mapped_files.check()
    assert caplog.messages == []
    overwrite(tmp_path / entries(tmp_path)[0] / "about.json", b"{}")
    opened(tmp_path)
    entry.mapped_files.check()
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]  # damaged; deleted


def test_mapped_files_are_closed_with_their_dataset(tmp_path):
    def descriptors():
        return len(os.listdir("/proc/self/fd"))

    opened(tmp_path)
    before, entry = descriptors(), opened(tmp_path)
    assert descriptors() > before
    del entry
    assert descriptors() == before


def of_file(path):
    """The entry, of the images in a .npy file, and how often they were read for it."""
    reads = []

    def read():
        reads.append(path)
        return source(np.load(path))

    return opened(path.parent / "cache", read, {"file": file_identity(path)}), len(reads)


def replace(path, images):
    """Overwrites a .npy file under its old time of change."""
    status = path.stat()
    np.save(path, images)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)


def test_a_source_that_is_overwritten_under_its_old_time_is_read_again(tmp_path, caplog):
    path = tmp_path / "a.npy"
    np.save(path, IMAGES)
    assert of_file(path)[1] == 1
    assert of_file(path)[1] == 0
    replace(path, 255 - IMAGES)
    entry, reads = of_file(path)
    np.testing.assert_array_equal(entry.images, 255 - IMAGES)
    assert reads == 1 and of_file(path)[1] == 0
    (line,) = caplog.messages
    assert line.startswith(f"{path} is read again: its size and time are as when it was prepared, but")
    assert len(entries(tmp_path / "cache")) == 1
    path.chmod(0o600)  # the content is as before, which is only known after reading
    assert of_file(path)[1] == 1


def test_entries_of_earlier_versions_are_used_and_their_sources_watched_from_then_on(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, IMAGES)
    of_file(path)
    status = path.stat()
    earlier = {"path": str(path), "size": status.st_size, "changed": status.st_mtime_ns}
    text = json.dumps({"format": 2, "file": earlier}, sort_keys=True)
    folder = tmp_path / "cache" / f"test-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    assert (folder / "source.json").read_text() == text
    (folder / cache.SOURCE_STATE).unlink()
    assert of_file(path)[1] == 0
    assert json.loads((folder / cache.SOURCE_STATE).read_text()) == {str(path): status.st_ctime_ns}
    replace(path, 255 - IMAGES)
    assert of_file(path)[1] == 1
    # A run of 0.1 keeps the images that it was trained on, since they would be read otherwise now.
    replace(path, IMAGES)
    kept = cache.stored(tmp_path / "cache", "test", {"file": file_identity(path)})
    np.testing.assert_array_equal(kept.images, 255 - IMAGES)


def test_a_dataset_whose_file_is_overwritten_under_its_old_time_has_the_new_images(config, tmp_path):
    np.save(tmp_path / "a.npy", IMAGES)
    first = load_dataset(config("a.npy", axes="NHWC"))
    np.testing.assert_array_equal(first.images, IMAGES)
    replace(tmp_path / "a.npy", 255 - IMAGES)
    again = load_dataset(config("a.npy", axes="NHWC"))
    np.testing.assert_array_equal(again.images, 255 - IMAGES)
    first.mapped_files.check()  # its own entry is deleted, and still whole where it is mapped
    (file,) = tmp_path.glob("cache/*/images.npy")
    change(file, "bit")
    with pytest.raises(FilesChanged):
        again.mapped_files.check()


@pytest.mark.parametrize("kind", ["shards", "folder"])
def test_one_of_many_sources_that_is_overwritten_is_noticed(tmp_path, kind):
    for number in range(3):
        np.save(tmp_path / f"{number}.npy", IMAGES[number])
        (tmp_path / f"{number}.npy").rename(tmp_path / f"{number}.png")  # no reader opens it here
    files = [tmp_path / f"{number}.png" for number in range(3)]

    def identities():
        identity = shards.identity(files) if kind == "shards" else folder_listing.folder_identity(tmp_path)
        return identity.pop(cache.FILE_STATE), identity

    state, name = identities()
    parts = [(path, path.stat()) for path in files]
    earlier = {
        "shards": [
            {"path": str(path), "size": status.st_size, "changed": status.st_mtime_ns}
            for path, status in parts
        ],
        "folder": "".join(f"{path.name}\0{status.st_size}\0{status.st_mtime_ns}\0" for path, status in parts),
    }[kind]
    text = json.dumps(earlier) if kind == "shards" else earlier
    assert hashlib.sha256(text.encode()).hexdigest() in name.values()  # as earlier versions had it
    change(files[1], "bit under the old time")
    assert identities()[0] != state and identities()[1] == name
