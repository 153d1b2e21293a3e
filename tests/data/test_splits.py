import numpy as np
import pytest

from galvae.data.splits import check_within, make_splits, read_splits, save_splits, split_notes
from galvae.errors import GalvaeError


def test_splits_are_disjoint_and_complete_and_the_same_for_ever():
    splits = make_splits(50, [0.8, 0.1, 0.1], 3)
    assert {name: len(indices) for name, indices in splits.items()} == {"train": 40, "val": 5, "test": 5}
    assert sorted(np.concatenate(list(splits.values())).tolist()) == list(range(50))
    # As version 0.1 drew them, so that its runs resume with their own.
    assert splits["train"][:5].tolist() == [12, 39, 9, 47, 31]
    assert (splits["val"].tolist(), splits["test"].tolist()) == ([49, 41, 10, 19, 21], [0, 8, 3, 24, 42])
    assert make_splits(50, [0.8, 0.1, 0.1], 4)["val"].tolist() == [49, 30, 39, 9, 8]


@pytest.mark.parametrize(
    ("count", "shares"), [(3, [0.8, 0.1, 0.1]), (0, [0.8, 0.1, 0.1]), (2, [0.4, 0.3, 0.3])]
)
def test_an_empty_split_is_refused(count, shares):
    with pytest.raises(GalvaeError, match=f"split is empty.*of {count} images"):
        make_splits(count, shares, 0)


def test_splits_survive_the_way_to_disk(tmp_path):
    splits = make_splits(30, [0.8, 0.1, 0.1], 0)
    save_splits(splits, tmp_path / "split.npz")
    for name, indices in read_splits(tmp_path / "split.npz").items():
        np.testing.assert_array_equal(indices, splits[name])
    (tmp_path / "split.npz").write_bytes(b"PK nonsense")
    with pytest.raises(GalvaeError, match=r"split\.npz: expected the arrays"):
        read_splits(tmp_path / "split.npz")
    with pytest.raises(GalvaeError, match="received no such file"):
        read_splits(tmp_path / "none.npz")


@pytest.mark.parametrize("damage", ["cut", "empty", "checksum"])
def test_a_damaged_file_of_indices_is_one_line(tmp_path, damage):
    path = tmp_path / "split.npz"
    save_splits(make_splits(40, [0.5, 0.25, 0.25], 0), path)
    whole = path.read_bytes()
    damaged = {"cut": whole[:-30], "empty": b"", "checksum": whole[:140] + b"\x99" + whole[141:]}
    path.write_bytes(damaged[damage])
    with pytest.raises(GalvaeError, match=r"split.npz: expected the arrays train, val, test, received"):
        read_splits(path)


@pytest.mark.parametrize("values", [[0.0, 1.0], [-1, 2], [[0, 1]], []])
def test_what_is_no_indices_is_refused(tmp_path, values):
    values = np.array(values) if values else np.array([], int)
    save_splits({"train": values, "val": values, "test": values}, tmp_path / "split.npz")
    with pytest.raises(GalvaeError, match="expected the indices of train, val, test, received for train"):
        read_splits(tmp_path / "split.npz")


@pytest.mark.parametrize(
    ("changed", "received"),
    [
        ({"val": [2, 4, 1]}, "received image 1 in train and val"),
        ({"test": [5, 5]}, "received image 5 in test and test"),
        ({"test": [5, 6]}, "expected indices of 6 images, counted from 0, received 6 in test"),
        ({"test": [2**63]}, f"received {2**63} in test"),
    ],
)
def test_an_image_in_two_splits_or_in_no_dataset_is_refused(tmp_path, changed, received):
    path = tmp_path / "split.npz"
    splits = {"train": [3, 0, 1], "val": [2, 4], "test": [5]}
    save_splits({name: np.array(indices) for name, indices in splits.items()}, path)
    assert {name: indices.tolist() for name, indices in read_splits(path).items()} == splits
    save_splits({name: np.array(indices) for name, indices in (splits | changed).items()}, path)
    with pytest.raises(GalvaeError, match=rf"split\.npz: .*{received}$"):
        check_within(read_splits(path), 6, path)


@pytest.mark.parametrize("given", [[0, 1, 2, 3], [0, 1, 2, -2], [0, 1, 2], [0, 1, 2, 0, 0]])
def test_a_given_split_that_is_not_one_of_the_images_is_refused(given):
    with pytest.raises(
        GalvaeError, match="dataset.split: expected for each of 4 images 0, 1 or 2 .* received"
    ):
        make_splits(4, [0.8, 0.1, 0.1], 0, np.array(given))


def test_a_split_that_is_given_is_kept_and_a_missing_one_is_cut_from_train():
    given = np.array([0] * 20 + [1] * 6 + [-1] * 2)
    splits = make_splits(28, [0.8, 0.1, 0.1], 3, given)
    assert splits["val"].tolist() == list(range(20, 26))
    assert len(splits["test"]) == 2 and set(splits["test"]) <= set(range(20))  # 0.1 of 0.9 of 20 images
    assert sorted([*splits["train"], *splits["test"]]) == list(range(20))
    assert splits["test"].tolist() == make_splits(28, [0.8, 0.1, 0.1], 3, given)["test"].tolist()
    assert split_notes(given, splits) == [
        "split as given: 20 train, 6 val, 0 test",
        "2 test images, of which none were given, are cut from train at random",
        "2 images are in no split, and not used",
    ]
    whole = make_splits(6, [0.8, 0.1, 0.1], 0, np.array([2, 0, 1, 0, 2, 1]))
    assert {name: sorted(indices.tolist()) for name, indices in whole.items()} == {
        "train": [1, 3],
        "val": [2, 5],
        "test": [0, 4],
    }
    with pytest.raises(GalvaeError, match="the train split is empty"):
        make_splits(4, [0.8, 0.1, 0.1], 0, np.array([1, 1, 2, 2]))


@pytest.mark.parametrize(
    ("given", "sizes"),
    [
        ([0] * 50, (30, 15, 5)),
        ([0] * 40 + [1] * 10, (34, 10, 6)),  # 0.1 of 0.7 of 40 images
        ([0] * 40 + [2] * 10, (27, 13, 10)),  # 0.3 of 0.9 of 40 images
    ],
)
def test_validation_and_test_images_have_their_own_shares(given, sizes):
    splits = make_splits(50, [0.6, 0.3, 0.1], 3, np.array(given))
    assert tuple(len(splits[name]) for name in ("train", "val", "test")) == sizes
    assert sorted(np.concatenate(list(splits.values())).tolist()) == list(range(50))
