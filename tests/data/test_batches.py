import mmap

import numpy as np
from builders.galaxies import dataset, ellipses


def test_each_epoch_holds_every_image_once_in_an_order_of_its_own():
    data = dataset()
    batches = data.batches("train", 4, seed=7)
    assert len(batches) == 4  # 15 images: 4 + 4 + 4 + 3
    epochs = [np.concatenate([batches.step(4 * epoch + step) for step in range(4)]) for epoch in range(3)]
    for epoch in epochs:
        assert sorted(epoch) == sorted(data.split("train"))
    assert not np.array_equal(epochs[0], epochs[1])
    # As version 0.1 drew them, so that its runs resume with the same batches.
    place = {image: place for place, image in enumerate(data.split("train").tolist())}
    assert [place[image] for image in epochs[2].tolist()] == [
        5,
        10,
        6,
        1,
        3,
        13,
        4,
        14,
        0,
        8,
        2,
        11,
        9,
        7,
        12,
    ]


def test_a_step_does_not_depend_on_the_steps_before():
    data = dataset()
    straight = data.batches("train", 4, seed=1)
    steps = [straight.step(step) for step in range(12)]
    np.testing.assert_array_equal(data.batches("train", 4, seed=1).step(9), steps[9])
    assert not np.array_equal(data.batches("train", 4, seed=2).step(9), steps[9])


def test_without_a_seed_the_order_is_that_of_the_split():
    data = dataset()
    batches = data.batches("val", 2)
    assert [len(indices) for indices, _ in batches] == [2, 2, 1]
    np.testing.assert_array_equal(np.concatenate([i for i, _ in batches]), data.split("val"))
    np.testing.assert_array_equal(batches.step(3), batches.step(0))


def test_a_split_smaller_than_a_batch_is_one_batch():
    batches = dataset().batches("test", 100)
    assert (len(batches), batches.batch) == (1, 5)


def test_batches_are_the_stored_values_and_the_condition():
    redshift = np.linspace(0, 1, 25, dtype=np.float32)[:, None]
    data = dataset(condition=redshift)
    for indices, inputs in data.batches("train", 4, seed=0):
        assert inputs["images"].dtype == np.uint8
        np.testing.assert_array_equal(inputs["images"], data.images[indices])
        np.testing.assert_array_equal(inputs["condition"], redshift[indices])
    assert set(dataset().batches("val", 2).gather([0])) == {"images"}


def test_batches_of_masked_images_have_their_masks():
    masks = (ellipses(25, 8, seed=1) > 99).astype(np.uint8)
    for indices, inputs in dataset(masks=masks).batches("train", 4, seed=0):
        assert list(inputs) == ["images", "mask"]
        np.testing.assert_array_equal(inputs["mask"], masks[indices])


def test_the_images_of_a_batch_are_fetched_from_the_disk_together(tmp_path, monkeypatch):
    asked = []

    class Recording(mmap.mmap):
        def madvise(self, option, start, length):
            asked.append((option, start, start + length))
            super().madvise(option, start, length)

    monkeypatch.setattr(mmap, "mmap", Recording)
    np.save(tmp_path / "images.npy", ellipses(25, 40))
    stored = np.load(tmp_path / "images.npy", mmap_mode="r")
    size = 40 * 40 * 3
    indices = np.array([24, 0, 7])
    inputs = dataset(images=stored).batches("train", 3).gather(indices)
    np.testing.assert_array_equal(inputs["images"], stored[indices])
    assert [end for _, _, end in asked] == [stored.offset + size * (index + 1) for index in indices]
    for (option, start, _), index in zip(asked, indices, strict=True):
        assert option == mmap.MADV_WILLNEED
        assert start % mmap.PAGESIZE == 0
        assert 0 <= stored.offset + size * index - start < mmap.PAGESIZE
