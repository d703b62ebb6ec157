/* PyTorch's functions in terms of this library's builders. */
#include <math.h>
#include <string.h>
#include "tests/torch_case.h"

#define BUILD(name) static moru_node *name(const torch_case *t)
#define IN(name) torch_input(t, #name)
#define X torch_first(t)

static const int to_nhwc[] = {0, 2, 3, 1}, to_nchw[] = {0, 3, 1, 2}, to_hwio[] = {2, 3, 1, 0};

static moru_node *negative(moru_node *x)
{
    return moru_mul_scalar(x, -1);
}

static moru_node *one_minus(moru_node *x)
{
    return moru_add_scalar(negative(x), 1);
}

/* A loss by the case's reduction. */
static moru_node *reduced(const torch_case *t, moru_node *loss)
{
    if (torch_is(t, "reduction", "none"))
        return loss;
    return torch_is(t, "reduction", "sum") ? moru_sum_all(loss) : moru_mean_all(loss);
}

/* ---- reductions ---- */

typedef moru_node *reduction(moru_node *x, const int *axes, int n, bool keepdims);

static moru_node *reduce(const torch_case *t, reduction *f)
{
    double numbers[8];
    int axes[8], n = torch_numbers(t, "dim", numbers, 8);
    for (int k = 0; k < n; k++)
        axes[k] = (int)numbers[k];
    return f(X, n ? axes : NULL, n, torch_number(t, "keepdim", 0) != 0);
}

static moru_node *unbiased(moru_node *x, const int *axes, int n, bool keepdims)
{
    return moru_variance(x, axes, n, keepdims, 1);
}

static moru_node *biased(moru_node *x, const int *axes, int n, bool keepdims)
{
    return moru_variance(x, axes, n, keepdims, 0);
}

static moru_node *squares(moru_node *x, const int *axes, int n, bool keepdims)
{
    return moru_sum(moru_square(x), axes, n, keepdims);
}

BUILD(sum) { return reduce(t, moru_sum); }
BUILD(mean) { return reduce(t, moru_mean); }
BUILD(amax) { return reduce(t, moru_max); }
BUILD(amin) { return reduce(t, moru_min); }
BUILD(prod) { return reduce(t, moru_prod); }
BUILD(logsumexp) { return reduce(t, moru_logsumexp); }
BUILD(var) { return reduce(t, torch_number(t, "unbiased", 1) != 0 ? unbiased : biased); }
BUILD(std) { return moru_sqrt(reduce(t, unbiased)); }
BUILD(norm) { return moru_sqrt(reduce(t, squares)); }
BUILD(argmax) { return moru_argmax(X, (int)torch_number(t, "dim", 0)); }

/* ---- elementwise ---- */

BUILD(power)
{
    double exponent;
    return torch_numbers(t, "exponent", &exponent, 1) ? moru_pow_scalar(X, exponent) : moru_pow(IN(a), IN(b));
}

BUILD(clamp) { return moru_clip(X, torch_number(t, "lo", -INFINITY), torch_number(t, "hi", INFINITY)); }
BUILD(elu) { return moru_elu(X, torch_number(t, "alpha", 1)); }
BUILD(leaky_relu) { return moru_leaky_relu(X, torch_number(t, "slope", 0.01)); }
BUILD(gelu) { return strcmp(t->variant, "tanh") == 0 ? moru_gelu_tanh(X) : moru_gelu(X); }
BUILD(tanhshrink) { return moru_sub(X, moru_tanh(X)); }
BUILD(softmax) { return moru_softmax(X, (int)torch_number(t, "dim", -1)); }
BUILD(softmin) { return moru_softmax(moru_neg(X), (int)torch_number(t, "dim", -1)); }
BUILD(log_softmax) { return moru_log_softmax(X, (int)torch_number(t, "dim", -1)); }
BUILD(where) { return moru_where(IN(mask), IN(a), IN(b)); }
BUILD(lerp) { return moru_add(IN(input), moru_mul(IN(weight), moru_sub(IN(end), IN(input)))); }
BUILD(masked_fill) { return moru_where(IN(mask), moru_scalar(t->graph, torch_number(t, "value", 0)), IN(a)); }

BUILD(softplus)
{
    double beta = torch_number(t, "beta", 1);
    return moru_mul_scalar(moru_softplus(moru_mul_scalar(X, beta)), 1 / beta);
}

BUILD(glu)
{
    int64_t half = moru_node_shape(X)->dims[1] / 2;
    return moru_mul(moru_slice(X, 1, 0, half, 1), moru_sigmoid(moru_slice(X, 1, half, MORU_SLICE_END, 1)));
}

BUILD(prelu)
{
    moru_node *slope = moru_reshape(IN(weight), (int64_t[]){-1, 1, 1}, 3);
    return moru_where(moru_greater(IN(input), moru_scalar(t->graph, 0)), IN(input), moru_mul(IN(input), slope));
}

BUILD(cosine_similarity)
{
    int last = 1;
    moru_node *lengths = moru_mul(moru_sum(moru_square(IN(a)), &last, 1, false),
                                  moru_sum(moru_square(IN(b)), &last, 1, false));
    return moru_div(moru_sum(moru_mul(IN(a), IN(b)), &last, 1, false), moru_sqrt(lengths));
}

/* ---- linear ---- */

BUILD(matmul)
{
    bool ta = strcmp(t->variant, "tn") == 0 || strcmp(t->variant, "tt") == 0;
    bool tb = strcmp(t->variant, "nt") == 0 || strcmp(t->variant, "tt") == 0 || strcmp(t->variant, "batched_nt") == 0;
    return ta || tb ? moru_matmul_t(IN(a), ta, IN(b), tb) : moru_matmul(IN(a), IN(b));
}

BUILD(linear) { return moru_add(moru_matmul_t(IN(input), false, IN(weight), true), IN(bias)); }
BUILD(einsum) { return moru_matmul_t(IN(a), false, IN(b), true); }

BUILD(chain)
{
    moru_node *h = moru_relu(moru_add(moru_matmul(IN(x), IN(w1)), IN(b1)));
    return moru_log_softmax(moru_add(moru_matmul(h, IN(w2)), IN(b2)), -1);
}

BUILD(reuse)
{
    int first = 0;
    moru_node *x = IN(x);
    return moru_sub(moru_add(moru_mul(x, x), moru_mul(x, moru_exp(x))), moru_sum(x, &first, 1, false));
}

BUILD(sdpa)
{
    const moru_shape *shape = moru_node_shape(IN(q));
    const int swap[] = {0, 2, 1, 3}; /* PyTorch has the heads first */
    double scale = torch_number(t, "scale", 1 / sqrt((double)shape->dims[shape->rank - 1]));
    moru_node *mask = IN(bias);
    if (IN(mask))
        mask = moru_where(IN(mask), moru_scalar(t->graph, 0), moru_scalar(t->graph, -INFINITY));
    return moru_transpose(moru_attention_op(moru_transpose(IN(q), swap), moru_transpose(IN(k), swap),
                                            moru_transpose(IN(v), swap), mask, scale,
                                            torch_number(t, "is_causal", 0) != 0), swap);
}

/* ---- shape ---- */

static int sizes(const torch_case *t, const char *name, int64_t *out)
{
    double numbers[8];
    int n = torch_numbers(t, name, numbers, 8);
    for (int k = 0; k < n; k++)
        out[k] = (int64_t)numbers[k];
    return n;
}

BUILD(reshape)
{
    int64_t dims[8];
    int n = sizes(t, "shape", dims);
    return moru_reshape(X, dims, n);
}

BUILD(expand)
{
    int64_t dims[8];
    int n = sizes(t, "shape", dims);
    return moru_broadcast_to(X, dims, n);
}

BUILD(transpose)
{
    int64_t order[8];
    int axes[8], n = sizes(t, "perm", order);
    for (int k = 0; k < n; k++)
        axes[k] = (int)order[k];
    return moru_transpose(X, axes);
}

BUILD(concat) { return moru_concat((moru_node *[]){IN(a), IN(b), IN(c)}, 3, (int)torch_number(t, "dim", 0)); }
BUILD(stack) { return moru_stack((moru_node *[]){IN(a), IN(b)}, 2, (int)torch_number(t, "dim", 0)); }
BUILD(flip) { return moru_slice(X, (int)torch_number(t, "dims", 0), MORU_SLICE_END, -MORU_SLICE_END, -1); }
BUILD(index_select) { return moru_gather(IN(x), IN(index), (int)torch_number(t, "dim", 0)); }

BUILD(slice)
{
    int64_t start = (int64_t)torch_number(t, "start", 0), stop = (int64_t)torch_number(t, "stop", 0);
    if (strcmp(t->variant, "negative") == 0)
        return moru_slice(moru_slice(X, 0, start, stop, 1), 1, -3, MORU_SLICE_END, 1);
    return moru_slice(X, 1, start, stop, (int64_t)torch_number(t, "step", 1));
}

BUILD(pad)
{
    int64_t p[8] = {0};
    if (sizes(t, "pad", p) != 4)
        return NULL;
    const int64_t before[] = {0, 0, p[2], p[0]}, after[] = {0, 0, p[3], p[1]};
    if (strcmp(t->variant, "constant") == 0)
        return moru_pad(X, before, after, torch_number(t, "value", 0));
    return moru_pad_with(X, before, after, strcmp(t->variant, "reflect") == 0 ? MORU_PAD_REFLECT : MORU_PAD_EDGE);
}

BUILD(roll)
{
    int64_t shift = (int64_t)torch_number(t, "shift", 0);
    moru_node *parts[] = {moru_slice(X, 1, -shift, MORU_SLICE_END, 1), moru_slice(X, 1, 0, -shift, 1)};
    return moru_concat(parts, 2, 1);
}

BUILD(repeat)
{
    moru_node *x = X;
    int64_t reps[8];
    int n = sizes(t, "reps", reps);
    for (int k = 0; k < n; k++) {
        moru_node *copies[8];
        for (int i = 0; i < reps[k]; i++)
            copies[i] = x;
        x = moru_concat(copies, (int)reps[k], k);
    }
    return x;
}

BUILD(gather) { return moru_take_along_axis(IN(x), IN(index), (int)torch_number(t, "dim", 0)); }
BUILD(scatter_add) { return moru_scatter_add(IN(x), IN(index), IN(src), (int)torch_number(t, "dim", 0)); }
BUILD(cumsum) { return moru_cumsum(X, (int)torch_number(t, "dim", 0), false); }
BUILD(sort) { return moru_sort(X, -1, false); }
BUILD(topk) { return moru_top_k(X, (int64_t)torch_number(t, "k", 1), -1, NULL); }
BUILD(tril) { return moru_tril(X, (int64_t)torch_number(t, "diagonal", 0)); }
BUILD(diagonal) { return moru_diagonal(X, 0); }

/* Rows of the padding token get no gradient. */
BUILD(embedding)
{
    double padding;
    moru_node *y = moru_embedding_op(IN(weight), IN(index));
    if (!torch_numbers(t, "padding_idx", &padding, 1))
        return y;
    moru_node *is_padding = moru_equal(moru_cast(IN(index), MORU_REAL), moru_scalar(t->graph, padding));
    return moru_where(moru_expand_dims(is_padding, -1), moru_stop_gradient(y), y);
}

/* ---- convolution, pooling, normalization ---- */

/* A pair of sizes, given as one number or two. */
static void pair(const torch_case *t, const char *name, int64_t otherwise, int64_t *out)
{
    double numbers[2];
    int n = torch_numbers(t, name, numbers, 2);
    out[0] = n ? (int64_t)numbers[0] : otherwise;
    out[1] = n ? (int64_t)numbers[n - 1] : otherwise;
}

BUILD(conv2d)
{
    moru_conv2d_attrs a = {.padding = MORU_EXPLICIT, .groups = (int64_t)torch_number(t, "groups", 1)};
    int64_t padding[2];
    pair(t, "stride", 1, a.strides);
    pair(t, "dilation", 1, a.dilation);
    pair(t, "padding", 0, padding);
    a.pads[0] = a.pads[1] = padding[0];
    a.pads[2] = a.pads[3] = padding[1];
    moru_node *y = moru_conv2d_op(moru_transpose(IN(input), to_nhwc), moru_transpose(IN(weight), to_hwio), &a);
    return moru_transpose(IN(bias) ? moru_add(y, IN(bias)) : y, to_nchw);
}

BUILD(conv_transpose2d)
{
    moru_conv2d_transpose_attrs a = {.groups = (int64_t)torch_number(t, "groups", 1)};
    int64_t padding[2];
    pair(t, "stride", 1, a.strides);
    pair(t, "dilation", 1, a.dilation);
    pair(t, "output_padding", 0, a.output_padding);
    pair(t, "padding", 0, padding);
    a.pads[0] = a.pads[1] = padding[0];
    a.pads[2] = a.pads[3] = padding[1];
    moru_node *y = moru_conv2d_transpose_op(moru_transpose(IN(input), to_nhwc), moru_transpose(IN(weight), to_hwio), &a);
    return moru_transpose(IN(bias) ? moru_add(y, IN(bias)) : y, to_nchw);
}

BUILD(conv1d)
{
    int64_t stride = (int64_t)torch_number(t, "stride", 1), pad = (int64_t)torch_number(t, "padding", 0);
    moru_conv2d_attrs a = {.strides = {1, stride}, .padding = MORU_EXPLICIT, .pads = {0, 0, pad, pad}};
    moru_node *x = moru_transpose(moru_expand_dims(IN(input), 2), to_nhwc);
    moru_node *y = moru_conv2d_op(x, moru_transpose(moru_expand_dims(IN(weight), 2), to_hwio), &a);
    return moru_squeeze(moru_transpose(moru_add(y, IN(bias)), to_nchw), 2);
}

static moru_pool2d_attrs pool_attrs(const torch_case *t)
{
    moru_pool2d_attrs a = {.padding = MORU_EXPLICIT, .count_padding = strcmp(t->variant, "pad_include") == 0};
    int64_t padding[2];
    pair(t, "kernel", 1, a.size);
    pair(t, "stride", 0, a.strides);
    pair(t, "padding", 0, padding);
    a.pads[0] = a.pads[1] = padding[0];
    a.pads[2] = a.pads[3] = padding[1];
    return a;
}

BUILD(max_pool2d)
{
    moru_pool2d_attrs a = pool_attrs(t);
    return moru_transpose(moru_max_pool2d(moru_transpose(X, to_nhwc), &a), to_nchw);
}

BUILD(avg_pool2d)
{
    moru_pool2d_attrs a = pool_attrs(t);
    return moru_transpose(moru_avg_pool2d(moru_transpose(X, to_nhwc), &a), to_nchw);
}

BUILD(global_pool)
{
    int64_t size[2];
    pair(t, "output_size", 1, size);
    return moru_transpose(moru_adaptive_avg_pool2d(moru_transpose(X, to_nhwc), size[0], size[1]), to_nchw);
}

BUILD(global_max)
{
    int64_t size[2];
    pair(t, "output_size", 1, size);
    return moru_transpose(moru_adaptive_max_pool2d(moru_transpose(X, to_nhwc), size[0], size[1]), to_nchw);
}

BUILD(interpolate)
{
    moru_interpolation how = strstr(t->variant, "bilinear") ? MORU_BILINEAR : MORU_NEAREST;
    return moru_transpose(moru_upsample2d(moru_transpose(X, to_nhwc), 2, 2, how), to_nchw);
}

BUILD(group_norm)
{
    moru_node *x = moru_transpose(IN(input), to_nhwc);
    int64_t groups = (int64_t)torch_number(t, "groups", 0); /* instance normalization: each channel is one */
    groups = groups ? groups : moru_node_shape(x)->dims[3];
    return moru_transpose(moru_group_norm(x, IN(weight), IN(bias), groups, torch_number(t, "eps", 1e-5)), to_nchw);
}

/* Running statistics after a batch: of the unbiased variance. */
static moru_node *batch_norm_running(torch_case *t)
{
    const int axes[] = {0, 2, 3};
    double momentum = torch_number(t, "momentum", 0.1);
    moru_node *mean = moru_mean(IN(input), axes, 3, false), *variance = moru_variance(IN(input), axes, 3, false, 1);
    t->more[t->n_more++] = moru_add(moru_mul_scalar(IN(running_var), 1 - momentum), moru_mul_scalar(variance, momentum));
    return moru_add(moru_mul_scalar(IN(running_mean), 1 - momentum), moru_mul_scalar(mean, momentum));
}

BUILD(batch_norm)
{
    double epsilon = torch_number(t, "eps", 1e-5);
    if (torch_number(t, "training", 1) == 0)
        return moru_batch_norm_inference(IN(input), IN(weight), IN(bias), IN(running_mean), IN(running_var), 1,
                                         epsilon);
    return moru_batch_norm(IN(input), IN(weight), IN(bias), 1, epsilon);
}

BUILD(layer_norm)
{
    int axes = strcmp(t->variant, "two_axes") == 0 ? 2 : 1;
    return moru_layer_norm(IN(input), IN(weight), IN(bias), axes, torch_number(t, "eps", 1e-5));
}

BUILD(rms_norm)
{
    int last = -1;
    moru_node *mean = moru_mean(moru_square(IN(input)), &last, 1, true);
    return moru_mul(moru_mul(IN(input), moru_rsqrt(moru_add_scalar(mean, torch_number(t, "eps", 1e-6)))), IN(weight));
}

/* ---- losses ---- */

BUILD(mse_loss) { return reduced(t, moru_squared_difference(IN(input), IN(target))); }
BUILD(l1_loss) { return reduced(t, moru_abs(moru_sub(IN(input), IN(target)))); }

/* d^2/2 within delta, delta (|d| - delta/2) beyond */
BUILD(huber_loss)
{
    double delta = torch_number(t, "delta", torch_number(t, "beta", 1));
    moru_node *d = moru_abs(moru_sub(IN(input), IN(target)));
    moru_node *near = moru_mul_scalar(moru_square(d), 0.5);
    moru_node *far = moru_mul_scalar(moru_add_scalar(d, -delta / 2), delta);
    return moru_mean_all(moru_where(moru_less(d, moru_scalar(t->graph, delta)), near, far));
}

BUILD(bce)
{
    moru_node *p = IN(input), *target = IN(target);
    return negative(moru_mean_all(
        moru_add(moru_mul(target, moru_log(p)), moru_mul(one_minus(target), moru_log(one_minus(p))))));
}

BUILD(bce_with_logits)
{
    moru_node *z = IN(input), *target = IN(target);
    if (!IN(pos_weight))
        return strcmp(t->variant, "mean") ? moru_sigmoid_cross_entropy(z, target)
                                          : moru_mean_all(moru_sigmoid_cross_entropy(z, target));
    moru_node *yes = moru_mul(moru_mul(IN(pos_weight), target), moru_log_sigmoid(z));
    return negative(moru_mean_all(moru_add(yes, moru_mul(one_minus(target), moru_log_sigmoid(moru_neg(z))))));
}

BUILD(kl_div)
{
    moru_node *target = IN(target);
    moru_node *sum = moru_sum_all(moru_mul(target, moru_sub(moru_log(target), IN(input))));
    return moru_mul_scalar(sum, 1 / (double)moru_node_shape(target)->dims[0]);
}

BUILD(nll_loss)
{
    moru_node *chosen = moru_mul(IN(input), moru_one_hot(IN(target), moru_node_shape(IN(input))->dims[1]));
    return moru_mul_scalar(moru_sum_all(chosen), -1 / (double)moru_node_shape(IN(input))->dims[0]);
}

BUILD(cross_entropy)
{
    moru_node *z = IN(input), *target = IN(target);
    double smoothing = torch_number(t, "label_smoothing", 0), ignored;
    if (torch_numbers(t, "ignore_index", &ignored, 1)) {
        moru_node *label = moru_cast(target, MORU_REAL);
        moru_node *counts = moru_not_equal(label, moru_scalar(t->graph, ignored));
        moru_node *loss = moru_sparse_cross_entropy(z, moru_cast(moru_mul(label, counts), MORU_INT32));
        return moru_div(moru_sum_all(moru_mul(loss, counts)), moru_sum_all(counts));
    }
    if (moru_node_dtype(target) == MORU_REAL)
        return reduced(t, moru_cross_entropy(z, target));
    if (moru_node_shape(z)->rank == 4)
        z = moru_transpose(z, to_nhwc);
    moru_node *loss = moru_sparse_cross_entropy(z, target);
    if (IN(weight)) {
        moru_node *weight = moru_gather(IN(weight), target, 0);
        return moru_div(moru_sum_all(moru_mul(weight, loss)), moru_sum_all(weight));
    }
    if (smoothing == 0)
        return reduced(t, loss);
    moru_node *uniform = negative(moru_mean_all(moru_log_softmax(z, -1)));
    return moru_add(moru_mul_scalar(moru_mean_all(loss), 1 - smoothing), moru_mul_scalar(uniform, smoothing));
}

/* ---- by name ---- */

static const struct {
    const char *op;
    moru_node *(*unary)(moru_node *x);
    moru_node *(*binary)(moru_node *a, moru_node *b);
    moru_node *(*build)(const torch_case *t);
} builders[] = {
    {"abs", moru_abs, 0, 0}, {"atan", moru_atan, 0, 0}, {"cos", moru_cos, 0, 0}, {"cosh", moru_cosh, 0, 0},
    {"erf", moru_erf, 0, 0}, {"exp", moru_exp, 0, 0}, {"expm1", moru_expm1, 0, 0}, {"log", moru_log, 0, 0},
    {"log1p", moru_log1p, 0, 0}, {"log2", moru_log2, 0, 0}, {"neg", moru_neg, 0, 0}, {"tan", moru_tan, 0, 0},
    {"reciprocal", moru_reciprocal, 0, 0}, {"rsqrt", moru_rsqrt, 0, 0}, {"sin", moru_sin, 0, 0},
    {"sinh", moru_sinh, 0, 0}, {"sqrt", moru_sqrt, 0, 0}, {"square", moru_square, 0, 0}, {"tanh", moru_tanh, 0, 0},
    {"relu", moru_relu, 0, 0}, {"relu6", moru_relu6, 0, 0}, {"selu", moru_selu, 0, 0}, {"sigmoid", moru_sigmoid, 0, 0},
    {"logsigmoid", moru_log_sigmoid, 0, 0}, {"hardsigmoid", moru_hard_sigmoid, 0, 0},
    {"hardswish", moru_hard_silu, 0, 0}, {"silu", moru_silu, 0, 0}, {"mish", moru_mish, 0, 0},
    {"softsign", moru_softsign, 0, 0},
    {"add", 0, moru_add, 0}, {"sub", 0, moru_sub, 0}, {"mul", 0, moru_mul, 0}, {"div", 0, moru_div, 0},
    {"maximum", 0, moru_maximum, 0}, {"minimum", 0, moru_minimum, 0}, {"atan2", 0, moru_atan2, 0},
    {"pow", 0, 0, power}, {"clamp", 0, 0, clamp}, {"elu", 0, 0, elu}, {"leaky_relu", 0, 0, leaky_relu},
    {"gelu", 0, 0, gelu}, {"tanhshrink", 0, 0, tanhshrink}, {"softmax", 0, 0, softmax}, {"softmin", 0, 0, softmin},
    {"log_softmax", 0, 0, log_softmax}, {"where", 0, 0, where}, {"lerp", 0, 0, lerp},
    {"masked_fill", 0, 0, masked_fill}, {"softplus", 0, 0, softplus}, {"glu", 0, 0, glu}, {"prelu", 0, 0, prelu},
    {"cosine_similarity", 0, 0, cosine_similarity},
    {"sum", 0, 0, sum}, {"mean", 0, 0, mean}, {"amax", 0, 0, amax}, {"max", 0, 0, amax}, {"amin", 0, 0, amin},
    {"prod", 0, 0, prod}, {"logsumexp", 0, 0, logsumexp}, {"var", 0, 0, var}, {"std", 0, 0, std}, {"norm", 0, 0, norm},
    {"argmax", 0, 0, argmax},
    {"matmul", 0, 0, matmul}, {"linear", 0, 0, linear}, {"einsum", 0, 0, einsum}, {"chain", 0, 0, chain},
    {"reuse", 0, 0, reuse}, {"sdpa", 0, 0, sdpa},
    {"reshape", 0, 0, reshape}, {"expand", 0, 0, expand}, {"transpose", 0, 0, transpose}, {"concat", 0, 0, concat},
    {"stack", 0, 0, stack}, {"flip", 0, 0, flip}, {"index_select", 0, 0, index_select}, {"slice", 0, 0, slice},
    {"pad", 0, 0, pad}, {"roll", 0, 0, roll}, {"repeat", 0, 0, repeat}, {"embedding", 0, 0, embedding},
    {"conv2d", 0, 0, conv2d}, {"conv1d", 0, 0, conv1d}, {"conv_transpose2d", 0, 0, conv_transpose2d},
    {"max_pool2d", 0, 0, max_pool2d},
    {"avg_pool2d", 0, 0, avg_pool2d}, {"adaptive_avg_pool2d", 0, 0, global_pool}, {"batch_norm", 0, 0, batch_norm},
    {"layer_norm", 0, 0, layer_norm}, {"rms_norm", 0, 0, rms_norm},
    {"mse_loss", 0, 0, mse_loss}, {"l1_loss", 0, 0, l1_loss}, {"huber_loss", 0, 0, huber_loss},
    {"smooth_l1_loss", 0, 0, huber_loss}, {"bce", 0, 0, bce}, {"bce_with_logits", 0, 0, bce_with_logits},
    {"kl_div", 0, 0, kl_div}, {"nll_loss", 0, 0, nll_loss}, {"cross_entropy", 0, 0, cross_entropy},
    {"gather", 0, 0, gather}, {"scatter_add", 0, 0, scatter_add}, {"cumsum", 0, 0, cumsum}, {"sort", 0, 0, sort},
    {"topk", 0, 0, topk}, {"tril", 0, 0, tril}, {"diagonal", 0, 0, diagonal}, {"interpolate", 0, 0, interpolate},
    {"adaptive_max_pool2d", 0, 0, global_max}, {"group_norm", 0, 0, group_norm}, {"instance_norm", 0, 0, group_norm},
};

moru_node *torch_build(torch_case *t)
{
    if (strcmp(t->op, "batch_norm_running") == 0)
        return batch_norm_running(t);
    if (strcmp(t->op, "lstm") == 0 || strcmp(t->op, "gru") == 0 || strcmp(t->op, "rnn_tanh") == 0)
        return torch_rnn(t);
    for (size_t k = 0; k < sizeof builders / sizeof *builders; k++)
        if (strcmp(builders[k].op, t->op) == 0)
            return builders[k].unary    ? builders[k].unary(X)
                   : builders[k].binary ? builders[k].binary(IN(a), IN(b))
                                        : builders[k].build(t);
    return NULL;
}
