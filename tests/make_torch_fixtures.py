#!/usr/bin/env python3
"""Writes tests/data/torch_layers.safetensors and .npz: parameters of PyTorch's modules, inputs, and their outputs in
eval mode, laid out as Keras lays them out (channels last). Needs torch and numpy."""
import json
import os
import struct

import numpy as np
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3)
        self.bn = nn.BatchNorm2d(3)
        self.fc = nn.Linear(3 * 4 * 4, 5)
        self.emb = nn.Embedding(7, 3)
        self.rnn = nn.LSTM(3, 4, batch_first=True)
        self.gru = nn.GRU(4, 4, batch_first=True)
        self.head = nn.Linear(4, 2, bias=False)
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)
        self.norm = nn.LayerNorm(6)
        self.up = nn.ConvTranspose2d(2, 3, 4, stride=2, padding=1)

    def forward(self, pictures, tokens, steps):
        features = torch.relu(self.bn(self.conv(pictures))).flatten(1)
        sequence = self.gru(self.rnn(self.emb(tokens))[0])[0]
        attended = self.attention(steps, steps, steps)[0]
        return (self.fc(features), self.head(sequence[:, -1]), self.norm(attended),
                self.up(pictures).permute(0, 2, 3, 1))


def save(tensors, path):
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, tensor in tensors.items():
        bytes_ = tensor.numpy().tobytes()
        header[name] = {"dtype": {torch.float32: "F32", torch.int64: "I64"}[tensor.dtype],
                        "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(bytes_)]}
        data += bytes_
    text = json.dumps(header).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


def main():
    torch.manual_seed(3)
    net = Net()
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.5)
    net.bn.running_mean.normal_()
    net.bn.running_var.uniform_(0.5, 2)
    net.eval()
    x0, x1, x2 = torch.randn(3, 2, 6, 6), torch.randint(0, 7, (3, 5)), torch.randn(3, 5, 6)
    with torch.no_grad():
        ys = net(x0, x1, x2)
    base = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "torch_layers")
    save(net.state_dict(), base + ".safetensors")
    np.savez(base + ".npz", x0=x0.permute(0, 2, 3, 1).numpy(), x1=x1.numpy(), x2=x2.numpy(),
             **{f"y{k}": y.numpy() for k, y in enumerate(ys)})


main()
