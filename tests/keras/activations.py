"""Every activation by its name."""

import keras
from keras import layers as L

from fixture import normal, randomise

NAMES = ["celu", "elu", "exponential", "gelu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh",
         "leaky_relu", "linear", "log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu", "sigmoid", "silu",
         "soft_shrink", "softmax", "softplus", "softsign", "sparse_plus", "sparse_sigmoid", "sparsemax", "squareplus",
         "swish", "tanh", "tanh_shrink"]


def activations_named(rng):
    x = keras.Input((6,))
    y = 3.0 * x
    ends = [L.Activation(name)(y) for name in NAMES] + [L.Dense(4, activation="sparsemax")(x)]
    model = keras.Model(x, L.Dense(3, name="head")(L.Concatenate()(ends)), name="activations_named")
    randomise(model, rng)
    return model, [normal(rng, 6, 6)], normal(rng, 6, 3), keras.losses.MeanSquaredError()
