/* A model's weights as PyTorch's parameters. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/intake.h"
#include "formats/torch.h"

typedef struct parameter {
    char *name;
    moru_tensor *tensor;
} parameter;

typedef struct writer {
    parameter *list;
    int n, capacity;
    const char *path;
} writer;

static moru_status no_memory(const writer *w)
{
    return moru_fail(MORU_ERR_MEMORY, "%s: out of memory", w->path);
}

/* The parameter of this name; made with its first part. Those of one layer follow each other. */
static parameter *parameter_of(writer *w, const char *name, const moru_shape *shape, int first)
{
    for (int k = first; k < w->n; k++)
        if (strcmp(w->list[k].name, name) == 0)
            return &w->list[k];
    if (w->n == w->capacity) {
        int more = w->capacity ? 2 * w->capacity : 64;
        parameter *fresh = realloc(w->list, (size_t)more * sizeof *fresh);
        if (!fresh)
            return NULL;
        w->list = fresh;
        w->capacity = more;
    }
    parameter *p = &w->list[w->n];
    *p = (parameter){strdup(name), moru_tensor_new(MORU_REAL, *shape)};
    if (!p->name || !p->tensor) {
        free(p->name);
        moru_tensor_free(p->tensor);
        return NULL;
    }
    w->n++;
    return p;
}

/* Without a mapping modules are called as the layers, nested ones as modules in modules. */
static void module_of(const moru_torch_layers *layers, const moru_torch_layer *l, char *module, size_t size)
{
    const char *mapped = moru_torch_mapped(layers, l);
    snprintf(module, size, "%s", l->module ? l->module : mapped ? mapped : l->path);
    for (char *c = module; !l->module && !mapped && *c; c++)
        *c = *c == '/' ? '.' : *c;
}

static moru_status write_layer(writer *w, const moru_torch_layers *layers, const moru_torch_layer *l)
{
    char module[300], name[512];
    int first = w->n;
    module_of(layers, l, module, sizeof module);
    for (int k = 0; k < l->rule.n; k++) {
        const moru_torch_part *part = &l->rule.parts[k];
        snprintf(name, sizeof name, "%s%s%s", module, module[0] ? "." : "", part->name);
        for (int i = 0; i < first; i++)
            if (strcmp(w->list[i].name, name) == 0)
                return moru_fail(MORU_ERR_ARGUMENT, "%s: two layers would both be \"%.200s\"", w->path, name);
        parameter *p = parameter_of(w, name, &part->shape, first);
        if (!p)
            return no_memory(w);
        if (moru_tensor_size(p->tensor) > 0)
            moru_torch_copy_back(part, moru_tensor_const_data(l->layer->weights[part->weight].tensor),
                                 moru_tensor_data(p->tensor));
    }
    return MORU_OK;
}

static moru_status write_file(const writer *w)
{
    moru_named *named = malloc(((size_t)w->n + 1) * sizeof *named);
    if (!named)
        return no_memory(w);
    for (int k = 0; k < w->n; k++)
        named[k] = (moru_named){w->list[k].name, w->list[k].tensor};
    moru_status status = moru_safetensors_write(w->path, named, w->n);
    free(named);
    return status;
}

moru_status moru_torch_write(moru_model *model, const char *path, const char *mapping)
{
    moru_torch_layers layers;
    moru_listing faults = {.count = 0};
    writer w = {.path = path};
    if (moru_model_status(model) != MORU_OK)
        return moru_fail(moru_model_status(model), "%s", moru_model_error(model));
    if (!model->complete)
        return moru_fail(MORU_ERR_STATE, "model \"%s\": its outputs aren't set yet", model->name);
    moru_status status = moru_torch_list(model, mapping, &layers, &faults);
    if (status == MORU_OK)
        status = moru_listing_fail(&faults, path, NULL);
    for (int k = 0; k < layers.n && status == MORU_OK; k++)
        status = write_layer(&w, &layers, &layers.layers[k]);
    if (status == MORU_OK)
        status = write_file(&w);
    for (int k = 0; k < w.n; k++) {
        free(w.list[k].name);
        moru_tensor_free(w.list[k].tensor);
    }
    free(w.list);
    moru_torch_layers_free(&layers);
    return status;
}
