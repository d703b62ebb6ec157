/* The fused tail of matmul and convolution: y = activation(x + bias[channel]). */
#ifndef MORU_OPS_EPILOGUE_H
#define MORU_OPS_EPILOGUE_H

#include "ops/op_table.h"

/* For infer(): input `bias` has to be [channels] if the epilogue wants one, and absent otherwise. */
moru_status moru_epilogue_check(const moru_infer *in, const moru_epilogue *epilogue, int bias, int64_t channels);
/* The same as separate ops, for the gradient. */
moru_node *moru_epilogue_expand(moru_node *x, moru_node *bias, const moru_epilogue *epilogue);
/* Appends " +bias relu" to a text that is being printed. */
void moru_epilogue_print(const moru_epilogue *epilogue, char *text, size_t size);

#endif
