"""Single ops: operands and flops. Convolutions are NHWC and HWIO here; padding counts in the flops."""
import math

from workloads import write_tensor


class Op:
    """kind: gemm, conv, pool, norm, lstm, gru, softmax. part: fwd; dx, dw: the gradient of one operand alone; both:
    forward and the gradient (of lstm, gru: all gradients). params: numbers the kind needs, in the op's name.
    operands: shapes in the file; fills: what is in them, if not all numbers from -1 to 1."""

    def __init__(self, kind, part, params, operands, flops, title, fills=None):
        self.kind, self.part, self.params, self.operands, self.work = kind, part, params, operands, flops
        self.fills = fills or ["signed"] * len(operands)
        self.name = "op:%s:%s:%s" % (kind, part, ",".join(map(str, params)))
        self.title, self.batch, self.tolerance = "%s %s" % (title, part), 1, 1e-3

    def flops(self, training, batch):
        return self.work

    def write(self, path, seed=1):
        import random
        r = random.Random(seed)
        with open(path, "wb") as file:
            for shape, fill in zip(self.operands, self.fills):
                write_tensor(file, shape, fill, r)


def gemm(m, n, k):
    shapes = {"fwd": ((m, k), (k, n)), "dx": ((m, n), (k, n)), "dw": ((m, k), (m, n))}
    return [Op("gemm", part, (m, n, k), shapes[part], 2 * m * n * k, "GEMM %dx%dx%d" % (m, n, k)) for part in shapes]


def conv(title, size, n, c, filters, n_images, pad):
    """pad: 0 or, "same", size // 2."""
    out = n + 2 * pad - size + 1
    operands = ((n_images, n, n, c), (size, size, c, filters), (n_images, out, out, filters))
    flops = 2 * n_images * out * out * size * size * c * filters
    return [Op("conv", part, (pad,), operands, flops, title) for part in ("fwd", "dx", "dw")]


def swept(kind, params, shape, title, per_element):
    """Ops that go over memory: fwd, and forward with the gradient. flops are nominal."""
    size = math.prod(shape)
    out = (shape[0], shape[1] // 2, shape[2] // 2, shape[3]) if kind == "pool" else shape
    extra = ((shape[-1],), (shape[-1],)) if kind == "norm" else ()
    return [Op(kind, part, params, (shape, *extra, out), per_element * size * (1 if part == "fwd" else 2), title)
            for part in ("fwd", "both")]


def recurrent(kind, n, units, time=64):
    """As many inputs as units."""
    gates = {"lstm": 4, "gru": 3}[kind]
    bias = (gates * units,) if kind == "lstm" else (2, gates * units)
    operands = ((n, time, units), (units, gates * units), (units, gates * units), bias, (n, time, units))
    flops = 2 * n * time * 2 * units * gates * units
    fills = ["signed", "glorot", "glorot", 0.1, "signed"]
    title = "%s %d, t%d b%d" % (kind.upper(), units, time, n)
    return [Op(kind, part, (), operands, flops * (1 if part == "fwd" else 3), title, fills) for part in ("fwd", "both")]


ALL = [op for ops in (
    *(gemm(*s) for s in ((128, 512, 784), (128, 512, 512), (32, 128, 784), (768, 512, 128), (64, 2048, 512),
                         (25088, 32, 288), (6272, 64, 576), (1024, 1024, 1024))),
    conv("C1 5x5 1-6", 5, 28, 1, 6, 128, 2), conv("C2 5x5 6-16", 5, 14, 6, 16, 128, 0),
    conv("C3 3x3 1-32", 3, 28, 1, 32, 128, 0), conv("C4 3x3 32-64", 3, 13, 32, 64, 128, 0),
    conv("C5 3x3 16-16", 3, 32, 16, 16, 128, 1), conv("C6 3x3 64-64", 3, 8, 64, 64, 128, 1),
    conv("C7 3x3 64-64", 3, 32, 64, 64, 32, 1), conv("C8 3x3 128-128", 3, 16, 128, 128, 32, 1),
    swept("pool", (2,), (128, 26, 26, 32), "max pooling 2x2, 128x26x26x32", 1),
    swept("pool", (2,), (32, 32, 32, 64), "max pooling 2x2, 32x32x32x64", 1),
    swept("norm", (), (128, 32, 32, 16), "batch norm 128x32x32x16", 5),
    swept("norm", (), (128, 8, 8, 64), "batch norm 128x8x8x64", 5),
    *(recurrent(kind, n, units) for kind in ("lstm", "gru") for n, units in ((32, 128), (64, 512), (1, 128), (1, 512))),
    swept("softmax", (), (128, 1000), "softmax 128x1000", 5), swept("softmax", (), (3072, 64), "softmax 3072x64", 5),
) for op in ops]
BY_NAME = {op.name: op for op in ALL}
