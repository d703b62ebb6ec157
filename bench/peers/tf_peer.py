"""TensorFlow: Keras layers and optimizer, the whole step in a tf.function."""
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import tensorflow as tf
from keras import Input, Model, Sequential, layers, losses, optimizers

from peer import serve

THREADS = int(os.environ.get("OMP_NUM_THREADS", "2"))
tf.config.threading.set_intra_op_parallelism_threads(THREADS)
tf.config.threading.set_inter_op_parallelism_threads(THREADS)
XLA = "--xla" in sys.argv


def mlp(*units):
    return lambda: Sequential([Input((784 if units[-1] == 10 else 1,))]
                              + [layers.Dense(u, activation="relu") for u in units[:-1]] + [layers.Dense(units[-1])])


def conv(filters, size, **options):
    return layers.Conv2D(filters, size, activation="relu", **options)


def lenet():
    return Sequential([Input((28, 28, 1)), conv(6, 5, padding="same"), layers.MaxPooling2D(), conv(16, 5),
                       layers.MaxPooling2D(), layers.Flatten(), layers.Dense(120, activation="relu"),
                       layers.Dense(84, activation="relu"), layers.Dense(10)])


def cnn():
    return Sequential([Input((28, 28, 1)), conv(32, 3), layers.MaxPooling2D(), conv(64, 3), layers.MaxPooling2D(),
                       layers.Flatten(), layers.Dense(10)])


def vgg():
    return Sequential([Input((32, 32, 3)), conv(64, 3, padding="same"), conv(64, 3, padding="same"),
                       layers.MaxPooling2D(), conv(128, 3, padding="same"), conv(128, 3, padding="same"),
                       layers.MaxPooling2D(), layers.Flatten(), layers.Dense(10)])


def resnet20():
    def plain(x, filters, size=3, stride=1):
        return layers.Conv2D(filters, size, strides=stride, padding="same", use_bias=False)(x)

    given = Input((32, 32, 3))
    x = layers.Activation("relu")(layers.BatchNormalization()(plain(given, 16)))
    for stage, filters in enumerate((16, 32, 64)):
        for k in range(3):
            stride = 2 if stage and k == 0 else 1
            y = layers.Activation("relu")(layers.BatchNormalization()(plain(x, filters, stride=stride)))
            y = layers.BatchNormalization()(plain(y, filters))
            x = plain(x, filters, 1, 2) if stride == 2 else x
            x = layers.Activation("relu")(layers.Add()([y, x]))
    return Model(given, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))


def recurrent(layer, units, depth):
    return lambda: Sequential([Input((64,), dtype="int32"), layers.Embedding(65, units)]
                              + [layer(units, return_sequences=True) for _ in range(depth)] + [layers.Dense(65)])


class Positions(layers.Layer):
    def build(self, shape):
        self.table = self.add_weight(shape=shape[1:], name="positions")

    def call(self, x):
        return x + self.table


def gpt():
    given = Input((64,), dtype="int32")
    x = Positions()(layers.Embedding(65, 128)(given))
    for _ in range(4):
        y = layers.LayerNormalization(epsilon=1e-5)(x)
        x = x + layers.MultiHeadAttention(4, 32)(y, y, use_causal_mask=True)
        y = layers.LayerNormalization(epsilon=1e-5)(x)
        x = x + layers.Dense(128)(layers.Dense(512, activation="gelu")(y))
    return Model(given, layers.Dense(65, use_bias=False)(layers.LayerNormalization(epsilon=1e-5)(x)))


def generator():
    return Sequential([Input((100,)), layers.Dense(6272), layers.BatchNormalization(), layers.ReLU(),
                       layers.Reshape((7, 7, 128)), layers.Conv2DTranspose(64, 4, strides=2, padding="same"),
                       layers.BatchNormalization(), layers.ReLU(),
                       layers.Conv2DTranspose(1, 4, strides=2, padding="same", activation="tanh")])


def discriminator():
    return Sequential([Input((28, 28, 1)), layers.Conv2D(64, 4, strides=2, padding="same"), layers.LeakyReLU(0.2),
                       layers.Conv2D(128, 4, strides=2, padding="same"), layers.BatchNormalization(),
                       layers.LeakyReLU(0.2), layers.Flatten(), layers.Dense(1)])


MODELS = {
    "linear": mlp(1), "mlp": mlp(512, 512, 10), "mlp_small": mlp(128, 10), "lenet": lenet, "cnn": cnn, "vgg": vgg,
    "resnet20": resnet20, "lstm": recurrent(layers.LSTM, 128, 2), "lstm512": recurrent(layers.LSTM, 512, 1),
    "gru": recurrent(layers.GRU, 128, 2), "gpt": gpt,
}


def fill(model, values):
    """Layers in the order they were made, which is that of the weights; within a layer Keras's order."""
    for layer in model.layers:
        n = len(layer.get_weights())
        if n:
            layer.set_weights(values[:n])
            del values[:n]


def fill_resnet(model, values):
    """The model's own order of layers is by depth; the names tell in which order they were made."""
    def made(layer):
        number = layer.name.rpartition("_")[2]
        return int(number) if number.isdigit() else 0

    convs = sorted((l for l in model.layers if isinstance(l, layers.Conv2D)), key=made)
    norms = sorted((l for l in model.layers if isinstance(l, layers.BatchNormalization)), key=made)
    for c in convs:
        c.set_weights([values.pop(0)])
        if c.kernel_size != (1, 1):
            norms.pop(0).set_weights([values.pop(0) for _ in range(4)])
    model.layers[-1].set_weights([values.pop(0), values.pop(0)])


def graph(f):
    return tf.function(f, jit_compile=XLA)


def repeat(step):
    state = {}

    def run(k):
        for _ in range(k):
            state["y"] = step()
        for y in state["y"]:
            y.numpy()

    return run, lambda: [float(y) for y in state["y"]]


def infer(model, x):
    f = graph(lambda x: model(x, training=False))
    state = {}

    def run(k):
        for _ in range(k):
            state["y"] = f(x)
        state["y"].numpy()

    return run, lambda: state["y"].numpy()


def gan(tensors, training, batch):
    real, z = (tf.constant(tensors.pop()[:batch]) for _ in range(2))
    g, d = generator(), discriminator()
    fill(g, tensors)
    if not training:
        return infer(g, z)
    fill(d, tensors)
    bce = losses.BinaryCrossentropy(from_logits=True)
    adam_g, adam_d = optimizers.Adam(1e-3), optimizers.Adam(1e-3)
    adam_g.build(g.trainable_variables)
    adam_d.build(d.trainable_variables)
    ones, zeros = tf.ones((batch, 1)), tf.zeros((batch, 1))

    @graph
    def step():
        with tf.GradientTape() as tape_g:
            fake = g(z, training=True)
        with tf.GradientTape() as tape:
            loss_d = bce(ones, d(real, training=True)) + bce(zeros, d(tf.stop_gradient(fake), training=True))
        adam_d.apply_gradients(zip(tape.gradient(loss_d, d.trainable_variables), d.trainable_variables))
        with tf.GradientTape() as tape:
            tape.watch(fake)
            loss_g = bce(ones, d(fake, training=True))
        grads = tape_g.gradient(fake, g.trainable_variables, output_gradients=tape.gradient(loss_g, fake))
        adam_g.apply_gradients(zip(grads, g.trainable_variables))
        return loss_d, loss_g

    return repeat(step)


def make(name, training, tensors, batch):
    if name == "dcgan":
        return gan(tensors, training, batch)
    if name not in MODELS:
        return None
    y, x = (tf.constant(tensors.pop()[:batch]) for _ in range(2))
    model = MODELS[name]()
    (fill_resnet if name == "resnet20" else fill)(model, tensors)
    if not training:
        return infer(model, x)
    loss_of = losses.MeanSquaredError() if name == "linear" else losses.SparseCategoricalCrossentropy(from_logits=True)
    adam = optimizers.Adam(1e-3)
    adam.build(model.trainable_variables)

    @graph
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = loss_of(y, model(x, training=True))
        grads = tape.gradient(loss, model.trainable_variables)
        # An embedding's comes as rows; Adam would square each by itself where a token occurs again.
        adam.apply_gradients([(tf.convert_to_tensor(g), v) for g, v in zip(grads, model.trainable_variables)])
        return (loss,)

    return repeat(lambda: step(x, y))


serve(make)
