"""Small Keras models with what Keras computes for them, for tests/test_keras.c.

    python make_keras_fixtures.py [--out data] [NAME ...]

Needs Keras 3 and h5py. Models are the functions of the modules in keras/: each takes a random generator and returns
(model, [inputs], target, loss), the model's name being the function's. For each: NAME.keras, NAME.weights.h5 and
NAME.io.h5 with inputs x (x0, x1 ...), outputs y (y0 ...), target (target0 ...), the loss as an attribute, and in
inference/ and training/ the loss and grad/PATH for every trainable variable. Weights are random everywhere. A second run
gives the same numbers.
"""

import argparse
import importlib
import inspect
import os
import sys
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "keras"))

import fixture
import keras
import numpy as np


def builders():
    for file in sorted(os.listdir(os.path.join(HERE, "keras"))):
        if not file.endswith(".py") or file == "fixture.py":
            continue
        module = importlib.import_module(file[:-3])
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if function.__module__ == module.__name__ and list(inspect.signature(function).parameters) == ["rng"]:
                yield name, function


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", default=os.path.join(HERE, "data"))
    p.add_argument("names", nargs="*", help="all, if none is given")
    a = p.parse_args()
    os.makedirs(a.out, exist_ok=True)
    for name, build in builders():
        if a.names and name not in a.names:
            continue
        seed = zlib.crc32(name.encode()) % 100000
        keras.backend.clear_session()
        keras.utils.set_random_seed(seed)
        model, xs, target, loss = build(np.random.default_rng(seed))
        assert model.name == name, (model.name, name)
        fixture.write(a.out, model, xs, target, loss)
        print(name)


if __name__ == "__main__":
    main()
