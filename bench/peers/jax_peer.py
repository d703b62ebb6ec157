"""JAX: whole steps under jit, NHWC, state donated."""
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from peer import serve

BETA_1, BETA_2, RATE, EPSILON = 0.9, 0.999, 1e-3, 1e-7


class Weights:
    """A list of arrays handed out in order; statistics of norms are put back beside."""

    def __init__(self, arrays):
        self.arrays, self.k, self.moved = arrays, 0, {}

    def next(self):
        self.k += 1
        return self.arrays[self.k - 1]

    def dense(self, x, bias=True):
        y = x @ self.next()
        return y + self.next() if bias else y

    def conv(self, x, stride=1, padding="SAME", bias=True):
        y = lax.conv_general_dilated(x, self.next(), (stride, stride), padding,
                                     dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return y + self.next() if bias else y

    def conv_transpose(self, x):
        """4x4, stride 2, "same"; Keras keeps the kernel of the convolution it is the gradient of."""
        y = lax.conv_transpose(x, self.next(), (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"),
                               transpose_kernel=True)
        return y + self.next()

    def norm(self, x, training):
        gamma, beta = self.next(), self.next()
        k = self.k
        mean, variance = self.next(), self.next()
        if training:
            axes = tuple(range(x.ndim - 1))
            m = x.mean(axes)
            v = (x * x).mean(axes) - m * m
            self.moved[k] = mean * 0.99 + lax.stop_gradient(m) * 0.01
            self.moved[k + 1] = variance * 0.99 + lax.stop_gradient(v) * 0.01
            mean, variance = m, v
        scale = gamma * lax.rsqrt(variance + 1e-3)
        return x * scale + (beta - mean * scale)

    def layer_norm(self, x):
        gamma, beta = self.next(), self.next()
        m = x.mean(-1, keepdims=True)
        v = ((x - m) ** 2).mean(-1, keepdims=True)
        return (x - m) * lax.rsqrt(v + 1e-5) * gamma + beta


relu = jax.nn.relu


def pool(x):
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def flat(x):
    return x.reshape(x.shape[0], -1)


def mlp(depth):
    def model(w, x, training):
        for k in range(depth):
            x = w.dense(x)
            x = relu(x) if k < depth - 1 else x
        return x
    return model


def lenet(w, x, training):
    x = pool(relu(w.conv(x)))
    x = flat(pool(relu(w.conv(x, padding="VALID"))))
    return w.dense(relu(w.dense(relu(w.dense(x)))))


def cnn(w, x, training):
    x = pool(relu(w.conv(x, padding="VALID")))
    return w.dense(flat(pool(relu(w.conv(x, padding="VALID")))))


def vgg(w, x, training):
    for _ in range(2):
        x = pool(relu(w.conv(relu(w.conv(x)))))
    return w.dense(flat(x))


def resnet20(w, x, training):
    x = relu(w.norm(w.conv(x, bias=False), training))
    for stage in range(3):
        for k in range(3):
            down = stage > 0 and k == 0
            y = relu(w.norm(w.conv(x, 2 if down else 1, bias=False), training))
            y = w.norm(w.conv(y, bias=False), training)
            x = relu(y + (w.conv(x, 2, bias=False) if down else x))
    return w.dense(x.mean((1, 2)))


def lstm_layer(w, x):
    kernel, recurrent, bias = w.next(), w.next(), w.next()
    given = (x @ kernel + bias).swapaxes(0, 1)
    zero = jnp.zeros((x.shape[0], recurrent.shape[0]))

    def step(state, g):
        h, c = state
        i, f, n, o = jnp.split(g + h @ recurrent, 4, -1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(n)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    return lax.scan(step, (zero, zero), given)[1].swapaxes(0, 1)


def gru_layer(w, x):
    kernel, recurrent, bias = w.next(), w.next(), w.next()
    given = (x @ kernel + bias[0]).swapaxes(0, 1)

    def step(h, g):
        z, r, n = jnp.split(g, 3, -1)
        uz, ur, un = jnp.split(h @ recurrent + bias[1], 3, -1)
        z = jax.nn.sigmoid(z + uz)
        h = z * h + (1 - z) * jnp.tanh(n + jax.nn.sigmoid(r + ur) * un)
        return h, h

    return lax.scan(step, jnp.zeros((x.shape[0], recurrent.shape[0])), given)[1].swapaxes(0, 1)


def recurrent(layer, depth):
    def model(w, x, training):
        x = w.next()[x]
        for _ in range(depth):
            x = layer(w, x)
        return w.dense(x)
    return model


def attention(w, x):
    q, k, v = (jnp.einsum("btd,dhe->bhte", x, w.next()) + w.next()[None, :, None] for _ in range(3))
    t = x.shape[1]
    scores = jnp.einsum("bhte,bhse->bhts", q, k) / np.sqrt(q.shape[-1])
    scores = jnp.where(jnp.tril(jnp.ones((t, t), bool)), scores, -jnp.inf)
    y = jnp.einsum("bhts,bhse->bthe", jax.nn.softmax(scores, -1), v)
    return jnp.einsum("bthe,hed->btd", y, w.next()) + w.next()


def gpt(w, x, training):
    x = w.next()[x] + w.next()
    for _ in range(4):
        x = x + attention(w, w.layer_norm(x))
        x = x + w.dense(jax.nn.gelu(w.dense(w.layer_norm(x)), approximate=False))
    return w.dense(w.layer_norm(x), bias=False)


def generator(w, z, training):
    y = relu(w.norm(w.dense(z), training)).reshape(-1, 7, 7, 128)
    y = relu(w.norm(w.conv_transpose(y), training))
    return jnp.tanh(w.conv_transpose(y))


def discriminator(w, x, training):
    y = jax.nn.leaky_relu(w.conv(x, 2), 0.2)
    y = jax.nn.leaky_relu(w.norm(w.conv(y, 2), training), 0.2)
    return w.dense(flat(y))


MODELS = {
    "linear": mlp(1), "mlp": mlp(3), "mlp_small": mlp(2), "lenet": lenet, "cnn": cnn, "vgg": vgg, "resnet20": resnet20,
    "lstm": recurrent(lstm_layer, 2), "lstm512": recurrent(lstm_layer, 1), "gru": recurrent(gru_layer, 2), "gpt": gpt,
}


def apply(model, params, x, training):
    w = Weights(params)
    return model(w, x, training), w.moved


def adam(params, grads, state, moved):
    m, v, t = state
    t = t + 1
    rate = RATE * jnp.sqrt(1 - BETA_2 ** t) / (1 - BETA_1 ** t)
    m = [BETA_1 * a + (1 - BETA_1) * g for a, g in zip(m, grads)]
    v = [BETA_2 * a + (1 - BETA_2) * g * g for a, g in zip(v, grads)]
    new = [p - rate * a / (jnp.sqrt(b) + EPSILON) for p, a, b in zip(params, m, v)]
    for k, value in moved.items():
        new[k] = value
    return new, (m, v, t)


def fresh(params):
    return [jnp.zeros_like(p) for p in params], [jnp.zeros_like(p) for p in params], jnp.zeros(())


def repeat(step, state):
    """state[0] is what a step hands to the next, state[1] its losses."""
    def run(k):
        for _ in range(k):
            state[0], state[1] = step(*state[0])
        jax.block_until_ready(state)
    return run, lambda: [float(v) for v in state[1]]


def infer(model, params, x):
    f = jax.jit(lambda params, x: apply(model, params, x, False)[0])
    state = {}

    def run(k):
        for _ in range(k):
            state["y"] = f(params, x)
        jax.block_until_ready(state["y"])

    return run, lambda: state["y"]


def bce(logits, target):
    return jnp.mean(jnp.maximum(logits, 0) - logits * target + jnp.log1p(jnp.exp(-jnp.abs(logits))))


def gan(params, z, real, training):
    n = 14  # weights of the generator
    pg, pd = params[:n], params[n:]
    if not training:
        return infer(generator, pg, z)

    @jax.jit
    def step(pg, pd, sg, sd):
        fake, pull, moved_g = jax.vjp(lambda p: apply(generator, p, z, True), pg, has_aux=True)

        def loss_d(p):
            a, _ = apply(discriminator, p, real, True)
            b, moved = apply(discriminator, p, fake, True)
            return bce(a, 1.0) + bce(b, 0.0), moved

        (ld, moved), grads = jax.value_and_grad(loss_d, has_aux=True)(pd)
        pd, sd = adam(pd, grads, sd, moved)
        lg, dfake = jax.value_and_grad(lambda f: bce(apply(discriminator, pd, f, True)[0], 1.0))(fake)
        pg, sg = adam(pg, pull(dfake)[0], sg, moved_g)
        return (pg, pd, sg, sd), (ld, lg)

    return repeat(step, [(pg, pd, fresh(pg), fresh(pd)), None])


def make(name, training, tensors, batch):
    tensors = [jnp.asarray(t) for t in tensors]
    params, x, y = tensors[:-2], tensors[-2][:batch], tensors[-1][:batch]
    if name == "dcgan":
        return gan(params, x, y, training)
    if name not in MODELS:
        return None
    model = MODELS[name]
    if not training:
        return infer(model, params, x)

    def loss(params, x, y):
        out, moved = apply(model, params, x, True)
        if name == "linear":
            return jnp.mean((out - y) ** 2), moved
        picked = jnp.take_along_axis(jax.nn.log_softmax(out), y[..., None], -1)
        return -jnp.mean(picked), moved

    def step(params, state, x, y):
        (value, moved), grads = jax.value_and_grad(loss, has_aux=True)(params, x, y)
        params, state = adam(params, grads, state, moved)
        return params, state, value

    step = jax.jit(step, donate_argnums=(0, 1))

    def once(params, state):
        params, state, value = step(params, state, x, y)
        return (params, state), (value,)

    return repeat(once, [(params, fresh(params)), None])


serve(make)
