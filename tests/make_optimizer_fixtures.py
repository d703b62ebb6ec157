"""Three steps of Keras's optimizers, for tests/test_optimizers.c: tests/data/optimizers.h5.

    python make_optimizer_fixtures.py [FILE]

Needs Keras 3 and h5py. Dense(4, tanh)-Dense(2), mean squared error. x and target hold the steps' batches, init/<i> the
weights before (kernel, bias, kernel_1, bias_1). For each setting: attributes class_name and config, loss (before each
step's update), weights[k] all weights after step k + 1 one after the other, state all optimizer.variables at the end, the
attribute shapes their shapes, as JSON. ScheduleFreeAdamW isn't here: with TensorFlow Keras reads its momentum after it has
changed, and before it has its initial value.
"""

import json
import os
import sys

import h5py
import keras
import numpy as np
from keras import optimizers as k

STEPS = 5
SETTINGS = {
    "adam_decay_amsgrad": k.Adam(0.05, amsgrad=True, weight_decay=0.1),
    "nadam_accumulate": k.Nadam(0.05, gradient_accumulation_steps=2, weight_decay=0.05),
    "adamax_decay": k.Adamax(0.05, weight_decay=0.1, beta_1=0.8),
    "adadelta_ema": k.Adadelta(2.0, use_ema=True, ema_momentum=0.7),
    "ftrl_all": k.Ftrl(0.1, learning_rate_power=-0.4, l1_regularization_strength=0.01,
                       l2_regularization_strength=0.02, l2_shrinkage_regularization_strength=0.03, beta=0.2),
    "lion_decay": k.Lion(0.05, weight_decay=0.1, beta_1=0.8, beta_2=0.9),
    "lamb": k.Lamb(0.05, weight_decay=0.05),
    "muon": k.Muon(0.05),
    "muon_options": k.Muon(0.02, nesterov=False, rms_rate=None, ns_steps=3, adam_lr_ratio=0.5, momentum=0.8,
                           exclude_layers=["dense_1/", "nothing"], weight_decay=0.1, adam_weight_decay=0.02),
    "adafactor": k.Adafactor(0.05),
    "adafactor_absolute": k.Adafactor(0.05, relative_step=False, clip_threshold=0.5, weight_decay=0.01),
    "sgd_ema_overwrite": k.SGD(0.2, momentum=0.9, use_ema=True, ema_momentum=0.6, ema_overwrite_frequency=2),
    "sgd_accumulate": k.SGD(0.2, gradient_accumulation_steps=2, clipnorm=0.3),
    "adam_accumulate_ema": k.Adam(0.05, gradient_accumulation_steps=2, use_ema=True, ema_momentum=0.5,
                                  ema_overwrite_frequency=2),
    "rmsprop_accumulate_schedule": k.RMSprop(k.schedules.InverseTimeDecay(0.05, 1, 0.5), gradient_accumulation_steps=3),
    "adagrad_loss_scale": k.Adagrad(0.05, loss_scale_factor=64.0, global_clipnorm=0.5),
}


def model_of():
    keras.backend.clear_session()
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, activation="tanh"), keras.layers.Dense(2)],
                            name="optimizer_mlp")


def main(path):
    rng = np.random.default_rng(5)
    x = rng.normal(size=(STEPS, 6, 3)).astype("float32")
    target = rng.normal(size=(STEPS, 6, 2)).astype("float32")
    init = [rng.normal(size=w.shape).astype("float32") * 0.7 for w in model_of().get_weights()]
    with h5py.File(path, "w") as f:
        f["x"], f["target"] = x, target
        for i, w in enumerate(init):
            f[f"init/{i}"] = w
        for name, optimizer in SETTINGS.items():
            model = model_of()
            model.set_weights(init)
            model.compile(optimizer, "mse")
            group = f.create_group(name)
            group.attrs["class_name"] = type(optimizer).__name__
            group.attrs["config"] = json.dumps(optimizer.get_config())
            losses, weights = [], []
            for s in range(STEPS):
                losses.append(float(model.train_on_batch(x[s], target[s])))
                weights.append(np.concatenate([w.ravel() for w in model.get_weights()]))
            group["loss"] = np.array(losses, "float32")
            group["weights"] = np.array(weights)
            state = [np.asarray(v) for v in optimizer.variables]
            group["state"] = np.concatenate([v.ravel().astype("float32") for v in state])
            group.attrs["shapes"] = json.dumps([list(v.shape) for v in state])


if __name__ == "__main__":
    here = os.path.dirname(os.path.abspath(__file__))
    main(sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "data", "optimizers.h5"))
