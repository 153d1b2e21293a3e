import builders.models
import numpy as np
import pytest
from builders.galaxies import redshift_dataset
from keras import ops

from galvae.backend.input_pipeline import ResidentImages


@pytest.fixture
def data():
    return redshift_dataset()


def test_a_batch_of_positions_is_that_of_its_images(data):
    model = builders.models.build("cvae2", augment=True)
    indices = np.array([30, 4, 17])
    images = {"images": data.images[indices], "condition": data.condition[indices]}
    expected = model(images, training=False)
    model.resident = ResidentImages(data, np.arange(2, 40))
    outputs = model(model.resident.gather(indices), training=False)
    assert outputs.keys() == expected.keys()
    for name in ("target", "mean", "log_variance", "condition"):
        np.testing.assert_array_equal(outputs[name], expected[name])


def test_images_have_the_noise_of_their_rows_in_the_batch():
    images = np.random.default_rng(0).integers(0, 255, (6, 16, 16, 3), np.uint8)  # without symmetry

    def target(indices, **share):
        model = builders.models.build("vae", augment=True)
        return np.asarray(model({"images": images[indices], **share}, training=True)["target"])

    rows = np.array([4, 2, 0, 5, 1, 3], np.int32)
    np.testing.assert_array_equal(target(rows, rows=rows), target(np.arange(6))[rows])
    assert not np.array_equal(target(rows), target(np.arange(6))[rows])


def test_the_loss_is_the_mean_and_its_terms_are_logged_with_the_weights_of_their_images():
    model = builders.models.build("vae")
    values = {"loss": np.array([1.0, 3.0]), "reconstruction": np.array([2.0, 6.0]), "kl": np.zeros(2)}
    values = {name: ops.convert_to_tensor(array, "float32") for name, array in values.items()}
    assert float(model.mean_over_batch(values, {})) == 2
    assert [float(tracker.result()) for tracker in model.trackers] == [2, 4, 0]
    for tracker in model.trackers:
        tracker.reset_state()
    model.mean_over_batch(values, {"weight": np.array([0.75, 0.25], np.float32)})
    assert [float(tracker.result()) for tracker in model.trackers] == [1.5, 3, 0]
