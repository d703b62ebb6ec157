"""data/rnn_stateful.keras, and in data/rnn_stateful.batches.h5 what Keras makes of two batches, one after the other: x and y
(predict), then, the states being zeros again, the losses of two steps of training and what is predicted after them.

    python make_stateful_fixture.py [FOLDER]
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "keras"))

from fixture import normal, randomise

import h5py
import keras
import numpy as np
from keras import layers as L

BATCH = 4


def build(rng):
    x = keras.Input(batch_shape=(BATCH, 5, 3))
    m = L.Masking(0.5)(x)
    y = L.LSTM(3, stateful=True, return_sequences=True)(m)
    z = L.Bidirectional(L.SimpleRNN(2, stateful=True))(x)
    cells = L.RNN(L.LSTMCell(3), stateful=True)(x)
    y = L.Concatenate()([L.GRU(4, stateful=True, go_backwards=True)(y), z, cells])
    model = keras.Model(x, L.Dense(2)(y), name="rnn_stateful")
    randomise(model, rng)
    return model


def reset(model):
    for layer in model.layers:
        for part in (layer, getattr(layer, "forward_layer", None), getattr(layer, "backward_layer", None)):
            if isinstance(part, L.RNN):
                part.reset_state()


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "data")
    rng = np.random.default_rng(5)
    keras.utils.set_random_seed(5)
    model = build(rng)
    x, target = normal(rng, 2 * BATCH, 5, 3), normal(rng, 2 * BATCH, 2)
    x[1, :2] = x[2, 3:] = x[5] = 0.5
    model.save(os.path.join(folder, "rnn_stateful.keras"))
    with h5py.File(os.path.join(folder, "rnn_stateful.batches.h5"), "w") as f:
        f["x"], f["target"] = x, target
        f["y"] = model.predict(x, batch_size=BATCH, verbose=0)
        reset(model)
        model.compile(optimizer=keras.optimizers.SGD(0.1), loss="mean_squared_error")
        f["losses"] = np.array([model.train_on_batch(x[k:k + BATCH], target[k:k + BATCH]) for k in (0, BATCH)], "float32")
        f["after"] = model.predict(x, batch_size=BATCH, verbose=0)


main()
