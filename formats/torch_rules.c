/* How PyTorch lays out the parameters of the modules that Keras's layers have as counterparts. */
#include "formats/torch.h"

#include <stdio.h>
#include <string.h>

static moru_torch_part *add(moru_torch_rule *rule, int weight, const char *name, moru_shape shape)
{
    moru_torch_part *part = &rule->parts[rule->n < MORU_TORCH_PARTS ? rule->n++ : MORU_TORCH_PARTS - 1];
    *part = (moru_torch_part){.weight = weight, .shape = shape};
    snprintf(part->name, sizeof part->name, "%s", name);
    return part;
}

/* One axis more of a part. */
static void axis(moru_torch_part *part, int64_t size, int64_t here, int64_t there)
{
    part->sizes[part->axes] = size;
    part->here[part->axes] = here;
    part->there[part->axes++] = there;
}

static const moru_shape *shape_of(const moru_layer *layer, int k)
{
    return moru_tensor_shape(layer->weights[k].tensor);
}

/* The same in both. */
static void same(moru_torch_rule *rule, const moru_layer *layer, int k, const char *name)
{
    moru_torch_part *part = add(rule, k, name, *shape_of(layer, k));
    axis(part, moru_tensor_size(layer->weights[k].tensor), 1, 1);
}

static int find(const moru_layer *layer, const char *name)
{
    for (int k = 0; k < layer->n_weights; k++)
        if (strcmp(layer->weights[k].name, name) == 0)
            return k;
    return -1;
}

/* Weights that go over as they are, of those there are. Whether all of the layer's are covered. */
static bool all_same(moru_torch_rule *rule, const moru_layer *layer, const char *const (*names)[2], int n)
{
    int covered = 0;
    for (int k = 0; k < n; k++) {
        int weight = find(layer, names[k][0]);
        if (weight >= 0)
            same(rule, layer, weight, names[k][1]);
        covered += weight >= 0;
    }
    return covered == layer->n_weights;
}

/* ---- dense layers and convolutions ---- */

/* The shape of a picture whose elements, in Keras's order, are the features this layer reads; rank 0: none. */
static moru_shape picture_before(const moru_layer *layer, bool *unclear)
{
    static const char *const passed[] = {"Dropout", "Activation", "ReLU", "LeakyReLU", "ELU", "GaussianNoise",
                                         "GaussianDropout", "AlphaDropout"};
    const moru_model *model = layer->model;
    const moru_shape none = {.rank = 0};
    const moru_node *value = NULL;
    *unclear = false;
    for (int k = 0; model && k < model->n_applications; k++)
        if (model->applications[k].layer == layer && model->applications[k].n_inputs > 0)
            value = model->applications[k].inputs[0];
    for (int steps = 0; value && steps < model->n_applications; steps++) {
        const moru_application *use = NULL;
        for (int k = 0; k < model->n_applications; k++)
            for (int i = 0; i < model->applications[k].n_outputs; i++)
                if (model->applications[k].outputs[i] == value)
                    use = &model->applications[k];
        if (!use || use->n_inputs == 0)
            return none;
        const char *class_name = use->layer->class_->class_name;
        if (strcmp(class_name, "Flatten") == 0)
            return use->inputs[0]->shape;
        bool passes = false;
        for (size_t k = 0; k < sizeof passed / sizeof *passed; k++)
            passes |= strcmp(class_name, passed[k]) == 0;
        *unclear |= strcmp(class_name, "BatchNormalization") == 0;
        if (!passes && !*unclear)
            return none;
        value = use->inputs[0];
    }
    return none;
}

/* weight = kernel^T; where a picture was flattened, PyTorch's rows are channels first. */
static bool dense(moru_torch_rule *rule, const moru_layer *layer, bool flatten, const char **why)
{
    const moru_shape *s = shape_of(layer, 0);
    bool unclear = false;
    moru_shape picture = flatten ? picture_before(layer, &unclear) : (moru_shape){.rank = 0};
    moru_torch_part *part = add(rule, 0, "weight", MORU_SHAPE(s->dims[1], s->dims[0]));
    int64_t spatial = 1, channels = picture.rank > 2 ? picture.dims[picture.rank - 1] : 0;
    for (int k = 1; k < picture.rank - 1; k++)
        spatial *= picture.dims[k] > 0 ? picture.dims[k] : 0;
    axis(part, s->dims[1], 1, s->dims[0]);
    if (channels > 1 && spatial > 1 && channels * spatial == s->dims[0]) {
        axis(part, channels, s->dims[1], spatial);
        axis(part, spatial, channels * s->dims[1], 1);
        *why = "BatchNormalization between Flatten and it: the order of features isn't clear";
        if (unclear)
            return false;
    } else {
        axis(part, s->dims[0], s->dims[1], 1);
    }
    if (layer->n_weights > 1)
        same(rule, layer, 1, "bias");
    return layer->n_weights <= 2;
}

/* kernel (k.., a, b) and weight (b, a, k..): of convolutions a, b are in, out, of transposed ones out, in. */
static void kernel(moru_torch_rule *rule, const moru_layer *layer, int k, const char *name)
{
    const moru_shape *s = shape_of(layer, k);
    int spatial = s->rank - 2;
    int64_t here[MORU_MAX_RANK], there = 1;
    moru_shape shape = {.rank = s->rank, .dims = {s->dims[s->rank - 1], s->dims[s->rank - 2]}};
    here[s->rank - 1] = 1;
    for (int i = s->rank - 2; i >= 0; i--)
        here[i] = here[i + 1] * s->dims[i + 1];
    for (int i = 0; i < spatial; i++)
        shape.dims[2 + i] = s->dims[i];
    moru_torch_part *part = add(rule, k, name, shape);
    for (int i = spatial - 1; i >= 0; i--) {
        axis(part, s->dims[i], here[i], there);
        there *= s->dims[i];
    }
    axis(part, s->dims[spatial], here[spatial], there);
    axis(part, s->dims[spatial + 1], here[spatial + 1], there * s->dims[spatial]);
}

/* kernel (k.., c, m) and weight (c m, 1, k..). */
static void depthwise(moru_torch_rule *rule, const moru_layer *layer, int k, const char *name)
{
    const moru_shape *s = shape_of(layer, k);
    int spatial = s->rank - 2;
    int64_t channels = s->dims[spatial], times = s->dims[spatial + 1], here = channels * times, there = 1;
    moru_shape shape = {.rank = s->rank, .dims = {channels * times, 1}};
    for (int i = 0; i < spatial; i++)
        shape.dims[2 + i] = s->dims[i];
    moru_torch_part *part = add(rule, k, name, shape);
    for (int i = spatial - 1; i >= 0; i--) {
        axis(part, s->dims[i], here, there);
        here *= s->dims[i];
        there *= s->dims[i];
    }
    axis(part, channels, times, there * times);
    axis(part, times, 1, there);
}

static bool convolution(moru_torch_rule *rule, const moru_layer *layer)
{
    const char *name = layer->class_->class_name;
    int rank = shape_of(layer, 0)->rank, bias = find(layer, "bias"), last = bias >= 0 ? bias : -1;
    if (rank < 3 || rank > 5)
        return false;
    if (strncmp(name, "Separable", 9) == 0) {
        depthwise(rule, layer, 0, "depthwise.weight");
        kernel(rule, layer, 1, "pointwise.weight");
        if (last >= 0)
            same(rule, layer, last, "pointwise.bias");
        return layer->n_weights == 2 + (last >= 0);
    }
    if (strncmp(name, "Depthwise", 9) == 0)
        depthwise(rule, layer, 0, "weight");
    else
        kernel(rule, layer, 0, "weight");
    if (last >= 0)
        same(rule, layer, last, "bias");
    return layer->n_weights == 1 + (last >= 0);
}

/* ---- recurrent layers ---- */

/* Block g of a matrix (rows, gates u) here is block order[g] of (gates u, rows) there. */
static void gates(moru_torch_rule *rule, int weight, const char *name, int64_t rows, int64_t units, int n,
                  const int *order)
{
    for (int g = 0; g < n; g++) {
        moru_torch_part *part = add(rule, weight, name, MORU_SHAPE(n * units, rows));
        part->here_from = g * units;
        part->there_from = order[g] * units * rows;
        axis(part, rows, n * units, 1);
        axis(part, units, 1, rows);
    }
}

static void bias_gates(moru_torch_rule *rule, int weight, const char *name, int64_t units, int n, const int *order,
                       int64_t here_from, bool sum)
{
    for (int g = 0; g < n; g++) {
        moru_torch_part *part = add(rule, weight, name, MORU_SHAPE(n * units));
        part->here_from = here_from + g * units;
        part->there_from = order[g] * units;
        part->add = sum;
        axis(part, units, 1, 1);
    }
}

/* Gates of GRU: z, r, h here, r, z, n there. Elsewhere they have one order. */
static bool one_direction(moru_torch_rule *rule, const moru_layer *layer, int first, int count, const char *suffix,
                          const char **why)
{
    static const int plain[] = {0, 1, 2, 3}, gru[] = {1, 0, 2};
    const moru_shape *input = shape_of(layer, first), *state = shape_of(layer, first + 1);
    int64_t units = state->dims[0];
    int n = (int)(units > 0 ? state->dims[1] / units : 0);
    const int *order = n == 3 ? gru : plain;
    char names[4][48];
    static const char *const bases[] = {"weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"};
    if (input->rank != 2 || state->rank != 2 || n < 1 || n > 4 || n == 2 || n * units != state->dims[1] || count > 3)
        return false;
    for (int k = 0; k < 4; k++)
        snprintf(names[k], sizeof names[k], "%s%s", bases[k], suffix);
    gates(rule, first, names[0], input->dims[0], units, n, order);
    gates(rule, first + 1, names[1], units, units, n, order);
    if (count < 3) {
        *why = "PyTorch's GRU is reset_after";
        return true;
    }
    bool two_rows = shape_of(layer, first + 2)->rank == 2;
    if (n == 3 && !two_rows) {
        *why = "reset_after=False has no counterpart in PyTorch";
        return false;
    }
    bias_gates(rule, first + 2, names[2], units, n, order, 0, false);
    bias_gates(rule, first + 2, names[3], units, n, order, two_rows ? n * units : 0, !two_rows);
    return true;
}

static bool recurrent(moru_torch_rule *rule, const moru_layer *layer, const char **why)
{
    bool both = strcmp(layer->class_->class_name, "Bidirectional") == 0;
    int each = both ? layer->n_weights / 2 : layer->n_weights;
    if (each < 2 || each > 3 || (both && each * 2 != layer->n_weights))
        return false;
    return one_direction(rule, layer, 0, each, "", why) &&
           (!both || one_direction(rule, layer, each, each, "_reverse", why));
}

/* GRU's own option says what its weights don't show without a bias. */
static bool resets_before(const moru_layer *layer)
{
    const moru_gru_options *o = layer->options;
    return strcmp(layer->class_->class_name, "GRU") == 0 && !o->reset_after;
}

/* ---- attention ---- */

/* Kernel (d, heads, dim) is rows [from, from + heads dim) of (total, d). */
static void projection(moru_torch_rule *rule, const moru_layer *layer, int k, const char *name, int64_t total,
                       int64_t from)
{
    const moru_shape *s = shape_of(layer, k);
    int64_t d = s->dims[0], inner = s->dims[1] * s->dims[2];
    moru_torch_part *part = add(rule, k, name, MORU_SHAPE(total, d));
    part->there_from = from * d;
    axis(part, d, inner, 1);
    axis(part, inner, 1, d);
}

static bool attention(moru_torch_rule *rule, const moru_layer *layer, const char **why)
{
    static const char *const parts[] = {"query", "key", "value"};
    static const char *const apart[] = {"q_proj_weight", "k_proj_weight", "v_proj_weight"};
    char name[64];
    int bias = find(layer, "query/bias"), covered = 0;
    int out = find(layer, "attention_output/kernel"), out_bias = find(layer, "attention_output/bias");
    int64_t inner = 0, widths[3];
    bool packed = true;
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s/kernel", parts[i]);
        int k = find(layer, name);
        if (k < 0 || shape_of(layer, k)->rank != 3)
            return false;
        const moru_shape *s = shape_of(layer, k);
        widths[i] = s->dims[0];
        *why = "PyTorch's attention has heads of one size, that fill the width";
        if (i > 0 && s->dims[1] * s->dims[2] != inner)
            return false;
        inner = s->dims[1] * s->dims[2];
        packed &= widths[i] == widths[0];
    }
    if (out < 0 || shape_of(layer, out)->rank != 3 || shape_of(layer, out)->dims[2] != inner || widths[0] != inner)
        return false;
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s/kernel", parts[i]);
        projection(rule, layer, find(layer, name), packed ? "in_proj_weight" : apart[i], packed ? 3 * inner : inner,
                   packed ? i * inner : 0);
        snprintf(name, sizeof name, "%s/bias", parts[i]);
        covered++;
        if (bias >= 0) {
            moru_torch_part *part = add(rule, find(layer, name), "in_proj_bias", MORU_SHAPE(3 * inner));
            part->there_from = i * inner;
            axis(part, inner, 1, 1);
            covered++;
        }
    }
    moru_torch_part *part = add(rule, out, "out_proj.weight", MORU_SHAPE(inner, inner));
    axis(part, inner, inner, 1);
    axis(part, inner, 1, inner);
    if (out_bias >= 0)
        same(rule, layer, out_bias, "out_proj.bias");
    return covered + 1 + (out_bias >= 0) == layer->n_weights;
}

/* ---- all ---- */

/* One slope for each channel. */
static bool prelu(moru_torch_rule *rule, const moru_layer *layer, const char **why)
{
    const moru_shape *s = shape_of(layer, 0);
    int64_t size = moru_tensor_size(layer->weights[0].tensor);
    *why = "PyTorch's has one slope a channel";
    if (s->rank < 1 || size != s->dims[s->rank - 1])
        return false;
    axis(add(rule, 0, "weight", MORU_SHAPE(size)), size, 1, 1);
    return true;
}

static bool is_one_of(const char *name, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(name, *names) == 0)
            return true;
    return false;
}

bool moru_torch_rule_of(const moru_layer *layer, bool flatten, moru_torch_rule *rule, const char **why)
{
    static const char *const norm[][2] = {{"gamma", "weight"}, {"beta", "bias"}, {"moving_mean", "running_mean"},
                                          {"moving_variance", "running_var"}};
    static const char *const rms[][2] = {{"scale", "weight"}}, *const table[][2] = {{"embeddings", "weight"}};
    static const char *const norms[] = {"BatchNormalization", "LayerNormalization", "GroupNormalization", NULL};
    static const char *const convolutions[] = {
        "Conv1D", "Conv2D", "Conv3D", "Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose", "DepthwiseConv1D",
        "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D", NULL};
    static const char *const recurrents[] = {"SimpleRNN", "LSTM", "GRU", "Bidirectional", NULL};
    const char *name = layer->class_->class_name;
    rule->n = 0;
    *why = "there is no rule for its layout; a mapping can name its weights one by one";
    if (strcmp(name, "Dense") == 0)
        return dense(rule, layer, flatten, why);
    if (is_one_of(name, convolutions))
        return convolution(rule, layer);
    if (is_one_of(name, norms))
        return all_same(rule, layer, norm, 4);
    if (strcmp(name, "RMSNormalization") == 0)
        return all_same(rule, layer, rms, 1);
    if (strcmp(name, "Embedding") == 0)
        return all_same(rule, layer, table, 1);
    if (strcmp(name, "PReLU") == 0)
        return prelu(rule, layer, why);
    if (strcmp(name, "MultiHeadAttention") == 0)
        return attention(rule, layer, why);
    if (is_one_of(name, recurrents)) {
        if (resets_before(layer)) {
            *why = "reset_after=False has no counterpart in PyTorch";
            return false;
        }
        return recurrent(rule, layer, why);
    }
    return false;
}

/* ---- copying ---- */

/* Walks the box; copy(here, there) element by element, the last axis innermost. */
#define WALK(part, statement) do { \
        int64_t at_[MORU_TORCH_AXES] = {0}, here_ = (part)->here_from, there_ = (part)->there_from; \
        int last_ = (part)->axes - 1; \
        for (int k_ = 0; k_ < (part)->axes; k_++) \
            if ((part)->sizes[k_] == 0) \
                return; \
        for (;;) { \
            for (int64_t i_ = 0; i_ < (part)->sizes[last_]; i_++) { \
                int64_t h = here_ + i_ * (part)->here[last_], t = there_ + i_ * (part)->there[last_]; \
                statement; \
            } \
            int k_ = last_ - 1; \
            for (; k_ >= 0; k_--) { \
                here_ += (part)->here[k_]; \
                there_ += (part)->there[k_]; \
                if (++at_[k_] < (part)->sizes[k_]) \
                    break; \
                here_ -= at_[k_] * (part)->here[k_]; \
                there_ -= at_[k_] * (part)->there[k_]; \
                at_[k_] = 0; \
            } \
            if (k_ < 0) \
                return; \
        } \
    } while (0)

void moru_torch_copy(const moru_torch_part *part, moru_real *here, const moru_real *there)
{
    if (part->add)
        WALK(part, here[h] += there[t]);
    else
        WALK(part, here[h] = there[t]);
}

void moru_torch_copy_back(const moru_torch_part *part, const moru_real *here, moru_real *there)
{
    if (!part->add)
        WALK(part, there[t] = here[h]);
}
