/* Direct: takes from all ops the choice of an algorithm that rounds otherwise than the plain one. It runs where
 * MORU_PASS_WINOGRAD is left out, before calls are shared and folded. */
#include "core/compile.h"

void moru_pass_direct(moru_compilation *c)
{
    for (int32_t id = 0; id < c->graph->n_calls; id++) {
        moru_call *call = c->graph->calls[id];
        if (call->op->method)
            *(int64_t *)((char *)call->attrs + call->op->method - 1) = 1;
    }
}
