"""A few layers of each kind in small models."""

import keras
import numpy as np
from keras import layers as L

from fixture import normal, randomise


def small_sequential(rng):
    model = keras.Sequential([
        keras.Input((6, 6, 1)),
        L.Conv2D(3, 3, strides=2, padding="same", activation="relu"),
        L.BatchNormalization(),
        L.Flatten(),
        L.Dense(3, activation="softmax", kernel_regularizer=keras.regularizers.L2(1e-3)),
    ], name="small_sequential")
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    x, target = normal(rng, 5, 6, 6, 1), rng.integers(0, 3, 5).astype("int32")
    randomise(model, rng)
    for _ in range(2):
        model.train_on_batch(x, target)
    return model, [x], target, keras.losses.SparseCategoricalCrossentropy()


def small_functional(rng):
    a, b = keras.Input((4,), name="left"), keras.Input((5,), name="right")
    shared = L.Dense(3, activation="tanh", name="shared")
    wide = L.Dense(4)(b)
    x = L.Add()([shared(a), shared(wide)])
    x = L.Concatenate()([x, keras.ops.relu(2.0 - a * wide)])
    model = keras.Model([b, a], L.Dense(2, name="head")(x), name="small_functional")
    randomise(model, rng)
    return model, [normal(rng, 6, 5), normal(rng, 6, 4)], normal(rng, 6, 2), keras.losses.MeanSquaredError()


def small_attention(rng):
    tokens, positions = keras.Input((6,), dtype="int32", name="tokens"), keras.Input((6,), dtype="int32", name="positions")
    other = keras.Input((4, 5), name="other")
    x = L.Add()([L.Embedding(9, 8)(tokens), L.Embedding(6, 8)(positions)])
    y = L.LayerNormalization(epsilon=1e-5)(x)
    x = L.Add()([x, L.MultiHeadAttention(2, 4)(y, y, use_causal_mask=True)])
    y = L.Dense(16, activation="gelu")(L.LayerNormalization(axis=[-2, -1])(x))
    x = L.Add()([x, L.Dense(8)(y)])
    cross = L.MultiHeadAttention(3, 2, value_dim=5, use_bias=False, name="cross")
    x = cross(x, L.Dense(7)(other), key=other, use_causal_mask=True)
    y = L.MultiHeadAttention(1, 3)(query=x, value=other)
    model = keras.Model([tokens, positions, other], L.Dense(3, name="head")(L.Add()([x, y])), name="small_attention")
    randomise(model, rng)
    xs = [rng.integers(0, 9, (3, 6)).astype("int32"), np.tile(np.arange(6, dtype="int32"), (3, 1)), normal(rng, 3, 4, 5)]
    return model, xs, rng.integers(0, 3, (3, 6)).astype("int32"), keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def small_recurrent(rng):
    model = keras.Sequential([
        keras.Input((5,), dtype="int32"),
        L.Embedding(7, 3),
        L.LSTM(4, return_sequences=True, go_backwards=True, recurrent_regularizer=keras.regularizers.L2(1e-2)),
        L.GRU(5, return_sequences=True, activation="relu", recurrent_activation="hard_sigmoid"),
        L.LSTM(3, return_sequences=True, activation="softsign", use_bias=False, unit_forget_bias=False),
        L.GRU(4, return_sequences=True, reset_after=False, activation="gelu", go_backwards=True),
        L.GRU(2, return_sequences=True, use_bias=False),
        L.Dense(6, activation="softmax"),
    ], name="small_recurrent")
    randomise(model, rng)
    x, target = rng.integers(0, 7, (3, 5)).astype("int32"), rng.integers(0, 6, (3, 5)).astype("int32")
    return model, [x], target, keras.losses.SparseCategoricalCrossentropy()
