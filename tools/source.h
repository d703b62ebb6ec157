/* Where a command's model and data come from. */
#ifndef MORU_TOOLS_SOURCE_H
#define MORU_TOOLS_SOURCE_H

#include "models/zoo.h"
#include "tools/command.h"

/* The model a command names: the zoo's, built for its data, or a file's. */
typedef struct source {
    const zoo_model *zoo;          /* NULL: from a file */
    moru_model *model;
    moru_dataset *data, *validation;
    char name[128];                /* of pictures and checkpoints: the zoo's name or the file's stem */
} source;

/* Opens the data (the option, or a zoo model's default) and the model. needs_data: a file's model wants --data, too. */
moru_status source_open(source *src, const settings *s, bool needs_data);
void source_close(source *src);
/* Compiles as the options say: over a zoo model's defaults, or over what a compiled file brings. steps: of the whole run. */
moru_status source_compile(source *src, const settings *s, int64_t steps);

/* Random inputs and targets of the model's shapes, for timing and reports: a batch. free_batch() releases them. */
typedef struct batch { moru_tensor *inputs[MORU_MAX_FEATURES], *targets[MORU_MAX_FEATURES]; } batch;
moru_status make_batch(moru_model *model, const moru_dataset *data, int64_t size, batch *b);
void free_batch(batch *b);

#endif
