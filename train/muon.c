/* Muon: m = momentum m + g; w -= lr rms_rate sqrt(longest side) O(g + momentum m) for matrices, where O makes a matrix
 * nearly orthogonal by Newton-Schulz steps; Adam for everything else. */
#include <ctype.h>
#include <math.h>
#include <regex.h>
#include <string.h>

#include "train/optimizer.h"
#include <moru/ops.h>

static bool holds_embedding(const char *path)
{
    static const char word[] = "embedding";
    for (const char *c = path; *c; c++) {
        size_t n = 0;
        while (word[n] && tolower((unsigned char)c[n]) == word[n])
            n++;
        if (!word[n])
            return true;
    }
    return false;
}

/* Whether one of the list's regular expressions is found in the path. */
static bool listed(const char *list, const char *path)
{
    json_t *expressions = list ? json_loads(list, 0, NULL) : NULL, *item;
    bool found = false;
    size_t i;
    json_array_foreach(expressions, i, item) {
        regex_t regex;
        if (regcomp(&regex, json_string_value(item), REG_EXTENDED | REG_NOSUB) != 0)
            continue; /* check() has refused it */
        found |= regexec(&regex, path, 0, NULL, 0) == 0;
        regfree(&regex);
    }
    json_decref(expressions);
    return found;
}

static bool goes_by_adam(const moru_muon_options *o, const moru_weight *weight)
{
    return moru_tensor_shape(weight->tensor)->rank != 2 || (o->exclude_embeddings && holds_embedding(weight->path))
        || listed(o->exclude_layers, weight->path);
}

static int slots(const void *options, const moru_weight *weight, moru_slot slots[MORU_MAX_SLOTS])
{
    slots[0] = (moru_slot){.name = "momentum"};
    slots[1] = (moru_slot){.name = "velocity"};
    return goes_by_adam(options, weight) ? 2 : 1;
}

/* x = x/|x|; then ns_steps times x = a x + (b s + c s s) x with s = x x^T, of the flat form of x */
static moru_node *orthogonalized(const moru_muon_options *o, moru_node *x)
{
    bool tall = x->shape.dims[0] > x->shape.dims[1];
    x = moru_div(x, moru_add_scalar(moru_sqrt(moru_sum_all(moru_square(x))), 1e-7));
    if (tall)
        x = moru_transpose(x, NULL);
    for (int64_t i = 0; i < o->ns_steps; i++) {
        moru_node *s = moru_matmul_t(x, false, x, true);
        moru_node *factor = moru_add(moru_mul_scalar(s, o->muon_b), moru_mul_scalar(moru_matmul(s, s), o->muon_c));
        x = moru_add(moru_mul_scalar(x, o->muon_a), moru_matmul(factor, x));
    }
    return tall ? moru_transpose(x, NULL) : x;
}

static void step(const moru_stepping *s, moru_node **made)
{
    const moru_muon_options *o = s->options;
    if (goes_by_adam(o, s->weight)) {
        moru_stepping decaying = *s; /* by the rate as it is */
        decaying.weight_decay = s->excluded || !(o->adam_weight_decay > 0) ? 0 : o->adam_weight_decay;
        made[0] = moru_adam_step(moru_decayed(&decaying), s->grad, s->slots[0], s->slots[1],
                                 moru_mul_scalar(s->lr, o->adam_lr_ratio), s->step, o->adam_beta_1, o->adam_beta_2,
                                 o->epsilon, 0);
        made[1] = moru_node_output(made[0], 1);
        made[2] = moru_node_output(made[0], 2);
        return;
    }
    made[1] = moru_add(moru_mul_scalar(s->slots[0], o->momentum), s->grad);
    moru_node *direction = o->nesterov ? moru_add(s->grad, moru_mul_scalar(made[1], o->momentum)) : made[1];
    const int64_t *sides = s->param->shape.dims;
    double longest = (double)(sides[0] > sides[1] ? sides[0] : sides[1]);
    double factor = o->rms_rate > 0 ? sqrt(longest) * o->rms_rate : 1;
    moru_node *update = moru_mul_scalar(orthogonalized(o, direction), factor);
    made[0] = moru_sub(moru_decayed(s), moru_mul(update, s->lr));
}

static moru_status check_expressions(const char *list, const char *where)
{
    json_t *expressions = list ? json_loads(list, 0, NULL) : NULL, *item;
    moru_status status = list && !json_is_array(expressions)
        ? moru_fail(MORU_ERR_ARGUMENT, "%s: exclude_layers must be a list of texts, not %.80s", where, list) : MORU_OK;
    size_t i;
    json_array_foreach(expressions, i, item) {
        regex_t regex;
        if (status != MORU_OK)
            break;
        if (!json_is_string(item) || regcomp(&regex, json_string_value(item), REG_EXTENDED | REG_NOSUB) != 0)
            status = moru_fail(MORU_ERR_ARGUMENT, "%s: exclude_layers: item %d isn't a regular expression", where,
                               (int)i);
        else
            regfree(&regex);
    }
    json_decref(expressions);
    return status;
}

static moru_status check(const void *options, const char *where)
{
    const moru_muon_options *o = options;
    MORU_TRY(moru_option_within(o->adam_beta_1, 0, 1, "adam_beta_1", where));
    MORU_TRY(moru_option_within(o->adam_beta_2, 0, 1, "adam_beta_2", where));
    MORU_TRY(moru_option_within(o->epsilon, 0, INFINITY, "epsilon", where));
    MORU_TRY(moru_option_within((double)o->ns_steps, 0, 100, "ns_steps", where));
    if (!isnan(o->adam_weight_decay)) /* null: none */
        MORU_TRY(moru_option_within(o->adam_weight_decay, 0, INFINITY, "adam_weight_decay", where));
    return check_expressions(o->exclude_layers, where);
}

static const moru_muon_options defaults = {MORU_MUON_DEFAULTS};
static const moru_field fields[] = {
    MORU_FIELD(moru_muon_options, learning_rate, MORU_FIELD_REAL),
    MORU_FIELD(moru_muon_options, adam_beta_1, MORU_FIELD_REAL),
    MORU_FIELD(moru_muon_options, adam_beta_2, MORU_FIELD_REAL),
    MORU_FIELD(moru_muon_options, adam_weight_decay, MORU_FIELD_REAL),
    MORU_FIELD(moru_muon_options, epsilon, MORU_FIELD_REAL),
    MORU_FIELD(moru_muon_options, exclude_layers, MORU_FIELD_JSON),
    MORU_FIELD(moru_muon_options, exclude_embeddings, MORU_FIELD_BOOL),
    MORU_FIELD(moru_muon_options, muon_a, MORU_FIELD_REAL),
    MORU_FIELD(moru_muon_options, muon_b, MORU_FIELD_REAL),
    MORU_FIELD(moru_muon_options, muon_c, MORU_FIELD_REAL),
    MORU_FIELD(moru_muon_options, adam_lr_ratio, MORU_FIELD_REAL),
    MORU_FIELD(moru_muon_options, momentum, MORU_FIELD_REAL),
    MORU_FIELD(moru_muon_options, ns_steps, MORU_FIELD_INT),
    MORU_FIELD(moru_muon_options, nesterov, MORU_FIELD_BOOL),
    MORU_FIELD(moru_muon_options, rms_rate, MORU_FIELD_REAL),
    MORU_FIELD(moru_muon_options, weight_decay, MORU_FIELD_REAL),
    MORU_OPTIMIZER_COMMON_FIELDS(moru_muon_options),
};
static const moru_optimizer_rule rule = {.slots = slots, .step = step, .check = check};
MORU_OPTIMIZER(muon, "Muon", "muon", moru_muon_options, defaults, fields, rule)
