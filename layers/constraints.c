/* Keras's constraints, which weights are put under after each step; and the options that any layer with weights may
 * have besides its own: constraints, and the regularizer of its outputs. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "layers/model.h"

#define EPSILON 1e-7 /* keras.config.epsilon() */

typedef struct norm_options { double min_value, max_value, rate; moru_shape axis; } norm_options;

static const norm_options max_defaults = {0, 2, 1, {.rank = 1, .dims = {0}}};
static const norm_options min_max_defaults = {0, 1, 1, {.rank = 1, .dims = {0}}};
static const moru_field min_max_fields[] = {
    MORU_FIELD(norm_options, min_value, MORU_FIELD_REAL), MORU_FIELD(norm_options, max_value, MORU_FIELD_REAL),
    MORU_FIELD(norm_options, rate, MORU_FIELD_REAL), MORU_FIELD(norm_options, axis, MORU_FIELD_SIZES)};
static const moru_field max_fields[] = {
    MORU_FIELD(norm_options, max_value, MORU_FIELD_REAL), MORU_FIELD(norm_options, axis, MORU_FIELD_SIZES)};
static const moru_field unit_fields[] = {MORU_FIELD(norm_options, axis, MORU_FIELD_SIZES)};

/* Euclidean norms along the axes. */
static moru_node *norms_of(const norm_options *o, moru_node *w)
{
    int axes[MORU_MAX_RANK];
    for (int i = 0; i < o->axis.rank; i++)
        axes[i] = (int)o->axis.dims[i];
    return moru_sqrt(moru_sum(moru_square(w), axes, o->axis.rank, true));
}

/* w desired/(epsilon + norms), desired = rate clip(norms, min_value, max_value) + (1 - rate) norms */
static moru_node *limit_norms(const void *options, moru_node *w)
{
    const norm_options *o = options;
    moru_node *norms = norms_of(o, w), *desired = moru_clip(norms, o->min_value, o->max_value);
    if (o->rate != 1)
        desired = moru_add(moru_mul_scalar(desired, o->rate), moru_mul_scalar(norms, 1 - o->rate));
    return moru_mul(w, moru_div(desired, moru_add_scalar(norms, EPSILON)));
}

static moru_node *unit_norms(const void *options, moru_node *w)
{
    return moru_div(w, moru_add_scalar(norms_of(options, w), EPSILON));
}

static moru_node *not_negative(const void *options, moru_node *w)
{
    (void)options;
    return moru_clip(w, 0, INFINITY);
}

typedef struct rule { moru_node *(*apply)(const void *options, moru_node *w); } rule;
static const rule limit_rule = {limit_norms}, unit_rule = {unit_norms}, not_negative_rule = {not_negative};

#define CONSTRAINT(id, name, alias_, defaults_, fields_, n, rule_)                                            \
    static const moru_class id = {.class_name = name, .alias = alias_, .module = "keras.constraints",         \
                                  .size = sizeof(norm_options), .defaults = &defaults_, .fields = fields_,    \
                                  .n_fields = n, .functions = &rule_}
CONSTRAINT(max_norm, "MaxNorm", "max_norm", max_defaults, max_fields, 2, limit_rule);
CONSTRAINT(non_neg, "NonNeg", "non_neg", max_defaults, NULL, 0, not_negative_rule);
CONSTRAINT(unit_norm, "UnitNorm", "unit_norm", max_defaults, unit_fields, 1, unit_rule);
CONSTRAINT(min_max_norm, "MinMaxNorm", "min_max_norm", min_max_defaults, min_max_fields, 4, limit_rule);

const moru_class *const moru_constraint_classes[] = {&max_norm, &non_neg, &unit_norm, &min_max_norm};
const int moru_constraint_count = 4;

/* The axes must be some of a weight's. */
static moru_status check(const norm_options *o, const moru_class *class_, int rank, const char *where)
{
    if (class_ == &non_neg)
        return MORU_OK;
    for (int i = 0; i < o->axis.rank; i++)
        if (o->axis.dims[i] < -rank || o->axis.dims[i] >= rank)
            return moru_fail(MORU_ERR_SHAPE, "%s: %s: a weight of %d dimensions has no axis %lld", where,
                             class_->class_name, rank, (long long)o->axis.dims[i]);
    if (class_ != &unit_norm && !(o->min_value >= 0 && o->min_value <= o->max_value && isfinite(o->rate)))
        return moru_fail(MORU_ERR_ARGUMENT, "%s: %s: norms must lie between numbers of at least 0, not %g and %g",
                         where, class_->class_name, o->min_value, o->max_value);
    return MORU_OK;
}

static moru_status parse(moru_arena *arena, const char *spec, int rank, const char *where, const moru_class **class_,
                         void **options)
{
    MORU_TRY(moru_spec_parse(arena, spec, moru_constraint_classes, moru_constraint_count, where, class_, options));
    return check(*options, *class_, rank, where);
}

moru_status moru_constraint_check(const char *spec, int rank, const char *where)
{
    moru_arena arena = {0};
    const moru_class *class_;
    void *options;
    moru_status status = parse(&arena, spec, rank, where, &class_, &options);
    moru_arena_free(&arena);
    return status;
}

moru_node *moru_constrain(const char *spec, moru_node *w)
{
    moru_arena arena = {0};
    const moru_class *class_;
    void *options;
    if (moru_node_failed(w))
        return w;
    moru_status status = parse(&arena, spec, w->shape.rank, "constraint", &class_, &options);
    w = status == MORU_OK ? ((const rule *)class_->functions)->apply(options, w)
                          : moru_graph_fail(w->graph, status, "%s", moru_last_error());
    moru_arena_free(&arena);
    return w;
}

/* ---- options any layer may have ---- */

static const moru_field *field_of(const moru_layer *layer, const char *name)
{
    for (int i = 0; i < layer->class_->n_fields; i++)
        if (layer->class_->fields[i].kind == MORU_FIELD_SPEC && strcmp(layer->class_->fields[i].name, name) == 0)
            return &layer->class_->fields[i];
    return NULL;
}

const char *moru_layer_extra(const moru_layer *layer, const char *name)
{
    const moru_field *field = field_of(layer, name);
    if (field)
        return *(const char *const *)(const void *)((const char *)layer->options + field->offset);
    for (const moru_extra *e = layer->extras; e; e = e->next)
        if (strcmp(e->name, name) == 0)
            return e->spec;
    return NULL;
}

/* "recurrent_kernel", "query/kernel" -> "recurrent_constraint", "kernel_constraint" */
const char *moru_layer_constraint(const moru_layer *layer, const char *weight)
{
    char name[96];
    const char *base = strrchr(weight, '/') ? strrchr(weight, '/') + 1 : weight, *cut = strstr(base, "_kernel");
    snprintf(name, sizeof name, "%.*s_constraint", (int)(cut ? cut - base : (long)strlen(base)), base);
    const char *spec = NULL;
    for (; layer && !spec; layer = layer->parent) /* a layer around this one may have handed its weights on */
        spec = moru_layer_extra(layer, name);
    return spec;
}

/* X_constraint belongs to what has an X_initializer. */
static moru_status check_name(const moru_layer *layer, const char *name, const char **family)
{
    const char *cut = strstr(name, "_constraint");
    char initializer[96];
    *family = cut && strcmp(cut, "_constraint") == 0 ? "constraint" : "regularizer";
    if (strcmp(name, "activity_regularizer") == 0)
        return MORU_OK;
    snprintf(initializer, sizeof initializer, "%.*s_initializer", cut ? (int)(cut - name) : 0, name);
    if (!cut || !field_of(layer, initializer))
        return moru_layer_error(layer, MORU_ERR_UNSUPPORTED, "it has no option %.80s", name);
    return MORU_OK;
}

moru_status moru_layer_set_extra(moru_layer *layer, const char *name, const char *spec)
{
    const char *family, *normal;
    int n;
    MORU_TRY(check_name(layer, name, &family));
    if (layer->built)
        return moru_layer_error(layer, MORU_ERR_STATE, "%s is set before the layer is applied", name);
    const moru_class *const *classes = moru_family(family, &n);
    if (spec && !(spec = moru_arena_strdup(&layer->arena, spec)))
        return moru_layer_error(layer, MORU_ERR_MEMORY, "no memory for its %s", name);
    MORU_TRY(moru_spec_normalize(&layer->arena, spec, classes, n, name, &normal));
    const moru_field *field = field_of(layer, name);
    if (field) {
        memcpy((char *)layer->options + field->offset, &normal, sizeof normal);
        return MORU_OK;
    }
    moru_extra *extra = moru_arena_alloc(&layer->arena, sizeof *extra);
    char *kept = moru_arena_strdup(&layer->arena, name);
    if (!extra || !kept)
        return moru_layer_error(layer, MORU_ERR_MEMORY, "no memory for its %s", name);
    *extra = (moru_extra){kept, normal, layer->extras};
    layer->extras = extra;
    return MORU_OK;
}

/* As a constructor's mistake: kept for the model. */
static void set_or_keep(moru_layer *layer, const char *name, const char *spec)
{
    moru_status status = layer ? moru_layer_set_extra(layer, name, spec) : MORU_OK;
    if (status == MORU_OK || layer->status != MORU_OK)
        return;
    layer->status = status;
    snprintf(layer->error, sizeof layer->error, "%s", moru_last_error());
}

void moru_layer_set_constraint(moru_layer *layer, const char *weight, const char *spec)
{
    char name[96];
    snprintf(name, sizeof name, "%.64s_constraint", weight ? weight : "");
    set_or_keep(layer, name, spec);
}

void moru_layer_set_activity_regularizer(moru_layer *layer, const char *spec)
{
    set_or_keep(layer, "activity_regularizer", spec);
}

/* ---- regularizers of outputs ---- */

void moru_layer_regularize(const moru_layer_call *call, moru_node *const *values, int n)
{
    const char *spec = moru_layer_extra(call->layer, "activity_regularizer");
    moru_regularizer r;
    if (!spec || call->graph->owner) /* a model's own graph is for inference */
        return;
    moru_status status = moru_regularizer_parse(spec, "activity_regularizer", &r);
    if (status == MORU_OK && r.orthogonal > 0)
        status = moru_fail(MORU_ERR_UNSUPPORTED, "activity_regularizer: OrthogonalRegularizer isn't for outputs");
    if (status != MORU_OK)
        moru_graph_fail(call->graph, status, "%s", moru_last_error());
    for (int k = 0; k < n && !moru_node_failed(values[k]); k++)
        moru_trace_loss(call->trace, call->graph, moru_regularization(&r, values[k], true));
}

/* ---- configuration ---- */

moru_status moru_layer_read_extras(moru_layer *layer, json_t *extras)
{
    const char *name;
    json_t *value;
    json_object_foreach(extras, name, value) {
        char *text = json_is_string(value) ? NULL : json_dumps(value, JSON_COMPACT);
        moru_status status = moru_layer_set_extra(layer, name, text ? text : json_string_value(value));
        free(text);
        MORU_TRY(status);
    }
    return MORU_OK;
}

moru_status moru_layer_write_extras(const moru_layer *layer, json_t *config)
{
    for (const moru_extra *e = layer->extras; e; e = e->next) {
        bool object = e->spec && e->spec[0] == '{';
        json_t *value = !e->spec ? json_null() : object ? json_loads(e->spec, 0, NULL) : json_string(e->spec);
        if (json_object_set_new(config, e->name, value) != 0)
            return moru_fail(MORU_ERR_MEMORY, "no memory for a configuration");
    }
    return MORU_OK;
}
