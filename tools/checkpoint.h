/* Checkpoints: DIR/checkpoint.keras after each epoch, and DIR/run.json with what must stay the same when resuming. */
#ifndef MORU_TOOLS_CHECKPOINT_H
#define MORU_TOOLS_CHECKPOINT_H

#include <jansson.h>

#include "tools/source.h"

typedef struct checkpoint {
    const char *directory;
    char model[4096], run[4096];    /* paths of the two files */
    json_t *settings;               /* of this run */
} checkpoint;

/* Looks at the directory, and with --resume takes up model and epoch from it. The settings that decide a run's numbers
 * are kept beside; resuming with others is an error. Nothing is written yet. checkpoint_close() afterwards, always. */
moru_status checkpoint_open(checkpoint *c, source *src, const settings *s, int64_t batch, int64_t steps_per_epoch,
                            int *initial_epoch);
moru_status checkpoint_write(const checkpoint *c, moru_model *model);
void checkpoint_close(checkpoint *c);

#endif
