/* InputLayer: the shape of one sample, and the place where it enters. */
#include <stdio.h>
#include <string.h>

#include "core/status.h"
#include "layers/layer.h"

static const moru_input_options defaults = {MORU_LAYER_DEFAULTS, .dtype = "float32"};
static const moru_field fields[] = {
    MORU_FIELD(moru_input_options, batch_shape, MORU_FIELD_SHAPE),
    MORU_FIELD_NAMED(moru_input_options, batch_shape, MORU_FIELD_SHAPE | MORU_FIELD_READ_ONLY, "batch_input_shape"),
    MORU_FIELD(moru_input_options, dtype, MORU_FIELD_TEXT),
};

/* Token numbers are integers in Keras as well; other types hold real numbers. */
moru_status moru_input_dtype(const moru_layer *layer, moru_dtype *dtype)
{
    const moru_input_options *o = layer->options;
    static const char *const ints[] = {"int32", "int64", "int16", "uint16", "int8", "uint8", "uint32", "bool"};
    *dtype = MORU_REAL;
    if (!o->dtype || strstr(o->dtype, "float")) /* of any width: Keras's layers make float32 of it */
        return MORU_OK;
    *dtype = MORU_INT32;
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++)
        if (strcmp(o->dtype, ints[i]) == 0)
            return MORU_OK;
    return moru_layer_error(layer, MORU_ERR_UNSUPPORTED, "dtype \"%.40s\" isn't supported", o->dtype);
}

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_input_options *o = layer->options;
    char text[MORU_SHAPE_TEXT];
    moru_dtype dtype;
    (void)inputs, (void)dtypes, (void)n;
    if (o->batch_shape.rank < 1 || o->batch_shape.rank > MORU_MAX_RANK)
        return moru_layer_error(layer, MORU_ERR_SHAPE, "its shape is missing or has too many dimensions");
    for (int i = 1; i < o->batch_shape.rank; i++)
        if (o->batch_shape.dims[i] < -1)
            return moru_layer_error(layer, MORU_ERR_SHAPE, "the shape %s makes no sense",
                                    moru_shape_print(&o->batch_shape, text, sizeof text));
    return moru_input_dtype(layer, &dtype);
}

/* Batch sizes are one symbol for all inputs, other open sizes one each. */
static moru_node *call(const moru_layer_call *c)
{
    const moru_input_options *o = c->layer->options;
    moru_shape shape = o->batch_shape;
    moru_dtype dtype;
    shape.dims[0] = moru_symbol(c->graph, "batch");
    for (int i = 1; i < shape.rank; i++)
        if (shape.dims[i] < 0) {
            char symbol[160];
            snprintf(symbol, sizeof symbol, "%.128s/%d", moru_layer_name(c->layer), i);
            shape.dims[i] = moru_symbol(c->graph, symbol);
        }
    moru_input_dtype(c->layer, &dtype);
    return moru_placeholder(c->graph, moru_layer_name(c->layer), dtype, shape);
}

const moru_layer_class moru_input_class = {
    .class_name = "InputLayer", .module = "keras.layers", .size = sizeof(moru_input_options), .defaults = &defaults,
    .fields = fields, .n_fields = 3, .build = build, .call = call,
};

moru_layer *moru_input_layer_of(moru_shape batch_shape, moru_dtype dtype, const char *name)
{
    moru_input_options options = {.name = name, .trainable = true, .batch_shape = batch_shape,
                                  .dtype = dtype == MORU_INT32 ? "int32" : "float32"};
    return moru_layer_new(&moru_input_class, &options);
}

moru_layer *moru_input_layer(moru_shape shape, moru_dtype dtype, const char *name)
{
    moru_input_options options = {.name = name, .trainable = true, .dtype = dtype == MORU_INT32 ? "int32" : "float32"};
    if (shape.rank >= 0 && shape.rank < MORU_MAX_RANK) { /* otherwise rank 0, which build() reports */
        options.batch_shape.rank = shape.rank + 1;
        options.batch_shape.dims[0] = -1;
        memcpy(options.batch_shape.dims + 1, shape.dims, (size_t)shape.rank * sizeof shape.dims[0]);
    }
    return moru_layer_new(&moru_input_class, &options);
}
