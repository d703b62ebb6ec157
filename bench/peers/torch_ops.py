"""Single ops in PyTorch: NCHW, or with --channels-last in real NHWC strides; outputs of matrix products are
preallocated."""
import os
import sys

import torch
import torch.nn.functional as F

from peer import serve

CHANNELS_LAST = "--channels-last" in sys.argv
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
aten = torch.ops.aten


def picture(x):
    """A view has real NHWC strides, also where one channel makes the strides ambiguous."""
    x = x.permute(0, 3, 1, 2)
    return x if CHANNELS_LAST else x.contiguous()


def gemm(part, params, a, b):
    if part == "dx":
        b = b.t()
    if part == "dw":
        a = a.t()
    out = torch.empty(a.shape[0], b.shape[1])
    return lambda: torch.mm(a, b, out=out)


def conv(part, params, x, w, dy):
    x, dy = picture(x), picture(dy)
    w = w.permute(3, 2, 0, 1)
    w = w.contiguous(memory_format=torch.channels_last) if CHANNELS_LAST else w.contiguous()
    pad = [int(params[0])] * 2
    if part == "fwd":
        return lambda: F.conv2d(x, w, padding=pad)
    mask, which = ([True, False, False], 0) if part == "dx" else ([False, True, False], 1)
    return lambda: aten.convolution_backward(dy, x, w, None, [1, 1], pad, [1, 1], False, [0, 0], 1, mask)[which]


def pool(part, params, x, dy):
    x, dy = picture(x), picture(dy)
    if part == "fwd":
        return lambda: F.max_pool2d(x, 2)

    def both():
        _, where = aten.max_pool2d_with_indices(x, [2, 2], [2, 2])
        return aten.max_pool2d_with_indices_backward(dy, x, [2, 2], [2, 2], [0, 0], [1, 1], False, where)

    return both


def norm(part, params, x, gamma, beta, dy):
    x, dy = picture(x), picture(dy)
    if part == "fwd":
        return lambda: aten.native_batch_norm(x, gamma, beta, None, None, True, 0.01, 1e-3)[0]

    def both():
        _, mean, inverse = aten.native_batch_norm(x, gamma, beta, None, None, True, 0.01, 1e-3)
        return aten.native_batch_norm_backward(dy, x, gamma, None, None, mean, inverse, True, 1e-3, [True] * 3)[0]

    return both


def recurrent(kind, x, kernel, recurrent_kernel, bias):
    """A layer with Keras's weights: gates i, f, c, o are PyTorch's; z, r, h are r, z, n there."""
    units = recurrent_kernel.shape[0]
    net = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[kind](x.shape[-1], units, batch_first=True)

    def ordered(w):
        gates = w.split(units, dim=-1)
        return torch.cat(gates if kind == "lstm" else (gates[1], gates[0], gates[2]), -1).t().contiguous()

    with torch.no_grad():
        net.weight_ih_l0.copy_(ordered(kernel))
        net.weight_hh_l0.copy_(ordered(recurrent_kernel))
        net.bias_ih_l0.copy_(ordered(bias if kind == "lstm" else bias[0]))
        net.bias_hh_l0.copy_(torch.zeros_like(bias) if kind == "lstm" else ordered(bias[1]))
    return net


def recurrent_step(kind, part, x, *rest):
    net, dy = recurrent(kind, x, *rest[:-1]), rest[-1]
    if part == "fwd":
        return lambda: net(x)[0]

    def both():
        with torch.inference_mode(False), torch.enable_grad():
            wanted = [x.requires_grad_(True), *net.parameters()]
            return torch.autograd.grad(net(x)[0], wanted, dy)[0]

    return both


def lstm(part, params, *operands):
    return recurrent_step("lstm", part, *operands)


def gru(part, params, *operands):
    return recurrent_step("gru", part, *operands)


def softmax(part, params, x, dy):
    if part == "fwd":
        return lambda: torch.softmax(x, -1)

    def both():
        return aten._softmax_backward_data(dy, torch.softmax(x, -1), -1, torch.float32)

    return both


def make(name, training, tensors, batch):
    _, kind, part, params = name.split(":")
    if CHANNELS_LAST and kind in ("gemm", "lstm", "gru", "softmax"):
        return None
    once = {"gemm": gemm, "conv": conv, "pool": pool, "norm": norm, "lstm": lstm, "gru": gru, "softmax": softmax}[kind](
        part, params.split(","), *map(torch.from_numpy, tensors))
    state = {}

    def run(k):
        with torch.inference_mode():
            for _ in range(k):
                state["y"] = once()

    return run, lambda: state["y"].numpy()


serve(make)
