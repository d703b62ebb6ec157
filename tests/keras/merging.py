"""Layers of several inputs, of one or several ranks, with masks; products over axes of choice."""

import keras
import numpy as np
from keras import layers as L
from keras import ops

from fixture import normal, randomise


def _head(values, name="head"):
    """All values side by side before a Dense: each has a share in the loss."""
    flat = [ops.reshape(v, (-1, int(np.prod(v.shape[1:])))) for v in values]
    return L.Dense(2, name=name)(ops.concatenate(flat, axis=-1))


def merging(rng):
    x, m, r = keras.Input((4, 5), name="x"), keras.Input((5,), name="m"), keras.Input((2, 4, 5), name="r")
    i, t = keras.Input((4,), dtype="int32", name="i"), keras.Input((4,), dtype="int32", name="t")
    y, z, w, row = L.Dense(5, name="y")(x), L.Dense(5, name="z")(m), L.Dense(5, name="w")(r), L.Dense(1, name="one")(x)
    e, f = L.Embedding(5, 5, mask_zero=True)(i), L.Embedding(5, 5, mask_zero=True)(t)
    norm = L.BatchNormalization()  # looks at the mask
    values = [
        L.Add()([y, z]), L.Add()([z, y, w]), L.Multiply()([w, y]), L.Subtract()([z, y]), L.Average()([y, row, z]),
        L.Maximum()([y, z]), L.Minimum()([w, z, row]), ops.cast(L.Average()([i, t]), "float32"), L.Add()([i, m[:, :4]]),
        L.Maximum()([e, f]), L.Minimum()([e, y]), L.Minimum()([y, f]), L.Multiply()([e, f]), L.Multiply()([y, e]),
        L.Add()([e, f]), norm(L.Add()([e, f])), norm(L.Concatenate(axis=1)([e, f])), norm(L.Concatenate()([e, y])[..., :5]),
        L.BatchNormalization()(L.Concatenate()([e, f])), L.Softmax(axis=1)(L.Flatten()(L.Maximum()([e, f]))),
        L.Concatenate(axis=2)([w, w]), L.Concatenate()([i, m]),
        L.Dot(axes=1)([y, x]), L.Dot(axes=-1)([y, z]), L.Dot(axes=(2, 1))([y, z]), L.Dot(axes=(1, 3), normalize=True)([z, w]),
        L.Dot(axes=1, normalize=True)([z, m]), L.Dot(axes=(2, 2))([w, y[:, :, :4]]), L.Dot(axes=(3, 2))([w, y]),
        L.Dot(axes=(2, 2))([w, ops.transpose(y, (0, 2, 1))]),
    ]
    model = keras.Model([x, m, r, i, t], _head(values), name="merging")
    randomise(model, rng)
    return model, [normal(rng, 5, 4, 5), normal(rng, 5, 5), normal(rng, 5, 2, 4, 5),
                   rng.integers(0, 5, (5, 4)).astype("int32"), rng.integers(0, 5, (5, 4)).astype("int32")], \
        normal(rng, 5, 2), keras.losses.MeanSquaredError()


def einsum_dense(rng):
    x, m = keras.Input((4, 6), name="x"), keras.Input((5,), name="m")
    q = L.EinsumDense("abc,cde->abde", output_shape=(4, 2, 3), bias_axes="de", name="heads")(x)
    values = [
        q, L.EinsumDense("abcd,cde->abe", output_shape=(4, 5), bias_axes="e", activation="tanh")(q),
        L.EinsumDense("ab,bc->ac", output_shape=3, bias_axes="c")(m),
        L.EinsumDense("...x,xy->...y", output_shape=4, bias_axes="y")(x),
        L.EinsumDense("...x,xy->...y", output_shape=(2,))(m),
        L.EinsumDense("ab...,bc->ac...", output_shape=3, bias_axes="c")(x),
        L.EinsumDense("abc,bcd->abd", output_shape=(4, 2), bias_axes="bd")(x),
        L.EinsumDense("abc,cb->ac", output_shape=6, bias_axes="c", kernel_regularizer="l2")(x),
        L.EinsumDense("abc,dc->adb", output_shape=(3, 4), bias_axes="d")(x),
        L.EinsumDense("abc,bd->adc", output_shape=(3, 6), kernel_initializer="he_normal")(x),
        L.EinsumDense("abc,cd->ad", output_shape=3)(x), L.EinsumDense("abc,b->abc", output_shape=(4, 6))(x),
        L.EinsumDense("abde,dfe->abf", output_shape=(4, 3), bias_axes="f", bias_regularizer="l1")(q),
        L.EinsumDense("...de,def->...f", output_shape=(3,), bias_axes="f")(q),
    ]
    model = keras.Model([x, m], _head(values), name="einsum_dense")
    randomise(model, rng)
    return model, [normal(rng, 5, 4, 6), normal(rng, 5, 5)], normal(rng, 5, 2), keras.losses.MeanSquaredError()
