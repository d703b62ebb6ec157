/* PyTorch's parameters into a model. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/intake.h"
#include "formats/torch.h"

/* A weight is all parts of its layer's rule that name it. */
static moru_status read_weight(const moru_intake *in, const moru_intake_item *item, moru_real *data)
{
    const moru_bundle *bundle = in->source;
    const moru_torch_layer *l = item->rule;
    memset(data, 0, (size_t)moru_tensor_size(item->target) * sizeof *data);
    for (int k = 0; k < l->rule.n; k++) {
        const moru_torch_part *part = &l->rule.parts[k];
        if (part->weight != item->from)
            continue;
        const moru_bundle_item *from = moru_torch_find(bundle, l->module, part->name);
        moru_real *parameter = malloc((size_t)from->size * sizeof *parameter + 1);
        if (!parameter)
            return moru_fail(MORU_ERR_MEMORY, "%s: out of memory", in->where);
        moru_status status = moru_bundle_read(bundle, from, MORU_REAL, parameter);
        if (status == MORU_OK && from->size > 0)
            moru_torch_copy(part, data, parameter);
        free(parameter);
        MORU_TRY(status);
    }
    return MORU_OK;
}

/* Compares the parameters; false if a weight can't be read. */
static bool check_weight(moru_intake *in, const moru_torch_layer *l, int weight)
{
    char here[MORU_SHAPE_TEXT], there[MORU_SHAPE_TEXT];
    bool ok = true;
    for (int k = 0; k < l->rule.n; k++) {
        const moru_torch_part *part = &l->rule.parts[k];
        const char *dot = l->module[0] ? "." : "";
        if (part->weight != weight)
            continue;
        moru_bundle_item *item = moru_torch_find(in->source, l->module, part->name);
        if (item)
            item->user = 1;
        if (ok && !item)
            moru_intake_missing(in, "\"%.100s%s%.100s\", for %.100s/%.60s of the model, is missing", l->module, dot,
                                part->name, l->path, l->layer->weights[weight].name);
        else if (ok && !moru_shape_equal(&item->shape, &part->shape))
            moru_intake_mismatch(in, "\"%.200s\" is %s in the file; %.100s/%.60s %s of the model needs %s", item->name,
                                 moru_shape_print(&item->shape, there, sizeof there), l->path,
                                 l->layer->weights[weight].name,
                                 moru_shape_print(moru_tensor_shape(l->layer->weights[weight].tensor), here, sizeof here),
                                 moru_shape_print(&part->shape, (char[MORU_SHAPE_TEXT]){0}, MORU_SHAPE_TEXT));
        ok = ok && item && moru_shape_equal(&item->shape, &part->shape);
    }
    return ok;
}

static void add_layer(moru_intake *in, const moru_torch_layer *l)
{
    for (int w = 0; w < l->layer->n_weights; w++) {
        if (!check_weight(in, l, w))
            continue;
        moru_intake_item *item = moru_intake_add(in, l->layer->weights[w].tensor, l->path);
        if (item) {
            item->rule = l;
            item->from = w;
        }
    }
}

static bool is_counter(const char *name)
{
    return strstr(name, "num_batches_tracked") != NULL;
}

moru_status moru_torch_read(moru_model *model, moru_bundle *bundle, const moru_weights_options *options)
{
    moru_torch_layers layers;
    moru_intake in = {.where = bundle->path, .options = options ? options : &moru_weights_strict, .read = read_weight,
                      .source = bundle};
    if (moru_model_status(model) != MORU_OK)
        return moru_fail(moru_model_status(model), "%s", moru_model_error(model));
    moru_status status = moru_torch_list(model, in.options->mapping, &layers, &in.faults);
    if (status == MORU_OK) {
        bool lenient = in.options->partial || in.options->by_name;
        moru_torch_match(&layers, bundle, lenient ? &in.skipped : &in.faults);
        for (int k = 0; k < layers.n; k++)
            if (layers.layers[k].module)
                add_layer(&in, &layers.layers[k]);
        for (int64_t k = 0; k < bundle->n; k++)
            if (bundle->items[k].user < 0 && !is_counter(bundle->items[k].name))
                moru_intake_missing(&in, "\"%.200s\" is in the file only", bundle->items[k].name);
        status = moru_intake_run(&in);
    }
    if (status == MORU_OK)
        moru_intake_commit(&in);
    moru_torch_layers_free(&layers);
    moru_intake_free(&in);
    return status;
}
