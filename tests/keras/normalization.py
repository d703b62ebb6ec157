"""Normalization layers, activations with options, and layers that do something in training only (here: nothing)."""

import keras
import numpy as np
from keras import layers as L
from keras import ops

from fixture import normal, randomise


def _head(values, name="head"):
    """All values side by side before a Dense: each has a share in the loss."""
    flat = [ops.reshape(v, (-1, int(np.prod(v.shape[1:])))) for v in values]
    return L.Dense(2, name=name)(ops.concatenate(flat, axis=-1))


def normalization(rng):
    x, m, v = keras.Input((4, 5, 6), name="x"), keras.Input((7,), name="m"), keras.Input((2, 3, 2, 4), name="v")
    reg = keras.regularizers
    y, z, w = L.Dense(6)(x), L.Dense(7)(m), L.Dense(4)(v)
    values = [
        L.LayerNormalization(axis=1)(y), L.LayerNormalization(axis=[3, 1], epsilon=1e-2)(y),
        L.LayerNormalization(axis=[-1, 1])(y), L.LayerNormalization(axis=(1, 2, 3), scale=False)(y),
        L.LayerNormalization(axis=2, center=False)(y), L.LayerNormalization(rms_scaling=True)(y),
        L.LayerNormalization(axis=[1, 2], rms_scaling=True, scale=False)(y),
        L.LayerNormalization(center=False, scale=False)(z),
        L.GroupNormalization(groups=3)(y), L.GroupNormalization(groups=2, axis=1, epsilon=1e-2)(y),
        L.GroupNormalization(groups=5, axis=2)(y), L.GroupNormalization(groups=-1, center=False)(y),
        L.GroupNormalization(groups=1, scale=False)(y), L.GroupNormalization(groups=7, axis=-1)(z),
        L.GroupNormalization(groups=2, axis=-2, gamma_regularizer=reg.L2(1e-3), beta_regularizer=reg.L1(1e-3))(w),
        L.RMSNormalization()(y), L.RMSNormalization(axis=[-2, -1], epsilon=1e-3)(y), L.RMSNormalization(axis=[3, 2])(
            L.Dense(5)(y)),
        L.UnitNormalization()(y), L.UnitNormalization(axis=[1, 3])(y), L.UnitNormalization(axis=1)(z),
    ]
    model = keras.Model([x, m, v], _head(values), name="normalization")
    randomise(model, rng)
    return model, [normal(rng, 5, 4, 5, 6), normal(rng, 5, 7), normal(rng, 5, 2, 3, 2, 4)], normal(rng, 5, 2), \
        keras.losses.MeanSquaredError()


def batch_normalization(rng):
    x, m, v = keras.Input((4, 5, 3), name="x"), keras.Input((7,), name="m"), keras.Input((2, 3, 2, 4), name="v")
    t = keras.Input((6,), dtype="int32", name="t")
    e = L.Embedding(5, 4, mask_zero=True)(t)
    values = [
        L.BatchNormalization(axis=1)(x), L.BatchNormalization(axis=2, scale=False, momentum=0.5)(x),
        L.BatchNormalization(epsilon=1e-2, center=False)(m), L.BatchNormalization(synchronized=True)(v),
        L.BatchNormalization(axis=1, center=False, scale=False)(v),
        L.BatchNormalization(gamma_regularizer="l2", beta_initializer="ones", name="masked")(e),
        L.BatchNormalization(axis=2, trainable=False)(x),
        L.BatchNormalization()(L.Dense(3, name="steps")(L.Reshape((5, 12))(x))),
    ]
    model = keras.Model([x, m, v, t], _head(values), name="batch_normalization")
    randomise(model, rng)
    return model, [normal(rng, 6, 4, 5, 3), normal(rng, 6, 7), normal(rng, 6, 2, 3, 2, 4),
                   rng.integers(0, 5, (6, 6)).astype("int32")], normal(rng, 6, 2), keras.losses.MeanSquaredError()


def activations_and_noise(rng):
    x, m = keras.Input((4, 5, 3), name="x"), keras.Input((7,), name="m")
    t = keras.Input((4,), dtype="int32", name="t")
    y, z = L.Dense(3, name="y")(x), L.Dense(7, name="z")(m)
    e = L.Embedding(5, 4, mask_zero=True)(t)
    mask = ops.greater(m, 0.1)
    values = [
        L.PReLU()(y), L.PReLU(shared_axes=[1, 2], alpha_regularizer="l2")(y), L.PReLU(shared_axes=[2])(y),
        L.PReLU(alpha_initializer="ones")(z), L.PReLU(shared_axes=[1])(z),
        L.LeakyReLU()(y), L.LeakyReLU(negative_slope=0.05)(y), L.ELU()(y), L.ELU(alpha=0.3)(z),
        L.ReLU()(y), L.ReLU(max_value=0.7)(y), L.ReLU(negative_slope=0.2, threshold=0.3)(y),
        L.ReLU(max_value=1.0, negative_slope=0.1, threshold=0.2)(z),
        L.Softmax()(y), L.Softmax(axis=1)(y), L.Softmax(axis=[1, 2])(y), L.Softmax(axis=(-1, 1, 2))(y),
        L.Softmax(axis=[-1])(z), L.Softmax()(z, mask=mask),
        L.Dropout(0.0, noise_shape=(None, 1, 1, 3), seed=3)(y), L.SpatialDropout1D(0.0)(e),
        L.SpatialDropout2D(0.0, data_format="channels_first", seed=4)(y), L.SpatialDropout3D(0.0)(y[..., None]),
        L.GaussianNoise(0.0, seed=1)(y), L.GaussianDropout(0.0)(y), L.AlphaDropout(0.0, noise_shape=(None, 1))(z),
        L.ActivityRegularization(l1=0.1, l2=0.2)(y), L.Identity()(z),
    ]
    model = keras.Model([x, m, t], _head(values), name="activations_and_noise")
    randomise(model, rng)
    return model, [normal(rng, 5, 4, 5, 3), normal(rng, 5, 7), rng.integers(0, 5, (5, 4)).astype("int32")], \
        normal(rng, 5, 2), keras.losses.MeanSquaredError()
