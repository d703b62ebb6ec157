"""Attention: masks that come with the inputs and masks that are given, scores as a second output, several axes."""

import keras
import numpy as np
from keras import layers as L

from fixture import normal, randomise

MSE = keras.losses.MeanSquaredError


def tokens_of(rng, n, length, words):
    """Padded at the end, one sequence wholly."""
    x = rng.integers(1, words, (n, length)).astype("int32")
    for k in range(n):
        x[k, max(0, length - 2 * k):] = 0
    x[n - 1] = 0
    return x


def targets_of(model, xs, rng):
    ys = model(xs)
    return [normal(rng, *y.shape) for y in (ys if isinstance(ys, list) else [ys])]


def joined(ys):
    """A few values as one: a model has few outputs here. Flatten where Keras has a wrong shape of scores."""
    return L.Concatenate()([keras.ops.reshape(y * 1.0, (-1, int(np.prod(y.shape[1:])))) if len(y.shape) > 2 else y for y in ys])


def bare(y):
    """Without its mask, which would be the loss's, too."""
    return y * 1.0


def attention_masks(rng):
    """Masks of an Embedding, attention_mask in all its shapes, causal masks and windows."""
    words, other = keras.Input((6,), dtype="int32", name="words"), keras.Input((4, 4), name="other")
    full = keras.Input((6, 6), dtype="bool", name="full")
    cross, keys = keras.Input((6, 4), dtype="int32", name="cross"), keras.Input((4,), dtype="bool", name="keys")
    heads = keras.Input((2, 6, 6), dtype="float32", name="heads")
    masked, plain = L.Embedding(9, 4, mask_zero=True), L.Embedding(9, 4)
    each, causal = L.MultiHeadAttention(2, 3, value_dim=2, name="each"), L.MultiHeadAttention(2, 3, name="causal")
    e = masked(words)
    first = each(e, e)
    outputs = [
        first,
        each(e, first * 1.0),  # the mask of e is gone
        causal(masked(words), other, use_causal_mask=True),
        each(other, masked(words)),
        each(other, other, key=L.Dense(4)(other), key_mask=keys, value_mask=keys),
        each(query=masked(words), value=other, attention_mask=cross),
        L.MultiHeadAttention(2, 2, sliding_window=2, name="near")(plain(words), plain(words)),
        L.MultiHeadAttention(2, 2, sliding_window=3, name="window")(
            masked(words), masked(words), use_causal_mask=True, attention_mask=full),
        each(plain(words), plain(words), attention_mask=heads),
        causal(plain(words), plain(words), use_causal_mask=True),
    ]
    outputs = [joined(outputs[:5]), joined(outputs[5:])]
    model = keras.Model([words, other, full, cross, keys, heads], outputs, name="attention_masks")
    randomise(model, rng)
    n = 4
    full_mask = rng.integers(0, 2, (n, 6, 6)).astype(bool)
    cross_mask = rng.integers(0, 2, (n, 6, 4)).astype("int32")
    cross_mask[1, 2] = 0
    key_mask = np.array([[1, 1, 0, 0], [1, 1, 1, 1], [0, 1, 0, 1], [0, 0, 0, 0]], bool)
    xs = [tokens_of(rng, n, 6, 9), normal(rng, n, 4, 4), full_mask, cross_mask, key_mask,
          rng.integers(0, 2, (n, 2, 6, 6)).astype("float32")]
    return model, xs, targets_of(model, xs, rng), MSE()


def attention_options(rng):
    """Scores, gates, output_shape, several axes, and the same of GroupQueryAttention."""
    x, y, grid = keras.Input((4, 6), name="x"), keras.Input((4, 3), name="y"), keras.Input((2, 3, 4), name="grid")
    mask, area = keras.Input((4, 4), dtype="bool", name="mask"), keras.Input((2, 3, 2, 3), dtype="bool", name="area")
    words = keras.Input((4,), dtype="int32", name="words")
    e = L.Embedding(7, 3, mask_zero=True)(words)
    a, scores = L.MultiHeadAttention(2, 3, value_dim=4, use_gate=True, output_shape=5, seed=3)(
        x, y, attention_mask=mask, return_attention_scores=True, use_causal_mask=True)
    shared = L.MultiHeadAttention(1, 2, use_bias=False, output_shape=(2, 3),
                                  kernel_regularizer=keras.regularizers.L2(0.01))
    wide, parts = L.MultiHeadAttention(2, 2)(grid, grid, attention_mask=area, return_attention_scores=True)
    g, shares = L.GroupQueryAttention(3, 4, 2, use_gate=True)(e, y, return_attention_scores=True)
    outputs = [
        a, scores, shared(x, y), shared(x, y, key=y),
        L.MultiHeadAttention(2, 3, attention_axes=(1, 2), use_gate=True)(grid, grid),
        L.MultiHeadAttention(2, 3, attention_axes=(1,), output_shape=[2])(grid, grid, use_causal_mask=True),
        L.Flatten()(L.MultiHeadAttention(2, 2, attention_axes=-3)(grid, grid, return_attention_scores=True)[1]),
        wide, L.Flatten()(parts),
        L.MultiHeadAttention(1, 2, attention_axes=(2,))(grid, grid, attention_mask=area[:, :, :, 0]),
        g, shares,
        L.GroupQueryAttention(2, 3, 1, use_bias=False, sliding_window=2)(y, y, key=y, use_causal_mask=True),
        L.GroupQueryAttention(2, 2, 2)(y, e),
        L.GroupQueryAttention(2, 4, 2)(y, y, attention_mask=mask, query_mask=mask[:, 0], use_causal_mask=True),
    ]
    outputs = [joined(outputs[:4]), joined(outputs[4:10]), joined(outputs[10:])]
    model = keras.Model([x, y, grid, mask, area, words], outputs, name="attention_options")
    randomise(model, rng)
    n = 3
    rows = rng.integers(0, 2, (n, 4, 4)).astype(bool)
    rows[0, 2] = False
    areas = rng.integers(0, 2, (n, 2, 3, 2, 3)).astype(bool)
    areas[0, 0, 1] = False
    xs = [normal(rng, n, 4, 6), normal(rng, n, 4, 3), normal(rng, n, 2, 3, 4), rows, areas, tokens_of(rng, n, 4, 7)]
    return model, xs, targets_of(model, xs, rng), MSE()


def attention_scores(rng):
    """Attention, AdditiveAttention and Softmax with every kind of mask."""
    q, v, k = keras.Input((4, 3), name="q"), keras.Input((5, 2), name="v"), keras.Input((5, 3), name="k")
    wide = keras.Input((5, 3), name="wide")
    qm, vm = keras.Input((4,), dtype="bool", name="qm"), keras.Input((5,), dtype="bool", name="vm")
    pairs = keras.Input((4, 5), dtype="bool", name="pairs")
    words = keras.Input((5,), dtype="int32", name="words")
    e = L.Embedding(7, 3, mask_zero=True)(words)
    a, scores = L.Attention(use_scale=True)([q, v, k], return_attention_scores=True, mask=[qm, vm])
    b, shares = L.AdditiveAttention()([q, e], return_attention_scores=True, use_causal_mask=True)
    outputs = [
        a, scores, b, shares,
        L.Attention()([q, wide]),
        L.Attention(use_scale=True)([q, v, k], use_causal_mask=True),
        L.Attention(score_mode="concat")([q, v, k], mask=[None, vm]),
        L.Attention(score_mode="concat", use_scale=True)([q, wide], mask=[qm, None], use_causal_mask=True),
        L.Attention(use_scale=True)([e, e]),
        L.Attention()([q, e], use_causal_mask=True),
        L.Attention()([q, v, k], mask=[None, pairs]),
        L.AdditiveAttention(use_scale=False)([q, v, k], mask=[qm, vm]),
        L.AdditiveAttention()([q, v, k]),
        L.Softmax()(scores, mask=pairs),
        L.Softmax(axis=1)(scores),
        L.Softmax(axis=[1, 2])(shares),
        L.Softmax(axis=(-1, 1))(shares, mask=pairs),
        L.Softmax(axis=[2])(scores, mask=vm[:, None]),
    ]
    outputs = [joined(outputs[:4]), joined(outputs[4:13]), joined(outputs[13:])]
    model = keras.Model([q, v, k, wide, qm, vm, pairs, words], outputs, name="attention_scores")
    randomise(model, rng)
    n = 3
    value_mask = np.array([[1, 1, 0, 0, 1], [0, 1, 0, 1, 1], [0, 0, 0, 0, 0]], bool)
    xs = [normal(rng, n, 4, 3), normal(rng, n, 5, 2), normal(rng, n, 5, 3), normal(rng, n, 5, 3),
          rng.integers(0, 2, (n, 4)).astype(bool), value_mask, rng.integers(0, 2, (n, 4, 5)).astype(bool),
          tokens_of(rng, n, 5, 7)]
    return model, xs, targets_of(model, xs, rng), MSE()


def block(x, heads, width, hidden, memory=None, causal=False):
    """A layer of a transformer: attention to itself, to memory if there is one, and a net for each place."""
    a = L.MultiHeadAttention(heads, width // heads)(x, x, use_causal_mask=causal)
    x = L.LayerNormalization()(L.Add()([x, a]))
    if memory is not None:
        x = L.LayerNormalization()(x + L.MultiHeadAttention(heads, width // heads)(query=x, value=memory, key=memory))
    h = L.Dense(width)(L.Dense(hidden, activation="gelu")(x))
    return L.LayerNormalization()(L.Add()([x, h]))


def transformer(rng):
    """A translator: padded sources and targets, a layer for the sources, one and a half for the targets."""
    source, target = keras.Input((7,), dtype="int32", name="source"), keras.Input((5,), dtype="int32", name="target")
    places = keras.Input((5,), dtype="int32", name="places")
    memory = L.Embedding(11, 8, mask_zero=True, name="source_words")(source)
    memory = block(memory, 2, 8, 12)
    x = L.Embedding(13, 8, mask_zero=True, name="target_words")(target)
    x = L.Add()([x, L.Embedding(5, 8)(places)])
    x = block(x, 2, 8, 12, memory, True)
    x = L.Add()([x, L.MultiHeadAttention(2, 4)(x, memory)])
    model = keras.Model([source, target, places], L.Dense(13, name="head")(x), name="transformer")
    randomise(model, rng)
    xs = [tokens_of(rng, 4, 7, 11), tokens_of(rng, 4, 5, 13), np.tile(np.arange(5, dtype="int32"), (4, 1))]
    return model, xs, rng.integers(0, 13, (4, 5)).astype("int32"), \
        keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def transformer_masks(rng):
    """The same with masks given by hand, as in code that doesn't trust those of an Embedding."""
    source, target = keras.Input((6,), dtype="int32", name="source"), keras.Input((5,), dtype="int32", name="target")
    padding = L.Reshape((1, 6))(keras.ops.cast(keras.ops.not_equal(source, 0), "float32"))
    memory = L.Embedding(11, 8)(source)
    memory = L.LayerNormalization()(memory + L.MultiHeadAttention(2, 4)(memory, memory, attention_mask=padding))
    x = L.Embedding(11, 8, mask_zero=True)(target)
    x = x + L.GroupQueryAttention(4, 4, 2)(x, x, use_causal_mask=True)
    y, scores = L.MultiHeadAttention(2, 4, dropout=0.0)(x, memory, attention_mask=padding, return_attention_scores=True)
    model = keras.Model([source, target], [L.Dense(11)(L.Add()([x, y])), bare(scores)], name="transformer_masks")
    randomise(model, rng)
    xs = [tokens_of(rng, 3, 6, 11), tokens_of(rng, 3, 5, 11)]
    return model, xs, [normal(rng, 3, 5, 11), normal(rng, 3, 2, 5, 6)], MSE()


def spectral(rng):
    """SpectralNormalization of each kind of kernel, used twice, in a model inside; after two steps of Adam."""
    x, words = keras.Input((5, 5, 2), name="x"), keras.Input((3,), name="words")  # of whole numbers
    twice = L.SpectralNormalization(L.Dense(3, name="inside", kernel_regularizer=keras.regularizers.L2(0.01)),
                                    power_iterations=3, name="twice")
    y = L.SpectralNormalization(L.Conv2D(3, 3, activation="relu"))(x)
    y = twice(twice(y))
    frozen = L.SpectralNormalization(L.Dense(2, use_bias=False))
    frozen.trainable = False
    inner = keras.Sequential([keras.Input((3, 3)), L.SpectralNormalization(L.Dense(4)), L.Dense(2)], name="inner")
    z = L.SpectralNormalization(L.Embedding(6, 3))(words)
    model = keras.Model([x, words], [frozen(y), inner(z)], name="spectral")
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss="mse")
    randomise(model, rng)
    xs = [normal(rng, 3, 5, 5, 2), rng.integers(0, 6, (3, 3)).astype("float32")]
    targets = targets_of(model, xs, rng)
    for _ in range(2):
        model.train_on_batch(xs, targets)
    return model, xs, targets, MSE()


def reversible(rng):
    """ReversibleEmbedding there and back, with and without weights of its own for the way back."""
    words = keras.Input((4,), dtype="int32", name="words")
    tied = L.ReversibleEmbedding(7, 4, mask_zero=True, name="tied")
    loose = L.ReversibleEmbedding(7, 4, tie_weights=False, logit_soft_cap=2.0, name="loose")
    x = tied(words)
    x = L.Add()([x, L.MultiHeadAttention(2, 2)(x, x, use_causal_mask=True)])
    model = keras.Model(words, [tied(x * 1.0, reverse=True), loose(loose(words), reverse=True)], name="reversible")
    randomise(model, rng)
    xs = [tokens_of(rng, 3, 4, 7)]
    return model, xs, [normal(rng, 3, 4, 7), normal(rng, 3, 4, 7)], MSE()
