"""Convolutions of one, two and three dimensions, with their options as branches of a model a dimension and kind."""

import inspect

import keras
import numpy as np
import tensorflow as tf
from keras import layers as L
from keras.src.backend.tensorflow import nn

from fixture import normal, randomise

FIRST = "channels_first"


def on_cpu(function):
    """TensorFlow has these on a CPU with the channels last only, and transposed ones without dilation: others are
    computed between two transpositions, and by a kernel with zeros between its taps."""
    def wrapped(*args, **kwargs):
        options = inspect.signature(function).bind(*args, **kwargs).arguments
        inputs, kernel, data_format = options.pop("inputs"), options.pop("kernel"), options.pop("data_format", None)
        dilation, rank = options.get("dilation_rate", 1), len(inputs.shape) - 2
        if function.__name__ == "conv_transpose" and np.max(dilation) > 1:
            for axis, d in enumerate(dilation):
                taps = [tf.gather(kernel, [k], axis=axis) for k in range(kernel.shape[axis])]
                apart = [t for k in taps for t in [tf.zeros_like(k)] * (d - 1) + [k]][d - 1:]
                kernel = tf.concat(apart, axis)
            options["dilation_rate"] = (1,) * rank
        if data_format != FIRST:
            return function(inputs, kernel, **options)
        last = tf.transpose(inputs, [0, *range(2, rank + 2), 1])
        return tf.transpose(function(last, kernel, **options),
                            [0, rank + 1, *range(1, rank + 1)])
    return wrapped


nn.conv, nn.conv_transpose = on_cpu(nn.conv), on_cpu(nn.conv_transpose)


def joined(name, inputs, branches, rng, shapes):
    """All branches, flattened, side by side."""
    model = keras.Model(inputs, L.Concatenate()([L.Flatten()(b) for b in branches]), name=name)
    randomise(model, rng)
    y = model.output_shape[-1]
    xs = [normal(rng, 2, *s) for s in shapes]
    return model, xs, normal(rng, 2, y), keras.losses.MeanSquaredError()


def conv1d(rng):
    last, first = keras.Input((7, 4), name="last"), keras.Input((4, 7), name="first")
    l2 = keras.regularizers.L2(1e-2)
    branches = [
        L.Conv1D(3, 3)(last),
        L.Conv1D(2, 4, strides=2, padding="same", activation="tanh", kernel_regularizer=l2)(last),
        L.Conv1D(2, 3, dilation_rate=2, padding="causal", use_bias=False)(last),
        L.Conv1D(2, 2, strides=3, padding="causal", activation="softmax")(last),
        L.Conv1D(4, 2, groups=2, padding="same", dilation_rate=3, bias_regularizer=l2)(last),
        L.Conv1D(3, 2, data_format=FIRST, padding="same", activation="relu")(first),
        L.Conv1D(2, 3, data_format=FIRST, padding="causal", activation="softmax")(first),
    ]
    return joined("conv1d", [last, first], branches, rng, [(7, 4), (4, 7)])


def conv2d(rng):
    last, first = keras.Input((6, 5, 4), name="last"), keras.Input((4, 6, 5), name="first")
    branches = [
        L.Conv2D(2, (3, 2), data_format=FIRST, activation="gelu")(first),
        L.Conv2D(2, (2, 3), strides=(2, 1), padding="same", data_format=FIRST, use_bias=False)(first),
        L.Conv2D(3, 2, dilation_rate=(2, 3), data_format=FIRST, activation="softmax")(first),
        L.Conv2D(4, (2, 3), groups=2, padding="same", dilation_rate=2)(last),
        L.Conv2DTranspose(2, (3, 2), strides=2, padding="same", data_format=FIRST, activation="relu")(first),
        L.Conv2DTranspose(2, (3, 2), strides=(3, 2), output_padding=(2, 1), data_format=FIRST)(first),
        L.Conv2DTranspose(2, (2, 3), dilation_rate=2, padding="same")(last),
    ]
    return joined("conv2d", [last, first], branches, rng, [(6, 5, 4), (4, 6, 5)])


def conv3d(rng):
    last, first = keras.Input((4, 5, 3, 2), name="last"), keras.Input((2, 4, 3, 5), name="first")
    branches = [
        L.Conv3D(3, (2, 3, 2), kernel_regularizer="l2")(last),
        L.Conv3D(2, 3, strides=2, padding="same", activation="tanh")(last),
        L.Conv3D(2, (2, 2, 1), dilation_rate=(2, 3, 1), padding="same", use_bias=False)(last),
        L.Conv3D(2, (1, 3, 3), padding="same", activation="relu")(last),
        L.Conv3D(2, (3, 2, 1), strides=(1, 2, 2), data_format=FIRST, activation="softmax")(first),
    ]
    return joined("conv3d", [last, first], branches, rng, [(4, 5, 3, 2), (2, 4, 3, 5)])


def conv1d_transpose(rng):
    last, first = keras.Input((4, 3), name="last"), keras.Input((3, 4), name="first")
    branches = [
        L.Conv1DTranspose(2, 3)(last),
        L.Conv1DTranspose(2, 3, strides=2, padding="same", activation="sigmoid", use_bias=False)(last),
        L.Conv1DTranspose(2, 2, strides=3, output_padding=2, kernel_regularizer="l1")(last),
        L.Conv1DTranspose(2, 4, strides=3, padding="same", output_padding=1)(last),
        L.Conv1DTranspose(2, 3, dilation_rate=2)(last),
        L.Conv1DTranspose(2, 1, strides=3)(last),
        L.Conv1DTranspose(2, 3, strides=2, data_format=FIRST, activation="softmax")(first),
    ]
    return joined("conv1d_transpose", [last, first], branches, rng, [(4, 3), (3, 4)])


def conv3d_transpose(rng):
    last, first = keras.Input((2, 3, 2, 2), name="last"), keras.Input((2, 2, 3, 2), name="first")
    branches = [
        L.Conv3DTranspose(2, (2, 3, 2))(last),
        L.Conv3DTranspose(1, 3, strides=2, padding="same", activation="tanh", use_bias=False)(last),
        L.Conv3DTranspose(1, (3, 2, 2), strides=(2, 2, 3), output_padding=(1, 0, 2))(last),
        L.Conv3DTranspose(2, (1, 3, 3), padding="same", activation="relu")(last),
        L.Conv3DTranspose(1, (2, 1, 3), strides=(2, 1, 2), padding="same", data_format=FIRST)(first),
    ]
    return joined("conv3d_transpose", [last, first], branches, rng, [(2, 3, 2, 2), (2, 2, 3, 2)])


def depthwise(rng):
    line, line_first = keras.Input((6, 3), name="line"), keras.Input((3, 6), name="line_first")
    last, first = keras.Input((5, 6, 3), name="last"), keras.Input((3, 5, 6), name="first")
    branches = [
        L.DepthwiseConv1D(3, padding="same", strides=2, depthwise_regularizer="l2")(line),
        L.DepthwiseConv1D(2, depth_multiplier=2, dilation_rate=2, activation="relu", use_bias=False)(line),
        L.DepthwiseConv1D(3, data_format=FIRST, depth_multiplier=2, activation="softmax")(line_first),
        L.DepthwiseConv2D(3)(last),
        L.DepthwiseConv2D((2, 3), strides=2, padding="same", depth_multiplier=2, activation="tanh")(last),
        L.DepthwiseConv2D(2, dilation_rate=(2, 3), padding="same", use_bias=False)(last),
        L.DepthwiseConv2D(2, dilation_rate=2, strides=2, padding="same")(last),
        L.DepthwiseConv2D(3, depth_multiplier=2, strides=2, data_format=FIRST)(first),
    ]
    return joined("depthwise", [line, line_first, last, first], branches, rng,
                  [(6, 3), (3, 6), (5, 6, 3), (3, 5, 6)])


def separable(rng):
    line, line_first = keras.Input((6, 3), name="line"), keras.Input((3, 6), name="line_first")
    last, first = keras.Input((5, 6, 3), name="last"), keras.Input((3, 5, 6), name="first")
    branches = [
        L.SeparableConv1D(2, 3, padding="same", strides=2, depthwise_regularizer="l2",
                          pointwise_regularizer="l1")(line),
        L.SeparableConv1D(3, 2, depth_multiplier=2, dilation_rate=2, activation="relu", use_bias=False)(line),
        L.SeparableConv1D(2, 3, data_format=FIRST, activation="softmax")(line_first),
        L.SeparableConv2D(4, (2, 3), depth_multiplier=2, activation="tanh")(last),
        L.SeparableConv2D(2, 3, strides=2, padding="same", use_bias=False)(last),
        L.SeparableConv2D(2, 2, dilation_rate=2, data_format=FIRST, padding="same")(first),
    ]
    return joined("separable", [line, line_first, last, first], branches, rng,
                  [(6, 3), (3, 6), (5, 6, 3), (3, 5, 6)])
