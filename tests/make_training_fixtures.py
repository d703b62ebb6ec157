"""Compiled models and a few training steps of Keras's, for tests/test_training.c: tests/data/training/NAME.keras and .h5.

    python make_training_fixtures.py [FOLDER]

Needs Keras 3 and h5py. NAME.keras is the compiled model before the steps. NAME.h5: x, target, weights (x0 ..., where there
are several; weights where there are some); loss of each train_on_batch() on the same batch, alone; weight/PATH of every
weight after them; the attribute logs: JSON of what evaluate() says then.
"""

import json
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import h5py
import keras
import numpy as np
from keras import constraints as C
from keras import layers as L
from keras import losses, metrics, optimizers
from keras import regularizers as R

STEPS = 4
rng = np.random.default_rng(21)


def real(*shape):
    return rng.standard_normal(shape).astype("float32")


def labels(n, *shape):
    return rng.integers(0, n, shape).astype("int32")


def bounded():
    """Every constraint, regularizer and an activity regularizer."""
    x = keras.Input((6, 6, 2))
    y = L.Conv2D(4, 3, kernel_constraint=C.MaxNorm(0.8, axis=[0, 1, 2]), bias_constraint=C.NonNeg(),
                 activity_regularizer=R.L2(0.02), activation="tanh")(x)
    y = L.BatchNormalization(gamma_constraint="non_neg", beta_constraint=C.MinMaxNorm(0.1, 0.3, 0.5, axis=0))(y)
    y = L.Flatten()(y)
    y = L.Dense(5, kernel_constraint=C.UnitNorm(axis=1), kernel_regularizer=R.OrthogonalRegularizer(0.05, "columns"),
                activity_regularizer="l1")(y)
    y = L.Dense(3, activation="softmax", kernel_regularizer=R.L1L2(0.01, 0.02), bias_regularizer="l2",
                bias_constraint=C.MaxNorm(0.1))(y)
    model = keras.Model(x, y, name="bounded")
    model.compile(optimizers.SGD(0.03, momentum=0.9, nesterov=True), "sparse_categorical_crossentropy",
                  metrics=["accuracy", metrics.SparseCategoricalCrossentropy()])
    return model, [real(5, 6, 6, 2)], [labels(3, 5)], None


def averaged():
    """A constraint beside averages of weights and gathered gradients."""
    model = keras.Sequential([keras.Input((4,)), L.Dense(6, activation="relu", kernel_constraint=C.MaxNorm(0.7)),
                              L.Dense(2, kernel_constraint=C.NonNeg())], name="averaged")
    model.compile(optimizers.Adam(0.1, use_ema=True, ema_momentum=0.6, ema_overwrite_frequency=2,
                                  gradient_accumulation_steps=2, clipnorm=0.5), losses.LogCosh(), metrics=["mae", "mse"])
    return model, [real(7, 4)], [real(7, 2)], None


def branches():
    """Several outputs: losses, weights and metrics of their own, weights of samples and steps."""
    a, b = keras.Input((5, 3), name="sequence"), keras.Input((4,), name="flat")
    y = L.LSTM(4, return_sequences=True)(a)
    each = L.Dense(3, activation="softmax", name="each")(y)
    z = L.Concatenate()([L.Flatten()(y), L.Dense(3)(b)])
    yes = L.Dense(1, activation="sigmoid", name="yes")(z)
    many = L.Dense(2, name="many")(z)
    model = keras.Model([a, b], [each, yes, many], name="branches")
    model.compile("rmsprop",
                  loss=[losses.SparseCategoricalCrossentropy(ignore_class=1), "binary_crossentropy",
                        losses.CosineSimilarity(reduction="sum")],
                  loss_weights=[1.0, 0.5, 0.25],
                  metrics=[["accuracy"], [metrics.AUC(20, name="area"), "acc"], [metrics.R2Score(), "mae"]],
                  weighted_metrics=[["accuracy"], [metrics.AUC(20, name="area"), metrics.Precision()], ["mse"]])
    weights = [rng.uniform(0.2, 2, s).astype("float32") for s in ((6, 5), (6,), (6,))]
    return model, [real(6, 5, 3), real(6, 4)], [labels(3, 6, 5), labels(2, 6, 1).astype("float32"), real(6, 2)], weights


def masked():
    """A mask that comes as far as the loss and the metrics."""
    x = keras.Input((6,), dtype="int32")
    y = L.Embedding(9, 4, mask_zero=True, embeddings_constraint="unit_norm")(x)
    y = L.Dense(3, activation="softmax")(y)
    model = keras.Model(x, y, name="masked")
    model.compile(optimizers.Adagrad(0.5, weight_decay=0.01), losses.CategoricalFocalCrossentropy(gamma=1.5),
                  metrics=["accuracy"], weighted_metrics=["categorical_crossentropy"])
    tokens = labels(9, 5, 6)
    tokens[:, 4:] = 0
    return model, [tokens], [np.eye(3, dtype="float32")[labels(3, 5, 6)]], [rng.uniform(0.2, 2, (5, 6)).astype("float32")]


def functions():
    """Objects of Keras's around functions, a loss without reduction, metrics by name."""
    model = keras.Sequential([keras.Input((4,)), L.Dense(3), L.Dense(2)], name="functions")
    model.compile(optimizers.Nadam(optimizers.schedules.CosineDecay(0.1, 10)), losses.MeanSquaredError(reduction=None),
                  metrics=[losses.log_cosh, "mape", metrics.MeanMetricWrapper(losses.huber, name="h", delta=0.5),
                           "root_mean_squared_error"])
    return model, [real(6, 4)], [real(6, 2)], None


def scaled():
    """A loss scaling optimizer that has made some steps already."""
    model = keras.Sequential([keras.Input((4,)), L.Dense(3, activation="tanh"), L.Dense(2)], name="scaled")
    model.compile(optimizers.LossScaleOptimizer(optimizers.Adam(0.05), initial_scale=1024.0), "mse")
    model.train_on_batch(real(6, 4), real(6, 2))
    model.train_on_batch(real(6, 4), real(6, 2))
    return model, [real(6, 4)], [real(6, 2)], None


def one(items):
    return items[0] if len(items) == 1 else items


def write(folder, build):
    keras.backend.clear_session()
    model, xs, ts, ws = build()
    for v in model.variables:
        if str(v.dtype).startswith("float") and "moving" not in v.path:
            v.assign(0.5 * real(*v.shape))
    base = os.path.join(folder, model.name)
    model.save(base + ".keras")
    more = {} if ws is None else {"sample_weight": one(ws)}
    with h5py.File(base + ".h5", "w") as f:
        for name, arrays in (("x", xs), ("target", ts), ("weights", ws or [])):
            for i, array in enumerate(arrays):
                f[name if len(arrays) == 1 else f"{name}{i}"] = array
        values = []
        for _ in range(STEPS):
            logs = model.train_on_batch(one(xs), one(ts), return_dict=True, **more)
            model.reset_metrics()
            values.append(float(logs["loss"]))
        f["loss"] = np.array(values, "float32")
        for v in model.weights:
            if "seed" not in v.path:
                f[f"weight/{v.path}"] = v.numpy()
        logs = model.evaluate(one(xs), one(ts), batch_size=4 if len(ts) == 1 else 3, verbose=0, return_dict=True, **more)
        f.attrs["logs"] = json.dumps({k: float(np.mean(v)) for k, v in logs.items()})


if __name__ == "__main__":
    default = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "training")
    folder = sys.argv[1] if len(sys.argv) > 1 else default
    os.makedirs(folder, exist_ok=True)
    for build in (bounded, averaged, branches, masked, functions, scaled):
        keras.utils.set_random_seed(5)
        write(folder, build)
