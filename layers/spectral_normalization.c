/* SpectralNormalization: before each use in training the kernel of the layer inside is divided by its largest singular
 * value, estimated by steps of the power iteration; Miyato et al., 2018. */
#include <string.h>

#include "core/status.h"
#include "layers/layer.h"

typedef moru_spectral_normalization_options options;
static const options defaults = {MORU_SPECTRAL_NORMALIZATION_DEFAULTS};
static const moru_field fields[] = {
    MORU_FIELD(options, layer, MORU_FIELD_LAYER),
    MORU_FIELD(options, power_iterations, MORU_FIELD_INT),
};

/* Number of the weight that is normalized; -1: there is none. */
static int kernel_of(const moru_layer *layer)
{
    static const char *const names[] = {"kernel", "embeddings"};
    const moru_layer *inside = ((const options *)layer->options)->layer;
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < layer->n_weights; k++)
            if (layer->weights[k].owner == inside &&
                strcmp(inside->weights[layer->weights[k].owner_index].name, names[i]) == 0)
                return k;
    return -1;
}

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const options *o = layer->options;
    char name[64];
    if (!o->layer)
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "its layer is missing");
    MORU_TRY(moru_layer_positive(layer, "power_iterations", &o->power_iterations, 1));
    moru_snake(moru_layer_source_name(o->layer), name, sizeof name);
    const char *prefix = o->layer->name ? o->layer->name : moru_arena_strdup(&layer->arena, name);
    if (!prefix)
        return moru_layer_error(layer, MORU_ERR_MEMORY, "no memory to build it");
    MORU_TRY(moru_layer_build_child(layer, o->layer, inputs, dtypes, n, "layer", prefix));
    int k = kernel_of(layer);
    if (k < 0)
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "a %s has neither a kernel nor embeddings",
                                o->layer->class_->class_name);
    if (moru_layer_output_count(o->layer) != 1)
        return moru_layer_error(layer, MORU_ERR_UNSUPPORTED, "a layer with several outputs");
    layer->weights[k].also = "";
    const moru_shape *shape = moru_tensor_shape(layer->weights[k].tensor);
    return moru_layer_add_weight(layer, "vector_u", MORU_SHAPE(1, shape->dims[shape->rank - 1]),
                                 "truncated_normal(stddev=0.02)", NULL, false);
}

/* x / |x|, as Keras does it. */
static moru_node *normalize(moru_node *x)
{
    moru_node *square = moru_sum(moru_square(x), NULL, 0, true), *most = moru_scalar(x->graph, 1e7);
    return moru_mul(x, moru_minimum(moru_rsqrt(square), most));
}

static void normalize_kernel(const moru_layer_call *c)
{
    const options *o = c->layer->options;
    int k = kernel_of(c->layer);
    moru_node *kernel = moru_layer_weight(c, k), *first = moru_layer_weight(c, c->layer->n_weights - 1), *u = first;
    if (moru_node_failed(kernel) || moru_node_failed(u))
        return;
    int64_t matrix[] = {-1, kernel->shape.dims[kernel->shape.rank - 1]};
    moru_node *w = moru_reshape(kernel, matrix, 2), *v = NULL;
    for (int64_t i = 0; i < o->power_iterations; i++) {
        v = normalize(moru_matmul_t(u, false, w, true));
        u = normalize(moru_matmul(v, w));
    }
    moru_node *sigma = moru_squeeze(moru_squeeze(moru_matmul_t(moru_matmul(v, w), false, u, true), 1), 0);
    moru_node *any = moru_max(moru_abs(kernel), NULL, 0, false);
    moru_layer_update(c, c->layer->n_weights - 1, moru_where(any, u, first));
    moru_layer_assign(c, k, moru_where(any, moru_div(kernel, sigma), kernel));
}

static moru_node *call(const moru_layer_call *c)
{
    const options *o = c->layer->options;
    const moru_inputs in = {.values = c->inputs, .n = c->n_inputs};
    if (c->training)
        normalize_kernel(c);
    moru_node *y = moru_layer_run_child(c, o->layer, &in, NULL);
    bool whole = !moru_node_failed(y) && c->inputs[0]->dtype == MORU_INT32; /* Keras makes it the input's dtype */
    return whole ? moru_cast(y, MORU_INT32) : y;
}

const moru_layer_class moru_spectral_normalization_class = {
    .class_name = "SpectralNormalization", .module = "keras.layers", .size = sizeof(options), .defaults = &defaults,
    .fields = fields, .n_fields = sizeof fields / sizeof *fields, .min_inputs = 1, .max_inputs = 1,
    .masks = MORU_MASK_STOPS, .build = build, .call = call,
};

moru_layer *moru_spectral_normalization_new(const moru_spectral_normalization_options *options)
{
    return moru_layer_new(&moru_spectral_normalization_class, options);
}
