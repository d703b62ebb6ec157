"""The workloads: sizes, weights, data and flops. Standard library only, so that every side can read it.

Weights are listed in the order and layout Keras has them; every side permutes them once, before any clock runs.
"""
import array
import math
import random
import sys


class Workload:
    """Weights are (shape, kind); inputs (shape without batch, kind). kind: a number (constant), "glorot", "uniform",
    or an int range ("int", n). macs: multiply-adds of one sample, forward; first: those whose input has no gradient."""

    def __init__(self, name, title, batch, x, y, loss):
        self.name, self.title, self.batch, self.loss = name, title, batch, loss
        self.x, self.y = x, y
        self.weights, self.macs, self.first = [], 0, 0
        self.train_macs = None
        self.tolerance = 1e-3  # relative, of the first losses

    def dense(self, n_in, n_out, times=1, bias=True, first=False):
        self.weights.append(((n_in, n_out), "glorot"))
        if bias:
            self.weights.append(((n_out,), 0))
        self.count(n_in * n_out * times, first)

    def conv(self, k, n_in, n_out, out, bias=True, first=False):
        self.weights.append(((k, k, n_in, n_out), "glorot"))
        if bias:
            self.weights.append(((n_out,), 0))
        self.count(k * k * n_in * n_out * out * out, first)

    def norm(self, n):
        self.weights += [((n,), 1), ((n,), 0), ((n,), 0), ((n,), 1)]

    def recurrent(self, gates, n_in, units, t, bias_rows=0):
        self.weights += [((n_in, gates * units), "glorot"), ((units, gates * units), "glorot")]
        self.weights.append((((bias_rows, gates * units) if bias_rows else (gates * units,)), 0))
        self.count((n_in + units) * gates * units * t, False)

    def count(self, macs, first):
        self.macs += macs
        if first:
            self.first += macs

    def flops(self, training, batch):
        """Forward and both backward products, as far as they are needed."""
        if not training:
            return 2 * batch * self.macs
        macs = self.train_macs if self.train_macs is not None else 3 * self.macs - self.first
        return 2 * batch * macs

    def write(self, path, seed=1):
        """A file of tensors: for each a line "dtype rank sizes..." and the little-endian numbers."""
        r = random.Random(seed)
        with open(path, "wb") as file:
            for shape, kind in self.weights:
                write_tensor(file, shape, kind, r)
            for given in (self.x, self.y):
                if given:
                    write_tensor(file, (self.batch,) + given[0], given[1], r)


def write_tensor(file, shape, kind, r):
    n = math.prod(shape)
    if kind == "glorot":
        receptive = math.prod(shape[:-2])
        limit = math.sqrt(6 / (receptive * (shape[-2] + shape[-1])))
        values = array.array("f", [limit * (2 * r.random() - 1) for _ in range(n)])
    elif kind == "uniform":
        values = array.array("f", [r.random() for _ in range(n)])
    elif kind == "signed":
        values = array.array("f", [2 * r.random() - 1 for _ in range(n)])
    elif isinstance(kind, tuple):
        values = array.array("i", [int(r.random() * kind[1]) for _ in range(n)])
    else:
        values = array.array("f", [kind]) * n
    if sys.byteorder == "big":
        values.byteswap()
    dtype = "int32" if values.typecode == "i" else "float32"
    file.write(("%s %d %s\n" % (dtype, len(shape), " ".join(map(str, shape)))).encode())
    values.tofile(file)


def image(size, channels):
    return (size, size, channels), "uniform"


CLASS = ((), ("int", 10))


def linear():
    w = Workload("linear", "linear regression, 1 feature (4)", 4, ((1,), "uniform"), ((1,), "uniform"), "mse")
    w.dense(1, 1, first=True)
    return w


def mlp(name, title, batch, sizes):
    w = Workload(name, title, batch, ((sizes[0],), "uniform"), CLASS, "ce")
    for k in range(len(sizes) - 1):
        w.dense(sizes[k], sizes[k + 1], first=k == 0)
    return w


def lenet():
    w = Workload("lenet", "LeNet-5, 28x28 (128)", 128, image(28, 1), CLASS, "ce")
    w.conv(5, 1, 6, 28, first=True)
    w.conv(5, 6, 16, 10)
    for a, b in ((400, 120), (120, 84), (84, 10)):
        w.dense(a, b)
    return w


def cnn():
    w = Workload("cnn", "CNN 32c3-p-64c3-p-10, 28x28 (128)", 128, image(28, 1), CLASS, "ce")
    w.conv(3, 1, 32, 26, first=True)
    w.conv(3, 32, 64, 11)
    w.dense(1600, 10)
    return w


def resnet20():
    """He et al., 2016, for 32x32; the projection is a 1x1 convolution. In each block the order of weights is conv,
    norm, conv, norm, and the projection's kernel last."""
    w = Workload("resnet20", "ResNet-20, 32x32 (128)", 128, image(32, 3), CLASS, "ce")
    w.conv(3, 3, 16, 32, bias=False, first=True)
    w.norm(16)
    before = 16
    for filters, size in ((16, 32), (32, 16), (64, 8)):
        for _ in range(3):
            w.conv(3, before, filters, size, bias=False)
            w.norm(filters)
            w.conv(3, filters, filters, size, bias=False)
            w.norm(filters)
            if before != filters:
                w.conv(1, before, filters, size, bias=False)
            before = filters
    w.dense(64, 10)
    return w


def vgg():
    w = Workload("vgg", "VGG block 64-64-128-128, 32x32 (32)", 32, image(32, 3), CLASS, "ce")
    w.conv(3, 3, 64, 32, first=True)
    w.conv(3, 64, 64, 32)
    w.conv(3, 64, 128, 16)
    w.conv(3, 128, 128, 16)
    w.dense(8 * 8 * 128, 10)
    return w


def text(name, title, batch, t):
    return Workload(name, title, batch, ((t,), ("int", 65)), ((t,), ("int", 65)), "ce")


def recurrent(name, title, batch, layers, units, gates):
    w = text(name, title, batch, 64)
    w.weights.append(((65, units), "glorot"))
    for _ in range(layers):
        w.recurrent(gates, units, units, 64, 2 if gates == 3 else 0)
    w.dense(units, 65, times=64)
    return w


def dcgan():
    """Generator's weights first. x: the noise; y: real pictures in -1..1. The losses are the discriminator's, then
    the generator's."""
    w = Workload("dcgan", "DCGAN 28x28 step: D and G (64)", 64, ((100,), "signed"), ((28, 28, 1), "signed"), "gan")
    w.dense(100, 6272)
    w.norm(6272)
    w.weights += [((4, 4, 64, 128), "glorot"), ((64,), 0)]
    w.norm(64)
    w.weights += [((4, 4, 1, 64), "glorot"), ((1,), 0)]
    w.count(7 * 7 * 128 * 64 * 16 + 14 * 14 * 64 * 16, False)
    generator = w.macs
    w.conv(4, 1, 64, 14)
    w.conv(4, 64, 128, 7)
    w.norm(128)
    w.dense(6272, 1)
    discriminator = w.macs - generator
    w.macs = generator
    first = 14 * 14 * 16 * 64
    w.tolerance = 5e-3  # two nets against each other: after the first step rounding, and where Adam adds epsilon, show
    w.train_macs = 3 * generator - 100 * 6272 + 8 * discriminator - 2 * first
    return w


def gpt():
    """nanoGPT's block: pre-norm, fused attention of 4 heads, GELU. Query, key, value and output have Keras's shapes."""
    w = text("gpt", "GPT 4 layers, 128 wide, t=64 (12)", 12, 64)
    width, heads, t = 128, 4, 64
    w.weights += [((65, width), "glorot"), ((t, width), "glorot")]
    for _ in range(4):
        w.weights += [((width,), 1), ((width,), 0)]
        for _ in range(3):
            w.weights += [((width, heads, width // heads), "glorot"), ((heads, width // heads), 0)]
        w.weights += [((heads, width // heads, width), "glorot"), ((width,), 0)]
        w.count(4 * width * width * t + 2 * t * t * width, False)
        w.weights += [((width,), 1), ((width,), 0)]
        w.dense(width, 4 * width, times=t)
        w.dense(4 * width, width, times=t)
    w.weights += [((width,), 1), ((width,), 0)]
    w.dense(width, 65, times=t, bias=False)
    return w


ALL = [
    linear(),
    mlp("mlp", "MLP 784-512-512-10 (128)", 128, (784, 512, 512, 10)),
    mlp("mlp_small", "MLP 784-128-10 (32)", 32, (784, 128, 10)),
    lenet(), cnn(), resnet20(), vgg(),
    recurrent("lstm", "char LSTM 2x128, t=64 (32)", 32, 2, 128, 4),
    recurrent("lstm512", "char LSTM 1x512, t=64 (64)", 64, 1, 512, 4),
    recurrent("gru", "char GRU 2x128, t=64 (32)", 32, 2, 128, 3),
    dcgan(), gpt(),
]
BY_NAME = {w.name: w for w in ALL}
