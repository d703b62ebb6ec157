#!/usr/bin/env python3
"""Models of random architecture and options, made by real Keras, and read here: do the numbers agree?

    python tests/random_keras_models.py [--moru ./moru] [--seed S] [--count N] [--keep DIR] [--only SUBSTRING]

Each model is a walk through values of several kinds (pictures, sequences, vectors, volumes, words), with branches, shared
and nested models. For each: predictions within 1e-5 of the largest output, the loss and gradients in both modes within
1e-4 of the largest, as `moru predict` and `moru gradients` give them from the .keras file, and predictions from the
legacy .h5 file where Keras can write one. What differs or is refused is kept in DIR with its seed. Needs Keras and h5py.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "keras"))

import fixture
import h5py
import keras
import numpy as np
from keras import layers as L

ACTIVATIONS = ["linear", "relu", "tanh", "sigmoid", "elu", "gelu", "selu", "silu", "softplus", "softsign", "mish",
               "hard_sigmoid", "hard_silu", "leaky_relu", "relu6", "exponential", None]
GATES = ["sigmoid", "hard_sigmoid", "tanh"]


class Maker:
    def __init__(self, rng):
        self.rng = rng

    def one(self, *options):
        return options[self.rng.integers(len(options))]

    def yes(self, share=0.5):
        return bool(self.rng.random() < share)

    def act(self):
        return self.one(*ACTIVATIONS)

    def units(self):
        return int(self.rng.integers(1, 7))

    def window(self, n, size, most=3):
        """A kernel or pool no larger than the picture."""
        k = [int(self.rng.integers(1, min(most, s) + 1)) for s in size[:n]]
        return k[0] if n == 1 or len(set(k)) == 1 and self.yes() else tuple(k)

    # ---- one layer for a value of rank n + 2: [batch, n sizes, channels] ----

    def conv(self, n, size):
        conv = {1: L.Conv1D, 2: L.Conv2D, 3: L.Conv3D}[n]
        kernel, padding = self.window(n, size), self.one("valid", "same")
        if n == 1 and self.yes(0.2):
            padding = "causal"
        strides = self.one(1, 1, 2)
        dilation = self.one(1, 2) if strides == 1 and padding != "valid" else 1
        groups = 2 if size[-1] % 2 == 0 and self.yes(0.3) else 1
        return conv(2 * self.units(), kernel, strides=strides, padding=padding, dilation_rate=dilation, groups=groups,
                    use_bias=self.yes(0.8), activation=self.act())

    def transposed(self, n, size):
        conv = {1: L.Conv1DTranspose, 2: L.Conv2DTranspose, 3: L.Conv3DTranspose}[n]
        return conv(self.units(), self.window(n, [3] * n), strides=self.one(1, 2), padding=self.one("valid", "same"),
                    use_bias=self.yes(), activation=self.act())

    def depthwise(self, n, size):
        conv = self.one({1: L.DepthwiseConv1D, 2: L.DepthwiseConv2D}[n], {1: L.SeparableConv1D, 2: L.SeparableConv2D}[n])
        options = dict(strides=self.one(1, 1, 2), padding=self.one("valid", "same"), depth_multiplier=self.one(1, 2),
                       use_bias=self.yes(), activation=self.act())
        k = min(self.rng.integers(1, 4), *size[:n])
        return conv(self.units(), int(k), **options) if "Separable" in conv.__name__ else conv(int(k), **options)

    def pool(self, n, size):
        kind = self.one("Max", "Average")
        return getattr(L, f"{kind}Pooling{n}D")(self.window(n, size), strides=self.one(None, 1, 2),
                                                 padding=self.one("valid", "same"))

    def spatial(self, n, size):
        choices = [self.conv, self.conv, self.pool, self.transposed]
        if n < 3:
            choices.append(self.depthwise)
        choices += [self.resize, self.norm, self.pointwise]
        return self.one(*choices)(n, size)

    def resize(self, n, size):
        name = self.one("UpSampling", "ZeroPadding", "Cropping")
        layer = getattr(L, f"{name}{n}D")
        if name == "UpSampling":
            return layer(size=self.one(1, 2), interpolation=self.one("nearest", "bilinear")) if n == 2 else layer(self.one(1, 2))
        pairs = [tuple(int(self.rng.integers(0, 1 + (name != "Cropping" or s > 3))) for _ in range(2)) for s in size[:n]]
        return layer(pairs[0] if n == 1 else tuple(pairs))

    def norm(self, n, size):
        kind = self.rng.integers(6)
        if kind == 0:
            return L.BatchNormalization(momentum=self.one(0.99, 0.9), epsilon=self.one(1e-3, 1e-5),
                                        center=self.yes(0.8), scale=self.yes(0.8))
        if kind == 1:
            return L.LayerNormalization(axis=self.one(-1, [-2, -1] if n else -1), center=self.yes(0.8), scale=self.yes(0.8))
        if kind == 2:
            return L.GroupNormalization(groups=self.one(-1, 1) if size[-1] % 2 else self.one(2, -1, 1))
        if kind == 3:
            return L.RMSNormalization()
        if kind == 4:
            return L.UnitNormalization()
        return L.BatchNormalization()

    def pointwise(self, n, size):
        return self.one(lambda: L.Dense(self.units(), activation=self.act(), use_bias=self.yes(0.8)),
                        lambda: L.Activation(self.one(*ACTIVATIONS[:-1])),
                        lambda: L.ReLU(max_value=self.one(None, 1.5), negative_slope=self.one(0.0, 0.1), threshold=self.one(0.0, 0.2)),
                        lambda: L.LeakyReLU(negative_slope=0.2), lambda: L.ELU(alpha=0.7),
                        lambda: L.PReLU(shared_axes=self.one(None, list(range(1, n + 1)) or None)),
                        lambda: L.Softmax(), lambda: L.Rescaling(0.5, offset=0.1), lambda: L.Dropout(0.0),
                        lambda: L.GaussianNoise(0.0), lambda: L.Identity())()

    def recurrent(self, states=False):
        cell = self.one(L.SimpleRNN, L.LSTM, L.GRU)
        options = dict(activation=self.one("tanh", "tanh", "tanh", "relu", "softsign"), use_bias=self.yes(0.8),
                       return_sequences=True, go_backwards=self.yes(0.2))
        if cell is not L.SimpleRNN:
            options["recurrent_activation"] = self.one(*GATES)
        if cell is L.GRU:
            options["reset_after"] = self.yes(0.7)
        return cell(self.units(), **options)

    def sequence(self, x):
        size = x.shape[1:]
        kind = self.rng.integers(9)
        if kind < 2:
            return self.recurrent()(x)
        if kind == 2:
            inner = self.one(L.SimpleRNN, L.LSTM, L.GRU)(self.units(), return_sequences=True)
            return L.Bidirectional(inner, merge_mode=self.one("concat", "sum", "mul", "ave"))(x)
        if kind == 3:
            return L.TimeDistributed(L.Dense(self.units(), activation=self.act()))(x)
        if kind == 4:
            heads = int(self.rng.integers(1, 4))
            return L.MultiHeadAttention(heads, self.units(), use_bias=self.yes(), value_dim=self.one(None, 3))(
                x, x, use_causal_mask=self.yes(0.3))
        if kind == 5:
            return self.one(L.Attention(use_scale=self.yes(), score_mode=self.one("dot", "concat")), L.AdditiveAttention())(
                [x, x])
        if kind == 6 and size[0] > 1:
            return x[:, :-1]
        return self.spatial(1, size)(x)

    def step(self, x):
        rank = len(x.shape)
        if rank == 2:
            return self.vector(x)
        if rank == 3:
            return self.sequence(x)
        y = self.spatial(rank - 2, x.shape[1:])(x)
        return y

    def vector(self, x):
        kind = self.rng.integers(8)
        if kind == 0:
            return L.RepeatVector(3)(x)
        if kind == 1:
            return L.Reshape((x.shape[1], 1))(x)
        if kind == 2:
            return self.one(keras.ops.tanh, keras.ops.square, lambda v: v * 0.5 + 1, lambda v: -v)(x)
        if kind == 3:
            return self.norm(0, x.shape[1:])(x)
        return self.pointwise(0, x.shape[1:])(x)

    # ---- models ----

    def branch(self, x):
        """Two ways that meet again."""
        a, b = self.step(x), x
        if a.shape == b.shape:
            return self.one(L.Add, L.Multiply, L.Average, L.Maximum, L.Minimum, L.Subtract, L.Concatenate)()([a, b])
        if len(a.shape) == len(b.shape) and a.shape[1:-1] == b.shape[1:-1]:
            return L.Concatenate()([a, b])
        return a

    def nested(self, x):
        inner = keras.Input(x.shape[1:])
        y = self.step(self.step(inner))
        model = keras.Model(inner, y)
        return model(x)

    def fits(self, x):
        return all(s is None or s > 0 for s in x.shape) and np.prod(x.shape[1:]) < 4000

    def walk(self, x, steps):
        for _ in range(steps):
            how = self.rng.random()
            try:
                y = self.branch(x) if how < 0.2 else self.nested(x) if how < 0.3 else self.step(x)
            except (ValueError, TypeError, AttributeError, NotImplementedError):
                continue # a window that is too large, and the like
            if self.fits(y):
                x = y
        return x

    def flat(self, x):
        rank = len(x.shape)
        if rank == 2:
            return x
        if rank == 3 and self.yes(0.4):
            return self.one(L.LSTM, L.GRU, L.SimpleRNN)(self.units())(x)
        if self.yes():
            return getattr(L, f"Global{self.one('Max', 'Average')}Pooling{rank - 2}D")()(x)
        return L.Flatten()(x)

    def input(self, name):
        kind = self.rng.integers(5)
        if kind == 4:
            words = keras.Input((int(self.rng.integers(3, 8)),), dtype="int32", name=name)
            return words, L.Embedding(9, self.units(), mask_zero=self.yes(0.4))(words)
        shape = {0: (self.units(),), 1: (int(self.rng.integers(3, 9)), self.units()),
                 2: (int(self.rng.integers(4, 10)), int(self.rng.integers(4, 10)), self.units()),
                 3: (5, 4, 6, self.units())}[int(kind)]
        x = keras.Input(shape, name=name)
        return x, x

    def data(self, x, n):
        if x.dtype == "int32":
            return self.rng.integers(0, 9, (n, *x.shape[1:])).astype("int32")
        return fixture.normal(self.rng, n, *x.shape[1:])


def make(seed):
    rng = np.random.default_rng(seed)
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    maker = Maker(rng)
    inputs, ends = [], []
    for k in range(maker.one(1, 1, 2)):
        x, y = maker.input(f"in{k}")
        inputs.append(x)
        ends.append(maker.flat(maker.walk(y, int(rng.integers(1, 6)))))
    y = ends[0] if len(ends) == 1 else L.Concatenate()(ends)
    outputs = [L.Dense(3, name=f"out{k}")(y) for k in range(maker.one(1, 1, 2))]
    model = keras.Model(inputs, outputs, name=f"random{seed}")
    fixture.randomise(model, rng)
    xs = [maker.data(x, 4) for x in inputs]
    return model, xs, [fixture.normal(rng, 4, 3) for _ in outputs], keras.losses.MeanSquaredError()


# ---- comparing ----

def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stderr.strip().splitlines()[-1] if done.returncode else ""


def differs(got, wanted, bar, largest=None):
    largest = max(np.abs(wanted).max(initial=0), 1e-30) if largest is None else largest
    return got.shape != wanted.shape or not np.all(np.abs(got - wanted) <= bar * largest)


def compare_predictions(moru, path, io, scratch):
    message = run(moru, "predict", path, "--input", io, "--output", scratch)
    if message:
        return message
    with h5py.File(io) as f, h5py.File(scratch) as g:
        for name in g:
            if differs(g[name][()], f[name][()], 1e-5):
                return f"predictions {name} differ by {np.abs(g[name][()] - f[name][()]).max():.3g}"
    return ""


def compare_gradients(moru, path, io, scratch, mode):
    message = run(moru, "gradients", path, "--input", io, "--output", scratch, *(["--training"] if mode == "training" else []))
    if message:
        return message
    with h5py.File(io) as f, h5py.File(scratch) as g:
        a, b = float(g["loss"][()]), float(f[f"{mode}/loss"][()])
        if not abs(a - b) <= 1e-4 * max(abs(b), 1e-6):
            return f"{mode}: the loss is {a}, not {b}"
        names, wrong = [], []
        f[f"{mode}/grad"].visititems(lambda n, o: names.append(n) if isinstance(o, h5py.Dataset) else None)
        largest = max([np.abs(f[f"{mode}/grad/{n}"][()]).max(initial=0) for n in names] + [1e-30])
        for n in names:
            wanted = f[f"{mode}/grad/{n}"][()]
            bar = max(np.abs(wanted).max(initial=0), 1e-2 * largest)
            if n not in g["gradients"] or differs(g["gradients"][n][()], wanted, 1e-4, bar):
                wrong.append(n)
        return f"{mode}: gradients differ: {', '.join(wrong[:4])}" if wrong else ""


def check(moru, seed, folder):
    model, xs, targets, loss = make(seed)
    fixture.write(folder, model, xs, targets, loss, weights=False)
    base = os.path.join(folder, model.name)
    io, scratch = base + ".io.h5", base + ".out.h5"
    message = compare_predictions(moru, base + ".keras", io, scratch)
    for mode in ("inference", "training"):
        message = message or compare_gradients(moru, base + ".keras", io, scratch, mode)
    if message:
        return message, base
    try:
        model.save(base + ".h5")
        keras.models.load_model(base + ".h5", compile=False)
    except Exception:
        return "", base # Keras cannot read all it writes
    message = compare_predictions(moru, base + ".h5", io, scratch)
    return (f".h5: {message}" if message else ""), base


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--moru", default=os.path.join(os.path.dirname(HERE), "moru"))
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--count", type=int, default=50)
    p.add_argument("--keep")
    a = p.parse_args()
    failed = skipped = 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = a.keep or scratch
        os.makedirs(folder, exist_ok=True)
        for seed in range(a.seed, a.seed + a.count):
            try:
                message, base = check(a.moru, seed, folder)
            except Exception:
                print(f"{seed}: Keras: {traceback.format_exc().splitlines()[-1][:150]}", flush=True)
                skipped += 1
                continue
            if message:
                failed += 1
                print(f"{seed}: {message}", flush=True)
            if not (message and a.keep):
                for end in (".keras", ".h5", ".io.h5", ".out.h5"):
                    if os.path.exists(base + end):
                        os.remove(base + end)
    print(f"{a.count - failed - skipped} passed, {failed} failed, {skipped} not made")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
