"""Recurrent layers: options, masks, states, both directions, stacked cells, steps by themselves, convolutions."""

import keras
import numpy as np
from keras import layers as L

from fixture import normal, randomise

STEPS, FEATURES, SAMPLES = 5, 3, 4


def finish(name, inputs, outputs, xs, rng):
    """The outputs side by side, without masks."""
    y = L.Concatenate()([y if len(y.shape) == 2 else L.Flatten()(y) for y in outputs])
    model = keras.Model(inputs, y, name=name)
    randomise(model, rng)
    return model, xs, normal(rng, SAMPLES, int(y.shape[1])), keras.losses.MeanSquaredError()


def sequences(rng, masked=False):
    """Masked at the beginning, in the middle, at the end, everywhere."""
    x = normal(rng, SAMPLES, STEPS, FEATURES)
    if masked:
        for sample, steps in enumerate([[0], [1, 2], [3, 4], range(STEPS)]):
            x[sample, list(steps)] = 0.5
    return x


def classes():
    return [(L.SimpleRNN, {}), (L.LSTM, {}), (L.GRU, {}), (L.GRU, {"reset_after": False})]


def rnn_options(rng):
    x = keras.Input((STEPS, FEATURES))
    outputs = [L.SimpleRNN(4)(x), L.SimpleRNN(2, activation="relu", use_bias=False, return_sequences=True,
                                              go_backwards=True)(x), L.SimpleRNN(2, activation=None, unroll=True)(x)]
    for layer, options in classes():
        y, *states = layer(3, return_state=True, return_sequences=True, dropout=0.0, **options)(x)
        outputs += [y, *states, layer(3)(x, initial_state=states if len(states) > 1 else states[0])]
    for layer, options in classes()[1:]:
        outputs.append(layer(2, activation="elu", recurrent_activation="hard_sigmoid", use_bias=False,
                             return_sequences=True, go_backwards=True, **options)(x))
    h, c = keras.Input((2,)), keras.Input((2,))
    outputs += L.LSTM(2, return_state=True, kernel_regularizer="l2", go_backwards=True)(x, initial_state=[h, c])
    outputs.append(L.GRU(2)(x, h))
    return finish("rnn_options", [x, h, c], outputs, [sequences(rng), normal(rng, SAMPLES, 2), normal(rng, SAMPLES, 2)],
                  rng)


def rnn_masks(rng):
    x, h = keras.Input((STEPS, FEATURES)), keras.Input((3,))
    m = L.Masking(0.5)(x)
    mask = keras.ops.any(keras.ops.not_equal(x, 0.5), axis=-1)
    outputs = [m]
    for layer, options in classes():
        y, *states = layer(3, return_state=True, return_sequences=True, **options)(m)
        outputs += [y, *states]
        outputs.append(layer(2, go_backwards=True, return_sequences=True, zero_output_for_mask=True, **options)(y))
        outputs += layer(3, return_state=True, **options)(m, initial_state=[h, h] if layer is L.LSTM else h, mask=mask)
    y = L.LSTM(3, return_sequences=True, go_backwards=True)(m, initial_state=[h, h])
    outputs += [L.GRU(2, return_sequences=True)(y), L.GRU(3, zero_output_for_mask=True)(y, h, mask=mask)]
    outputs.append(L.LSTM(3, return_sequences=True, go_backwards=True)(m, initial_state=[h, h], mask=mask))
    for layer in (L.LSTM, L.GRU):
        outputs.append(layer(2, zero_output_for_mask=True)(m))
        outputs.append(layer(2, activation="softsign", return_sequences=True)(m))
    return finish("rnn_masks", [x, h], outputs, [sequences(rng, True), normal(rng, SAMPLES, 3)], rng)


def rnn_text(rng):
    """Tokens, 0 for none, of any number."""
    tokens = keras.Input((None,), dtype="int32")
    x = L.Embedding(9, 4, mask_zero=True)(tokens)
    x = L.Bidirectional(L.LSTM(3, return_sequences=True))(x)
    x = L.Dropout(0.0)(x)
    x = L.GRU(4, return_sequences=True)(x)
    x = L.TimeDistributed(L.Dense(3, activation="tanh"))(x)
    outputs = [L.LSTM(3)(x), L.Bidirectional(L.GRU(2), merge_mode="ave")(x), L.SimpleRNN(3)(x),
               L.SimpleRNN(2, use_bias=False, go_backwards=True)(x)]
    values = rng.integers(1, 9, (SAMPLES, 6)).astype("int32")
    for sample in range(1, SAMPLES):
        values[sample, 6 - sample:] = 0
    return finish("rnn_text", [tokens], outputs, [values], rng)


def rnn_bidirectional(rng):
    x = keras.Input((STEPS, FEATURES))
    m = L.Masking(0.5)(x)
    outputs = []
    for mode in ("concat", "mul"):
        outputs.append(L.Bidirectional(L.LSTM(2, return_sequences=True), merge_mode=mode)(x))
    outputs.append(L.Bidirectional(L.GRU(2), merge_mode="ave")(m))
    outputs += L.Bidirectional(L.GRU(2, return_sequences=True), merge_mode=None)(m)
    y, *states = L.Bidirectional(L.LSTM(2, return_state=True, return_sequences=True), merge_mode="sum")(m)
    outputs += [y, *states]
    outputs.append(L.Bidirectional(L.LSTM(2, name="named"))(x, initial_state=states))
    outputs += L.Bidirectional(L.SimpleRNN(2, return_state=True), merge_mode=None)(m)
    outputs.append(L.Bidirectional(L.LSTM(2, return_sequences=True),
                                   backward_layer=L.GRU(2, activation="relu", go_backwards=True, return_sequences=True))(m))
    outputs.append(L.Bidirectional(L.RNN(L.GRUCell(2)), merge_mode="mul")(x))
    return finish("rnn_bidirectional", [x], outputs, [sequences(rng, True)], rng)


def rnn_cells(rng):
    x = keras.Input((STEPS, FEATURES))
    m = L.Masking(0.5)(x)
    cells = [L.LSTMCell(2), L.SimpleRNNCell(4, activation="relu"), L.GRUCell(3, reset_after=False), L.LSTMCell(2)]
    outputs = [L.RNN(L.LSTMCell(3, unit_forget_bias=False), return_sequences=True)(x),
               L.RNN(L.GRUCell(3, name="own"), go_backwards=True)(m), L.RNN(L.SimpleRNNCell(3))(m)]
    outputs += keras.tree.flatten(L.RNN(cells, return_state=True, return_sequences=True)(x))
    outputs.append(L.RNN(L.StackedRNNCells([L.GRUCell(2), L.GRUCell(3)]), return_sequences=True)(m))
    return finish("rnn_cells", [x], outputs, [sequences(rng, True)], rng)


def rnn_distributed(rng):
    x, pictures = keras.Input((STEPS, FEATURES)), keras.Input((3, 5, 5, 2))
    m = L.Masking(0.5)(x)
    outputs = [L.TimeDistributed(L.Dense(2, activation="tanh"))(m), L.TimeDistributed(L.BatchNormalization())(x)]
    y = L.TimeDistributed(L.Conv2D(3, 2, activation="relu"))(pictures)
    y = L.TimeDistributed(L.BatchNormalization())(y)
    y = L.TimeDistributed(L.Flatten())(y)
    inner = keras.Sequential([keras.Input((48,)), L.Dense(3, activation="relu"), L.BatchNormalization()], name="inner")
    y = L.TimeDistributed(inner)(y)
    outputs += [y, L.GRU(2)(y), L.TimeDistributed(L.LSTM(2))(L.Reshape((3, 5, 10))(pictures))]
    return finish("rnn_distributed", [x, pictures], outputs,
                  [sequences(rng, True), normal(rng, SAMPLES, 3, 5, 5, 2)], rng)


def rnn_conv_lstm(rng):
    x = keras.Input((3, 5, 4, 2))
    outputs = [L.ConvLSTM2D(2, 3)(x)]
    y, *states = L.ConvLSTM2D(2, (3, 2), padding="same", return_sequences=True, return_state=True, activation="relu",
                              recurrent_activation="hard_sigmoid", unit_forget_bias=False)(x)
    outputs += [y, *states, L.ConvLSTM2D(2, 2, strides=2, use_bias=False, go_backwards=True)(y)]
    outputs.append(L.ConvLSTM2D(2, 2, dilation_rate=(2, 1), return_sequences=True)(x))
    outputs.append(L.ConvLSTM2D(2, 3, padding="same")(x, initial_state=states))
    rows = keras.Input((3, 7, 2))
    y, *states = L.ConvLSTM1D(2, 3, strides=2, return_sequences=True, return_state=True)(rows)
    outputs += [y, *states, L.ConvLSTM1D(3, 2, padding="same", dilation_rate=2, go_backwards=True)(y)]
    return finish("rnn_conv_lstm", [x, rows], outputs,
                  [normal(rng, SAMPLES, 3, 5, 4, 2), normal(rng, SAMPLES, 3, 7, 2)], rng)
