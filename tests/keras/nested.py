"""Models in models: shared, with several inputs and outputs, frozen, and called as in training or never."""

import keras
from keras import layers as L

from fixture import normal, randomise


def nested_branches(rng):
    a, b = keras.Input((4,), name="a"), keras.Input((3,), name="b")
    p, q = keras.Input((4,)), keras.Input((3,))
    both = L.Concatenate()([L.Dense(3, activation="tanh")(p), q])
    two = keras.Model([p, q], [L.Dense(4, name="wide")(both), L.Dense(2)(both)], name="two")
    chain = keras.Sequential([keras.Input((4,)), L.Dense(5, activation="elu"), L.BatchNormalization(), L.Dense(4)],
                             name="chain")
    inner = keras.Input((4,))
    deep = keras.Model(inner, L.Dense(2)(chain(inner) + inner), name="deep")
    x, y = two([a, b])
    z, _ = two([x, L.Dense(3, name="narrow")(y)])
    frozen = keras.Sequential([keras.Input((4,)), L.Dense(4, activation="relu"), L.BatchNormalization()], name="frozen")
    frozen.trainable = False
    x = L.Add()([frozen(x), z])
    norm = L.BatchNormalization(name="norm")
    x = norm(x, training=False) * 0.5
    model = keras.Model([b, a], [deep(x), L.Dense(3, name="head")(y)], name="nested_branches")
    randomise(model, rng)
    return model, [normal(rng, 5, 3), normal(rng, 5, 4)], [normal(rng, 5, 2), normal(rng, 5, 3)], \
        keras.losses.MeanSquaredError()


def precisions(rng):
    """Layers that Keras computes in 64 bits; narrower ones would differ by more than these tests allow."""
    x = keras.Input((3,), dtype="float64")
    y = L.Dense(4, activation="tanh", dtype="float64")(x)
    model = keras.Model(x, L.Dense(2, dtype=keras.DTypePolicy("float64"))(y), name="precisions")
    randomise(model, rng)
    return model, [normal(rng, 5, 3)], normal(rng, 5, 2), keras.losses.MeanSquaredError()


def dictionaries(rng):
    """Inputs and outputs by key, in a model and in one inside it."""
    p, q = keras.Input((3,), name="p"), keras.Input((2,), name="q")
    inner = keras.Model({"zeta": p, "alpha": q}, L.Concatenate()([L.Dense(2)(p), q]), name="inner")
    x, y = keras.Input((3,), name="x"), keras.Input((2,), name="y")
    z = inner({"alpha": y, "zeta": x})
    model = keras.Model({"second": y, "first": x}, {"b": L.Dense(2, name="head")(z), "a": L.Dense(3)(z)},
                        name="dictionaries")
    randomise(model, rng)
    return model, {"first": normal(rng, 4, 3), "second": normal(rng, 4, 2)}, \
        {"a": normal(rng, 4, 3), "b": normal(rng, 4, 2)}, keras.losses.MeanSquaredError()
