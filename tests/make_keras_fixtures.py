"""Small Keras models with what Keras computes for them, for tests/test_keras.c.

    python make_keras_fixtures.py [--out data]

Needs Keras 3 and h5py. For each NAME: NAME.keras, NAME.weights.h5 and NAME.io.h5 with inputs x (x0, x1 ...), outputs y,
target, the loss as an attribute, and in inference/ and training/ the loss and grad/PATH for every trainable variable.
Weights are random everywhere. A second run gives the same numbers.
"""

import argparse
import json
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import h5py
import keras
import numpy as np
import tensorflow as tf
from keras import layers as L


def normal(rng, *shape):
    return rng.standard_normal(shape).astype("float32")


def randomise(model, rng):
    for v in model.variables:
        if v.name in ("gamma", "moving_variance"):
            value = rng.uniform(0.5, 1.5, tuple(v.shape))
        else:
            value = 0.4 * rng.standard_normal(tuple(v.shape))
        v.assign(value.astype("float32"))


def gradients(model, xs, target, loss, training):
    with tf.GradientTape() as tape:
        value = loss(target, model(xs if len(xs) > 1 else xs[0], training=training))
    return value, tape.gradient(value, [w.value for w in model.trainable_weights])


def write(out, model, xs, target, loss):
    base = os.path.join(out, model.name)
    state = [v.numpy() for v in model.variables]
    with h5py.File(base + ".io.h5", "w") as f:
        f.attrs["loss"] = json.dumps({"class_name": type(loss).__name__, "config": loss.get_config()})
        for i, x in enumerate(xs):
            f["x" if len(xs) == 1 else f"x{i}"] = x
        f["y"] = model.predict(xs if len(xs) > 1 else xs[0], verbose=0)
        f["target"] = target
        for mode in ("inference", "training"):
            value, grads = gradients(model, xs, target, loss, mode == "training")
            f[f"{mode}/loss"] = np.float32(value)
            for v, g in zip(model.trainable_weights, grads):
                f[f"{mode}/grad/{v.path}"] = tf.convert_to_tensor(g).numpy()
    for v, a in zip(model.variables, state):
        v.assign(a)
    model.save_weights(base + ".weights.h5")
    model.save(base + ".keras")


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


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "data"))
    a = p.parse_args()
    os.makedirs(a.out, exist_ok=True)
    for seed, build in ((1, small_sequential), (2, small_functional), (3, small_attention), (4, small_recurrent)):
        keras.backend.clear_session()
        keras.utils.set_random_seed(seed)
        write(a.out, *build(np.random.default_rng(seed)))


if __name__ == "__main__":
    main()
