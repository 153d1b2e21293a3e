import numpy as np
import pytest

from galvae.data.splits import make_splits, read_splits, save_splits, split_notes
from galvae.errors import GalvaeError


def test_splits_are_those_of_a_permutation_by_random_state():
    splits = make_splits(50, [0.8, 0.1, 0.1], 3)
    order = np.random.RandomState(3).permutation(50)
    np.testing.assert_array_equal(splits["train"], order[:40])
    np.testing.assert_array_equal(splits["val"], order[40:45])
    np.testing.assert_array_equal(splits["test"], order[45:])


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
