"""A dataset of several files, prepared file by file: what is prepared when, and how its parts are one dataset."""

import mmap
import os
import resource
import shutil
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
from builders.configs import SMALL
from builders.galaxies import ellipses
from builders.processes import child_environment

from galvae.data import prepared_parts
from galvae.data.formats.shards import _gaps
from galvae.data.load import load_all, load_dataset
from galvae.data.readers import user_files
from galvae.data.store import cache, isolation, mapped_columns
from galvae.data.store.contents import entry_facts, is_part
from galvae.data.store.joined_images import JoinedImages
from galvae.data.store.mapped_files import SPARE, FilesChanged, MappedFiles
from galvae.errors import CannotBeDone, GalvaeError

SIDE, COUNT = 8, 23
IMAGES = ellipses(COUNT, SIDE).astype(np.float32) / 255
IDS = 1237648720142532814 + 7 * np.arange(COUNT)
ASIDE = np.zeros((COUNT, SIDE, SIDE), bool)
ASIDE[np.arange(9, 14), 2, np.arange(1, 6)] = True  # of the second and third of four files


def write(folder, counts=(6, 5, 8, 4), images=IMAGES, **columns):
    """Writes consecutive images and columns as part-0.npz, part-1.npz, ...; returns the rows of each file."""
    rows = np.split(np.arange(sum(counts)), np.cumsum(counts)[:-1])
    for number, part in enumerate(rows):
        values = {name: column[part] for name, column in {"objid": IDS, "aside": ASIDE, **columns}.items()}
        np.savez(folder / f"part-{number}.npz", images=images[part], **values)
    return rows


@pytest.fixture
def load(config):
    """Loads part-*.npz below tmp_path."""

    def run(load=load_dataset, path="part-*.npz", **changes):
        return load(config(path, **{"images": "images", "axes": "NHWC", **changes}))

    return run


@pytest.fixture
def read(monkeypatch):
    """The names of the files whose images were read for their parts, in order."""
    names, read_part = [], user_files.read_part

    def recording(config, path, rows):
        names.append(os.path.basename(path))
        return read_part(config, path, rows)

    monkeypatch.setattr(user_files, "read_part", recording)
    return names


def parts(tmp_path):
    """Folders of the parts in the cache, by the name of their file."""
    folders = filter(is_part, (tmp_path / "cache").glob("part-*[0-9a-f]"))
    return {
        os.path.basename(cache.json.loads((folder / cache.SOURCE).read_text())["source"]["path"]): folder
        for folder in folders
    }


def leftovers(tmp_path):
    return [path.name for path in (tmp_path / "cache").glob(".*")]


INDICES = {
    "an integer": 7,
    "a negative one": -1,
    "NumPy's integer": np.int64(6),
    "a slice in an array": slice(6, 11),
    "a slice over two": slice(4, 8),
    "everything": slice(None),
    "nothing": slice(5, 5),
    "beyond the end": slice(20, 90),
    "backwards": slice(None, None, -3),
    "integers": np.array([22, 0, 6, 5, 6, 18, -2]),
    "unsigned": np.array([22, 0], np.uint8),
    "a list": [3, 12],
    "no integers": np.array([], int),
    "an empty list": [],
    "rows and columns": np.array([[1, 20], [7, 7]]),
    "booleans": np.arange(COUNT) % 4 == 1,
    "a pixel": (8, 2, 3, 1),
    "columns of integers": (np.array([19, 2]), slice(None), 3),
    "bands of a slice": (slice(3, 9), ..., 0),
}


@pytest.mark.parametrize("name", INDICES)
def test_joined_images_are_indexed_as_one_array(name):
    joined = JoinedImages([IMAGES[:6], IMAGES[6:11], IMAGES[11:11], IMAGES[11:19], IMAGES[19:], IMAGES[:0]])
    assert (joined.shape, joined.dtype, len(joined), joined.ndim) == (IMAGES.shape, IMAGES.dtype, COUNT, 4)
    assert (joined.nbytes, joined.size) == (IMAGES.nbytes, IMAGES.size)
    found, expected = joined[INDICES[name]], IMAGES[INDICES[name]]
    np.testing.assert_array_equal(found, expected)
    assert found.shape == expected.shape and found.dtype == IMAGES.dtype


def test_what_is_no_index_of_joined_images_is_refused():
    joined = JoinedImages([IMAGES[:6], IMAGES[6:]])
    for wrong in (COUNT, -COUNT - 1, np.array([0, COUNT]), np.ones(5, bool), np.array([0.5]), "a"):
        with pytest.raises(IndexError):
            joined[wrong]
    assert np.shares_memory(joined[7:9], IMAGES)
    with pytest.raises(TypeError, match=r"images of 2 files are read by rows.*images\[:\] copies all 23"):
        np.asarray(joined)


def test_each_array_is_read_once_for_a_batch():
    joined = JoinedImages([IMAGES[:6], IMAGES[6:11], IMAGES[11:]])
    rows = np.array([12, 0, 22, 5, 11, 0])
    found = list(joined.split(rows))
    assert [positions.tolist() for _, _, positions in found] == [[1, 3, 5], [0, 2, 4]]
    for array, own, positions in found:
        np.testing.assert_array_equal(array[own], IMAGES[rows[positions]])


@pytest.mark.skipif(not hasattr(mmap, "MADV_WILLNEED"), reason="the system takes no such hints")
def test_the_disk_is_asked_for_the_images_of_each_part(load, tmp_path, monkeypatch):
    asked = []

    class Recording(mmap.mmap):
        def madvise(self, option, start, length):
            asked.append(start + length)

    write(tmp_path)
    load()
    monkeypatch.setattr(mmap, "mmap", Recording)
    dataset = load()
    dataset.batches("train", 4).gather(np.array([22, 6, 0, 7]))
    size, header = IMAGES[0].nbytes, dataset.images.arrays[0].offset
    assert asked == [header + size * (row + 1) for row in (0, 0, 1, 3)]


def test_parts_are_one_dataset_and_a_new_file_is_prepared_alone(load, read, tmp_path):
    write(tmp_path, counts=(6, 5, 8), mass=np.arange(COUNT) / 7)
    small = load(mask="aside", condition=["mass"])
    assert read == ["part-0.npz", "part-1.npz", "part-2.npz"] and len(small) == 19
    images = parts(tmp_path)["part-1.npz"] / "images.npy"
    before = images.stat()
    np.savez(tmp_path / "part-10.npz", images=IMAGES[19:], objid=IDS[19:], aside=ASIDE[19:], mass=np.ones(4))
    dataset = load(mask="aside", condition=["mass"])
    assert read[3:] == ["part-10.npz"]
    assert images.stat() == before
    np.testing.assert_array_equal(dataset.images[:], np.where(ASIDE[..., None], dataset.images[:], IMAGES))
    np.testing.assert_array_equal(dataset.masks[:], np.broadcast_to(ASIDE[..., None], IMAGES.shape))
    np.testing.assert_array_equal(dataset.catalogue["id"], IDS)
    np.testing.assert_array_equal(dataset.image_facts["high"], dataset.images[:].max(axis=(1, 2, 3)))
    assert dataset.condition[:, 0].tolist() == [*(np.arange(19) / 7).astype(np.float32).tolist(), 1, 1, 1, 1]
    rows = np.array([20, 9, 0, 13])
    batch = dataset.batches("train", 4).gather(rows)
    np.testing.assert_array_equal(batch["images"], dataset.images[:][rows])
    np.testing.assert_array_equal(batch["mask"], np.broadcast_to(ASIDE[rows, ..., None], (4, 8, 8, 3)))
    load(mask="aside", condition=["mass"])
    assert len(read) == 4 and leftovers(tmp_path) == []


def test_a_file_that_is_changed_is_prepared_alone(load, read, tmp_path):
    write(tmp_path)
    content = load().content
    images = IMAGES.copy()
    images[7, 0, 0, 0] += 0.25
    np.savez(tmp_path / "part-1.npz", images=images[6:11], objid=IDS[6:11])
    changed = load()
    assert read[4:] == ["part-1.npz"]
    np.testing.assert_array_equal(changed.images[:], images)
    assert changed.content != content


PIXELS = {  # a setting that changes the prepared images -> what it makes of them
    "nan": ({"nan": "fill"}, lambda images: images),
    "drop": ({"drop": "blank"}, lambda images: images[[0, 2, 3, 4, 5, 6]]),
    "image_size": ({"image_size": 4}, lambda images: images.reshape(-1, 4, 2, 4, 2, 3).mean((2, 4))),
    "row_0": ({"row_0": "bottom"}, lambda images: images[:, ::-1]),
    "channels": ({"channels": [2, 0]}, lambda images: images[..., [2, 0]]),
    "axes": ({"axes": "NWHC"}, lambda images: images.swapaxes(1, 2)),
    "images": ({"images": "other"}, lambda images: images[::-1]),
    "mask": ({"mask": "aside"}, lambda images: images),
    # The pixel that is NaN is among those that are set aside.
    "mask_where": ({"mask": "aside", "mask_where": "zero"}, lambda images: images),
}


def test_no_setting_has_the_prepared_images_of_another(load, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # on a slow disk, most of this test's time
    images = IMAGES[:8].copy()
    images[1], images[6, 2, 3, 0] = 0.5, np.nan
    known, aside = images[np.arange(8) != 6], np.zeros((8, SIDE, SIDE), bool)
    aside[:, 4, 1], aside[2, 0, 0] = True, True
    write(tmp_path, (5, 3), images, objid=IDS[:8], other=images[::-1], aside=aside)
    np.testing.assert_array_equal(load(nan="drop").images[:], known)
    masks = {"nan": np.isnan(images), "mask": aside[np.arange(8) != 6], "mask_where": ~aside}
    for name, (changes, expected) in PIXELS.items():
        dataset = load(**{"nan": "drop", **changes})
        wanted, used = expected(images if name in ("nan", "mask_where") else known), True
        if name in masks:
            used = ~np.broadcast_to(masks[name].reshape(*wanted.shape[:3], -1), wanted.shape)
            np.testing.assert_array_equal(dataset.masks[:], ~used, name)
        np.testing.assert_allclose(dataset.images[:][used], wanted[used], rtol=1e-6, err_msg=name)
        assert (dataset.masks is not None) == (name in masks), name


def test_a_file_that_is_overwritten_under_its_old_time_is_prepared_again_alone(load, read, tmp_path, caplog):
    write(tmp_path)
    load()
    file, images = tmp_path / "part-1.npz", IMAGES.copy()
    before = file.stat()
    images[7, 0, 0, 0] += 0.25
    np.savez(file, images=images[6:11], objid=IDS[6:11], aside=ASIDE[6:11])
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_size == before.st_size
    np.testing.assert_array_equal(load().images[:], images)
    assert read[4:] == ["part-1.npz"]
    said = [record.message.split(" is read again")[0] for record in caplog.records if "again" in record.msg]
    assert said == [f"one of 4 files from {tmp_path}/part-0.npz on", f"{file}"]


def test_content_is_that_of_images_masks_and_ids_however_files_share_them(config, tmp_path):
    def content(name, counts, images=IMAGES, **columns):
        (tmp_path / name).mkdir()
        write(tmp_path / name, counts, images, **columns)
        return load_all(config(f"{name}/part-*.npz", images="images", axes="NHWC", mask="aside")).content

    contents = [content("a", (6, 5, 8, 4)), content("b", (20, 3)), content("c", (1, 4, 18))]
    assert len(set(contents)) == 1
    other = IMAGES.copy()
    other[20, 4, 4, 2] += 0.5
    contents += [content("d", (20, 3), other), content("e", (20, 3), IMAGES[::-1])]
    flat, aside = np.full_like(IMAGES, 0.25), ASIDE.copy()  # so that what is filled in is what was there
    flat[:, 6, 6] = IMAGES[:, 0, -1]
    aside[21, 0, 0] = True
    contents += [content("f", (20, 3), flat), content("g", (20, 3), flat, aside=aside)]
    contents += [content("h", (20, 3), objid=IDS + 1)]
    assert len(set(contents)) == 6


def test_images_that_are_left_out_take_their_rows_with_them(load, tmp_path):
    images = IMAGES.copy()
    images[[0, 19, 20, 21, 22]] = np.nan  # the last ones are the whole of the last file
    images[12] = 0.5
    write(tmp_path, images=images, mass=np.arange(COUNT) / 7)
    dataset = load(nan="drop", drop="blank", condition=["mass"])
    kept = np.setdiff1d(np.arange(19), [0, 12])
    np.testing.assert_array_equal(dataset.images[:], IMAGES[kept])
    np.testing.assert_array_equal(dataset.catalogue["id"], IDS[kept])
    np.testing.assert_array_equal(dataset.image_facts["low"], IMAGES[kept].min(axis=(1, 2, 3)))
    assert dataset.report["warnings"] == [
        "5 of 23 images are not finite and left out: row 0 of part-0.npz, row 0 of part-3.npz, row 1 of part-3.npz and "
        "2 more",
        "1 of 23 images is blank and left out: row 1 of part-2.npz",
    ]
    write(tmp_path, images=np.full_like(IMAGES, np.nan))
    with pytest.raises(
        GalvaeError, match="images with light, received 23, all of which are left out: 23 of 23"
    ):
        load(nan="drop")


def test_only_images_with_a_row_of_the_table_are_in_parts(load, read, tmp_path):
    write(tmp_path)

    def joined(rows):
        lines = "".join(f"{IDS[row]},{row / 4}\n" for row in rows)
        (tmp_path / "table.csv").write_text(f"objid,mass\n{lines}")
        return load(table="table.csv", condition=["mass"])

    rows = [22, 3, 1, 9, 0, 2, 4, 5, 7]  # all of the first file, two of the second, none of the third
    dataset = joined(rows)
    np.testing.assert_array_equal(dataset.images[:], IMAGES[np.sort(rows)])
    assert dataset.condition[:, 0].tolist() == [row / 4 for row in sorted(rows)]
    assert read == ["part-0.npz", "part-1.npz", "part-3.npz"]
    dataset = joined([*rows, 8])
    np.testing.assert_array_equal(dataset.images[:], IMAGES[np.sort([*rows, 8])])
    assert read[3:] == ["part-1.npz"]


@pytest.mark.parametrize("how", ["bit", "gone", "emptied"])
def test_a_damaged_part_is_prepared_again_alone(how, load, read, tmp_path, caplog):
    write(tmp_path)
    content = load().content
    damaged = parts(tmp_path)["part-2.npz"]
    if how == "gone":
        shutil.rmtree(damaged)
    else:
        (damaged / "images.npy").chmod(0o600)
        with open(damaged / "images.npy", "r+b") as file:
            file.seek(0 if how == "emptied" else -5, os.SEEK_END if how == "bit" else os.SEEK_SET)
            file.truncate() if how == "emptied" else file.write(b"\1")
    dataset = load()
    assert read[4:] == ["part-2.npz"] and dataset.content == content
    assert damaged.name in caplog.text
    np.testing.assert_array_equal(dataset.images[:], IMAGES)


def test_a_part_of_other_images_is_not_used(load, read, tmp_path):
    write(tmp_path)
    load()
    folders = parts(tmp_path)
    shutil.rmtree(folders["part-1.npz"])
    shutil.copytree(folders["part-2.npz"], folders["part-1.npz"])  # whole, and its checksums are right
    np.testing.assert_array_equal(load().images[:], IMAGES)
    assert read[4:] == ["part-1.npz"]


def test_a_part_that_is_written_to_while_it_is_used_is_noticed(load, tmp_path):
    write(tmp_path)
    dataset = load()
    assert len(dataset.mapped_files.paths) == 4
    dataset.mapped_files.check()
    file = parts(tmp_path)["part-3.npz"] / "images.npy"
    file.chmod(0o600)
    with open(file, "r+b") as stream:
        stream.seek(-1, os.SEEK_END)
        stream.write(b"\1")
    with pytest.raises(FilesChanged, match=f"{file}: expected prepared images that stay"):
        dataset.mapped_files.check()


def test_a_wrong_file_is_named_and_what_is_done_is_kept(load, read, tmp_path):
    images = IMAGES.copy()
    images[13, 3, 3, 1] = np.inf
    write(tmp_path, images=images)
    with pytest.raises(GalvaeError, match="received NaN or infinity in row 2 of part-2.npz") as caught:
        load()
    assert "\n" not in str(caught.value)
    assert sorted(parts(tmp_path)) == ["part-0.npz", "part-1.npz"] and leftovers(tmp_path) == []
    np.savez(tmp_path / "part-2.npz", images=IMAGES[11:19], objid=IDS[11:19])
    np.testing.assert_array_equal(load().images[:], IMAGES)
    assert sorted(read) == ["part-0.npz", "part-1.npz", "part-2.npz", "part-2.npz", "part-3.npz"]


def test_a_file_of_other_images_is_refused_before_any_is_prepared(load, read, tmp_path):
    write(tmp_path)
    np.savez(tmp_path / "part-3.npz", images=IMAGES[19:, :7], objid=IDS[19:])
    with pytest.raises(GalvaeError, match=r"part-3.npz: expected images as in part-0.npz, .*\(7, 8, 3\)"):
        load()
    assert read == []


def test_a_file_that_changes_while_it_is_read_is_named(load, tmp_path, monkeypatch):
    write(tmp_path)
    read_part = user_files.read_part

    def changing(config, path, rows):
        source = read_part(config, path, rows)
        if path.endswith("part-1.npz"):
            os.utime(path)
        return source

    monkeypatch.setattr(user_files, "read_part", changing)
    with pytest.raises(CannotBeDone, match="do not change while they are read, received another part-1.npz"):
        load()
    assert sorted(parts(tmp_path)) == ["part-0.npz"]


@pytest.mark.parametrize("what", ["table.csv", "part-0.npz"])
def test_what_changes_while_other_files_are_read_is_noticed(what, load, tmp_path, monkeypatch):
    write(tmp_path, (6, 5))
    (tmp_path / "table.csv").write_text("objid,mass\n" + "".join(f"{one},1\n" for one in IDS[:11]))
    read_part = user_files.read_part

    def changing(config, path, rows):
        if path.endswith("part-1.npz"):
            os.utime(tmp_path / what)
        return read_part(config, path, rows)

    monkeypatch.setattr(user_files, "read_part", changing)
    with pytest.raises(CannotBeDone, match="do not change while they are read, received changed ones"):
        load(table="table.csv")


def test_a_file_that_grows_while_it_is_planned_is_noticed_if_its_part_is_there(load, tmp_path, monkeypatch):
    write(tmp_path, (6, 5))
    load()
    write_entry = isolation.write_entry

    def growing(folder, module, config, work=None, process=None, report=None):
        write(tmp_path, (6, 8))
        write_entry(folder, module, config, work, process, report)

    monkeypatch.setattr(isolation, "write_entry", growing)
    with pytest.raises(CannotBeDone, match="do not change while they are read, received changed ones"):
        load(pixel_range=[0.0, 2.0])


@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="the system does not say what is mapped")
def test_a_plan_is_not_mapped_any_more_when_it_is_removed(load, tmp_path, monkeypatch):
    write(tmp_path)
    mapped, prepared, remove = [], prepared_parts._prepared, shutil.rmtree

    def is_mapped():
        with open("/proc/self/maps") as maps:
            mapped.append("/plan/columns.npz" in maps.read())

    monkeypatch.setattr(mapped_columns, "LONG", 1)
    monkeypatch.setattr(prepared_parts, "_prepared", lambda *of: (is_mapped(), prepared(*of))[1])
    monkeypatch.setattr(
        shutil, "rmtree", lambda path, **how: (path.name == "plan" and is_mapped(), remove(path, **how))
    )
    np.testing.assert_array_equal(load().images[:], IMAGES)
    assert mapped == [True, False]


def test_a_file_that_goes_while_others_are_read_is_named(load, tmp_path, monkeypatch):
    write(tmp_path)
    plan = prepared_parts.parts.Plan
    monkeypatch.setattr(
        prepared_parts.parts, "Plan", lambda folder: ((tmp_path / "part-1.npz").unlink(), plan(folder))[1]
    )
    with pytest.raises(GalvaeError, match="part-1.npz.*(No such file|damaged)") as caught:
        load()
    assert "\n" not in str(caught.value) and leftovers(tmp_path) == []


def test_a_link_to_a_file_that_has_gone_is_no_file_less(load, tmp_path):
    write(tmp_path)
    os.symlink("nowhere", tmp_path / "part-4.npz")
    with pytest.raises(GalvaeError, match="part-4.npz: No such file or directory; expected an existing file"):
        load()


def test_parts_that_are_prepared_again_are_announced_and_prepared_at_once(
    load, tmp_path, monkeypatch, caplog
):
    write(tmp_path)
    load()
    damaged = parts(tmp_path)["part-1.npz"] / "images.npy"
    damaged.chmod(0o600)
    damaged.write_bytes(b"")
    for number in (0, 3):
        (tmp_path / f"part-{number}.npz").chmod(0o600)
    caplog.set_level("INFO")
    monkeypatch.setattr(prepared_parts, "cores", lambda: 2)
    lanes, in_processes = [], prepared_parts._in_processes
    monkeypatch.setattr(
        prepared_parts, "_in_processes", lambda *of: (lanes.append((of[1], len(of[2]))), in_processes(*of))[1]
    )
    np.testing.assert_array_equal(load().images[:], IMAGES)
    assert lanes == [(3, 2)] and "preparing 3 of 4 files, 2 at once" in caplog.text


def test_a_disk_that_is_too_small_for_all_parts_is_said_first(load, read, tmp_path, monkeypatch):
    write(tmp_path)
    free = shutil.disk_usage(tmp_path)._replace(free=IMAGES.nbytes - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: free)
    with pytest.raises(CannotBeDone, match=rf"expected {IMAGES.nbytes:,} bytes of free space, received"):
        load()
    assert read == []


def test_gaps_in_the_numbers_of_files_are_said():
    assert _gaps(["train-00000-of-00004.parquet", "train-00003-of-00004.parquet", "test-0-of-1.h5"]) == [
        "2 of 4 files are missing by the numbers of the others: train-00001-of-00004.parquet, "
        "train-00002-of-00004.parquet"
    ]
    assert _gaps([f"healpix={n}/{k}-of-2.hdf5" for n in (7, 99) for k in (1, 2) if (n, k) != (99, 1)]) == [
        "1 of 2 files is missing by the numbers of the others: healpix=99/1-of-2.hdf5"
    ]
    assert _gaps(["part-08.npz", "part-09.npz", "part-11.npz"]) == [
        "1 of 4 files is missing by the numbers of the others: part-10.npz"
    ]
    assert _gaps([f"a{n}-of-900.h5" for n in range(1, 500)])[0].endswith("a502-of-900.h5 and 398 more")
    for whole in (
        ["a-0.h5", "a-1.h5"],
        ["healpix=1/x.h5", "healpix=9/x.h5"],
        ["r100.h5", "r107.h5"],
        ["x.h5"],
    ):
        assert _gaps(whole) == []


def test_the_cache_says_what_parts_and_their_dataset_are(load, tmp_path):
    images = IMAGES.copy()
    images[8] = np.nan
    write(tmp_path, images=images)
    load(nan="drop")
    folders = parts(tmp_path)
    part = dict(entry_facts(folders["part-1.npz"]))
    assert f"{tmp_path}/part-1.npz, without 1 that are left out, a part of datasets" in part["what"]
    assert part["images"] == "4 of 8x8x3, float32, stored 0.0 to 1.0"
    (whole,) = (path for path in (tmp_path / "cache").glob("files-*") if path.is_dir())
    facts = dict(entry_facts(whole))
    assert facts["what"].startswith("the galaxies of dataset files in several files")
    assert facts["images"] == "22 of 8x8x3, float32, stored 0.0 to 1.0"
    assert facts["parts"].startswith(f"4, {folders['part-0.npz'].name} of {tmp_path}/part-0.npz to ")
    shutil.rmtree(folders["part-0.npz"])
    assert "1 of them have gone" in dict(entry_facts(whole))["parts"]


def test_more_files_than_a_process_may_have_open_at_first(load, tmp_path, monkeypatch):
    write(tmp_path, counts=(2,) * 11 + (1,))
    load()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    open_now = len(os.listdir("/dev/fd"))
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (open_now + 20, hard))
        dataset = load()
        np.testing.assert_array_equal(dataset.images[:], IMAGES)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= open_now + 2 * 12 + SPARE
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    with pytest.raises(CannotBeDone, match=r"files open, for the images of 1,000,000,000, .* \(ulimit -Hn\)"):
        MappedFiles.expect(10**9)


@pytest.mark.real_reader
def test_processes_at_once_prepare_what_one_does(load, tmp_path, monkeypatch, capfd):
    write(tmp_path, counts=(3,) * 7 + (2,))
    contents = []
    for count in (1, 3):
        monkeypatch.setattr(prepared_parts, "cores", lambda count=count: count)
        dataset = load(cache_dir=str(tmp_path / str(count)), nan="fill")
        contents.append(dataset.content)
        np.testing.assert_array_equal(dataset.images[:], IMAGES)
    assert len(set(contents)) == 1
    one, several = (
        {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in (tmp_path / name).glob("*/manifest.json")
        }
        for name in ("1", "3")
    )
    assert one == several and len(one) == 9
    assert capfd.readouterr().err == ""


def test_an_error_in_one_process_ends_the_others(monkeypatch):
    monkeypatch.setattr(isolation.ReaderProcess, "stop", lambda self: stopped.append(self))
    stopped, done, processes = [], [], [isolation.ReaderProcess(), isolation.ReaderProcess()]

    def work(number, process):
        if number == 2:
            raise GalvaeError("the third")
        done.append(number)
        return number

    assert prepared_parts._in_processes(lambda number, process: number**2, 5, processes) == [0, 1, 4, 9, 16]
    stopped.clear()
    with pytest.raises(GalvaeError, match="the third"):
        prepared_parts._in_processes(work, 1000, processes[:1])
    assert done == [0, 1] and len(stopped) == 1


def test_all_threads_together_have_some_seconds_to_end(monkeypatch):
    clock, asked = [0], []

    def join(thread, timeout):
        asked.append(timeout)
        clock[0] += timeout  # as if it waited for another process

    def work(number, process):
        raise GalvaeError("the first")

    monkeypatch.setattr(prepared_parts, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(prepared_parts.threading.Thread, "join", join)
    with pytest.raises(GalvaeError, match="the first"):
        prepared_parts._in_processes(work, 9, [isolation.ReaderProcess() for _ in range(4)])
    assert asked == [prepared_parts.PATIENCE, 0, 0, 0]


def preparing(tmp_path, *more):
    """A process that prepares all files as `galvae prepare` does, in a cache of its own."""
    command = [sys.executable, "-m", "galvae", "prepare", "dataset=files", "dataset.axes=NHWC"]
    command += [
        f"dataset.path={tmp_path}/part-*.npz",
        "dataset.images=images",
        f"dataset.cache_dir={tmp_path}/cache",
    ]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([*command, *more], env=child_environment(), cwd=tmp_path, **pipes)


@pytest.mark.slow
@pytest.mark.real_reader
def test_a_command_that_is_killed_goes_on_with_the_next_file(config, tmp_path):
    large = np.tile(IMAGES[0], (1, 64, 64, 1))
    for file in range(12):
        images = np.repeat(large + file, 6, axis=0)
        np.savez(tmp_path / f"part-{file}.npz", images=images, objid=6 * file + np.arange(6))
    process = preparing(tmp_path, "dataset.pixel_range=[0,50]")
    while not parts(tmp_path):
        time.sleep(0.01)
        assert process.poll() is None, process.communicate()
    process.kill()
    process.communicate()
    time.sleep(0.5)  # readers end with their parent
    done = {name: folder.stat().st_ino for name, folder in parts(tmp_path).items()}
    assert 0 < len(done) < 12
    dataset = load_dataset(config("part-*.npz", images="images", axes="NHWC", pixel_range=[0.0, 50.0]))
    now = {name: folder.stat().st_ino for name, folder in parts(tmp_path).items()}
    assert now.items() >= done.items() and len(now) == 12
    corner = np.repeat(large[0, 0, 0, 0] + np.arange(12, dtype=np.float32), 6)
    assert dataset.images[:, 0, 0, 0].tolist() == corner.tolist()
    assert leftovers(tmp_path) == []


@pytest.mark.slow
@pytest.mark.real_reader
def test_two_datasets_of_the_same_files_that_are_prepared_at_once_share_their_parts(tmp_path):
    write(tmp_path, counts=(2,) * 11 + (1,))
    (tmp_path / "table.csv").write_text("objid,mass\n" + "".join(f"{one},1\n" for one in IDS))
    table = f"dataset.table={tmp_path}/table.csv"
    commands = [preparing(tmp_path), preparing(tmp_path, f"hydra.run.dir={tmp_path}/joined", table)]
    for command in commands:
        out, err = command.communicate(timeout=100)
        assert command.returncode == 0, err
        assert b"files: 23 images of 8x8x3" in out
    assert len(parts(tmp_path)) == 12 and leftovers(tmp_path) == []


@pytest.mark.slow
def test_a_run_on_several_files_is_that_on_one_and_resumes(galvae, tmp_path):
    images = ellipses(60, 16)
    np.savez(tmp_path / "whole.npz", images=images, objid=np.arange(60))
    for number, rows in enumerate(np.array_split(np.arange(60), 4)):
        np.savez(tmp_path / f"part-{number}.npz", images=images[rows], objid=rows)
    common = ("train", "dataset=files", "dataset.images=images", "dataset.axes=NHWC", *SMALL, "epochs=1")
    losses = []
    for name in ("whole", "part-*"):
        run = tmp_path / name.strip("-*")
        status, _, err = galvae(*common, f"dataset.path={tmp_path}/{name}.npz", f"hydra.run.dir={run}")
        assert status == 0, err
        losses.append([line.split(",")[:4] for line in (run / "history.csv").read_text().splitlines()])
    assert losses[0] == losses[1] and len(losses[0]) == 2
    status, _, err = galvae("train", f"resume={tmp_path}/part", "epochs=2")
    assert status == 0, err
    (tmp_path / "part-2.npz").unlink()
    status, _, err = galvae("train", f"resume={tmp_path}/part", "epochs=3")
    assert status == 2 and err.count("galvae: ") == 1, err
    assert "has the source changed since, or have several files become one, or one several?" in err
