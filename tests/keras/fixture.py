"""Writes a Keras model with what Keras computes for it."""

import json
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import h5py
import keras
import numpy as np
import tensorflow as tf


def normal(rng, *shape):
    return rng.standard_normal(shape).astype("float32")


def randomise(model, rng):
    for v in model.variables:
        if not str(v.dtype).startswith("float"):
            continue
        if v.name in ("gamma", "moving_variance", "scale", "variance"):
            value = rng.uniform(0.5, 1.5, tuple(v.shape))
        else:
            value = 0.4 * rng.standard_normal(tuple(v.shape))
        v.assign(value.astype("float32"))


def as_list(x):
    """Dictionaries in the order of their keys, as Keras goes through them."""
    if isinstance(x, dict):
        return [x[k] for k in sorted(x)]
    return list(x) if isinstance(x, (list, tuple)) else [x]


def as_input(xs):
    return xs if isinstance(xs, dict) or len(xs) > 1 else xs[0]


def numbered(name, values):
    return [(name if len(values) == 1 else f"{name}{i}", v) for i, v in enumerate(values)]


def gradients(model, xs, targets, loss, training):
    with tf.GradientTape() as tape:
        ys = as_list(model(as_input(xs), training=training))
        value = tf.add_n([loss(t, y) for t, y in zip(targets, ys)])
    return value, tape.gradient(value, [w.value for w in model.trainable_weights])


def write(out, model, xs, target, loss, weights=True):
    """xs: list or dictionary of inputs; target: an array, or a list of one an output. Random layers must have rates of 0."""
    base = os.path.join(out, model.name)
    state = [v.numpy() for v in model.variables]
    targets = as_list(target)
    with h5py.File(base + ".io.h5", "w") as f:
        f.attrs["loss"] = json.dumps({"class_name": type(loss).__name__, "config": loss.get_config()})
        for name, x in numbered("x", as_list(xs)):
            f[name] = x.astype("int32") if x.dtype == bool else x
        for name, y in numbered("y", as_list(model.predict(as_input(xs), verbose=0))):
            f[name] = y
        for name, t in numbered("target", targets):
            f[name] = t
        for mode in ("inference", "training"):
            value, grads = gradients(model, xs, targets, loss, mode == "training")
            f[f"{mode}/loss"] = np.float32(value)
            for v, g in zip(model.trainable_weights, grads):
                g = np.zeros(tuple(v.shape), "float32") if g is None else tf.convert_to_tensor(g).numpy()
                f[f"{mode}/grad/{v.path}"] = g
            for v, a in zip(model.variables, state):
                v.assign(a)
    if weights:
        model.save_weights(base + ".weights.h5")
    model.save(base + ".keras")
