import threading

import numpy as np
import pytest
from conftest import blobs

from galvae.data import cache
from galvae.data.cache import Source, cache_folder, cached, file_identity
from galvae.errors import CannotBeDone, GalvaeError

IMAGES = blobs(10, 8)


def source(images=IMAGES, **changes):
    values = {"shape": images.shape, "dtype": str(images.dtype), "pixel_range": (0, 255)}
    return Source(**{**values, "blocks": [images[:4], images[4:]], **changes})


def entries(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def test_arrays_come_back_memory_mapped(tmp_path):
    redshift = np.arange(10, dtype=np.float32)[:, None]
    full = source(
        labels=np.arange(10) % 2,
        class_names=["a", "b"],
        condition=redshift,
        condition_names=["redshift"],
        condition_units=[""],
        catalogue={"id": np.array([f"g{i}" for i in range(10)]), "ra": np.linspace(0, 1, 10)},
        catalogue_units={"ra": "deg"},
    )
    images, columns, about = cached(tmp_path, "test", {"a": 1}, lambda: full)
    assert isinstance(images, np.memmap)
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(columns["labels"], np.arange(10) % 2)
    np.testing.assert_array_equal(columns["condition"], redshift)
    assert columns["catalogue.id"].tolist() == [f"g{i}" for i in range(10)]
    assert about["class_names"] == ["a", "b"]
    assert about["catalogue_units"] == {"ra": "deg"}
    assert about["pixel_range"] == [0, 255]
    expected = {"count": 10, "image_shape": [8, 8, 3], "dtype": "uint8", "blank": 0}
    assert expected.items() <= about["report"].items()
    assert (about["report"]["low"], about["report"]["high"]) == (IMAGES.min(), IMAGES.max())


def test_the_work_is_done_once_for_each_fingerprint(tmp_path):
    calls = []

    def read():
        calls.append(1)
        return source()

    for _ in range(3):
        cached(tmp_path, "test", {"a": 1}, read)
    assert len(calls) == 1
    cached(tmp_path, "test", {"a": 2}, read)
    cached(tmp_path, "other", {"a": 1}, read)
    assert len(calls) == 3
    assert len(entries(tmp_path)) == 3


def test_two_at_once_do_the_work_once(tmp_path):
    calls = []

    def read():
        calls.append(1)
        return source()

    threads = [threading.Thread(target=cached, args=(tmp_path, "test", {}, read)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1


@pytest.mark.parametrize("name", ["images.npy", "columns.npz", "about.json"])
@pytest.mark.parametrize("damage", ["truncated", "missing", "empty"])
def test_a_damaged_entry_is_prepared_again(tmp_path, name, damage):
    cached(tmp_path, "test", {}, source)
    file = tmp_path / entries(tmp_path)[0] / name
    content = file.read_bytes()
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(content[: len(content) // 2] if damage == "truncated" else b"")
    images, _, _ = cached(tmp_path, "test", {}, source)
    np.testing.assert_array_equal(images, IMAGES)
    assert file.read_bytes()[:8] == content[:8]


def test_a_failing_reader_leaves_nothing_and_the_old_entry_stays(tmp_path):
    cached(tmp_path, "test", {"a": 1}, source)
    before = entries(tmp_path)

    def failing():
        yield IMAGES[:4]
        raise GalvaeError("half-way")

    with pytest.raises(GalvaeError, match="half-way"):
        cached(tmp_path, "test", {"a": 2}, lambda: source(blocks=failing()))
    assert entries(tmp_path) == before


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_pixels_that_are_no_numbers_are_refused_by_row(tmp_path, value):
    images = IMAGES.astype(np.float32)
    images[6, 2, 3, 1] = value
    with pytest.raises(GalvaeError, match="NaN or infinity in image 6"):
        cached(tmp_path, "test", {}, lambda: source(images))
    assert entries(tmp_path) == []


def test_blank_images_are_counted(tmp_path):
    images = IMAGES.copy()
    images[[2, 5]] = 7
    assert cached(tmp_path, "test", {}, lambda: source(images))[2]["report"]["blank"] == 2


def test_fewer_images_than_announced_are_refused(tmp_path):
    with pytest.raises(GalvaeError, match="expected 10 images, received 4"):
        cached(tmp_path, "test", {}, lambda: source(blocks=[IMAGES[:4]]))


def test_a_full_disk_is_told_before_it_is_filled(tmp_path, monkeypatch):
    usage = cache.shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(CannotBeDone, match="expected 0 MB of free space, received 0 MB"):
        cached(tmp_path, "test", {}, source)
    assert entries(tmp_path) == []


def test_a_write_that_fails_half_way_is_one_line_and_leaves_nothing(tmp_path):
    def full():
        yield IMAGES[:4]
        raise OSError(28, "No space left on device")

    with pytest.raises(CannotBeDone, match=r"No space left on device.*dataset\.cache_dir"):
        cached(tmp_path, "test", {}, lambda: source(blocks=full()))
    assert entries(tmp_path) == []


def test_a_cache_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CannotBeDone, match="cannot write the cache"):
        cached(tmp_path / "file" / "cache", "test", {}, source)


def test_the_folder_is_the_setting_then_the_variable_then_the_users(tmp_path, monkeypatch):
    monkeypatch.setenv("GALVAE_CACHE", str(tmp_path))
    assert cache_folder("/x") == cache.Path("/x")
    assert cache_folder() == tmp_path
    monkeypatch.delenv("GALVAE_CACHE")
    assert cache_folder().name == "galvae"


def test_identity_changes_with_the_file(tmp_path):
    path = tmp_path / "a"
    path.write_text("one")
    first = file_identity(path)
    path.write_text("three")
    assert file_identity(path) != first
    with pytest.raises(GalvaeError, match="No such file"):
        file_identity(tmp_path / "b")


def test_an_entry_has_the_rights_that_the_umask_leaves(tmp_path):
    import os
    import stat

    old = os.umask(0o022)
    try:
        cached(tmp_path, "test", {}, source)
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / entries(tmp_path)[0]).stat().st_mode) == 0o755


def test_blocks_of_another_size_are_refused(tmp_path):
    with pytest.raises(GalvaeError, match=r"expected images of \(8, 8, 3\), received \(4, 4, 3\) after 4"):
        cached(tmp_path, "test", {}, lambda: source(blocks=[IMAGES[:4], blobs(6, 4)]))
