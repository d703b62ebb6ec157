/* What layers over sequences, pictures and volumes share: which axis holds the channels, and moving it. Ops have it
 * last; a layer with channels_first works between two transpositions. */
#ifndef MORU_LAYERS_SPATIAL_H
#define MORU_LAYERS_SPATIAL_H

#include "layers/layer.h"

/* For build(): checks data_format (NULL: "channels_last") and that there are `rank` axes beside batch and channels. */
moru_status moru_spatial_check(const moru_layer *layer, const char *data_format, const moru_shape *input, int rank);
/* The same where the number of channels counts. */
moru_status moru_spatial_channels(const moru_layer *layer, const char *data_format, const moru_shape *input, int rank,
                                  int64_t *channels);
bool moru_channels_first(const char *data_format);
/* The first axis that isn't batch or channels. */
int moru_spatial_axis(const char *data_format);
moru_node *moru_channels_to_last(moru_node *x, const char *data_format);
moru_node *moru_channels_back(moru_node *y, const char *data_format);
/* Axes axis and axis + 1 as one; and what became of such a value with x's two again. */
moru_node *moru_axes_merged(moru_node *x, int axis);
moru_node *moru_axes_split(moru_node *y, moru_node *x, int axis);
/* By Keras's name. */
moru_status moru_spatial_interpolation(const moru_layer *layer, const char *name, moru_interpolation *out);
/* Each element `times` times along an axis. */
moru_node *moru_repeat_elements(moru_node *x, int axis, int64_t times);

/* The class of one layer of a family, and its constructor: id##_view() makes the family's struct `view` of the layer's
 * options, and build() and call() take that. More members of the class may follow. */
#define MORU_FAMILY_CLASS(id, name, view, options_type, defaults_, fields_, ...) \
    static moru_status id##_build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n) \
    { \
        const view v = id##_view(layer); \
        (void)dtypes, (void)n; \
        return build(layer, &v, &inputs[0]); \
    } \
    static moru_node *id##_call(const moru_layer_call *c) \
    { \
        const view v = id##_view(c->layer); \
        return call(c, &v); \
    } \
    const moru_layer_class moru_##id##_class = { \
        .class_name = (name), .module = "keras.layers", .size = sizeof(options_type), .defaults = &(defaults_), \
        .fields = (fields_), .n_fields = sizeof(fields_) / sizeof *(fields_), .min_inputs = 1, .max_inputs = 1, \
        .build = id##_build, .call = id##_call, __VA_ARGS__}; \
    moru_layer *moru_##id##_new(const options_type *options) \
    { \
        return moru_layer_new(&moru_##id##_class, options); \
    }

#endif
