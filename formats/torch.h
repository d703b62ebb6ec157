/* PyTorch's parameters: their names and layouts beside Keras's. */
#ifndef MORU_FORMATS_TORCH_H
#define MORU_FORMATS_TORCH_H

#include <moru/formats.h>
#include "formats/bundle.h"
#include "formats/keras.h"

/* A box of elements, of a weight here and of a parameter there: element (i, j, ...) of it lies at from + i stride[0] +
 * j stride[1] + ... */
enum { MORU_TORCH_AXES = 6, MORU_TORCH_PARTS = 24 };
typedef struct moru_torch_part {
    int weight;                /* of the layer */
    char name[160];            /* of the parameter in its module: "weight", "out_proj.weight" */
    moru_shape shape;          /* of the whole parameter */
    int axes;
    int64_t sizes[MORU_TORCH_AXES], here[MORU_TORCH_AXES], there[MORU_TORCH_AXES];
    int64_t here_from, there_from;
    bool add;                  /* here is the sum of two parameters, of which this is the second; written as zeros */
} moru_torch_part;

typedef struct moru_torch_rule {
    moru_torch_part parts[MORU_TORCH_PARTS];
    int n;
} moru_torch_rule;

/* A layer with weights, wherever in the model. */
typedef struct moru_torch_layer {
    moru_layer *layer;
    char path[MORU_KERAS_PATH]; /* "inner/dense" */
    moru_torch_rule rule;
    char *module;               /* as matched: "encoder.0"; NULL: not yet */
} moru_torch_layer;

typedef struct moru_torch_layers {
    moru_torch_layer *layers;
    int n;
    json_t *mapping;            /* an object, perhaps an empty one */
} moru_torch_layers;

/* false: there is no counterpart; *why says so. */
bool moru_torch_rule_of(const moru_layer *layer, bool flatten, moru_torch_rule *rule, const char **why);
/* Copies part of a parameter into a weight, or back. */
void moru_torch_copy(const moru_torch_part *part, moru_real *here, const moru_real *there);
void moru_torch_copy_back(const moru_torch_part *part, const moru_real *here, moru_real *there);
/* All layers with weights in Keras's order, with rules; those without one, and a mapping that names other layers, are
 * among the faults. */
moru_status moru_torch_list(const moru_model *model, const char *mapping, moru_torch_layers *layers,
                            moru_listing *faults);
void moru_torch_layers_free(moru_torch_layers *layers);
/* The mapping's module of a layer, or NULL. */
const char *moru_torch_mapped(const moru_torch_layers *layers, const moru_torch_layer *layer);
/* Finds each layer's module: by the mapping, by name, or as the only one that fits. */
void moru_torch_match(moru_torch_layers *layers, moru_bundle *bundle, moru_listing *faults);
/* Marks a module's parameters by the name of the module and what follows; NULL: it has none of this name. */
moru_bundle_item *moru_torch_find(const moru_bundle *bundle, const char *module, const char *name);

moru_status moru_torch_read(moru_model *model, moru_bundle *bundle, const moru_weights_options *options);
moru_status moru_torch_write(moru_model *model, const char *path, const char *mapping);

#endif
