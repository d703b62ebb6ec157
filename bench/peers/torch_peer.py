"""PyTorch: eager, or with --compile. Default layout (NCHW), fused Adam."""
import os
import sys

import torch
import torch.nn.functional as F
from torch import nn

from peer import serve

COMPILE = "--compile" in sys.argv
CHANNELS_LAST = "--channels-last" in sys.argv
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))


class Weights:
    """Hands out the weights in their order."""

    def __init__(self, arrays):
        self.arrays = [torch.from_numpy(a) for a in arrays]
        self.k = 0

    def next(self):
        self.k += 1
        return self.arrays[self.k - 1]

    def put(self, parameter, value):
        with torch.no_grad():
            parameter.copy_(value.reshape(parameter.shape))

    def dense(self, n_in, n_out, bias=True, flat=None):
        """flat: (h, w, c) of a picture that was flattened; Keras has the channels innermost, PyTorch outermost."""
        layer = nn.Linear(n_in, n_out, bias=bias)
        kernel = self.next()
        if flat:
            kernel = kernel.reshape(*flat, n_out).permute(2, 0, 1, 3).reshape(n_in, n_out)
        self.put(layer.weight, kernel.t())
        if bias:
            self.put(layer.bias, self.next())
        return layer

    def conv(self, n_in, n_out, k, bias=True, **options):
        layer = nn.Conv2d(n_in, n_out, k, bias=bias, **options)
        self.put(layer.weight, self.next().permute(3, 2, 0, 1))
        if bias:
            self.put(layer.bias, self.next())
        return layer

    def conv_transpose(self, n_in, n_out, k, **options):
        layer = nn.ConvTranspose2d(n_in, n_out, k, **options)
        self.put(layer.weight, self.next().permute(3, 2, 0, 1))
        self.put(layer.bias, self.next())
        return layer

    def norm(self, layer, order=None):
        for parameter in (layer.weight, layer.bias, layer.running_mean, layer.running_var):
            value = self.next()
            self.put(parameter, value if order is None else value[order])
        return layer

    def layer_norm(self, n):
        layer = nn.LayerNorm(n)
        self.put(layer.weight, self.next())
        self.put(layer.bias, self.next())
        return layer

    def embedding(self, n, width):
        layer = nn.Embedding(n, width)
        self.put(layer.weight, self.next())
        return layer


def batch_norm(n, kind=nn.BatchNorm2d):
    return kind(n, eps=1e-3, momentum=0.01)


def mlp(w):
    layers, sizes = [], [a.shape for a in w.arrays if a.ndim == 2 and a.dtype == torch.float32]
    n = 0
    for a, b in sizes:
        if n and a != n:
            break
        layers += [w.dense(a, b), nn.ReLU()]
        n = b
        if b in (10, 1):
            break
    return nn.Sequential(*layers[:-1])


def lenet(w):
    return nn.Sequential(w.conv(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), w.conv(6, 16, 5), nn.ReLU(),
                         nn.MaxPool2d(2), nn.Flatten(), w.dense(400, 120, flat=(5, 5, 16)), nn.ReLU(), w.dense(120, 84),
                         nn.ReLU(), w.dense(84, 10))


def cnn(w):
    return nn.Sequential(w.conv(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), w.conv(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Flatten(), w.dense(1600, 10, flat=(5, 5, 64)))


def vgg(w):
    layers, before = [], 3
    for filters in (64, 128):
        for _ in range(2):
            layers += [w.conv(before, filters, 3, padding=1), nn.ReLU(inplace=True)]
            before = filters
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), w.dense(8192, 10, flat=(8, 8, 128)))


class Block(nn.Module):
    def __init__(self, w, before, filters):
        super().__init__()
        self.down = before != filters
        # "Same" with stride 2 pads below and to the right only, in TensorFlow and Keras.
        self.a = w.conv(before, filters, 3, bias=False, stride=2 if self.down else 1, padding=0 if self.down else 1)
        self.norm_a = w.norm(batch_norm(filters))
        self.b = w.conv(filters, filters, 3, bias=False, padding=1)
        self.norm_b = w.norm(batch_norm(filters))
        self.project = w.conv(before, filters, 1, bias=False, stride=2) if self.down else None

    def forward(self, x):
        y = F.relu(self.norm_a(self.a(F.pad(x, (0, 1, 0, 1)) if self.down else x)), inplace=True)
        y = self.norm_b(self.b(y))
        return F.relu(y + (self.project(x) if self.down else x), inplace=True)


def resnet20(w):
    layers, before = [w.conv(3, 16, 3, bias=False, padding=1), w.norm(batch_norm(16)), nn.ReLU(inplace=True)], 16
    for filters in (16, 32, 64):
        for _ in range(3):
            layers.append(Block(w, before, filters))
            before = filters
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), w.dense(64, 10))


class Recurrent(nn.Module):
    def __init__(self, w, kind, units, layers):
        super().__init__()
        self.embedding = w.embedding(65, units)
        gates = 4 if kind is nn.LSTM else 3
        self.rnn = kind(units, units, layers, batch_first=True)
        for k in range(layers):
            kernel, recurrent, bias = w.next(), w.next(), w.next()
            if gates == 3:  # Keras: z, r, h; PyTorch: r, z, n
                order = [*range(units, 2 * units), *range(units), *range(2 * units, 3 * units)]
                kernel, recurrent, bias = kernel[:, order], recurrent[:, order], bias[:, order]
                biases = bias[0], bias[1]
            else:
                biases = bias, torch.zeros_like(bias)
            for name, value in zip(("weight_ih_l%d", "weight_hh_l%d", "bias_ih_l%d", "bias_hh_l%d"),
                                   (kernel.t(), recurrent.t(), *biases)):
                w.put(getattr(self.rnn, name % k), value)
            if gates == 4:  # one bias, as elsewhere: the second stays zero
                getattr(self.rnn, "bias_hh_l%d" % k).requires_grad_(False)
        self.head = w.dense(units, 65)

    def forward(self, x):
        return self.head(self.rnn(self.embedding(x))[0])


class Attention(nn.Module):
    def __init__(self, w, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        kernels, biases = [], []
        for _ in range(3):
            kernels.append(w.next().reshape(width, width).t())
            biases.append(w.next().reshape(width))
        w.put(self.qkv.weight, torch.cat(kernels))
        w.put(self.qkv.bias, torch.cat(biases))
        w.put(self.out.weight, w.next().reshape(width, width).t())
        w.put(self.out.bias, w.next())

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = (a.view(b, t, self.heads, c // self.heads).transpose(1, 2) for a in self.qkv(x).split(c, dim=2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(y.transpose(1, 2).reshape(b, t, c))


class GPTBlock(nn.Module):
    def __init__(self, w):
        super().__init__()
        self.norm_a, self.attention = w.layer_norm(128), Attention(w, 128, 4)
        self.norm_b = w.layer_norm(128)
        self.mlp = nn.Sequential(w.dense(128, 512), nn.GELU(), w.dense(512, 128))

    def forward(self, x):
        x = x + self.attention(self.norm_a(x))
        return x + self.mlp(self.norm_b(x))


class GPT(nn.Module):
    def __init__(self, w):
        super().__init__()
        self.tokens, self.positions = w.embedding(65, 128), w.embedding(64, 128)
        self.blocks = nn.Sequential(*[GPTBlock(w) for _ in range(4)])
        self.norm, self.head = w.layer_norm(128), w.dense(128, 65, bias=False)

    def forward(self, x):
        return self.head(self.norm(self.blocks(self.tokens(x) + self.positions(torch.arange(x.shape[1])))))


class Generator(nn.Module):
    def __init__(self, w):
        super().__init__()
        # PyTorch's picture has channels outermost: the dense layer's outputs and their norm are put into that order.
        order = torch.arange(6272).reshape(7, 7, 128).permute(2, 0, 1).reshape(-1)
        self.dense = nn.Linear(100, 6272)
        w.put(self.dense.weight, w.next()[:, order].t())
        w.put(self.dense.bias, w.next()[order])
        self.norm_a = w.norm(batch_norm(6272, nn.BatchNorm1d), order)
        self.a = w.conv_transpose(128, 64, 4, stride=2, padding=1)
        self.norm_b = w.norm(batch_norm(64))
        self.b = w.conv_transpose(64, 1, 4, stride=2, padding=1)

    def forward(self, z):
        y = F.relu(self.norm_a(self.dense(z))).view(-1, 128, 7, 7)
        return torch.tanh(self.b(F.relu(self.norm_b(self.a(y)))))


def discriminator(w):
    return nn.Sequential(w.conv(1, 64, 4, stride=2, padding=1), nn.LeakyReLU(0.2),
                         w.conv(64, 128, 4, stride=2, padding=1), w.norm(batch_norm(128)), nn.LeakyReLU(0.2),
                         nn.Flatten(), w.dense(6272, 1, flat=(7, 7, 128)))


MODELS = {
    "linear": mlp, "mlp": mlp, "mlp_small": mlp, "lenet": lenet, "cnn": cnn, "vgg": vgg, "resnet20": resnet20,
    "lstm": lambda w: Recurrent(w, nn.LSTM, 128, 2), "lstm512": lambda w: Recurrent(w, nn.LSTM, 512, 1),
    "gru": lambda w: Recurrent(w, nn.GRU, 128, 2), "gpt": GPT,
}


def prepare(model):
    if CHANNELS_LAST:
        model = model.to(memory_format=torch.channels_last)
    return torch.compile(model) if COMPILE else model


def picture(x):
    x = x.permute(0, 3, 1, 2)
    return x.contiguous(memory_format=torch.channels_last if CHANNELS_LAST else torch.contiguous_format)


def optimizer(model):
    return torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-3, eps=1e-7, fused=True)


def inference(model, x):
    model = prepare(model.eval())
    state = {}

    def run(k):
        with torch.inference_mode():
            for _ in range(k):
                state["y"] = model(x)

    return run, lambda: state["y"].numpy()


def gan(w, training, batch):
    g, d = Generator(w), discriminator(w)
    z, real = w.next()[:batch], picture(w.next()[:batch])
    if not training:
        return inference(g, z)
    g, d = prepare(g), prepare(d)
    adam_g, adam_d = optimizer(g), optimizer(d)
    bce = F.binary_cross_entropy_with_logits
    ones, zeros = torch.ones(batch, 1), torch.zeros(batch, 1)
    state = {}

    def run(k):
        for _ in range(k):
            fake = g(z)
            adam_d.zero_grad()
            loss_d = bce(d(real), ones) + bce(d(fake.detach()), zeros)
            loss_d.backward()
            adam_d.step()
            adam_g.zero_grad()
            d.requires_grad_(False)
            loss_g = bce(d(fake), ones)
            loss_g.backward()
            d.requires_grad_(True)
            adam_g.step()
            state["loss"] = loss_d, loss_g

    return run, lambda: [float(v.detach()) for v in state["loss"]]


def make(name, training, tensors, batch):
    torch.manual_seed(0)
    w = Weights(tensors)
    if COMPILE:
        torch.compiler.reset()
    if name == "dcgan":
        return gan(w, training, batch)
    if name not in MODELS:
        return None
    model = MODELS[name](w)
    x, y = w.next()[:batch], w.next()[:batch]
    if x.ndim == 4:
        x = picture(x)
    x = x.long() if x.dtype == torch.int32 else x
    if not training:
        return inference(model, x)
    y = y.long() if y.dtype == torch.int32 else y
    model = prepare(model)
    adam, regression = optimizer(model), name == "linear"
    state = {}

    def run(k):
        for _ in range(k):
            adam.zero_grad()
            out = model(x)
            loss = F.mse_loss(out, y) if regression else F.cross_entropy(out.reshape(y.numel(), -1), y.reshape(-1))
            loss.backward()
            adam.step()
            state["loss"] = loss

    return run, lambda: [float(state["loss"].detach())]


serve(make)
