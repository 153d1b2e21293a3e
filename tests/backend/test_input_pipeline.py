import logging
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from builders.galaxies import ellipses

from galvae.backend import input_pipeline
from galvae.backend.input_pipeline import ResidentImages, feed, make_resident
from galvae.data.dataset import GalaxyDataset
from galvae.data.splits import make_splits


@pytest.mark.parametrize(
    ("images", "shares"), [(6, [[0, 1, 2], [3, 4, 5]]), (5, [[0, 1, 2, 3, 4]] * 2), (1, [[0]] * 2)]
)
def test_devices_get_equal_parts_of_a_batch_or_all_of_it(images, shares):
    stored = np.arange(images, dtype=np.uint8).reshape(images, 1, 1, 1)
    data = GalaxyDataset(
        name="test",
        images=stored,
        pixel_range=(0, 255),
        masks=stored % 2,
        splits={"train": np.arange(images)[::-1]},
    )
    batches = data.batches("train", 8)
    parts = [input_pipeline._shard(batches, 0, device, 2) for device in (0, 1)]
    assert [part["rows"].tolist() for part in parts] == shares
    weights = np.zeros(images)
    for part in parts:
        np.testing.assert_array_equal(part["images"].ravel(), images - 1 - part["rows"])
        np.testing.assert_array_equal(part["mask"], part["images"] % 2)
        weights[part["rows"]] += part["weight"]
    np.testing.assert_array_equal(weights, 1)


def test_feed_is_the_batches_in_their_order():
    redshift = np.arange(20, dtype=np.float32)[:, None]
    data = GalaxyDataset(
        name="test",
        images=ellipses(20, 8),
        pixel_range=(0, 255),
        condition=redshift,
        masks=(ellipses(20, 8, seed=1) > 99).astype(np.uint8),
        splits=make_splits(20, [0.6, 0.2, 0.2], 0),
    )
    batches = data.batches("train", 5, seed=4)
    fed = iter(feed(batches, start=2))
    plain = input_pipeline._sequence(data.batches("train", 5, seed=4), 2, True, None)
    assert plain.num_batches is None
    for step in range(7):  # beyond two epochs of three steps
        (inputs,), (same,) = next(fed), plain[step]
        indices = batches.step(2 + step)
        assert inputs["images"].dtype == np.uint8
        assert list(inputs) == list(same) == ["images", "condition", "mask"]
        for name, array in (("images", data.images), ("condition", redshift), ("mask", data.masks)):
            expected = array[indices]
            np.testing.assert_array_equal(inputs[name], expected)
            np.testing.assert_array_equal(same[name], expected)


def test_the_feed_of_a_validation_is_one_epoch_each_time():
    data = GalaxyDataset(
        name="test", images=ellipses(20, 8), pixel_range=(0, 255), splits={"val": np.arange(20)[::-1]}
    )
    batches = data.batches("val", 6)
    fed = feed(batches, endless=False)
    assert input_pipeline._sequence(batches, 0, False, None).num_batches == 4
    for _ in range(2):
        images = np.concatenate([inputs["images"] for (inputs,) in fed])
        np.testing.assert_array_equal(images, data.images[::-1])


class Recorder(np.ndarray):
    """An array that records the number of rows of each read."""

    reads = []

    def __getitem__(self, index):
        rows = self.view(np.ndarray)[index]
        self.reads.append(len(rows))
        return rows


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_resident_images_are_read_in_blocks_and_taken_as_from_the_cache(kind, monkeypatch):
    images = ellipses(20, 8).astype(kind)
    monkeypatch.setattr(input_pipeline, "READ_BYTES", 3 * images[0].nbytes + 1)
    monkeypatch.setattr(Recorder, "reads", [])
    data = GalaxyDataset(
        name="test",
        images=images.view(Recorder),
        pixel_range=(0, 255),
        condition=np.linspace(0, 2, 40, dtype=np.float32).reshape(20, 2),
        masks=(ellipses(20, 8, seed=1) > 99).astype(np.uint8),
        splits=make_splits(20, [0.6, 0.2, 0.2], 0),
    )
    train, val = data.batches("train", 5, seed=4), data.batches("val", 5)
    resident = ResidentImages(data, np.concatenate([train.indices, val.indices]))
    assert Recorder.reads == [3] * 6  # of 16 images, two of which are read twice
    assert resident.arrays["images"].dtype == kind
    for batches in (train, val):
        fed = iter(feed(batches, resident=resident))
        plain = input_pipeline._sequence(batches, 0, True, resident)
        for step in range(len(batches) + 2):
            (inputs,), (same,) = next(fed), plain[step]
            assert list(inputs) == list(same) == ["positions"]
            np.testing.assert_array_equal(inputs["positions"], same["positions"])
            taken, expected = resident.take(inputs), batches.gather(batches.step(step))
            assert taken.keys() == expected.keys() == {"images", "condition", "mask"}
            for name, array in expected.items():
                assert taken[name].dtype == array.dtype
                np.testing.assert_array_equal(taken[name], array)


def test_images_come_from_the_cache_where_another_process_has_taken_the_memory(monkeypatch, caplog):
    def full(*arguments):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[20,8,8,3]")

    monkeypatch.setattr(input_pipeline, "ResidentImages", full)
    data = GalaxyDataset(name="test", images=ellipses(20, 8), pixel_range=(0, 255))
    device = SimpleNamespace(backend="tensorflow", kind="cpu", count=1)
    assert make_resident(True, device, data, np.arange(20)) is None
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "expected 0.00384 MB of memory on the CPU, received OOM when allocating tensor" in caplog.text


@pytest.mark.parametrize(
    ("requested", "kind", "count", "free", "resident", "level", "message"),
    [
        (False, "gpu", 1, 1e9, False, None, ""),
        ("auto", "cpu", 1, 1e9, False, None, ""),
        ("auto", "gpu", 2, 1e9, False, None, ""),
        ("auto", "gpu", 1, 7700, True, logging.INFO, "0.00384 MB of images are held in the GPU's memory"),
        (True, "cpu", 1, 7700, True, logging.INFO, "0.00384 MB of images are held in the CPU's memory"),
        (True, "gpu", 2, 1e9, False, logging.WARNING, "resident=true: expected one device, received 2;"),
        (
            "auto",
            "gpu",
            1,
            7000,
            False,
            logging.INFO,
            "resident=auto: expected images of at most 0.0035 MB, half of",
        ),
        (
            True,
            "cpu",
            1,
            7000,
            False,
            logging.WARNING,
            "the CPU's free memory, received 0.00384 MB; batches come",
        ),
    ],
)
def test_images_are_resident_where_requested_and_where_they_fit(
    requested, kind, count, free, resident, level, message, monkeypatch, caplog
):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(input_pipeline, "free_memory", lambda kind: free)
    data = GalaxyDataset(name="test", images=ellipses(20, 8), pixel_range=(0, 255))
    device = SimpleNamespace(backend="tensorflow", kind=kind, count=count)
    images = make_resident(requested, device, data, np.arange(20))  # of 20 x 8 x 8 x 3 bytes
    assert (images is not None) == resident
    assert [record.levelno for record in caplog.records] == ([] if level is None else [level])
    assert message in caplog.text
