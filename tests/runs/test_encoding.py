"""Parts of an encoded dataset: which galaxies, whole or damaged, of the same command or of another one."""

import json

import numpy as np
import pytest
from astropy.table import Table

from galvae.errors import GalvaeError
from galvae.runs import encoding
from galvae.runs.encoding import FORMAT, Part, Parts, table_digest

IDENTITY = {
    "weights": "w",
    "dataset": "d",
    "catalogue": "c",
    "add": ["scores"],
    "additions": {"scores": None},
    "table": None,
}


def part_of(rows, latent_dim=3):
    """A part whose numbers say which galaxies it is of."""
    mean = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] * np.ones(latent_dim, np.float32)
    return Part({"mean": mean, "column.near": mean[:, 0].astype(str)}, {"column.near": "pix"}, 1.5)


def write_results(parts, **results):
    """Results and their table."""
    (parts.folder / "galaxies.ecsv").write_text("a table")
    parts.finish({"table": "galaxies.ecsv", **results})


@pytest.fixture
def parts(tmp_path):
    """Ten galaxies in three parts, none of which is written."""
    return Parts(tmp_path, IDENTITY, 10, 3)


@pytest.mark.parametrize(("count", "shards"), [(10, 3), (1_000_003, 64), (5, 64), (1, 1)])
def test_parts_have_each_galaxy_once_in_order_and_nearly_equal_numbers(tmp_path, count, shards):
    parts = Parts(tmp_path, IDENTITY, count, shards)
    slices = [parts.rows(shard) for shard in range(parts.shards)]
    assert parts.shards == min(count, shards)
    assert [rows.start for rows in slices] == [0, *(rows.stop for rows in slices[:-1])]
    assert slices[-1].stop == count
    sizes = [rows.stop - rows.start for rows in slices]
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) == parts.largest
    assert min(sizes) >= 1


def test_a_part_is_read_back_as_it_was_written(parts):
    for shard in (2, 0):
        parts.save(shard, part_of(parts.rows(shard)))
    assert parts.written == 2
    assert parts.read(1) is None
    for shard in (0, 2):
        written, found = part_of(parts.rows(shard)), parts.read(shard)
        for name, values in written.arrays.items():
            np.testing.assert_array_equal(found.arrays[name], values)
        assert (found.units, found.seconds) == (written.units, written.seconds)


def damage_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        damage_byte,
        lambda path: path.write_bytes(path.read_bytes()[:-30]),
        lambda path: path.write_bytes(b""),
        lambda path: np.savez(path, mean=np.zeros((3, 3))),
    ],
)
def test_a_damaged_part_is_encoded_again_with_a_line(parts, damage, caplog):
    parts.save(0, part_of(parts.rows(0)))
    (path,) = (parts.folder / "parts").iterdir()
    damage(path)
    parts.check()
    assert parts.read(0) is None
    assert "is damaged and is encoded again" in caplog.text
    assert not path.exists()


def test_a_part_with_the_galaxies_of_another_one_is_damaged(parts):
    parts.save(1, part_of(slice(0, 1)))
    assert parts.read(1) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"weights": "x"}, "encoded with other weights"),
        ({"dataset": "x"}, "of other galaxies, or of these as they were before they changed"),
        ({"catalogue": "x"}, "with other columns of the catalogue"),
        ({"add": []}, r"with add=\[scores\]; add=\[scores\] continues these"),
        ({"additions": {"plane": "x"}}, "with another embedding"),
        ({"table": "fits"}, "with table=null; table=null keeps these"),
    ],
)
def test_parts_and_results_of_something_else_are_refused(parts, change, words):
    parts.save(0, part_of(parts.rows(0)))
    other = Parts(parts.folder, {**IDENTITY, **change}, 10, 3)
    for refused in (other.check, lambda: other.read(0)):
        with pytest.raises(GalvaeError, match=f"^name: .*{words}.*; another name= encodes beside it"):
            refused()
    write_results(parts)
    with pytest.raises(GalvaeError, match=f"encode.json: .*{words}"):
        other.results()


def test_parts_of_another_number_of_shards_are_refused(parts):
    parts.save(0, part_of(parts.rows(0)))
    with pytest.raises(GalvaeError, match="one of shards=3; shards=3 continues these"):
        Parts(parts.folder, IDENTITY, 10, 4).check()


def test_results_replace_the_parts(parts):
    parts.save(0, part_of(parts.rows(0)))
    assert parts.results() is None
    write_results(parts, galaxies=10)
    assert parts.written == 1  # until nothing needs them any more
    parts.remove()
    assert not (parts.folder / "parts").exists()
    assert parts.results()["galaxies"] == 10
    stored = json.loads((parts.folder / "encode.json").read_text())
    assert stored["identity"] == {"format": FORMAT, "shards": 3, **IDENTITY}


def test_results_without_their_table_are_none_with_a_line(parts, caplog):
    write_results(parts)
    assert parts.results() is not None
    (parts.folder / "galaxies.ecsv").unlink()
    assert parts.results() is None
    assert "galaxies.ecsv has gone; the galaxies are encoded again" in caplog.text
    assert not (parts.folder / "encode.json").exists()


def test_parts_are_checked_by_the_first_whole_one(parts, monkeypatch):
    for shard in range(3):
        parts.save(shard, part_of(parts.rows(shard)))
    paths, read, read_npz = sorted((parts.folder / "parts").iterdir()), [], encoding.read_npz
    monkeypatch.setattr(encoding, "read_npz", lambda path, names: read.append(path) or read_npz(path, names))
    parts.check()
    assert read == paths[:1]
    paths[0].write_bytes(b"")
    with pytest.raises(GalvaeError, match="encoded with other weights"):
        Parts(parts.folder, {**IDENTITY, "weights": "x"}, 10, 3).check()


def test_a_digest_tells_values_names_and_units_of_columns_apart():
    def digest(name="ra", values=(1.0, np.nan), unit="deg", text="spiral"):
        table = Table({name: np.array(values), "class": np.array([text, ""])})
        table[name].unit = unit
        return table_digest(table)

    changes = [{"name": "dec"}, {"values": (1.5, np.nan)}, {"unit": "rad"}, {"text": "merger"}]
    assert digest() == digest()
    assert len({digest(), *(digest(**change) for change in changes)}) == 5


def test_nothing_is_written_through_a_link(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "parts").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(GalvaeError, match="link"):
        Parts(tmp_path / "run", IDENTITY, 10, 3)
