"""Preprocessing inside of a model. Random layers have factors that leave the pictures as they are, or symmetric ones."""

import keras
import numpy as np
from keras import layers as L
from keras import ops

from fixture import normal, randomise


def _head(values, name="head"):
    """All values side by side before a Dense: each has a share in the loss."""
    flat = [ops.reshape(ops.cast(v, "float32"), (-1, int(np.prod(v.shape[1:])))) for v in values]
    return L.Dense(2, name=name)(ops.concatenate(flat, axis=-1))


def preprocessing(rng):
    x, p = keras.Input((4,), name="x"), keras.Input((3, 5), name="p")
    k, s = keras.Input((3,), dtype="int32", name="k"), keras.Input((1,), dtype="int32", name="s")
    g = keras.Input((2, 3), dtype="int32", name="g")
    edges = [-1.0, -0.25, 0.0, 0.5]
    values = [
        L.Normalization()(x), L.Normalization(axis=None)(x), L.Normalization(axis=(1, 2), invert=True)(p),
        L.Normalization(axis=1)(p), L.Normalization(axis=-1, mean=[1.0, 2.0, 3.0, 4.0], variance=[0.5, 1.0, 2.0, 0.3])(x),
        L.Normalization(axis=None, mean=0.3, variance=4.0, invert=True)(p), L.Normalization(mean=0.1, variance=0.2)(x),
        L.Normalization(axis=(1, 2), mean=[1.0, 2.0, 3.0, 4.0, 5.0], variance=[1.0] * 5)(p),
        L.Normalization(axis=(2, 1), mean=[[0.1] * 5, [0.2] * 5, [0.3] * 5], variance=[[2.0] * 5] * 3)(p),
        L.Rescaling(0.5)(k), L.Rescaling(1 / 127.5, offset=-1.0)(x), L.Rescaling([1.0, 2.0, 3.0, 4.0], [0.1, 0.2, 0.3, 0.4])(x),
        L.Discretization(bin_boundaries=edges)(x), L.Discretization(bin_boundaries=edges, output_mode="one_hot")(p),
        L.Discretization(bin_boundaries=edges, output_mode="multi_hot")(x),
        L.Discretization(bin_boundaries=[0.0, 1.0, 3.0], output_mode="count")(k),
        L.CategoryEncoding(5)(k), L.CategoryEncoding(6, output_mode="one_hot")(k),
        L.CategoryEncoding(6, output_mode="one_hot")(s), L.CategoryEncoding(5, output_mode="count")(k),
        L.CategoryEncoding(5, output_mode="count")(k, count_weights=x[:, :3]), L.CategoryEncoding(5, output_mode="one_hot")(g),
        L.Dense(2, name="dense")(x),
    ]
    model = keras.Model([x, p, k, s, g], _head(values), name="preprocessing")
    randomise(model, rng)
    for layer in model.layers:
        if isinstance(layer, L.Normalization):
            layer.finalize_state()  # what it computes with is a copy of its variables
    xs = [normal(rng, 6, 4), normal(rng, 6, 3, 5), rng.integers(0, 5, (6, 3)).astype("int32"),
          rng.integers(0, 5, (6, 1)).astype("int32"), rng.integers(0, 5, (6, 2, 3)).astype("int32")]
    return model, xs, normal(rng, 6, 2), keras.losses.MeanSquaredError()


def pictures(rng):
    x, c = keras.Input((5, 6, 2), name="x"), keras.Input((2, 5, 6), name="c")
    even = x + ops.flip(x, 2) + ops.flip(x, 1) + ops.flip(ops.flip(x, 1), 2)
    values = [
        L.RandomFlip(seed=1)(even), L.RandomFlip("horizontal")(even), L.RandomFlip("vertical", data_format="channels_last")(even),
        L.RandomRotation(0.0, fill_mode="constant", fill_value=0.5)(x), L.RandomRotation((0.0, 0.0), interpolation="nearest")(x),
        L.RandomZoom(0.0, fill_mode="wrap")(x), L.RandomZoom((0.0, 0.0), 0.0, fill_mode="nearest", seed=2)(x),
        L.RandomTranslation(0.0, (0.0, 0.0), data_format="channels_first")(c),
        L.RandomContrast(0.0, value_range=(-9, 9))(x), L.RandomContrast((0.0, 0.0), value_range=(-9.5, 9), data_format="channels_first")(c),
        L.RandomBrightness(0.0, value_range=(-9, 9), seed=7)(x), L.RandomCrop(5, 6)(x), L.RandomCrop(5, 6, seed=3)(x),
        L.CenterCrop(3, 4)(x), L.CenterCrop(2, 3, data_format="channels_first")(c), L.CenterCrop(7, 4)(x), L.CenterCrop(4, 9)(x),
        L.CenterCrop(8, 9, data_format="channels_first")(c),
        L.Conv2D(1, 2, name="conv")(x),
    ]
    model = keras.Model([x, c], _head(values), name="pictures")
    randomise(model, rng)
    return model, [normal(rng, 4, 5, 6, 2), normal(rng, 4, 2, 5, 6)], normal(rng, 4, 2), keras.losses.MeanSquaredError()
