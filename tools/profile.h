/* Where the time of a step goes. */
#ifndef MORU_TOOLS_PROFILE_H
#define MORU_TOOLS_PROFILE_H

#include <jansson.h>

#include "tools/batch.h"

/* A call of the program: seconds is the median over the profiled steps. */
typedef struct profile {
    moru_program_call *calls;   /* the slowest first */
    int n;
    double seconds;             /* of all calls */
} profile;

/* Runs some more steps of the batch, each call timed. profile_free() afterwards, in any case. */
moru_status profile_make(profile *p, source *src, batch *b);
/* A table of the calls, then one of the kinds of op. */
moru_status profile_print(const profile *p);
/* An array of objects, one a call: op, name, shape, us, share, gflops, gbytes_per_s. New reference; NULL without
 * memory. */
json_t *profile_json(const profile *p);
void profile_free(profile *p);

#endif
