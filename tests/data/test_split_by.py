"""dataset.split_by: splits that a galaxy keeps as its dataset grows, and groups that no split divides."""

from types import SimpleNamespace

import numpy as np
import pytest
from astropy.table import Table
from builders.configs import train_config
from builders.galaxies import ellipses

from galvae.config.check import to_dict
from galvae.data.load import load_dataset
from galvae.data.split_by import column_notes, split_column
from galvae.data.splits import make_splits
from galvae.errors import GalvaeError
from galvae.runs.description import _dataset
from galvae.runs.directory import config_digest

SHARES = [0.7, 0.2, 0.1]
IDS = np.array([f"G{7 * number:05d}" for number in range(3000)])
KNOWN_VAL = [2, 3, 21, 26, 27, 29, 35, 40, 43, 45, 46, 52, 55, 56]
KNOWN_TEST = [24, 34, 59]
KEEPS = "; each keeps its split as the data grow"


def split(catalogue, by, given=None, shares=SHARES, ids_are_rows=None, **config):
    """Splits of a catalogue, with what is said of them and warned of."""
    config = {"split_by": by, "split_seed": 0, "name": "files", "ids": None, **config}
    count = len(next(iter(catalogue.values())))
    column = split_column(SimpleNamespace(**config), catalogue, given, ids_are_rows)
    splits = make_splits(count, shares, config["split_seed"], given, column.hashed)
    return splits, *column_notes(column, given, splits)


def split_of(catalogue, *arguments, **config):
    """Id of each galaxy -> its split."""
    splits = split(catalogue, *arguments, **config)[0]
    return {name: key for key, rows in splits.items() for name in catalogue["id"][rows].tolist()}


def test_splits_by_id_are_the_same_for_ever():
    splits, notes, warnings = split({"id": IDS[:60]}, "id")
    assert sorted(splits["val"].tolist()) == KNOWN_VAL and sorted(splits["test"].tolist()) == KNOWN_TEST
    assert splits["val"].tolist() != KNOWN_VAL  # in random order
    assert sorted(np.concatenate(list(splits.values())).tolist()) == list(range(60))
    assert sorted(split({"id": IDS[:60]}, "id", split_seed=1)[0]["val"].tolist()) != KNOWN_VAL
    assert notes == [
        f"split by the hash of id and split_seed 0: train {len(splits['train']) / 0.6:.1f} %, val "
        f"{len(KNOWN_VAL) / 0.6:.1f} %, test {len(KNOWN_TEST) / 0.6:.1f} % of 60 galaxies{KEEPS}"
    ]
    assert warnings == []


def test_a_galaxy_keeps_its_split_as_the_data_grow_in_whatever_order():
    few, order = split_of({"id": IDS[:1000]}, "id"), np.random.default_rng(0).permutation(3000)
    many = split_of({"id": IDS[order].astype("U30")}, "id")
    assert {name: many[name] for name in few} == few and len(many) == 3000
    numbers = np.arange(5000, 8000)
    as_texts, as_numbers = (
        split_of({"id": ids}, "id", ids_are_rows=False) for ids in (numbers.astype(str), numbers)
    )
    assert {str(name): key for name, key in as_numbers.items()} == as_texts
    # With a larger share of training images, none of these becomes another.
    larger = split_of({"id": IDS}, "id", shares=[0.8, 0.1, 0.1])
    assert {larger[name] for name, key in many.items() if key == "train"} == {"train"}


@pytest.mark.parametrize("seed", range(4))
def test_sizes_agree_with_the_shares_within_binomial_errors(seed):
    splits = split({"id": IDS}, "id", split_seed=seed)[0]
    for share, rows in zip(SHARES, splits.values(), strict=True):
        assert abs(len(rows) - 3000 * share) < 3.5 * np.sqrt(3000 * share * (1 - share))
        # Nor do neighbours go together: pairs of them are in one split by chance alone.
        pairs = np.sum(np.diff(np.sort(rows)) == 1)
        assert abs(pairs - 3000 * share**2) < 5 * np.sqrt(3000 * share**2)


@pytest.mark.parametrize("kind", [int, str, float])
def test_a_group_is_in_one_split(kind):
    tract = np.random.default_rng(1).integers(9000, 9120, 3000)
    splits, notes, warnings = split({"id": IDS, "Tract": tract.astype(kind)}, "tract")  # its name in any case
    groups = {name: set(tract[rows].tolist()) for name, rows in splits.items()}
    assert sum(map(len, groups.values())) == len(set(tract.tolist())) == 120
    sizes = ", ".join(f"{name} {len(values)}" for name, values in groups.items())
    assert warnings == [] and notes[0].endswith(f"of 3,000 galaxies, 120 values of Tract ({sizes}){KEEPS}")
    whole = split({"id": IDS, "Tract": tract}, "Tract")[0]  # numbers and their texts are the same groups
    assert all(whole[name].tolist() == rows.tolist() for name, rows in splits.items())


def test_galaxies_with_the_same_id_are_in_one_split():
    ids = np.concatenate([IDS, IDS[::-1]])
    splits = split({"id": ids}, "id")[0]
    members = [set(ids[rows].tolist()) for rows in splits.values()]
    assert sum(map(len, members)) == 3000


def test_what_is_given_wins_and_the_rest_is_cut_by_hash():
    tract = np.arange(3000) % 60
    given = np.where(tract >= 50, 1, 0)
    given[5] = -1
    splits, notes, warnings = split({"id": IDS, "tract": tract}, "tract", given)
    assert splits["val"].tolist() == np.flatnonzero(given == 1).tolist() and warnings == []
    assert not set(tract[splits["test"]]) & set(tract[splits["train"]])
    assert (
        5 not in np.concatenate(list(splits.values())) and "of 2,999 galaxies, 60 values of tract" in notes[0]
    )
    given[1] = 1  # one galaxy of tract 1, whose others stay in train or test
    warnings = split({"id": IDS, "tract": tract}, "tract", given)[2]
    assert warnings == ["galaxies of 1 values of tract are in two splits, as these are given"]
    notes = split({"id": IDS, "tract": tract}, "tract", np.arange(3000) % 3)[1]
    assert notes == ["dataset.split_by=tract has no effect, since all splits are given"]


@pytest.mark.parametrize(
    ("by", "changes", "words"),
    [
        ("id", {"id": np.arange(60)}, r"numbers of rows, 0 to 59; dataset.ids=COLUMN says .*split_by=null"),
        (
            "id",
            {"id": np.delete(np.arange(80), range(10, 30))},
            "received what look like numbers of rows, 0 to 79",
        ),
        (
            "id",
            {"id": 90 * np.arange(60)},
            "received what look like numbers of rows, 0 to 5310",
        ),
        (
            "z",
            {"z": np.linspace(0, 1, 60)},
            "texts or whole numbers in 'z', received 0.0169.* for galaxy G00007",
        ),
        ("z", {"z": np.where(np.arange(60) == 3, np.inf, 2)}, "received inf for galaxy G00021"),
        ("flag", {"flag": np.arange(60) > 5}, "texts or whole numbers in 'flag', received bool"),
        (
            "patch",
            {"patch": np.where(np.arange(60) % 20 == 2, "", "p")},
            "for 3 of 60, .* G00014; dataset.select=",
        ),
        (
            "night",
            {"night": np.where(np.arange(60) == 4, np.nan, 7)},
            "every galaxy, received none for 1 of 60",
        ),
        ("tracts", {"tract": np.arange(60)}, "dataset.split_by: no column 'tracts' .*did you mean tract"),
        (
            "group",
            {"tract": np.arange(60)},
            "no column 'group' in the catalogue of files; expected one of id, tract",
        ),
    ],
)
def test_what_cannot_decide_a_split_is_refused(by, changes, words):
    with pytest.raises(GalvaeError, match=words) as error:
        split({"id": IDS[:60], **changes}, by)
    assert str(error.value).startswith("dataset.split_by: ") and "\n" not in str(error.value)


def test_ids_that_look_like_rows_are_taken_where_they_are_known_to_be_ids():
    assert split({"id": np.arange(60)}, "id", ids="id")[0]["train"].size
    assert split({"id": np.arange(60)}, "id", ids_are_rows=False)[0]["train"].size
    assert split({"id": 102 * np.arange(60) + 5}, "id")[0]["train"].size
    assert split({"id": np.arange(60)[::-1]}, "id")[0]["train"].size


def test_values_are_not_needed_where_the_split_is_given():
    patch = np.where(np.arange(60) % 2, "", np.char.add("p", np.arange(60).astype(str)))
    given = np.where(patch == "", 2, 0)
    splits = split({"id": IDS[:60], "patch": patch}, "patch", given)[0]
    assert splits["test"].tolist() == list(range(1, 60, 2)) and len(splits["val"])
    number = np.where(given == 2, np.resize([np.nan, np.inf, 0.5], 60), np.arange(60))
    assert split({"id": IDS[:60], "n": number}, "n", given)[0]["test"].tolist() == splits["test"].tolist()


def test_an_empty_split_names_the_seed():
    words = r"the val split is empty; .* of 60 images with 2 values of dataset.split_by; another dataset.split_seed"
    with pytest.raises(GalvaeError, match=words):
        split({"id": IDS[:60], "tract": np.arange(60) % 2}, "tract", split_seed=3)


@pytest.fixture
def galaxies(tmp_path):
    """A function that loads some of 300 galaxies from a file."""
    images, ids = ellipses(300, 16), 1000 + 13 * np.arange(300)

    def load(rows, *words):
        np.savez(tmp_path / "a.npz", images=images[rows], objid=ids[rows], tract=ids[rows] % 40)
        words = ("dataset=files", f"dataset.path={tmp_path / 'a.npz'}", "dataset.axes=NHWC", *words)
        return load_dataset(train_config(*words, f"dataset.cache_dir={tmp_path / 'cache'}").dataset)

    return load


@pytest.mark.parametrize("kind", ["rows", "ids"])
def test_numbers_of_rows_decide_no_split_however_many_are_left_out(kind, tmp_path):
    images = np.where(np.arange(200)[:, None, None, None] % 5, np.nan, ellipses(200, 16)).astype(np.float32)
    words = ["dataset=files", "dataset.nan=drop", "dataset.pixel_range=[0,255]", "dataset.split_by=id"]
    if kind == "rows":
        np.savez(tmp_path / "a.npz", images=images)
    else:  # increasing, and as small as numbers of rows
        np.savez(tmp_path / "a.npz", images=images, objid=np.arange(200))
    words += [
        f"dataset.path={tmp_path / 'a.npz'}",
        "dataset.axes=NHWC",
        f"dataset.cache_dir={tmp_path / 'cache'}",
    ]
    config = train_config(*words).dataset
    if kind == "rows":
        with pytest.raises(GalvaeError, match=r"received numbers of rows, 0 to 195; dataset.ids=COLUMN says"):
            load_dataset(config)
    else:
        assert sum(map(len, load_dataset(config).splits.values())) == 40


def test_a_dataset_that_grows_and_is_reordered_keeps_its_splits(galaxies, tmp_path):
    few = galaxies(np.arange(150), "dataset.split_by=id")
    many = galaxies(np.random.default_rng(0).permutation(300), "dataset.split_by=id")
    for name in few.splits:
        assert set(few.ids[few.splits[name]].tolist()) <= set(many.ids[many.splits[name]].tolist())
    assert any(
        note.startswith("split by the hash of id and split_seed 0: train ") for note in few.report["notes"]
    )
    Table({"id": few.ids[::2]}).write(tmp_path / "some.csv")
    some = galaxies(np.arange(300), "dataset.split_by=id", f"dataset.select={tmp_path / 'some.csv'}")
    for name in few.splits:
        assert set(some.splits[name].tolist()) == {row for row in few.splits[name].tolist() if row % 2 == 0}


def test_runs_say_how_galaxies_are_split_and_earlier_ones_keep_their_digest(galaxies, tmp_path):
    assert galaxies(np.arange(300)).report["notes"] == [
        note
        for note in galaxies(np.arange(300), "dataset.split_by=tract").report["notes"]
        if "hash" not in note
    ]
    config = train_config()
    assert "split_by" in to_dict(config)["dataset"] and config.dataset.split_by is None
    digest = config_digest(config)
    config.dataset.split_by = "tract"
    assert config_digest(config) != digest
    np.savez(tmp_path / "split.npz", train=[0, 1], val=[2], test=[3])
    state = SimpleNamespace(pixel_range=(0, 1), stretch="none")
    text = _dataset(SimpleNamespace(path=tmp_path, config=config), state)
    assert "4 galaxies (train 2, val 1, test 1 by the hash of tract)" in text
