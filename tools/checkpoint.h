/* Checkpoints: DIR/checkpoint.keras after each epoch, and DIR/run.json with what must stay the same when resuming. */
#ifndef MORU_TOOLS_CHECKPOINT_H
#define MORU_TOOLS_CHECKPOINT_H

#include "tools/source.h"

typedef struct checkpoint {
    moru_callback callback;
    char path[4096];
} checkpoint;

/* Makes the directory, and with resume takes up the model and epoch that are there. The run's settings that decide its numbers
 * (seed, batch) are kept beside; resuming with others is an error. */
moru_status checkpoint_open(checkpoint *c, source *src, const settings *s, int64_t batch, int64_t steps_per_epoch,
                            int *initial_epoch);

#endif
