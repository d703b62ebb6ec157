/* The fused tail of matmul and convolution: y = activation(x + bias[channel]). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ops/elementwise.h"
#include "ops/epilogue.h"
#include "ops/shape_rules.h"

/* The op that is this activation; NULL for none. */
static const moru_op_def *activation_op(const moru_epilogue *epilogue)
{
    const moru_op_def *op;
    for (int k = 0; epilogue->activation > 0 && (op = moru_op_at(k)) != NULL; k++)
        if (op->activation == epilogue->activation)
            return op;
    return NULL;
}

moru_status moru_epilogue_check(const moru_infer *in, const moru_epilogue *epilogue, int bias, int64_t channels)
{
    if (!epilogue->has_bias != (in->n_inputs == bias))
        return moru_op_error(MORU_ERR_ARGUMENT, "%d inputs do not match the attributes, which speak of %s",
                             in->n_inputs,
                             epilogue->has_bias ? "a bias" : "no bias");
    if (epilogue->activation != 0 && !activation_op(epilogue))
        return moru_op_error(MORU_ERR_ARGUMENT, "there is no activation %d", (int)epilogue->activation);
    if (!epilogue->has_bias)
        return MORU_OK;
    const moru_shape *shape = &in->shapes[bias];
    if (in->dtypes[bias] != MORU_REAL || shape->rank != 1 || !moru_rule_fits(shape->dims[0], channels))
        return moru_op_error(MORU_ERR_SHAPE, "the bias is %s for %" PRId64 " channels", MORU_TEXT(shape), channels);
    return MORU_OK;
}

moru_node *moru_epilogue_expand(moru_node *x, moru_node *bias, const moru_epilogue *epilogue)
{
    const moru_op_def *op = activation_op(epilogue);
    moru_node *y = epilogue->has_bias ? moru_add(x, bias) : x;
    moru_elementwise_attrs attrs = {{epilogue->params[0], epilogue->params[1], epilogue->params[2]}};
    return op ? moru_call_1(op, y, op->attr_size == sizeof attrs ? &attrs : NULL) : y;
}

void moru_epilogue_print(const moru_epilogue *epilogue, char *text, size_t size)
{
    const moru_op_def *op = activation_op(epilogue);
    size_t used = strlen(text);
    const char *space = used ? " " : "";
    if (epilogue->has_bias || op)
        snprintf(text + used, size - used, "%s%s%s%s", space, epilogue->has_bias ? "+bias" : "",
                 epilogue->has_bias && op ? " " : "", op ? op->name : "");
}
