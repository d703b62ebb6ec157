#!/usr/bin/env python3
"""Writes tests/data/keras2_*.h5: a model of Keras 2, whole and compiled, its weights alone, the same weights in other
types of numbers and texts, and inputs with outputs before and after one more step. Needs tensorflow and tf_keras."""
import os

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import h5py
import numpy as np
import tf_keras as keras

BASE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "keras2_")


def build():
    x = keras.Input((6, 6, 2), name="picture")
    y = keras.layers.Conv2D(3, 3, activation="relu", name="block/conv")(x)
    y = keras.layers.BatchNormalization(name="norm")(y)
    inside = keras.Input((4, 4, 3))
    frozen = keras.layers.Conv2D(4, 1, use_bias=False, name="a")
    z = keras.layers.BatchNormalization(name="bn")(frozen(inside))
    z = keras.layers.LeakyReLU(0.1)(z)
    frozen.trainable = False
    inner = keras.Model(inside, keras.layers.Conv2D(2, 2, name="b")(z), name="inner")
    y = keras.layers.Reshape((9, 2))(inner(y))
    y = keras.layers.GRU(4, reset_after=False, name="gru")(keras.layers.LSTM(4, return_sequences=True)(y))
    y = keras.layers.concatenate([keras.layers.Dropout(0.0)(y), keras.layers.Flatten()(x)])
    return keras.Model(x, keras.layers.Dense(2, activation="softmax", name="out")(y), name="old")


def copy_forms(source, target):
    """Fixed-length names, numbers of other types, compressed."""
    with h5py.File(source) as f, h5py.File(target, "w") as g:
        names = [n if isinstance(n, bytes) else n.encode() for n in f.attrs["layer_names"]]
        g.attrs["layer_names"] = np.array(names)
        g.attrs["backend"] = np.bytes_(b"tensorflow")
        for name in names:
            group = g.create_group(name)
            weights = [w if isinstance(w, bytes) else w.encode() for w in f[name].attrs["weight_names"]]
            group.attrs["weight_names"] = np.array(weights, dtype="S60") if weights else np.zeros(0)
            for k, weight in enumerate(weights):
                data = f[name][weight][()]
                if k % 4 == 0:
                    group.create_dataset(weight, data=data.astype(">f8"), chunks=True, compression="gzip")
                elif k % 4 == 1:
                    group.create_dataset(weight, data=data.astype("f2"))
                elif k % 4 == 2:
                    bits = (data.astype("<f4").view("<u4") >> 16).astype("<u2")
                    d = group.create_dataset(weight, data=bits.view("V2"))
                    d.attrs["dtype"] = "bfloat16"
                else:
                    group.create_dataset(weight, data=data)


def gates():
    """Keras 2's hard_sigmoid, which is another function than Keras 3's."""
    keras.utils.set_random_seed(6)
    model = keras.Sequential([keras.Input((5, 3)),
                              keras.layers.LSTM(4, recurrent_activation="hard_sigmoid", return_sequences=True),
                              keras.layers.GRU(3, recurrent_activation="hard_sigmoid"),
                              keras.layers.Dense(2, activation="hard_sigmoid")])
    x = (3 * np.random.default_rng(6).normal(size=(4, 5, 3))).astype("f4")
    model.save(BASE + "gates.h5")
    with h5py.File(BASE + "gates.io.h5", "w") as f:
        f["x"], f["y"] = x, model.predict(x, verbose=0)


def main():
    keras.utils.set_random_seed(5)
    rng = np.random.default_rng(5)
    model = build()
    model.compile(keras.optimizers.Adam(0.01), "categorical_crossentropy", metrics=["accuracy"])
    x = rng.normal(size=(4, 6, 6, 2)).astype("f4")
    target = np.eye(2, dtype="f4")[rng.integers(0, 2, 4)]
    model.fit(x, target, epochs=2, batch_size=4, verbose=0)
    for v in model.variables:
        v.assign(np.round(v.numpy() * 64 + rng.integers(0, 2, v.shape)) / 64)  # of 7 bits: exact in all types
    for v in model.variables:
        if "variance" in v.name:
            v.assign(np.maximum(v.numpy(), 0.5))
        v.assign(np.clip(v.numpy(), -1.5, 1.5))
    model.save(BASE + "whole.h5")
    model.save_weights(BASE + "weights.h5")
    copy_forms(BASE + "weights.h5", BASE + "forms.h5")
    y = model.predict(x, verbose=0)
    loss = model.train_on_batch(x, target)[0]
    loss2 = model.train_on_batch(x, target)[0]
    with h5py.File(BASE + "data.h5", "w") as f:
        f["x"], f["y"], f["target"], f["losses"] = x, y, target, np.array([loss, loss2], "f4")


main()
gates()
