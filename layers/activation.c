/* Activations by name, and the layer that applies one. */
#include <math.h>

#include "core/status.h"
#include "layers/layer.h"
#include "ops/activation_made.h"

typedef struct activation { moru_node *(*apply)(moru_node *x, const void *options); } activation;

/* A layer that serves as an activation has its own options. */
typedef struct slope_options { double negative_slope; } slope_options;
typedef struct alpha_options { double alpha; } alpha_options;
typedef struct axis_options { int64_t axis; } axis_options;
typedef struct rectifier_options { double max_value, negative_slope, threshold; } rectifier_options;

moru_node *moru_relu_of(moru_node *x, double negative_slope, double max_value, double threshold)
{
    bool bounded = !isnan(max_value) && !isinf(max_value);
    if (threshold == 0 && negative_slope == 0 && (!bounded || max_value == 6))
        return bounded ? moru_relu6(x) : moru_relu(x);
    if (threshold == 0 && !bounded)
        return moru_leaky_relu(x, negative_slope);
    return moru_relu_general(x, negative_slope, bounded ? max_value : (double)INFINITY, threshold);
}

static moru_node *apply_rectifier(moru_node *x, const void *options)
{
    const rectifier_options *o = options;
    return moru_relu_of(x, o->negative_slope, o->max_value, o->threshold);
}

static moru_node *apply_leaky(moru_node *x, const void *options)
{
    return moru_leaky_relu(x, ((const slope_options *)options)->negative_slope);
}

static moru_node *apply_elu(moru_node *x, const void *options)
{
    return moru_elu(x, ((const alpha_options *)options)->alpha);
}

static moru_node *apply_softmax(moru_node *x, const void *options)
{
    return moru_softmax(x, (int)((const axis_options *)options)->axis);
}

static moru_node *apply_linear(moru_node *x, const void *options)
{
    (void)options;
    return x;
}

static moru_node *apply_log_softmax(moru_node *x, const void *options)
{
    (void)options;
    return moru_log_softmax(x, -1);
}

/* Keras 3.15's sparsemax takes the sum of the cumulative sums, in all its backends, where the paper has the last of
 * them: results differ as soon as two elements are in the support. Its models need what it computes. */
static moru_node *keras_sparsemax(moru_node *x)
{
    return moru_sparsemax_by(x, -1, true);
}

static moru_node *celu_1(moru_node *x) { return moru_celu(x, 1); }
static moru_node *soft_shrink_half(moru_node *x) { return moru_soft_shrink(x, 0.5); }
static moru_node *hard_shrink_half(moru_node *x) { return moru_hard_shrink(x, 0.5); }
static moru_node *squareplus_4(moru_node *x) { return moru_squareplus(x, 4); }
static moru_node *glu_last(moru_node *x) { return moru_glu(x, -1); }

/* Keras's hard_sigmoid before Keras 3: clip(0.2 x + 0.5, 0, 1). */
static moru_node *keras2_hard_sigmoid(moru_node *x)
{
    return moru_clip(moru_add_scalar(moru_mul_scalar(x, 0.2), 0.5), 0, 1);
}

#define FIXED(id, builder) \
    static moru_node *apply_##id(moru_node *x, const void *options) \
    { \
        (void)options; \
        return builder(x); \
    } \
    NAMED(id, #id)
#define NAMED(id, name) \
    static const activation id##_functions = {apply_##id}; \
    static const moru_class id##_class = {.class_name = (name), .functions = &id##_functions};

FIXED(relu6, moru_relu6)
FIXED(selu, moru_selu)
FIXED(gelu, moru_gelu)
FIXED(sigmoid, moru_sigmoid)
FIXED(hard_sigmoid, moru_hard_sigmoid)
FIXED(keras2_hard_sigmoid, keras2_hard_sigmoid)
FIXED(tanh, moru_tanh)
FIXED(softplus, moru_softplus)
FIXED(softsign, moru_softsign)
FIXED(silu, moru_silu)
FIXED(swish, moru_silu)
FIXED(mish, moru_mish)
FIXED(exponential, moru_exp)
FIXED(hard_silu, moru_hard_silu)
FIXED(hard_swish, moru_hard_silu)
FIXED(log_sigmoid, moru_log_sigmoid)
FIXED(celu, celu_1)
FIXED(glu, glu_last)
FIXED(hard_shrink, hard_shrink_half)
FIXED(soft_shrink, soft_shrink_half)
FIXED(squareplus, squareplus_4)
FIXED(sparsemax, keras_sparsemax)
FIXED(sparse_plus, moru_sparse_plus)
FIXED(sparse_sigmoid, moru_sparse_sigmoid)
FIXED(hard_tanh, moru_hard_tanh)
FIXED(tanh_shrink, moru_tanh_shrink)
NAMED(linear, "linear")
NAMED(log_softmax, "log_softmax")

static const moru_field rectifier_fields[] = {MORU_FIELD(rectifier_options, negative_slope, MORU_FIELD_REAL),
                                              MORU_FIELD(rectifier_options, max_value, MORU_FIELD_REAL),
                                              MORU_FIELD(rectifier_options, threshold, MORU_FIELD_REAL)};
static const moru_field slope_fields[] = {
    MORU_FIELD(slope_options, negative_slope, MORU_FIELD_REAL),
    MORU_FIELD_NAMED(slope_options, negative_slope, MORU_FIELD_REAL | MORU_FIELD_READ_ONLY, "alpha")};
static const moru_field alpha_fields[] = {MORU_FIELD(alpha_options, alpha, MORU_FIELD_REAL)};
static const moru_field axis_fields[] = {MORU_FIELD(axis_options, axis, MORU_FIELD_INT)};
static const rectifier_options rectifier_defaults = {NAN, 0, 0};
static const slope_options slope_defaults = {0.2}, layer_slope_defaults = {0.3};
static const alpha_options alpha_defaults = {1.0};
static const axis_options axis_defaults = {-1};
static const activation rectifier = {apply_rectifier}, leaky = {apply_leaky}, elu = {apply_elu};
static const activation softmax = {apply_softmax};

#define LAYER(id, name, alias_, type, kind, n, function) \
    static const moru_class id##_class = {.class_name = (name), .alias = (alias_), .module = "keras.layers", \
                                          .size = sizeof(type), .defaults = &kind##_defaults, .fields = kind##_fields, \
                                          .n_fields = (n), .functions = &(function)};
#define layer_slope_fields slope_fields
LAYER(relu, "ReLU", "relu", rectifier_options, rectifier, 3, rectifier)
LAYER(elu, "ELU", "elu", alpha_options, alpha, 1, elu)
LAYER(softmax, "Softmax", "softmax", axis_options, axis, 1, softmax)
LAYER(leaky_layer, "LeakyReLU", NULL, slope_options, layer_slope, 2, leaky) /* 0.3; the function below has 0.2 */
LAYER(leaky, "LeakyReLU", "leaky_relu", slope_options, slope, 2, leaky)

const moru_class *const moru_activation_classes[] = {
    &linear_class, &relu_class, &relu6_class, &leaky_layer_class, &leaky_class, &elu_class, &selu_class, &gelu_class,
    &sigmoid_class, &hard_sigmoid_class, &keras2_hard_sigmoid_class, &tanh_class, &softmax_class, &log_softmax_class, &softplus_class,
    &softsign_class, &silu_class, &swish_class, &mish_class, &exponential_class, &hard_silu_class, &hard_swish_class,
    &log_sigmoid_class, &celu_class, &glu_class, &hard_shrink_class, &soft_shrink_class, &squareplus_class,
    &sparsemax_class, &sparse_plus_class, &sparse_sigmoid_class, &hard_tanh_class, &tanh_shrink_class};
const int moru_activation_count = sizeof moru_activation_classes / sizeof *moru_activation_classes;

moru_node *moru_activate(moru_node *x, const char *spec)
{
    moru_arena arena = {0};
    const moru_class *class_;
    void *options;
    if (!spec || moru_node_failed(x))
        return x;
    moru_status status = moru_spec_parse(&arena, spec, moru_activation_classes, moru_activation_count, "activation",
                                         &class_, &options);
    moru_node *y = status == MORU_OK ? ((const activation *)class_->functions)->apply(x, options)
                                     : moru_graph_fail(x->graph, status, "%s", moru_last_error());
    moru_arena_free(&arena);
    return y;
}

/* ---- the layer ---- */

static const moru_activation_options defaults = {MORU_LAYER_DEFAULTS};
static const moru_field fields[] = {MORU_FIELD_OBJECT(moru_activation_options, activation, "activation")};

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_activation_options *o = layer->options;
    (void)inputs, (void)dtypes, (void)n;
    return o->activation ? MORU_OK : moru_layer_error(layer, MORU_ERR_ARGUMENT, "activation is missing");
}

static moru_node *call(const moru_layer_call *c)
{
    const moru_activation_options *o = c->layer->options;
    return moru_activate(moru_as_real(c->inputs[0]), o->activation);
}

const moru_layer_class moru_activation_class = {
    .class_name = "Activation", .module = "keras.layers", .size = sizeof(moru_activation_options),
    .defaults = &defaults, .fields = fields, .n_fields = 1, .min_inputs = 1, .max_inputs = 1,
    .masks = MORU_MASK_PASSES, .build = build, .call = call,
};

moru_layer *moru_activation_new(const moru_activation_options *options)
{
    return moru_layer_new(&moru_activation_class, options);
}
