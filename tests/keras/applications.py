"""What networks among keras.applications are made of: a block of each kind."""

import keras
from keras import layers as L
from keras.src.applications.convnext import LayerScale, StochasticDepth

from fixture import normal, randomise


def applications_blocks(rng):
    x = keras.Input((8, 8, 4))
    y = L.LayerNormalization(epsilon=1e-6)(L.DepthwiseConv2D(7, padding="same")(x))
    y = L.Dense(4)(L.Dense(8, activation="gelu")(y))
    y = L.Add()([x, StochasticDepth(0.0)(LayerScale(0.5, 4)(y))])
    z = L.ReLU(6.0)(L.BatchNormalization()(L.Conv2D(12, 1, use_bias=False)(y)))
    z = L.ZeroPadding2D(((0, 1), (0, 1)))(z)
    z = L.BatchNormalization()(L.DepthwiseConv2D(3, strides=2, use_bias=False)(z))
    w = L.GlobalAveragePooling2D(keepdims=True)(z)
    w = L.Conv2D(12, 1, activation="hard_sigmoid")(L.Conv2D(3, 1, activation="silu")(w))
    z = L.Multiply()([z, w])
    z = L.Concatenate()([z, L.AveragePooling2D(2, 2)(y), L.SeparableConv2D(2, 3, strides=2, padding="same")(y)])
    model = keras.Model(x, L.Dense(3)(L.GlobalAveragePooling2D()(z)), name="applications_blocks")
    randomise(model, rng)
    return model, [normal(rng, 3, 8, 8, 4)], normal(rng, 3, 3), keras.losses.MeanSquaredError()
