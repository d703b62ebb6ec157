"""Small models of Keras 2 (tf_keras) with what it computes for them, for tests/test_keras.c.

    python make_keras2_fixtures.py [--out data]

Needs tf_keras and h5py. Files as those of make_keras_fixtures.py, in Keras 2's dialect.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["TF_USE_LEGACY_KERAS"] = "1"

import h5py
import numpy as np
import tensorflow as tf
import tf_keras as keras
from tf_keras import layers as L


def keras2_operations(rng):
    x, z = keras.Input((4, 3)), keras.Input((4, 3))
    y = L.Dense(3, activation="tanh")(x)
    values = [y + z, y * 2.0, 3.0 - y, y / 2.0, y @ tf.ones((3, 2)), -y, y[:, 1], y[:, 1:3, ::-1], y[:, :, 0],
              tf.nn.relu(y), tf.reshape(y, (-1, 2, 6)), tf.concat([y, z], -1), tf.reduce_mean(y, axis=1),
              tf.reduce_sum(y, [1, 2], keepdims=True), tf.exp(y), tf.transpose(y, [0, 2, 1]), tf.expand_dims(y, 1),
              tf.squeeze(y[:, :1], 1), tf.cast(y > 0, "float32"), tf.where(y > 0, y, 0.5 * y), tf.nn.softmax(y),
              y ** 2, tf.maximum(y, 0.1), tf.stack([y, z], 1), tf.sqrt(tf.abs(y)), tf.clip_by_value(y, -0.5, 0.5),
              keras.activations.gelu(y)]
    flat = L.Flatten()(y)
    inner = keras.Sequential([L.Dense(3)])
    a = keras.Input((12,))
    other = keras.Model(a, L.Dense(2, activation="elu")(a))
    ends = [L.Flatten()(v) for v in values] + [inner(flat), other(flat), L.Dense(2)(other(0.5 * flat))]
    model = keras.Model([x, z], [L.Dense(2)(L.Concatenate()(ends)), other(flat)], name="keras2_operations")
    return model, [(4, 3), (4, 3)], [(2,), (2,)]


def path(model, variable):
    """As Keras 3 names it: a sequential model's name comes before its layers'."""
    inside = [m.name for m in model.layers if isinstance(m, keras.Sequential)
              and any(v is variable for v in m.trainable_weights)]
    return "/".join(inside + [variable.name.split(":")[0]])


def write(out, build):
    rng = np.random.default_rng(7)
    keras.backend.clear_session()
    model, inputs, outputs = build(rng)
    for v in model.variables:
        v.assign(0.4 * rng.standard_normal(v.shape))
    xs = [rng.standard_normal((5, *s)).astype("float32") for s in inputs]
    targets = [rng.standard_normal((5, *s)).astype("float32") for s in outputs]
    base = os.path.join(out, model.name)
    with h5py.File(base + ".io.h5", "w") as f:
        f.attrs["loss"] = '{"class_name": "MeanSquaredError", "config": {}}'
        for k, (x, y, t) in enumerate(zip(xs, model.predict(xs, verbose=0), targets)):
            f[f"x{k}"], f[f"y{k}"], f[f"target{k}"] = x, y, t
        for mode in ("inference", "training"):
            with tf.GradientTape() as tape:
                ys = model(xs, training=mode == "training")
                loss = sum(keras.losses.MeanSquaredError()(t, y) for t, y in zip(targets, ys))
            f[f"{mode}/loss"] = np.float32(loss)
            for v, g in zip(model.trainable_weights, tape.gradient(loss, model.trainable_weights)):
                f[f"{mode}/grad/{path(model, v)}"] = g.numpy()
    model.save_weights(base + ".weights.h5")
    model.save(base + ".keras")
    print(model.name)


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "data"))
    write(p.parse_args().out, keras2_operations)
