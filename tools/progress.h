/* Progress of training on standard error: a bar on a terminal, a line an epoch elsewhere. */
#ifndef MORU_TOOLS_PROGRESS_H
#define MORU_TOOLS_PROGRESS_H

#include <moru.h>

typedef struct progress {
    moru_callback callback;
    bool terminal;
    double drawn;              /* when the bar was, in seconds */
} progress;

/* The callback belongs to p, which must outlive the fit. */
moru_callback *progress_start(progress *p);
/* Takes an unfinished bar off the screen, before other messages. */
void progress_clear(const progress *p);

#endif
