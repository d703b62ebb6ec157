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
