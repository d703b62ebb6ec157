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
    char name[128];                /* of pictures: the zoo's name or the file's stem */
} source;

/* What the command wants of them. */
enum {
    SOURCE_MODEL = 0,              /* the model alone; a file's compilation isn't looked at */
    SOURCE_DATA = 1,               /* data to compute on: a file's model needs --data */
    SOURCE_COMPILED = 2            /* a file's optimizer and loss, too */
};

/* Opens the data (the option, or a zoo model's default) and the model. source_close() afterwards, in any case. */
moru_status source_open(source *src, const settings *s, unsigned wants);
void source_close(source *src);
/* As --by-name, --partial, --skip-mismatch and --mapping say; what was left alone goes to standard error. */
moru_status source_load_weights(moru_model *model, const char *path, const settings *s);
/* As moru_dataset_open(); a SPEC that makes no sense is reported in the place of the argument that holds it. */
moru_status source_open_data(moru_dataset **data, const char *spec, const char *argument);

/* Compiles as the options say: over a zoo model's defaults, or over what a compiled file brings. steps: of the whole
 * run. */
moru_status source_compile(source *src, const settings *s, int64_t steps);
/* Learning rate and schedule alone, for a model that is compiled. */
moru_status source_set_rate(source *src, const settings *s, int64_t steps);

#endif
