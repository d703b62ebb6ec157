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


def operations_math(rng):
    x = keras.Input((4, 6), name="x")
    y = L.Dense(6, activation="tanh")(x)
    z = 2.5 * y
    u = 0.9 * y
    values = [ops.arcsin(u), ops.arccos(u), ops.arctanh(u), ops.arcsinh(z), ops.arccosh(1.5 + y * y), ops.exp2(z),
              ops.log10(1.2 + y), ops.cbrt(2.0 + y), ops.erf(z), ops.erfc(z), ops.erfinv(u), ops.sinc(z),
              ops.trunc(z) * y, ops.round(z, 1) * y, ops.arctan2(y, 1.5 + u), ops.floor_divide(z, 0.7) * y,
              ops.mod(z, 0.7 + y * y), ops.fmod(z, 0.7 + y * y), ops.hypot(y, 0.5 + u),
              ops.logaddexp(z, y), ops.logaddexp2(z, y),
              ops.cast(ops.logical_xor(y > 0.2, y > -0.3), "float32") * y, ops.deg2rad(z), ops.rad2deg(y),
              ops.nan_to_num(y), ops.divide_no_nan(y, 2.0 + y), ops.heaviside(y, u) * y,
              ops.cast(ops.isfinite(y), "float32"), ops.cast(ops.isinf(y), "float32"), ops.sparse_plus(z),
              ops.sparse_sigmoid(z), ops.hard_tanh(z), ops.tanh_shrink(z), ops.celu(z, alpha=0.7), ops.glu(z, axis=1),
              ops.soft_shrink(z, 0.3), ops.hard_shrink(z, 0.3), ops.squareplus(z, 2), ops.threshold(z, 0.1, -0.5),
              ops.sparsemax(z)]
    model = keras.Model(x, _head(values, "head"), name="operations_math")
    randomise(model, rng)
    return model, [normal(rng, 5, 4, 6)], normal(rng, 5, 3), keras.losses.MeanSquaredError()


def operations_along(rng):
    x, v, i = keras.Input((4, 6), name="x"), keras.Input((3,), name="v"), keras.Input((4, 2), dtype="int32", name="i")
    y = L.Dense(6, activation="tanh")(x)
    largest, places = ops.top_k(y, 2)
    values = [ops.sort(y, axis=1), ops.cast(ops.argsort(y, axis=-1), "float32"), ops.cumsum(y, axis=1),
              ops.cumprod(y, axis=-1), ops.take_along_axis(y, i, axis=2), largest, ops.cast(places, "float32"),
              ops.diff(y, axis=1), ops.diff(y, n=2), ops.median(y, axis=1), ops.median(y, axis=-1, keepdims=True),
              ops.tril(y, k=1), ops.triu(y), ops.diagonal(y, offset=1, axis1=1, axis2=2),
              ops.trace(y, axis1=1, axis2=2)[:, None], ops.pad(y, ((0, 0), (1, 2), (0, 3)), mode="reflect"),
              ops.pad(y, ((0, 0), (4, 0), (2, 1)), mode="symmetric"),
              ops.cross(y[:, 0, :3], v), ops.cross(y[:, :3], ops.flip(y[:, :3], axis=2), axis=1),
              ops.tensordot(y, np.ones((6, 2), "float32") / 3, axes=1),
              ops.tensordot(y, np.arange(8, dtype="float32").reshape(2, 4), axes=[[1], [1]]),
              ops.einsum("bij,bkj->bik", y, y), ops.einsum("bi,bjk->bijk", v, y)]
    model = keras.Model([x, v, i], _head(values, "head"), name="operations_along")
    randomise(model, rng)
    return model, [normal(rng, 5, 4, 6), normal(rng, 5, 3), rng.integers(0, 6, (5, 4, 2)).astype("int32")], \
        normal(rng, 5, 3), keras.losses.MeanSquaredError()


def operations_pictures(rng):
    x, g = keras.Input((4, 6, 8), name="x"), keras.Input((6, 6, 3), name="g")
    y = L.Dense(8, activation="tanh")(x)
    mean, variance = ops.moments(y, axes=[1, 2], keepdims=True)
    scale, shift = np.linspace(0.5, 1.5, 8).astype("float32"), np.linspace(-1, 1, 8).astype("float32")
    values = [ops.depth_to_space(y, 2), ops.space_to_depth(y, 2), ops.image.rgb_to_grayscale(g), mean, variance,
              ops.normalize(y), ops.normalize(y, axis=1, order=1), ops.normalize(y, axis=(1, 2)),
              ops.normalize(y, order=3),
              ops.rms_normalization(y, scale), ops.rms_normalization(y, axis=(1, 2), epsilon=1e-3),
              ops.layer_normalization(y, scale, shift), ops.layer_normalization(y, axis=[2, 3], epsilon=0.01)]
    model = keras.Model([x, g], _head(values, "head"), name="operations_pictures")
    randomise(model, rng)
    return model, [normal(rng, 3, 4, 6, 8), normal(rng, 3, 6, 6, 3)], normal(rng, 3, 3), keras.losses.MeanSquaredError()
