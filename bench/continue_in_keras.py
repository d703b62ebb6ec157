#!/usr/bin/env python3
"""One training, begun here, gone on with in Keras, finished here: does the loss go on falling?

    python bench/continue_in_keras.py [--data FOLDER] [--model cnn] [--optimizer 'adam(0.001)'] [--out DIR]

Data are 12,800 pictures of Fashion-MNIST, gone through 6 times: `moru train cnn` makes the first 2 epochs and saves a
compiled model; real Keras loads the .keras file, makes 1 epoch with the optimizer's state it finds in it, and saves;
`moru train FILE` makes 3 more. Each epoch is run as 4 quarters, so that there is a curve. For comparison Keras also goes
on with a new optimizer: the jump of a lost state. Writes continue.csv, and continue.png where matplotlib is installed;
fails if the loss rises by more than a tenth where one program hands over to the other.
"""

import argparse
import csv
import gzip
import os
import subprocess
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import h5py
import keras
import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
QUARTERS, BATCH, SAMPLES = 4, 128, 12800


def moru(*arguments):
    done = subprocess.run([os.path.join(ROOT, "moru"), *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"moru {' '.join(map(str, arguments))}: {done.stderr}")


def losses_of(log):
    with open(os.path.join(log, "history.csv")) as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


def idx(path, header):
    with gzip.open(path) as file:
        return np.frombuffer(file.read()[header:], np.uint8)


def write_data(folder, out):
    """The quarters as one file each, and the same arrays for Keras."""
    x = idx(f"{folder}/train-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28, 1)[:SAMPLES].astype("float32") / 255
    y = idx(f"{folder}/train-labels-idx1-ubyte.gz", 8)[:SAMPLES].astype("int32")
    parts = list(zip(np.split(x, QUARTERS), np.split(y, QUARTERS)))
    for k, (a, b) in enumerate(parts):
        with h5py.File(f"{out}/part{k}.h5", "w") as file:
            file["x"], file["target"] = a, b
    return parts


def here(model, out, epochs, optimizer):
    """Quarters of epochs here, from a zoo name or a file; returns their losses."""
    losses = []
    for k in range(epochs * QUARTERS):
        options = [] if k or model.endswith(".keras") else ["--optimizer", optimizer]
        moru("train", model, "--data", f"h5:{out}/part{k % QUARTERS}.h5", "--validation", f"h5:{out}/part0.h5", "--epochs", 1, "--batch",
             BATCH, "--save", f"{out}/here.keras", "--log", f"{out}/log", "--seed", k, *options)
        model = f"{out}/here.keras"
        losses += losses_of(f"{out}/log")
    return losses


def there(path, save, parts, fresh):
    model = keras.models.load_model(path)
    if fresh:
        model.compile(type(model.optimizer).from_config(model.optimizer.get_config()), model.loss)
    losses = [model.fit(x, y, batch_size=BATCH, verbose=0).history["loss"][0] for x, y in parts]
    model.save(save)
    return losses


def plot(curve, fresh, path):
    try:
        import matplotlib
        matplotlib.use("Agg")
        import matplotlib.pyplot as plt
    except ImportError:
        return
    figure, axes = plt.subplots(figsize=(7, 4))
    colours = {"Moru": "tab:blue", "Keras": "tab:orange"}
    for k in range(len(curve) - 1):
        axes.plot([k + 1, k + 2], [curve[k][1], curve[k + 1][1]], color=colours[curve[k + 1][0]])
    for name, colour in colours.items():
        axes.plot([], [], color=colour, label=name)
    first = next(k for k, (who, _) in enumerate(curve) if who == "Keras")
    axes.plot(range(first + 1, first + 1 + len(fresh)), fresh, "--", color="grey", label="Keras, optimizer's state lost")
    axes.set(xlabel="quarters of an epoch", ylabel="training loss", title="One training in two programs")
    axes.legend()
    figure.savefig(path, dpi=110)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="cnn")
    parser.add_argument("--optimizer", default="adam(0.001)")
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist", help="folder of Fashion-MNIST's four files")
    parser.add_argument("--out", default="continue")
    options = parser.parse_args()
    os.makedirs(options.out, exist_ok=True)
    parts = write_data(options.data, options.out)
    curve = [("Moru", loss) for loss in here(options.model, options.out, 2, options.optimizer)]
    fresh = there(f"{options.out}/here.keras", f"{options.out}/fresh.keras", parts, True)
    curve += [("Keras", loss) for loss in there(f"{options.out}/here.keras", f"{options.out}/there.keras", parts, False)]
    curve += [("Moru", loss) for loss in here(f"{options.out}/there.keras", options.out, 3, options.optimizer)]
    with open(f"{options.out}/continue.csv", "w") as file:
        file.write("quarter,program,loss\n")
        file.writelines(f"{k + 1},{who},{loss:.6f}\n" for k, (who, loss) in enumerate(curve))
    plot(curve, fresh, f"{options.out}/continue.png")
    for k in range(1, len(curve)):
        print(f"{k + 1:3} {curve[k][0]:6} {curve[k][1]:.4f}")
        if curve[k][0] != curve[k - 1][0] and curve[k][1] > 1.1 * curve[k - 1][1]:
            sys.exit("the loss jumped where the other program went on")
    print("fresh:", " ".join(f"{loss:.4f}" for loss in fresh))


main()
