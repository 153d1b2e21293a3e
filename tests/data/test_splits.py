import numpy as np
import pytest

from galvae.data.splits import make_splits, read_splits, save_splits
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
