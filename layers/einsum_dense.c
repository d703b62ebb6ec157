/* EinsumDense: activation(einsum(equation, x, kernel) + bias). */
#include <ctype.h>
#include <string.h>

#include "core/status.h"
#include "layers/layer.h"

static const moru_einsum_dense_options defaults = {MORU_EINSUM_DENSE_DEFAULTS};
static const moru_field fields[] = {
    MORU_FIELD(moru_einsum_dense_options, equation, MORU_FIELD_TEXT),
    MORU_FIELD(moru_einsum_dense_options, output_shape, MORU_FIELD_SHAPE),
    MORU_FIELD_OBJECT(moru_einsum_dense_options, activation, "activation"),
    MORU_FIELD(moru_einsum_dense_options, bias_axes, MORU_FIELD_TEXT),
    MORU_FIELD_OBJECT(moru_einsum_dense_options, kernel_initializer, "initializer"),
    MORU_FIELD_OBJECT(moru_einsum_dense_options, bias_initializer, "initializer"),
    MORU_FIELD_OBJECT(moru_einsum_dense_options, kernel_regularizer, "regularizer"),
    MORU_FIELD_OBJECT(moru_einsum_dense_options, bias_regularizer, "regularizer"),
};

/* ---- the equation ---- */

enum { INPUT, KERNEL, OUTPUT };

/* Letters of the three terms; digits stand for the axes of "...". */
typedef struct equation {
    char term[3][MORU_MAX_RANK + 1];
    bool left;                 /* "..." comes first, not last */
    int elided;                /* how many axes it stands for */
    bool dots[3];              /* the terms that have it */
} equation;

/* One term up to a character of `ends`; false if it is none. *text ends up there. */
static bool read_term(const char **text, const char *ends, equation *e, int which)
{
    const char *p = *text;
    int n = 0;
    bool left = strncmp(p, "...", 3) == 0;
    p += left ? 3 : 0;
    for (; isalpha((unsigned char)*p); p++) {
        if (n == MORU_MAX_RANK || strchr(e->term[which], *p))
            return false;
        e->term[which][n++] = *p;
    }
    bool right = strncmp(p, "...", 3) == 0;
    p += right ? 3 : 0;
    e->dots[which] = left || right;
    if (which == INPUT)
        e->left = left;
    bool same_side = which != OUTPUT || !e->dots[OUTPUT] || left == e->left;
    *text = p;
    return n > 0 && !(left && right) && same_side && strchr(ends, *p);
}

/* Puts the letters 0, 1, ... for the axes of "..." on their side; false if there are too many. */
static bool put_elided(equation *e, int which)
{
    size_t letters = strlen(e->term[which]), n = (size_t)e->elided;
    char text[MORU_MAX_RANK + 1] = "";
    if (!e->dots[which])
        return true;
    if (letters + n > MORU_MAX_RANK)
        return false;
    for (size_t i = 0; i < n; i++)
        text[e->left ? i : letters + i] = (char)('0' + i);
    memcpy(text + (e->left ? n : 0), e->term[which], letters);
    memcpy(e->term[which], text, sizeof text);
    return true;
}

static moru_status read_equation(const moru_layer *layer, int rank, equation *e)
{
    const moru_einsum_dense_options *o = layer->options;
    const char *p = o->equation ? o->equation : "";
    *e = (equation){.elided = 0};
    bool ok = read_term(&p, ",", e, INPUT) && *p++ == ',' && read_term(&p, "-", e, KERNEL) && !e->dots[KERNEL] &&
              strncmp(p, "->", 2) == 0;
    p += ok ? 2 : 0;
    ok = ok && read_term(&p, "", e, OUTPUT) && !*p && e->dots[OUTPUT] == e->dots[INPUT];
    if (!ok)
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "the equation must be as \"ab,bc->ac\", \"...b,bc->...c\" or "
                                "\"ab...,bc->ac...\" with every letter once in a term, not \"%.60s\"",
                                o->equation ? o->equation : "");
    e->elided = e->dots[INPUT] ? rank - (int)strlen(e->term[INPUT]) : 0;
    if (e->elided < 0 || (!e->dots[INPUT] && (int)strlen(e->term[INPUT]) != rank) || !put_elided(e, INPUT) ||
        !put_elided(e, OUTPUT))
        return moru_layer_error(layer, MORU_ERR_SHAPE, "its input of %d dimensions doesn't fit the equation \"%.60s\"",
                                rank, o->equation);
    return MORU_OK;
}

static int place(const char *term, char letter)
{
    const char *found = letter ? strchr(term, letter) : NULL;
    return found ? (int)(found - term) : -1;
}

/* ---- shapes ---- */

/* Sizes of the output: the batch, the option, and those of "..." after the batch or at the end. */
static moru_status output_sizes(const moru_layer *layer, const equation *e, const moru_shape *x, moru_shape *out)
{
    const moru_shape *given = &((const moru_einsum_dense_options *)layer->options)->output_shape;
    int rank = (int)strlen(e->term[OUTPUT]), n = 0;
    *out = (moru_shape){.rank = rank};
    out->dims[n++] = x->dims[0];
    for (int i = 1; e->left && i < e->elided && n < rank; i++)
        out->dims[n++] = x->dims[i];
    for (int i = 0; i < given->rank && n < MORU_MAX_RANK; i++)
        out->dims[n++] = given->dims[i];
    for (int i = x->rank - e->elided; !e->left && i < x->rank && n < MORU_MAX_RANK; i++)
        out->dims[n++] = x->dims[i];
    if (n != rank)
        return moru_layer_error(layer, MORU_ERR_SHAPE, "output_shape has %d sizes, which doesn't fit the equation",
                                given->rank);
    return MORU_OK;
}

/* The kernel's sizes, and those of the input where the output doesn't say. */
static moru_status kernel_sizes(const moru_layer *layer, const equation *e, const moru_shape *x, moru_shape *y,
                                moru_shape *kernel)
{
    const char *input = e->term[INPUT], *weight = e->term[KERNEL], *output = e->term[OUTPUT];
    for (int i = 0; output[i]; i++) {
        int in = place(input, output[i]), w = place(weight, output[i]);
        if (in < 0 && w < 0)
            return moru_layer_error(layer, MORU_ERR_ARGUMENT, "axis %c of the output is in no other term", output[i]);
        if (in >= 0 && y->dims[i] >= 0 && x->dims[in] >= 0 && y->dims[i] != x->dims[in])
            return moru_layer_error(layer, MORU_ERR_SHAPE, "axis %c is %lld in the input and %lld in output_shape",
                                    output[i], (long long)x->dims[in], (long long)y->dims[i]);
        if (in >= 0)
            y->dims[i] = x->dims[in];
    }
    *kernel = (moru_shape){.rank = (int)strlen(weight)};
    for (int i = 0; i < kernel->rank; i++) {
        int out = place(output, weight[i]), in = place(input, weight[i]);
        kernel->dims[i] = out >= 0 ? y->dims[out] : in >= 0 ? x->dims[in] : 0;
        if (kernel->dims[i] <= 0)
            return moru_layer_error(layer, MORU_ERR_SHAPE, "the size of the kernel's axis %c isn't known", weight[i]);
    }
    return MORU_OK;
}

/* From the first axis of the output that the bias has on to the last. */
static moru_status bias_sizes(const moru_layer *layer, const equation *e, const moru_shape *y, moru_shape *bias)
{
    const char *axes = ((const moru_einsum_dense_options *)layer->options)->bias_axes;
    int first = y->rank;
    for (int i = 0; axes[i]; i++) {
        int at = isalpha((unsigned char)axes[i]) ? place(e->term[OUTPUT], axes[i]) : -1;
        if (at < 0)
            return moru_layer_error(layer, MORU_ERR_ARGUMENT, "axis %c of the bias isn't in the output", axes[i]);
        first = at < first ? at : first;
    }
    *bias = (moru_shape){.rank = y->rank - first};
    for (int i = 0; i < bias->rank; i++) {
        bias->dims[i] = strchr(axes, e->term[OUTPUT][first + i]) ? y->dims[first + i] : 1;
        if (bias->dims[i] < 0)
            return moru_layer_error(layer, MORU_ERR_SHAPE, "the size of the bias's axis %c isn't known",
                                    e->term[OUTPUT][first + i]);
    }
    return MORU_OK;
}

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_einsum_dense_options *o = layer->options;
    equation e;
    moru_shape output, kernel, bias;
    (void)dtypes, (void)n;
    MORU_TRY(read_equation(layer, inputs[0].rank, &e));
    MORU_TRY(output_sizes(layer, &e, &inputs[0], &output));
    MORU_TRY(kernel_sizes(layer, &e, &inputs[0], &output, &kernel));
    MORU_TRY(moru_layer_add_weight(layer, "kernel", kernel, o->kernel_initializer, o->kernel_regularizer, true));
    layer->weights[0].fan_in = layer->weights[0].fan_out = 1;
    for (int i = 0; i < kernel.rank; i++) /* axes of the output count as such, also those that are the input's */
        *(place(e.term[OUTPUT], e.term[KERNEL][i]) >= 0 ? &layer->weights[0].fan_out : &layer->weights[0].fan_in) *=
            (double)kernel.dims[i];
    if (!o->bias_axes || !o->bias_axes[0])
        return MORU_OK;
    MORU_TRY(bias_sizes(layer, &e, &output, &bias));
    return moru_layer_add_weight(layer, "bias", bias, o->bias_initializer, o->bias_regularizer, true);
}

static moru_node *call(const moru_layer_call *c)
{
    const moru_einsum_dense_options *o = c->layer->options;
    moru_node *operands[] = {moru_as_real(c->inputs[0]), moru_layer_weight(c, 0)};
    moru_node *y = moru_einsum(o->equation, operands, 2);
    if (o->bias_axes && o->bias_axes[0])
        y = moru_add(y, moru_layer_weight(c, 1));
    return moru_activate(y, o->activation);
}

const moru_layer_class moru_einsum_dense_class = {
    .class_name = "EinsumDense", .module = "keras.layers", .size = sizeof(moru_einsum_dense_options),
    .defaults = &defaults, .fields = fields, .n_fields = sizeof fields / sizeof *fields, .min_inputs = 1,
    .max_inputs = 1, .build = build, .call = call,
};

moru_layer *moru_einsum_dense_new(const moru_einsum_dense_options *options)
{
    return moru_layer_new(&moru_einsum_dense_class, options);
}
