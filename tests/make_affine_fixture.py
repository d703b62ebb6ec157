"""Writes data/affine_transform.h5: what keras.ops.image.affine_transform gives for all fill modes and interpolations.

    python make_affine_fixture.py [--out data]

Needs Keras 3 on TensorFlow and h5py. x is [n,h,w,c], transform [n,8]; y/INTERPOLATION/FILL_MODE with fill_value 0.25, and
shared/... for one transform of all pictures; layers/NAME: what layers with nothing left to chance give in training.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import h5py
import keras
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))


def rotation(angle, h, w):
    cx, cy, c, s = (w - 1) / 2, (h - 1) / 2, np.cos(angle), np.sin(angle)
    return [c, -s, cx - cx * c + cy * s, s, c, cy - cx * s - cy * c, 0, 0]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", default=os.path.join(HERE, "data"))
    a = p.parse_args()
    rng = np.random.default_rng(5)
    h, w = 7, 5
    x = rng.standard_normal((9, h, w, 3)).astype("float32")
    t = np.array([rotation(0.3, h, w), rotation(-2.5, h, w), [1, 0, 2.3, 0, 1, -3.7, 0, 0], [1, 0, -17.2, 0, 1, 25.6, 0, 0],
                  [0.61, 0, 0.7, 0, 1.83, -2.4, 0, 0], [2.9, 0.31, -4.2, -0.47, 3.3, -6.1, 0, 0],
                  [1.1, 0.2, 0.3, -0.1, 0.9, 0.4, 0.03, -0.02], [1, 0, 0, 0, 1, 0, 0, 0], [-1.03, 0, 4.21, 0, -1.07, 6.3, 0, 0]],
                 "float32")
    with h5py.File(os.path.join(a.out, "affine_transform.h5"), "w") as f:
        f["x"], f["transform"] = x, t
        for interpolation in ("nearest", "bilinear"):
            for mode in ("constant", "reflect", "wrap", "nearest"):
                for name, transform in (("y", t), ("shared", t[:1])):
                    y = keras.ops.image.affine_transform(x, transform, interpolation=interpolation, fill_mode=mode,
                                                         fill_value=0.25, data_format="channels_last")
                    f[f"{name}/{interpolation}/{mode}"] = np.asarray(y)
        layers = {
            "rotation": keras.layers.RandomRotation((0.2, 0.2)),
            "rotation_nearest": keras.layers.RandomRotation((-0.3, -0.3), interpolation="nearest", fill_mode="constant",
                                                            fill_value=2.0),
            "zoom": keras.layers.RandomZoom((0.3, 0.3), (-0.2, -0.2), fill_mode="wrap"),
            "zoom_one": keras.layers.RandomZoom((-0.4, -0.4), fill_mode="constant"),
            "translation": keras.layers.RandomTranslation((0.3, 0.3), (-0.25, -0.25), fill_mode="nearest"),
            "brightness": keras.layers.RandomBrightness((0.2, 0.2), value_range=(-1, 2)),
        }
        for name, layer in layers.items():
            f[f"layers/{name}"] = np.asarray(layer(x, training=True))


if __name__ == "__main__":
    main()
