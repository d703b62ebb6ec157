/* A batch to time or to plan for: of the data, or made up. */
#ifndef MORU_TOOLS_BATCH_H
#define MORU_TOOLS_BATCH_H

#include "tools/source.h"

typedef struct batch {
    moru_tensor *inputs[MORU_MAX_FEATURES], *targets[MORU_MAX_FEATURES];
    moru_program *program;      /* that runs it: the model's */
    bool training;
} batch;

/* size samples, the data's first ones over and over; without data random ones of the model's shapes. Then compiles the
 * program for them: a training step (of a compiled model) or inference. batch_free() afterwards, in any case. */
moru_status batch_make(batch *b, source *src, int64_t size, bool training);
moru_status batch_run(batch *b, source *src);
void batch_free(batch *b);

#endif
