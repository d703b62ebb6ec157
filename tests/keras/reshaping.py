"""Layers that move, repeat, add and take away elements. Dense layers before them have gradients to check."""

import keras
from keras import layers as L

from convolution import FIRST, joined


def reshaping(rng):
    line, image = keras.Input((5, 2)), keras.Input((4, 5, 2))
    a, b = L.Dense(3)(line), L.Dense(3)(image)
    branches = [
        L.UpSampling1D(3)(a), L.ZeroPadding1D(2)(a), L.ZeroPadding1D((0, 1), data_format=FIRST)(a),
        L.Cropping1D()(a), L.Cropping1D((0, 2))(a), L.RepeatVector(3)(L.Flatten()(a)), L.Permute((2, 1))(a),
        L.UpSampling2D()(b), L.UpSampling2D((3, 1), data_format=FIRST)(b),
        L.ZeroPadding2D((1, 2), data_format=FIRST)(b), L.ZeroPadding2D(((1, 0), (0, 2)))(b),
        L.Cropping2D(((1, 0), (2, 1)))(b), L.Cropping2D((1, 1), data_format=FIRST)(b),
        L.Permute((3, 1, 2))(b), L.Flatten(data_format=FIRST)(b), L.Reshape((2, -1, 3))(b),
    ]
    return joined("reshaping", [line, image], branches, rng, [(5, 2), (4, 5, 2)])


def reshaping3d(rng):
    volume = keras.Input((3, 4, 3, 2))
    c = L.Dense(3)(volume)
    branches = [
        L.UpSampling3D((1, 2, 2))(c), L.UpSampling3D(data_format=FIRST)(c),
        L.ZeroPadding3D((0, 1, 2))(c), L.ZeroPadding3D(((0, 1), (1, 0), (0, 2)), data_format=FIRST)(c),
        L.Cropping3D(((1, 0), (1, 1), (0, 2)))(c), L.Cropping3D((1, 1, 1), data_format=FIRST)(c),
        L.Permute((2, 4, 1, 3))(c),
    ]
    return joined("reshaping3d", [volume], branches, rng, [(3, 4, 3, 2)])


def resizing(rng):
    image, first = keras.Input((4, 6, 2)), keras.Input((2, 5, 4))
    a, b = L.Dense(2)(image), L.Dense(5)(first)
    branches = [
        L.UpSampling2D((2, 3), interpolation="bilinear")(a), L.UpSampling2D(2, interpolation="bicubic")(a),
        L.UpSampling2D((1, 2), interpolation="bilinear", data_format=FIRST)(b),
        L.UpSampling2D((1, 2), interpolation="lanczos3")(a),
        L.Resizing(3, 4)(a), L.Resizing(5, 3, interpolation="nearest")(a), L.Resizing(2, 3, antialias=True)(a),
        L.Resizing(7, 2, data_format=FIRST)(b), L.Resizing(3, 3, crop_to_aspect_ratio=True)(a),
        L.Resizing(2, 5, crop_to_aspect_ratio=True, interpolation="bicubic", data_format=FIRST)(b),
        L.Resizing(5, 5, pad_to_aspect_ratio=True, fill_value=0.5)(a),
        L.Resizing(3, 7, pad_to_aspect_ratio=True, data_format=FIRST)(b),
        L.Resizing(2, 3, interpolation="lanczos5", antialias=True)(a),
    ]
    return joined("resizing", [image, first], branches, rng, [(4, 6, 2), (2, 5, 4)])
