"""Keras's losses and metrics, for tests/test_loss_values.c: tests/data/losses.h5 and tests/data/metrics.h5.

    python make_loss_fixtures.py [FOLDER]

Needs Keras 3 and h5py. A file has all numbers in the data set `data`, and the attribute `cases`, a JSON list of objects whose
`arrays` are {name: [place in data, shape, whether whole numbers]}. losses.h5: spec, Keras's object; activation, applied to the
prediction first; arrays target, prediction, mask (of the prediction) and weights, where there are some, loss and its
gradient for the prediction. metrics.h5: spec, name; two batches target0, prediction0, weights0 ...; value after both.
"""

import json
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import h5py
import keras
import numpy as np
import tensorflow as tf
from keras import losses as L
from keras import metrics as M

rng = np.random.default_rng(11)


def real(*shape):
    return rng.standard_normal(shape).astype("float32")


def unit(*shape):
    return rng.uniform(0.02, 0.98, shape).astype("float32")


def shares(*shape):
    x = unit(*shape)
    return x / x.sum(-1, keepdims=True)


def labels(n, *shape):
    return rng.integers(0, n, shape).astype("int32")


def hot(n, *shape):
    return np.eye(n, dtype="float32")[labels(n, *shape)]


def bits(*shape):
    return rng.integers(0, 2, shape).astype("float32")


def losses():
    plain = [L.MeanSquaredError, L.MeanAbsoluteError, L.LogCosh, L.Huber, L.CosineSimilarity]
    for cls in plain:
        yield cls(), real(5, 3), real(5, 3), {}
        yield cls(reduction="sum"), real(5, 4, 3), real(5, 4, 3), {"weights": unit(5, 4)}
    yield L.MeanAbsolutePercentageError(), real(5, 3), real(5, 3), {}
    yield L.MeanSquaredLogarithmicError(), unit(5, 3) * 3, real(5, 3), {}
    yield L.Huber(delta=0.4), real(4, 3), real(4, 3), {"weights": unit(4)}
    yield L.CosineSimilarity(axis=1), real(4, 3, 2), real(4, 3, 2), {}
    yield L.KLDivergence(), shares(5, 3), shares(5, 3), {"weights": unit(5)}
    yield L.Poisson(), unit(5, 3) * 4, unit(5, 3) * 3, {}
    yield L.Hinge(), bits(5, 3), real(5, 3), {}
    yield L.SquaredHinge(), 2 * bits(5, 3) - 1, real(5, 3), {"weights": unit(5, 1)}
    yield L.CategoricalHinge(), hot(4, 5), real(5, 4), {"weights": unit(5)}
    for reduction in ("mean", "mean_with_sample_weight", "sum", "none", None):
        yield L.MeanSquaredError(reduction=reduction), real(4, 3, 2), real(4, 3, 2), {}
        yield L.MeanSquaredError(reduction=reduction), real(4, 3, 2), real(4, 3, 2), {"weights": unit(4, 3)}
        yield L.MeanSquaredError(reduction=reduction), real(4, 3, 2), real(4, 3, 2), {"mask": bits(4, 3)}
        yield L.MeanSquaredError(reduction=reduction), real(4, 3, 2), real(4, 3, 2), {"mask": bits(4, 3), "weights": unit(4, 3)}
    yield L.MeanSquaredError(), real(4, 3, 2), real(4, 3, 2), {"mask": np.zeros((4, 3), "float32")}
    yield L.MeanSquaredError(reduction="mean_with_sample_weight"), real(4, 2), real(4, 2), {"weights": np.zeros(4, "float32")}
    yield L.MeanSquaredError(), real(4), real(4, 1), {"weights": unit(4)}
    for smoothing in (0.0, 0.2):
        yield L.BinaryCrossentropy(label_smoothing=smoothing), bits(5, 3), unit(5, 3), {}
        yield L.BinaryCrossentropy(True, smoothing), bits(5, 3), real(5, 3) * 3, {"weights": unit(5)}
        yield L.CategoricalCrossentropy(label_smoothing=smoothing), hot(4, 5), shares(5, 4) * 2, {}
        yield L.CategoricalCrossentropy(True, smoothing), hot(4, 5), real(5, 4) * 3, {"weights": unit(5)}
    yield L.BinaryCrossentropy(axis=1), bits(4, 3, 2), unit(4, 3, 2), {"weights": unit(4, 2)}
    yield L.CategoricalCrossentropy(axis=1), np.moveaxis(hot(3, 4, 2), -1, 1), unit(4, 3, 2), {}
    yield L.CategoricalCrossentropy(True, 0.1, axis=1), np.moveaxis(hot(3, 4, 3), -1, 1), real(4, 3, 3), {}
    yield L.BinaryCrossentropy(), bits(5, 3), real(5, 3) * 4, {"activation": "sigmoid"}
    yield L.CategoricalCrossentropy(), hot(4, 5), real(5, 4) * 9, {"activation": "softmax"}
    for balanced in (False, True):
        yield L.BinaryFocalCrossentropy(balanced, 0.3, 1.5), bits(5, 3), unit(5, 3), {}
        yield L.BinaryFocalCrossentropy(balanced, from_logits=True, label_smoothing=0.1), bits(5, 3), real(5, 3), {}
    yield L.BinaryFocalCrossentropy(), bits(5, 3), real(5, 3), {"activation": "sigmoid"}
    yield L.CategoricalFocalCrossentropy(), hot(4, 5), shares(5, 4), {"weights": unit(5)}
    yield L.CategoricalFocalCrossentropy(0.4, 1.7, True, 0.1), hot(4, 5), real(5, 4), {}
    yield L.CategoricalFocalCrossentropy(axis=1), np.moveaxis(hot(3, 4, 2), -1, 1), unit(4, 3, 2), {}
    yield L.SparseCategoricalCrossentropy(), labels(4, 5), shares(5, 4), {}
    yield L.SparseCategoricalCrossentropy(True), labels(4, 5, 3), real(5, 3, 4), {"weights": unit(5, 3), "mask": bits(5, 3)}
    yield L.SparseCategoricalCrossentropy(True), labels(4, 5, 1), real(5, 4), {}
    for from_logits in (False, True):
        for reduction in ("sum_over_batch_size", "sum"):
            yield (L.SparseCategoricalCrossentropy(from_logits, ignore_class=3, reduction=reduction), labels(4, 5, 3),
                   shares(5, 3, 4), {})
    t = labels(4, 5, 3)
    t[1] = 255
    yield L.SparseCategoricalCrossentropy(ignore_class=255), t, real(5, 3, 4), {"activation": "softmax", "weights": unit(5, 3)}
    yield L.CategoricalGeneralizedCrossEntropy(q=0.7), labels(4, 5), shares(5, 4), {}
    yield L.Dice(), bits(3, 4, 4, 1), unit(3, 4, 4, 1), {}
    yield L.Dice(axis=(1, 2, 3)), bits(3, 4, 4, 2), unit(3, 4, 4, 2), {"weights": unit(3)}
    yield L.Dice(axis=1, reduction="sum"), bits(3, 4), unit(3, 4), {}
    yield L.Tversky(), bits(3, 4, 2), unit(3, 4, 2), {"weights": unit(3)}
    yield L.Tversky(0.3, 0.6, axis=[1, 2]), bits(3, 4, 2), unit(3, 4, 2), {}
    z = real(6, 4)
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    yield L.Circle(), np.array([0, 1, 0, 2, 1, 0], "int32"), z, {}
    yield L.Circle(8.0, 0.3), np.array([[0], [1], [0], [2], [1], [0]], "int32"), z, {"weights": unit(6)}
    yield L.Circle(8.0, 0.3, False, reduction="sum"), np.array([0, 1, 0, 2, 1, 0], "int32"), z, {}
    yield L.CTC(), np.array([[1, 2, 2], [3, 0, 0], [1, 3, 2]], "int32"), real(3, 6, 4), {}
    yield L.CTC(reduction="sum"), np.array([[1, 1], [2, 0]], "int32"), real(2, 5, 3), {"weights": unit(2)}


class File:
    def __init__(self):
        self.data, self.size, self.cases = [], 0, []

    def case(self, **what):
        self.cases.append({**what, "arrays": {}})

    def add(self, name, array):
        array = np.asarray(array)
        self.cases[-1]["arrays"][name] = [self.size, list(array.shape), array.dtype.kind == "i"]
        self.data.append(array.astype("float32").ravel())
        self.size += array.size

    def write(self, path):
        with h5py.File(path, "w") as f:
            f["data"] = np.concatenate(self.data)
            f.attrs["cases"] = json.dumps(self.cases)


def spec_of(thing):
    spec = keras.saving.serialize_keras_object(thing)
    if isinstance(thing, (L.CosineSimilarity, L.Huber, M.CosineSimilarity)):  # Keras forgets these options
        spec["config"].update(thing._fn_kwargs)
    return spec


def write_losses(path):
    f = File()
    for loss, target, prediction, more in losses():
        f.case(spec=spec_of(loss), activation=more.get("activation", ""))
        x = tf.Variable(prediction)
        with tf.GradientTape() as tape:
            y = tf.convert_to_tensor(x)
            if more.get("activation"):
                y = getattr(keras.ops, more["activation"])(y)
            if "mask" in more:
                keras.src.backend.set_keras_mask(y, tf.cast(more["mask"], "bool"))
            value = loss(target, y, more.get("weights"))
        f.add("target", target)
        f.add("prediction", prediction)
        for name in ("weights", "mask"):
            if name in more:
                f.add(name, more[name])
        f.add("loss", value.numpy())
        f.add("gradient", tf.convert_to_tensor(tape.gradient(value, x)).numpy())
    f.write(path)


def two(make):
    return [make(), make()]


def metrics():
    for cls in (M.MeanSquaredError, M.RootMeanSquaredError, M.MeanAbsoluteError, M.LogCoshError, M.CosineSimilarity):
        yield cls(), two(lambda: (real(5, 3), real(5, 3), None))
        yield cls(), two(lambda: (real(5, 4, 3), real(5, 4, 3), unit(5, 4)))
        yield cls(), two(lambda: (real(5, 4, 3), real(5, 4, 3), unit(5)))
    yield M.MeanAbsolutePercentageError(name="own"), two(lambda: (real(5, 3), real(5, 3), unit(5)))
    yield M.MeanSquaredLogarithmicError(), two(lambda: (unit(5, 3), unit(5, 3), None))
    yield M.CosineSimilarity(axis=1), two(lambda: (real(5, 4, 3), real(5, 4, 3), None))
    yield M.KLDivergence(), two(lambda: (shares(5, 3), shares(5, 3), unit(5)))
    yield M.Poisson(), two(lambda: (unit(5, 3), unit(5, 3), None))
    yield M.Hinge(), two(lambda: (bits(5, 3), real(5, 3), None))
    yield M.SquaredHinge(), two(lambda: (bits(5, 3), real(5, 3), unit(5)))
    yield M.CategoricalHinge(), two(lambda: (hot(4, 5), real(5, 4), None))
    yield M.BinaryCrossentropy(label_smoothing=0.1), two(lambda: (bits(5, 3), unit(5, 3), unit(5)))
    yield M.CategoricalCrossentropy(from_logits=True), two(lambda: (hot(4, 5), real(5, 4), None))
    yield M.SparseCategoricalCrossentropy(ignore_class=1), two(lambda: (labels(4, 5, 2), shares(5, 2, 4), unit(5, 2)))
    yield M.SparseCategoricalCrossentropy(ignore_class=1), two(lambda: (labels(4, 5, 2), shares(5, 2, 4), None))
    yield M.Accuracy(), two(lambda: (labels(3, 9), labels(3, 9).astype("float32"), unit(9)))
    yield M.BinaryAccuracy(threshold=0.4), two(lambda: (bits(5, 3), unit(5, 3), unit(5)))
    yield M.CategoricalAccuracy(), two(lambda: (hot(3, 9), unit(9, 3), unit(9)))
    yield M.SparseCategoricalAccuracy(), two(lambda: (labels(3, 9, 2), unit(9, 2, 3), unit(9, 2)))
    yield M.TopKCategoricalAccuracy(k=2), two(lambda: (hot(4, 9), unit(9, 4), unit(9)))
    yield M.SparseTopKCategoricalAccuracy(k=2), two(lambda: (labels(4, 9, 2), unit(9, 2, 4), None))
    yield (M.SparseTopKCategoricalAccuracy(k=2, from_sorted_ids=True),
           two(lambda: (labels(4, 9), rng.permuted(np.tile(np.arange(4, dtype="float32"), (9, 1)), axis=1), None)))
    yield M.PearsonCorrelation(axis=0), two(lambda: (real(7, 2), real(7, 2), None))
    yield M.PearsonCorrelation(), two(lambda: (real(7, 5), real(7, 5), unit(7)))
    yield M.ConcordanceCorrelation(), two(lambda: (real(7, 5), real(7, 5), None))
    counted = lambda: (bits(9, 3), unit(9, 3), unit(9))
    for cls in (M.TruePositives, M.FalsePositives, M.TrueNegatives, M.FalseNegatives, M.Precision, M.Recall):
        yield cls(), two(counted)
        yield cls(thresholds=[0.7, 0.2]), two(lambda: (bits(9), unit(9, 1), None))
        yield cls(thresholds=[0.0, 0.25, 0.5, 0.75, 1.0]), two(counted)
    for cls in (M.Precision, M.Recall):
        yield cls(top_k=2), two(lambda: (hot(4, 9), unit(9, 4), unit(9)))
        yield cls(top_k=2, class_id=1, thresholds=0.3), two(lambda: (hot(4, 9), unit(9, 4), None))
        yield cls(class_id=2), two(lambda: (bits(9, 3), unit(9, 3), None))
    for cls in (M.SensitivityAtSpecificity, M.SpecificityAtSensitivity, M.PrecisionAtRecall, M.RecallAtPrecision):
        yield cls(0.6), two(counted)
        yield cls(0.4, num_thresholds=7, class_id=1), two(counted)
        yield cls(0.1, num_thresholds=1), two(counted)
    for curve in ("ROC", "PR", "PRGAIN"):
        for how in ("interpolation", "majoring", "minoring"):
            yield M.AUC(50, curve, how), two(lambda: (bits(40), unit(40, 1), unit(40)))
        yield M.AUC(curve=curve, thresholds=[0.9, 0.2, 0.5]), two(counted)
        yield M.AUC(20, curve, multi_label=True), two(lambda: (bits(30, 3), unit(30, 3), unit(30)))
    yield M.AUC(multi_label=True, num_labels=3, label_weights=[0.2, 0.5, 0.3]), two(lambda: (bits(30, 3), unit(30, 3), None))
    yield M.AUC(label_weights=[0.2, 0.5, 0.3], from_logits=True), two(lambda: (bits(30, 3), real(30, 3), None))
    yield M.AUC(), [(bits(6), np.array([0, 1, 0.5, 0, 1, 0.25], "float32"), None)] * 2
    for average in (None, "micro", "macro", "weighted"):
        yield M.F1Score(average), two(lambda: (hot(3, 9), unit(9, 3), unit(9)))
        yield M.FBetaScore(average, 0.5, 0.4), two(lambda: (bits(9, 3), unit(9, 3), None))
    yield M.MeanIoU(3), two(lambda: (labels(3, 5, 4), labels(3, 5, 4).astype("float32"), None))
    yield M.MeanIoU(4, ignore_class=0), two(lambda: (labels(3, 5, 4), labels(3, 5, 4).astype("float32"), None))
    yield M.MeanIoU(3, sparse_y_pred=False, dtype="float32"), two(lambda: (labels(3, 5, 4), unit(5, 4, 3), unit(5, 4)))
    yield M.IoU(3, [0, 2]), two(lambda: (labels(3, 5), labels(3, 5).astype("float32"), labels(3, 5).astype("float32")))
    yield M.BinaryIoU([0, 1], 0.4), two(lambda: (bits(5, 4), unit(5, 4), None))
    yield M.BinaryIoU([1]), two(lambda: (bits(5, 4), unit(5, 4), None))
    yield M.OneHotIoU(3, [1, 2]), two(lambda: (hot(3, 5, 4), unit(5, 4, 3), None))
    yield M.OneHotMeanIoU(3, sparse_y_pred=True), two(lambda: (hot(3, 5), labels(3, 5).astype("float32"), None))
    for how in (None, "uniform_average", "variance_weighted_average"):
        yield M.R2Score(how), two(lambda: (real(9, 3), real(9, 3), unit(9)))
        yield M.R2Score(how, num_regressors=2), two(lambda: (real(9, 3), real(9, 3), None))
    yield M.R2Score(), two(lambda: (real(9), real(9, 1), None))
    yield M.MeanMetricWrapper(L.huber, "wrapped", delta=0.5), two(lambda: (real(9, 2), real(9, 2), unit(9)))


def write_metrics(path):
    f = File()
    for metric, batches in metrics():
        f.case(spec=spec_of(metric), name=metric.name)
        for i, (target, prediction, weights) in enumerate(batches):
            metric.update_state(target, tf.convert_to_tensor(prediction), weights)
            f.add(f"target{i}", target)
            f.add(f"prediction{i}", prediction)
            if weights is not None:
                f.add(f"weights{i}", weights)
        f.add("value", np.atleast_1d(metric.result().numpy()).astype("float32"))
    f.write(path)


if __name__ == "__main__":
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
    keras.utils.set_random_seed(3)
    write_losses(os.path.join(folder, "losses.h5"))
    write_metrics(os.path.join(folder, "metrics.h5"))
