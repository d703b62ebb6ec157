"""What keras.ops and Python's operators make between layers."""

import keras
import numpy as np
from keras import layers as L
from keras import ops

from fixture import normal, randomise


def _head(values, name):
    """One number for each feature of every value, so that each has a share in the loss."""
    return L.Dense(3, name=name)(ops.concatenate([ops.reshape(v, (-1, int(np.prod(v.shape[1:])))) for v in values], 1))


def operations_shape(rng):
    x, z = keras.Input((4, 6), name="x"), keras.Input((3,), name="z")
    y = L.Dense(6, activation="tanh")(x)
    a, b = ops.split(y, 2, axis=1)
    p, q, r = ops.split(y, [1, 4], axis=-1)
    values = [y[:, 1:3, ::-1], y[:, 0], y[..., None, 1], y[:, -1, 2:5], y[:, -2:, -3], a * b, p * r[..., :1], q,
              ops.reshape(y, (-1, 2, 12)), ops.transpose(y, (0, 2, 1)), ops.expand_dims(y, (1, -1)),
              ops.squeeze(ops.expand_dims(z, 1), 1), ops.flip(y, 1), ops.tile(y, (1, 2, 1)), ops.repeat(z, 2, axis=1),
              ops.roll(y, 2, axis=-1), ops.pad(y, ((0, 0), (1, 0), (0, 2)), constant_values=0.5),
              ops.swapaxes(y, 1, 2), ops.moveaxis(y, 2, 1), ops.stack([y, 2 * y], axis=1),
              ops.concatenate([y, x], axis=-1), ops.hstack([z, z * z]), ops.take(y, [0, 2, 2], axis=1),
              y + np.arange(6).astype("float32"), ops.matmul(y, np.ones((6, 2), "float32") / 3)]
    model = keras.Model([x, z], _head(values, "head"), name="operations_shape")
    randomise(model, rng)
    return model, [normal(rng, 5, 4, 6), normal(rng, 5, 3)], normal(rng, 5, 3), keras.losses.MeanSquaredError()


def operations_values(rng):
    x, z, t = keras.Input((4, 6), name="x"), keras.Input((3,), name="z"), keras.Input((4,), dtype="int32", name="t")
    y = L.Dense(6, activation="tanh")(x)
    real = ops.cast(t, "float32")
    values = [ops.sum(y, axis=1), ops.mean(y, axis=(1, 2), keepdims=True), ops.max(y, axis=-1), ops.min(y, axis=1),
              ops.prod(z, axis=1, keepdims=True), ops.std(y, axis=1), ops.var(y, axis=[1, 2], keepdims=True),
              ops.logsumexp(y, axis=-1), ops.norm(y, axis=-1), ops.norm(y, ord=1, axis=1),
              ops.cast(ops.argmax(y, axis=-1), "float32"), ops.cast(ops.any(y > 0.5, axis=1), "float32"),
              ops.cast(ops.all(ops.greater(y, -0.5), axis=-1), "float32"), ops.count_nonzero(t, axis=1)[:, None],
              ops.where(y > 0, y, 0.0), ops.where(ops.not_equal(t, 0)[..., None], y, -y), ops.clip(y, -0.5, 0.3),
              ops.matmul(y, ops.transpose(y, (0, 2, 1))), ops.dot(y, np.ones((6, 2), "float32")),
              ops.one_hot(t, 5) * real[..., None], ops.gelu(y), ops.gelu(y, approximate=False), ops.softmax(y, axis=1),
              ops.maximum(y, 0.1), ops.logical_and(y > 0, y < 0.5), ops.equal(t, 2), ops.relu(y) - 3.0 / (2.0 + y * y),
              -ops.abs(y) ** 2, ops.square(y), ops.exp(y), ops.sigmoid(y), 2 - real, ops.zeros_like(y), ops.ones_like(z)]
    values = [v if v.dtype == "float32" else ops.cast(v, "float32") for v in values]
    model = keras.Model([x, z, t], _head(values, "head"), name="operations_values")
    randomise(model, rng)
    return model, [normal(rng, 5, 4, 6), normal(rng, 5, 3), rng.integers(0, 5, (5, 4)).astype("int32")], \
        normal(rng, 5, 3), keras.losses.MeanSquaredError()
