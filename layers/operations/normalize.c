/* keras.ops.normalize, rms_normalization, layer_normalization, moments; blocks of pixels and depth; grey pictures. */
#include <math.h>
#include <string.h>

#include "layers/operations/operation.h"

#define KERAS_EPSILON 1e-7

typedef struct norm_options {
    MORU_LAYER_OPTIONS
    const char *axis;
    double epsilon, order;
    bool rms_scaling;
} norm_options;
static const norm_options norm_defaults = {MORU_LAYER_DEFAULTS, .axis = "-1", .epsilon = __builtin_nan(""), .order = 2};

/* What is normalized, along which axes. */
typedef struct subject {
    moru_node *x;
    int axes[2 * MORU_MAX_RANK], n;
    double epsilon;
} subject;

static bool read_subject(const moru_layer_call *c, subject *s)
{
    const norm_options *o = c->layer->options;
    moru_numbers list;
    s->x = moru_as_real(c->inputs[0]);
    if (moru_node_failed(s->x) || !moru_operation_axes(c, o->axis, s->x->shape.rank, &list))
        return false;
    for (int k = 0; k < list.n; k++)
        s->axes[k] = (int)list.values[k];
    s->n = list.n;
    s->epsilon = isnan(o->epsilon) ? KERAS_EPSILON : o->epsilon;
    if (list.n > 0)
        return true;
    moru_operation_error(c, MORU_ERR_UNSUPPORTED, "it needs an axis");
    return false;
}

/* Order 2 bounds the factor, the others the norm. */
static moru_node *normalize(const moru_layer_call *c)
{
    subject s;
    double order = ((const norm_options *)c->layer->options)->order;
    if (!read_subject(c, &s))
        return c->graph->inert;
    if (order == 2) {
        moru_node *factor = moru_rsqrt(moru_sum(moru_square(s.x), s.axes, s.n, true));
        return moru_mul(s.x, moru_minimum(factor, moru_scalar(c->graph, 1 / s.epsilon)));
    }
    if (s.n > 1)
        return moru_operation_error(c, MORU_ERR_UNSUPPORTED, "order %g along several axes", order);
    moru_node *norm = moru_norm(s.x, order, s.axes, s.n, true);
    return moru_div(s.x, moru_maximum(norm, moru_scalar(c->graph, s.epsilon)));
}
MORU_OPERATION(normalize, "Normalize", "nn", norm_options, norm_defaults, normalize,
    MORU_FIELDS(MORU_FIELD(norm_options, axis, MORU_FIELD_JSON), MORU_FIELD(norm_options, order, MORU_FIELD_REAL),
                MORU_FIELD(norm_options, epsilon, MORU_FIELD_REAL)));

/* Input k, of the shape of the axes, as it lies in a value of x's rank. */
static moru_node *weight(const moru_layer_call *c, const subject *s, int k)
{
    moru_node *w = moru_as_real(c->inputs[k]);
    int64_t dims[MORU_MAX_RANK];
    if (moru_node_failed(w) || w->shape.rank == s->x->shape.rank || (s->n == 1 && s->axes[0] == s->x->shape.rank - 1))
        return w;
    for (int i = 0; i < s->x->shape.rank; i++)
        dims[i] = 1;
    for (int i = 0; i < s->n; i++)
        dims[s->axes[i]] = s->x->shape.dims[s->axes[i]];
    return moru_reshape(w, dims, s->x->shape.rank);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init" /* of the members that most operations share */
static const char *const rms_inputs[] = {"x", "scale", NULL}, *const layer_inputs[] = {"x", "gamma", "beta", NULL};

static moru_node *rms_norm(const moru_layer_call *c)
{
    subject s;
    if (!read_subject(c, &s))
        return c->graph->inert;
    moru_node *mean = moru_mean(moru_square(s.x), s.axes, s.n, true);
    moru_node *y = moru_mul(s.x, moru_rsqrt(moru_add_scalar(mean, s.epsilon)));
    return c->n_inputs > 1 ? moru_mul(y, moru_as_real(c->inputs[1])) : y;
}
MORU_OPERATION(rms_norm, "RMSNorm", "nn", norm_options, norm_defaults, rms_norm, .input_names = rms_inputs,
    .max_inputs = 2,
    MORU_FIELDS(MORU_FIELD(norm_options, axis, MORU_FIELD_JSON), MORU_FIELD(norm_options, epsilon, MORU_FIELD_REAL)));

/* rms_scaling leaves the mean where it is, and beta out. */
static moru_node *layer_norm(const moru_layer_call *c)
{
    subject s;
    bool rms = ((const norm_options *)c->layer->options)->rms_scaling;
    if (!read_subject(c, &s))
        return c->graph->inert;
    moru_node *scale = moru_rsqrt(moru_add_scalar(moru_variance(s.x, s.axes, s.n, true, 0), s.epsilon));
    moru_node *y = moru_mul(rms ? s.x : moru_sub(s.x, moru_mean(s.x, s.axes, s.n, true)), scale);
    if (c->n_inputs > 1)
        y = moru_mul(y, weight(c, &s, 1));
    return c->n_inputs > 2 && !rms ? moru_add(y, weight(c, &s, 2)) : y;
}
MORU_OPERATION(layer_norm, "LayerNorm", "nn", norm_options, norm_defaults, layer_norm, .input_names = layer_inputs,
    .max_inputs = 3,
    MORU_FIELDS(MORU_FIELD(norm_options, axis, MORU_FIELD_JSON), MORU_FIELD(norm_options, epsilon, MORU_FIELD_REAL),
                MORU_FIELD(norm_options, rms_scaling, MORU_FIELD_BOOL)));
#pragma GCC diagnostic pop

/* ---- moments ---- */

typedef struct moments_options {
    MORU_LAYER_OPTIONS
    const char *axes;
    bool keepdims, synchronized;
} moments_options;
static const moments_options moments_defaults = {MORU_LAYER_DEFAULTS};

static int two_outputs(const moru_layer *layer)
{
    (void)layer;
    return 2;
}

static moru_node *moments(const moru_layer_call *c)
{
    const moments_options *o = c->layer->options;
    moru_node *x = moru_as_real(c->inputs[0]);
    int axes[2 * MORU_MAX_RANK];
    moru_numbers list;
    if (moru_node_failed(x) || !moru_operation_axes(c, o->axes, x->shape.rank, &list))
        return c->graph->inert;
    for (int k = 0; k < list.n; k++)
        axes[k] = (int)list.values[k];
    c->outputs[1] = moru_variance(x, axes, list.n, o->keepdims, 0);
    return c->outputs[0] = moru_mean(x, axes, list.n, o->keepdims);
}
MORU_OPERATION(moments, "Moments", "nn", moments_options, moments_defaults, moments, .output_count = two_outputs,
    MORU_FIELDS(MORU_FIELD(moments_options, axes, MORU_FIELD_JSON),
                MORU_FIELD(moments_options, keepdims, MORU_FIELD_BOOL),
                MORU_FIELD(moments_options, synchronized, MORU_FIELD_BOOL)));

/* ---- pictures ---- */

typedef struct block_options {
    MORU_LAYER_OPTIONS
    int64_t block_size;
    const char *data_format;
} block_options;
static const block_options block_defaults = {MORU_LAYER_DEFAULTS, .block_size = 2, .data_format = "channels_last"};

/* Height, width and channels are known, and channels come last; false is a failed graph. */
static bool read_picture(const moru_layer_call *c, const char *format, moru_node *x)
{
    if (moru_node_failed(x))
        return false;
    bool last = !format || strcmp(format, "channels_last") == 0;
    bool known = x->shape.rank == 4 && x->shape.dims[1] >= 0 && x->shape.dims[2] >= 0 && x->shape.dims[3] >= 0;
    if (!last || !known)
        moru_operation_error(c, last ? MORU_ERR_SHAPE : MORU_ERR_UNSUPPORTED, "it takes pictures of known size with "
                             "channels last");
    return last && known;
}

/* [n,h,w,b b c] to [n,h b,w b,c] and back: blocks of b by b pixels lie behind one another in the channels. */
static moru_node *reorder(const moru_layer_call *c, bool to_depth)
{
    const block_options *o = c->layer->options;
    static const int order[] = {0, 1, 3, 2, 4, 5};
    moru_node *x = moru_as_real(c->inputs[0]);
    if (!read_picture(c, o->data_format, x))
        return c->graph->inert;
    int64_t b = o->block_size, n = x->shape.dims[0] < 0 ? -1 : x->shape.dims[0];
    int64_t h = x->shape.dims[1], w = x->shape.dims[2], depth = x->shape.dims[3];
    bool fits = b > 0 && b < 65536 && (to_depth ? h % b == 0 && w % b == 0 : depth % (b * b) == 0);
    if (!fits)
        return moru_operation_error(c, MORU_ERR_SHAPE, "%lldx%lldx%lld doesn't fall into blocks of %lld", (long long)h,
                                    (long long)w, (long long)depth, (long long)b);
    int64_t rows = to_depth ? h / b : h, columns = to_depth ? w / b : w, rest = to_depth ? depth : depth / (b * b);
    const int64_t apart[] = {n, rows, to_depth ? b : columns, to_depth ? columns : b, b, rest};
    const int64_t deep[] = {n, rows, columns, b * b * rest}, wide[] = {n, rows * b, columns * b, rest};
    return moru_reshape(moru_transpose(moru_reshape(x, apart, 6), order), to_depth ? deep : wide, 4);
}

static moru_node *depth_to_space(const moru_layer_call *c) { return reorder(c, false); }
static moru_node *space_to_depth(const moru_layer_call *c) { return reorder(c, true); }
#define BLOCKS(id, name) \
    MORU_OPERATION(id, name, "nn", block_options, block_defaults, id, \
        MORU_FIELDS(MORU_FIELD(block_options, block_size, MORU_FIELD_INT), \
                    MORU_FIELD(block_options, data_format, MORU_FIELD_TEXT)))
BLOCKS(depth_to_space, "DepthToSpace");
BLOCKS(space_to_depth, "SpaceToDepth");

/* Luma of red, green and blue, with the numbers of tf.image. */
static moru_node *rgb_to_grayscale(const moru_layer_call *c)
{
    static const moru_real luma[] = {(moru_real)0.2989, (moru_real)0.587, (moru_real)0.114};
    const char *format = ((const block_options *)c->layer->options)->data_format;
    moru_node *x = moru_as_real(c->inputs[0]);
    if (!read_picture(c, format, x))
        return c->graph->inert;
    if (x->shape.dims[x->shape.rank - 1] != 3)
        return moru_operation_error(c, MORU_ERR_SHAPE, "it takes pictures of 3 channels");
    return moru_matmul(x, moru_constant(c->graph, MORU_REAL, MORU_SHAPE(3, 1), luma));
}
MORU_OPERATION(rgb_to_grayscale, "RGBToGrayscale", "image", block_options, block_defaults, rgb_to_grayscale,
    MORU_FIELDS(MORU_FIELD(block_options, data_format, MORU_FIELD_TEXT)));
