import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import threading

import filelock
import numpy as np
import pytest
from builders.entries import IMAGES, entries, overwrite, prepared, source
from builders.galaxies import ellipses
from filelock import FileLock

from galvae.data.store import cache, cache_entry, checked_files
from galvae.data.store.cache import file_identity
from galvae.data.store.mapped_files import file_state
from galvae.errors import CannotBeDone, GalvaeError, byte_counts

FILES = (*cache_entry.FILES, "manifest.json", "source.json")


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
    images, masks, columns, about = prepared(tmp_path, "test", {"a": 1}, lambda: full)
    assert masks is None
    assert isinstance(images, np.memmap)
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(columns["labels"], np.arange(10) % 2)
    np.testing.assert_array_equal(columns["condition"], redshift)
    assert columns["catalogue.id"].tolist() == [f"g{i}" for i in range(10)]
    assert about["class_names"] == ["a", "b"]
    assert about["catalogue_units"] == {"ra": "deg"}
    assert about["pixel_range"] == [0, 255]
    np.testing.assert_array_equal(columns["image.low"], IMAGES.min(axis=(1, 2, 3)))
    np.testing.assert_array_equal(columns["image.high"], IMAGES.max(axis=(1, 2, 3)))
    assert len(set(columns["image.hash"].tolist())) == 10


def test_the_work_is_done_once_for_each_fingerprint(tmp_path):
    calls = []

    def read():
        calls.append(1)
        return source()

    for _ in range(3):
        prepared(tmp_path, "test", {"a": 1}, read)
    assert len(calls) == 1
    prepared(tmp_path, "test", {"a": 2}, read)
    prepared(tmp_path, "other", {"a": 1}, read)
    assert len(calls) == 3
    assert len(entries(tmp_path)) == 3


def test_two_at_once_do_the_work_once(tmp_path):
    calls = []

    def read():
        calls.append(1)
        return source()

    threads = [threading.Thread(target=prepared, args=(tmp_path, "test", {}, read)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["truncated", "missing", "empty"])
def test_a_damaged_entry_is_prepared_again(tmp_path, name, damage, caplog):
    prepared(tmp_path, "test", {}, source)
    file = tmp_path / entries(tmp_path)[0] / name
    content = file.read_bytes()
    if damage == "missing":
        file.unlink()
    else:
        overwrite(file, content[: len(content) // 2] if damage == "truncated" else b"")
    images = prepared(tmp_path, "test", {}, source)[0]
    np.testing.assert_array_equal(images, IMAGES)
    assert file.read_bytes() == content
    assert len(caplog.messages) == 1 and "is damaged (" in caplog.text and name in caplog.text


def test_a_failing_reader_leaves_nothing_and_the_old_entry_stays(tmp_path):
    prepared(tmp_path, "test", {"a": 1}, source)
    before = entries(tmp_path)

    def failing():
        yield IMAGES[:4]
        raise GalvaeError("half-way")

    with pytest.raises(GalvaeError, match="half-way"):
        prepared(tmp_path, "test", {"a": 2}, lambda: source(blocks=failing()))
    assert entries(tmp_path) == before


def test_checksums_are_compared_once_for_each_state_of_the_files(tmp_path, monkeypatch):
    compared = []
    checksums = cache_entry.checksums
    monkeypatch.setattr(
        cache_entry, "checksums", lambda descriptor: compared.append(1) or checksums(descriptor)
    )
    prepared(tmp_path, "test", {}, source)
    assert len(compared) == len(cache_entry.FILES) == 3  # read back once after writing
    prepared(tmp_path, "test", {}, source)
    assert len(compared) == 3
    prepared(tmp_path, "test", {}, source, verify="always")
    assert len(compared) == 6
    folder = tmp_path / entries(tmp_path)[0]
    file, verified = folder / "images.npy", folder / cache_entry.VERIFIED
    os.utime(file, ns=(0, file.stat().st_mtime_ns + 1))
    prepared(tmp_path, "test", {}, source)
    assert len(compared) == 9
    # An earlier version recorded size, time and inode: its entries are not read again for the upgrade.
    states = json.loads(verified.read_text())
    verified.write_text(json.dumps({name: state[:3] for name, state in states.items()}))
    prepared(tmp_path, "test", {}, source)
    assert len(compared) == 9 and json.loads(verified.read_text()) == states
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    overwrite(file, content)
    states["images.npy"] = file_state(file.stat())
    verified.write_text(json.dumps(states))  # as a disk decays, without a new time
    assert prepared(tmp_path, "test", {}, source)[0][-1, -1, -1, -1] != IMAGES[-1, -1, -1, -1]
    images = prepared(tmp_path, "test", {}, source, verify="always")[0]
    np.testing.assert_array_equal(images, IMAGES)
    overwrite(folder / "images.npy", content)
    times = (file.stat().st_atime_ns, states["images.npy"][1])
    os.utime(file, ns=times)  # the time of the content can be set back, the time of the inode cannot
    np.testing.assert_array_equal(prepared(tmp_path, "test", {}, source)[0], IMAGES)


SKY = np.random.default_rng(3).normal(size=(9, 8, 8, 2)).astype(np.float32)


def faulty(**changes):
    """Nine images: 1 has a NaN, 4 is constant, 6 has a blank line; ids g0 to g8, classes and splits by row."""
    images = SKY.copy()
    images[1, 2, 3, 1] = np.nan
    images[4] = 0.5
    images[6, 5] = 0
    columns = {"catalogue": {"id": np.array([f"g{i}" for i in range(9)])}, "labels": np.arange(9)}
    columns |= {"condition": np.arange(9, dtype=np.float32)[:, None], "condition_names": ["mass"]}
    columns |= {"split": np.arange(9) % 3}
    return source(
        images,
        class_names=[str(i) for i in range(9)],
        blocks=[images[:5], images[5:]],
        **{**columns, **changes},
    )


@pytest.mark.parametrize(
    ("changes", "options", "kept", "words"),
    [
        (
            {},
            {"nan": "drop"},
            [0, 2, 3, 4, 5, 6, 7, 8],
            ["1 of 9 images is not finite and left out: image g1"],
        ),
        (
            {},
            {"nan": "drop", "drop": "blank"},
            [0, 2, 3, 5, 7, 8],
            ["is blank and left out: image g4", "is cut and left out: image g6"],
        ),
        (
            {"drop_constant": True},
            {"nan": "drop"},
            [0, 2, 3, 5, 6, 7, 8],
            ["is blank and left out: image g4"],
        ),
        (
            {"origin": "row {} of a.h5".format},
            {"nan": "drop"},
            [0, 2, 3, 4, 5, 6, 7, 8],
            ["left out: row 1 of a.h5"],
        ),
    ],
)
def test_images_that_are_left_out_take_their_columns_with_them(
    tmp_path, changes, options, kept, words, monkeypatch
):
    monkeypatch.setattr(
        checked_files, "BLOCK", 1000
    )  # so that the header lies in the first of several checksums
    images, _, columns, about = prepared(tmp_path, "test", {}, lambda: faulty(**changes), "always", **options)
    assert columns["catalogue.id"].tolist() == [f"g{i}" for i in kept]
    assert columns["labels"].tolist() == columns["condition"][:, 0].tolist() == kept
    assert columns["split"].tolist() == [i % 3 for i in kept]
    assert len(columns["image.hash"]) == len(images) == len(kept)
    for index, number in enumerate(kept):
        if number not in (4, 6):
            np.testing.assert_array_equal(images[index], SKY[number])
    assert all(word in " ".join(about["warnings"]) for word in words), about["warnings"]


def test_no_image_left_is_an_error(tmp_path):
    with pytest.raises(GalvaeError, match="expected images with light, received 10, all of which"):
        prepared(
            tmp_path, "test", {}, lambda: source(np.zeros_like(IMAGES), blocks=[0 * IMAGES]), drop="blank"
        )


def test_masks_are_stored_beside_their_images(tmp_path):
    aside = np.zeros(SKY.shape, bool)
    aside[2, 1, 4, 0] = aside[7, 0] = True
    blocks = [np.ma.MaskedArray(SKY[:5], aside[:5]), np.ma.MaskedArray(SKY[5:], aside[5:])]
    images, masks, _, about = prepared(tmp_path, "test", {}, lambda: source(SKY, masked=True, blocks=blocks))
    np.testing.assert_array_equal(images, SKY)
    np.testing.assert_array_equal(masks, aside)
    assert about["notes"] == ["2 of 9 images with pixels that are set aside: image 2, image 7"]
    assert isinstance(masks, np.memmap) and masks.dtype == np.uint8
    bare = [np.ma.MaskedArray(SKY, False)]
    images, masks, _, other = prepared(
        tmp_path, "test", {"a": 1}, lambda: source(SKY, masked=True, blocks=bare)
    )
    assert masks is None and about["content"] != other["content"]
    plain = prepared(tmp_path, "test", {"a": 2}, lambda: source(SKY))[3]
    assert plain["content"] == other["content"]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_pixels_that_are_no_numbers_are_refused_by_row(tmp_path, value):
    images = IMAGES.astype(np.float32)
    images[6, 2, 3, 1] = value
    with pytest.raises(GalvaeError, match="NaN or infinity in image 6"):
        prepared(tmp_path, "test", {}, lambda: source(images))
    assert entries(tmp_path) == []


def test_fewer_images_than_announced_are_refused(tmp_path):
    with pytest.raises(GalvaeError, match="expected 10 images, received 4"):
        prepared(tmp_path, "test", {}, lambda: source(blocks=[IMAGES[:4]]))


def test_too_small_a_disk_is_reported_before_anything_is_written(tmp_path, monkeypatch):
    usage = cache.shutil.disk_usage(tmp_path)._replace(
        free=1919
    )  # a byte less than the 10 x 8 x 8 x 3 of the images
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(
        CannotBeDone, match="expected 1,920 bytes of free space, received 1,919 bytes; free space or"
    ):
        prepared(tmp_path, "test", {}, source)
    assert entries(tmp_path) == []


def test_a_write_that_fails_half_way_is_one_line_and_leaves_nothing(tmp_path):
    def full():
        yield IMAGES[:4]
        raise OSError(28, "No space left on device")

    with pytest.raises(CannotBeDone, match=r"No space left on device.*dataset\.cache_dir"):
        prepared(tmp_path, "test", {}, lambda: source(blocks=full()))
    assert entries(tmp_path) == []


def test_a_cache_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CannotBeDone, match="cannot write the cache"):
        prepared(tmp_path / "file" / "cache", "test", {}, source)


@pytest.mark.parametrize(
    ("counts", "texts"),
    [
        ((8_000_000_000, 1_500_000_000), ["8.0 GB", "1.5 GB"]),
        ((2_000_000_000, 1_999_000_000), ["2000.0 MB", "1999.0 MB"]),
        ((3_600_000, 40), ["3.6 MB", "0.0 MB"]),
        ((1_010_000, 1_009_900), ["1010.0 kB", "1009.9 kB"]),
        ((101_400, 101_399), ["101,400 bytes", "101,399 bytes"]),
        ((0, 12), ["0 bytes", "12 bytes"]),
        ((7, 7), ["7 bytes", "7 bytes"]),
    ],
)
def test_different_sizes_look_different(counts, texts):
    assert byte_counts(*counts) == texts


def test_identity_changes_with_the_file(tmp_path):
    path = tmp_path / "a"
    path.write_text("one")
    first = file_identity(path)
    path.write_text("three")
    assert file_identity(path) != first
    with pytest.raises(GalvaeError, match="No such file"):
        file_identity(tmp_path / "b")


def test_an_entry_has_the_rights_that_the_umask_leaves(tmp_path):
    old = os.umask(0o022)
    try:
        prepared(tmp_path, "test", {}, source)
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / entries(tmp_path)[0]).stat().st_mode) == 0o755


def test_blocks_of_another_size_are_refused(tmp_path):
    with pytest.raises(
        GalvaeError, match=r"expected images of shape \(8, 8, 3\), received \(4, 4, 3\) after 4 images"
    ):
        prepared(tmp_path, "test", {}, lambda: source(blocks=[IMAGES[:4], ellipses(6, 4)]))


def test_every_flipped_bit_and_zeroed_page_is_noticed(tmp_path, caplog):
    generator = np.random.default_rng(0)
    full = {"labels": np.arange(10) % 2, "catalogue": {"id": np.arange(10), "ra": np.linspace(0, 1, 10)}}
    prepared(tmp_path, "test", {}, lambda: source(**full))
    folder = tmp_path / entries(tmp_path)[0]
    good = {name: (folder / name).read_bytes() for name in FILES}
    for case in range(30):
        name = FILES[case % len(FILES)]
        content = bytearray(good[name])
        place = int(generator.integers(len(content)))
        if case % 3:
            content[place] ^= 1 << int(generator.integers(8))
        else:
            page = slice(place - place % 512, place - place % 512 + 512)
            content[page] = bytes(len(content[page]))
        overwrite(folder / name, content)
        images, _, columns, about = prepared(tmp_path, "test", {}, lambda: source(**full))
        np.testing.assert_array_equal(images, IMAGES)
        np.testing.assert_array_equal(columns["catalogue.ra"], full["catalogue"]["ra"])
        assert about["pixel_range"] == [0, 255]
        assert {name: (folder / name).read_bytes() for name in FILES} == good
    assert len(caplog.messages) == 30


@pytest.mark.parametrize("kept", [0, 4096, 8192])
def test_files_cut_off_by_a_power_loss_are_noticed(tmp_path, kept):
    images = np.random.default_rng(0).integers(0, 256, (10, 32, 32, 3), np.uint8)
    prepared(tmp_path, "test", {}, lambda: source(images))
    file = tmp_path / entries(tmp_path)[0] / "images.npy"
    size = file.stat().st_size
    for padded in (False, True):  # cut off, or of the right length and zero from there on
        content = file.read_bytes()[:kept]
        overwrite(file, content + bytes(padded * (size - kept)))
        np.testing.assert_array_equal(prepared(tmp_path, "test", {}, lambda: source(images))[0], images)


def test_files_of_several_checksums(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(checked_files, "BLOCK", 1000)
    monkeypatch.setattr(checked_files, "PIECE", 300)
    prepared(tmp_path, "test", {}, source)
    folder = tmp_path / entries(tmp_path)[0]
    manifest = json.loads((folder / "manifest.json").read_text())
    content = (folder / "images.npy").read_bytes()
    assert manifest["images.npy"] == {
        "size": len(content),
        "sha256": [
            hashlib.sha256(content[at : at + 1000]).hexdigest() for at in range(0, len(content), 1000)
        ],
    }
    prepared(tmp_path, "test", {}, source)
    assert caplog.text == ""


def test_an_entry_of_another_source_is_prepared_again(tmp_path, caplog):
    prepared(tmp_path, "test", {"a": 1}, source)
    (one,) = entries(tmp_path)
    prepared(tmp_path, "test", {"a": 2}, lambda: source(255 - IMAGES))
    (two,) = set(entries(tmp_path)) - {one}
    shutil.rmtree(tmp_path / one)
    shutil.copytree(tmp_path / two, tmp_path / one)
    np.testing.assert_array_equal(prepared(tmp_path, "test", {"a": 1}, source)[0], IMAGES)
    assert "another source" in caplog.text


def test_an_entry_that_is_no_folder_is_replaced(tmp_path):
    prepared(tmp_path, "test", {}, source)
    path = tmp_path / entries(tmp_path)[0]
    shutil.rmtree(path)
    path.write_text("in the way")
    np.testing.assert_array_equal(prepared(tmp_path, "test", {}, source)[0], IMAGES)


def test_a_deleted_or_rebuilt_entry_stays_readable_where_it_is_mapped(tmp_path):
    images = prepared(tmp_path, "test", {}, source)[0]
    folder = tmp_path / entries(tmp_path)[0]
    overwrite(folder / "about.json", b"{}")
    again = prepared(tmp_path, "test", {}, lambda: source(255 - IMAGES))[0]
    shutil.rmtree(folder)
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(again, 255 - IMAGES)


@pytest.mark.parametrize("name", ["entry", "about.json", "cache"])
def test_a_cache_without_rights_is_one_line(nobody, name):
    prepared(nobody, "test", {}, source)
    path = nobody if name == "cache" else nobody / entries(nobody)[0]
    path = path / name if name == "about.json" else path
    path.chmod(0)
    with pytest.raises(
        CannotBeDone, match=r"cannot use the cache .*: Permission denied; .*dataset\.cache_dir="
    ) as error:
        prepared(nobody, "test", {}, source)
    assert "\n" not in str(error.value)


def test_a_cache_that_may_only_be_read_serves(nobody):
    prepared(nobody, "test", {}, source)
    nobody.chmod(0o500)
    np.testing.assert_array_equal(prepared(nobody, "test", {}, source)[0], IMAGES)
    with pytest.raises(CannotBeDone, match=r"cannot use the cache"):
        prepared(nobody, "test", {"other": 1}, source)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 5 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=5m", "tmpfs", folder], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("mounting a small file system takes root's rights")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_disk_that_is_full_or_fills_up(small_disk):
    prepared(small_disk, "test", {}, source)
    before = entries(small_disk)
    large = np.random.default_rng(0).integers(0, 256, (10, 300, 300, 4), np.uint8)

    def filling():
        yield large[:5]
        (small_disk / "other").write_bytes(bytes(2_500_000))  # by somebody else, after the look at free space
        yield large[5:]

    with pytest.raises(
        CannotBeDone, match=r"No space left on device; free space or choose .*dataset\.cache_dir="
    ):
        prepared(small_disk, "test", {"a": 1}, lambda: source(large, blocks=filling()))
    with pytest.raises(CannotBeDone, match=r"expected 3\.6 MB of free space, received 2\.\d MB"):
        prepared(small_disk, "test", {"a": 1}, lambda: source(large))
    (small_disk / "other").unlink()
    assert entries(small_disk) == before
    np.testing.assert_array_equal(prepared(small_disk, "test", {}, source)[0], IMAGES)
    np.testing.assert_array_equal(prepared(small_disk, "test", {"a": 1}, lambda: source(large))[0], large)


def test_several_processes_at_once_do_the_work_once(tmp_path):
    np.save(tmp_path / "images.npy", IMAGES)
    program = (
        "import sys, numpy as np; from pathlib import Path\n"
        "from galvae.data.source import Source; from galvae.data.store import cache, cache_entry\n"
        "folder, images = Path(sys.argv[1]), np.load(sys.argv[1] + '/images.npy')\n"
        "def fill(building):\n"
        "    print('filled', flush=True)\n"
        "    cache_entry.write(building, 'test', Source(\n"
        "        shape=images.shape, dtype='uint8', blocks=[images], pixel_range=(0, 255)))\n"
        "print(cache.cached(folder / 'cache', 'test', {}, fill)[0].sum())"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    lines = [line for process in processes for line in process.communicate()[0].splitlines()]
    assert sorted(lines) == sorted(["filled", *[str(IMAGES.sum())] * 4])


def test_leftovers_of_killed_processes_are_removed_and_those_of_living_ones_kept(tmp_path):
    own = f"test-{hashlib.sha256(json.dumps({'format': cache.FORMAT}).encode()).hexdigest()[:12]}"
    dead, living = "other-0123456789ab", "other-ba9876543210"
    for name in (own, dead, living):
        (tmp_path / f".{name}-abc_1234").mkdir()
    (tmp_path / ".something-else").mkdir()
    with FileLock(tmp_path / f"{living}.lock"):
        prepared(tmp_path, "test", {}, source)
        assert entries(tmp_path) == [f".{living}-abc_1234", ".something-else", own]


def test_a_disk_that_gives_back_other_bytes_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(cache_entry, "checksums", lambda path: {})
    with pytest.raises(
        CannotBeDone, match="expected to read back the bytes that were written, received others"
    ):
        prepared(tmp_path, "test", {}, source)


def test_a_file_system_without_locks_is_one_line(tmp_path, monkeypatch):
    def refuse(self, *arguments, **options):
        raise NotImplementedError("FileSystem does not appear to support flock")

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    with pytest.raises(CannotBeDone, match="does not appear to support flock"):
        prepared(tmp_path, "test", {}, source)


@pytest.mark.parametrize("kind", ["folder", "pipe", "device", "loop", "name"])
def test_what_is_no_file_is_refused_and_not_opened(tmp_path, kind):
    path = tmp_path / "source"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "loop":
        path.symlink_to(path)
    path = {"device": "/dev/zero", "name": "a\0b"}.get(kind, path)
    told = {"loop": "symbolic links", "name": "null"}.get(kind, f"received a {kind}")
    with pytest.raises(GalvaeError, match=told):
        file_identity(path)


def test_content_is_that_of_images_labels_conditions_and_ids(tmp_path):
    known = {"labels": np.arange(10) % 2, "condition": np.zeros((10, 1), np.float32)}
    known |= {"catalogue": {"id": np.arange(10), "ra": np.zeros(10)}}

    def content(images=IMAGES, **changes):
        made = source(images, **{**known, **changes})
        return prepared(tmp_path, "test", {"case": len(list(tmp_path.iterdir()))}, lambda: made)[3]["content"]

    first = content()
    assert len(first) == 64 and int(first, 16)
    assert content() == content(catalogue={**known["catalogue"], "ra": np.ones(10)}) == first
    assert content(blocks=[IMAGES[:1], IMAGES[1:]]) == first
    other = IMAGES.copy()
    other[9, 7, 7, 2] ^= 1
    changes = [
        {"images": other},
        {"labels": None},
        {"labels": 1 - known["labels"]},
        {"condition": known["condition"] + np.nan},
        {"catalogue": {"id": np.arange(10)[::-1]}},
    ]
    assert len({first, *(content(**change) for change in changes)}) == 6
