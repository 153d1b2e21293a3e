import keras
import numpy as np
import pytest
import tensorflow as tf

from galvae.backend.fused_ops import BatchNormalization
from galvae.backend.optimizer import FusedAdam, adam


def layers(steps=3):
    """Keras' batch normalisation and ours, after equal steps of training, with outputs and gradients of the last."""
    generator = np.random.default_rng(0)
    batches = 3 + 2 * generator.normal(size=(steps, 8, 6, 5, 4)).astype(np.float32)
    weights = generator.normal(size=batches[0].shape).astype(np.float32)
    results = []
    for kind in (keras.layers.BatchNormalization, BatchNormalization):
        layer = kind(momentum=0.9, epsilon=1e-5, name="norm")
        layer.build(batches[0].shape)
        layer.gamma.assign([1.0, 2.0, -1.0, 0.5])
        layer.beta.assign([0.0, 1.0, 2.0, 3.0])
        for batch in batches:
            with tf.GradientTape() as tape:
                inputs = tf.constant(batch)
                tape.watch(inputs)
                outputs = layer(inputs, training=True)
                loss = tf.reduce_sum(outputs * outputs * weights)
            gradients = tape.gradient(
                loss, [inputs, *(variable.value for variable in layer.trainable_variables)]
            )
        state = [layer.moving_mean, layer.moving_variance, layer(batches[0], training=False)]
        results.append([np.asarray(array) for array in (outputs, *gradients, *state)])
    return results


def test_batch_normalisation_and_its_gradients_are_those_of_keras():
    for expected, received in zip(*layers(), strict=True):
        np.testing.assert_allclose(received, expected, rtol=1e-4, atol=2e-4)


def test_batch_normalisation_in_training_is_one_operation():
    layer = BatchNormalization(name="norm")
    layer.build((2, 4, 4, 3))
    graph = tf.function(lambda images: layer(images, training=True)).get_concrete_function(
        tf.TensorSpec((None, 4, 4, 3))
    )
    kinds = [operation.type for operation in graph.graph.get_operations()]
    assert kinds.count("FusedBatchNormV3") == 1
    assert "SquaredDifference" not in kinds


@pytest.mark.parametrize("clip_norm", [None, 0.5])
def test_adam_updates_as_keras_does(clip_norm):
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    generator = np.random.default_rng(0)
    start, gradients = generator.normal(size=(2, 3)), generator.normal(size=(6, 2, 3))
    gradients[:, 0, 0] *= 1e-7  # so small that Adam's epsilon counts
    results = []
    reference = keras.optimizers.Adam(schedule, global_clipnorm=clip_norm, name="adam")
    ours = adam(schedule, clip_norm)
    assert type(ours) is FusedAdam
    for kind in (reference, ours):
        variable = keras.Variable(start, dtype="float32", name="weights")
        kind.build([variable])
        for gradient in gradients:
            kind.apply_gradients([(keras.ops.convert_to_tensor(gradient, "float32"), variable)])
        results.append({state.path: np.asarray(state.value) for state in [variable, *kind.variables]})
    assert results[0].keys() == results[1].keys()  # checkpoints store them by their paths
    for path, expected in results[0].items():
        np.testing.assert_allclose(results[1][path], expected, rtol=1e-5, atol=1e-5, err_msg=path)
    assert np.abs(results[1]["weights"] - start).ravel()[1:].min() > 0.01
    if clip_norm is None:  # the formula of the paper, and Keras' defaults
        value, moments = start.copy(), np.zeros((2, 2, 3))
        for step, gradient in enumerate(gradients):
            moments[0] = 0.9 * moments[0] + 0.1 * gradient
            moments[1] = 0.999 * moments[1] + 0.001 * gradient**2
            rate = 0.1 * (1 + np.cos(np.pi * step / 10)) / 2
            rate *= np.sqrt(1 - 0.999 ** (step + 1)) / (1 - 0.9 ** (step + 1))
            value -= rate * moments[0] / (np.sqrt(moments[1]) + 1e-7)
        np.testing.assert_allclose(results[1]["weights"], value, rtol=1e-3, atol=1e-4)
