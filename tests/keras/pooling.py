"""Pooling of one, two and three dimensions. Dense and convolutional layers before them have gradients to check."""

import keras
from keras import layers as L

from convolution import FIRST, joined
from fixture import normal, randomise


def pooling1d(rng):
    last, first = keras.Input((7, 2), name="last"), keras.Input((2, 7), name="first")
    a, b = L.Dense(3)(last), L.Dense(6)(first)
    branches = [
        L.MaxPooling1D()(a), L.MaxPooling1D(3, strides=2, padding="same")(a),
        L.AveragePooling1D(3, strides=1)(a), L.AveragePooling1D(2, padding="same")(a),
        L.MaxPooling1D(2, data_format=FIRST)(b), L.AveragePooling1D(3, padding="same", data_format=FIRST)(b),
        L.GlobalMaxPooling1D()(a), L.GlobalMaxPooling1D(data_format=FIRST, keepdims=True)(b),
        L.GlobalAveragePooling1D(keepdims=True)(a), L.GlobalAveragePooling1D(data_format=FIRST)(b),
        L.AdaptiveMaxPooling1D(3)(a), L.AdaptiveAveragePooling1D(4)(a),
        L.AdaptiveMaxPooling1D(3, data_format=FIRST)(b), L.AdaptiveAveragePooling1D(9)(a),
    ]
    return joined("pooling1d", [last, first], branches, rng, [(7, 2), (2, 7)])


def pooling2d(rng):
    last, first = keras.Input((5, 6, 2), name="last"), keras.Input((2, 5, 6), name="first")
    a, b = L.Dense(2)(last), L.Dense(7)(first)
    branches = [
        L.MaxPooling2D((2, 3), data_format=FIRST)(b),
        L.MaxPooling2D(3, strides=2, padding="same", data_format=FIRST)(b),
        L.AveragePooling2D(2, strides=(1, 2), padding="same", data_format=FIRST)(b),
        L.GlobalMaxPooling2D(data_format=FIRST)(b), L.GlobalAveragePooling2D(data_format=FIRST, keepdims=True)(b),
        L.AdaptiveMaxPooling2D((2, 4))(a), L.AdaptiveAveragePooling2D((3, 2))(a),
        L.AdaptiveMaxPooling2D(3, data_format=FIRST)(b), L.AdaptiveAveragePooling2D((5, 3), data_format=FIRST)(b),
    ]
    return joined("pooling2d", [last, first], branches, rng, [(5, 6, 2), (2, 5, 6)])


def pooling3d(rng):
    last, first = keras.Input((4, 5, 6, 2), name="last"), keras.Input((2, 4, 3, 5), name="first")
    a, b = L.Dense(2)(last), L.Dense(5)(first)
    branches = [
        L.MaxPooling3D()(a), L.MaxPooling3D((2, 3, 2), strides=(1, 2, 3), padding="same")(a),
        L.AveragePooling3D((3, 2, 2), strides=2)(a), L.AveragePooling3D((2, 3, 4), padding="same")(a),
        L.MaxPooling3D((2, 1, 3), data_format=FIRST)(b), L.AveragePooling3D(2, padding="same", data_format=FIRST)(b),
        L.GlobalMaxPooling3D()(a), L.GlobalMaxPooling3D(data_format=FIRST, keepdims=True)(b),
        L.GlobalAveragePooling3D(keepdims=True)(a), L.GlobalAveragePooling3D(data_format=FIRST)(b),
        L.AdaptiveMaxPooling3D((2, 3, 4))(a), L.AdaptiveAveragePooling3D((3, 2, 6))(a),
        L.AdaptiveMaxPooling3D(2, data_format=FIRST)(b), L.AdaptiveAveragePooling3D((3, 2, 4), data_format=FIRST)(b),
    ]
    return joined("pooling3d", [last, first], branches, rng, [(4, 5, 6, 2), (2, 4, 3, 5)])


def pooling_masked(rng):
    tokens = keras.Input((6,), dtype="int32")
    x = L.Embedding(5, 4, mask_zero=True)(tokens)
    y = L.Concatenate()([L.GlobalAveragePooling1D()(x), L.Flatten()(L.GlobalAveragePooling1D(keepdims=True)(x))])
    model = keras.Model(tokens, y, name="pooling_masked")
    randomise(model, rng)
    x = rng.integers(0, 3, (4, 6)).astype("int32")
    x[:, 2] = 1
    return model, [x], normal(rng, 4, 8), keras.losses.MeanSquaredError()
