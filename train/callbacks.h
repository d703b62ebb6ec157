/* What callbacks share: watching one of the logged values. */
#ifndef MORU_TRAIN_CALLBACKS_H
#define MORU_TRAIN_CALLBACKS_H

#include "core/status.h"
#include <moru/train.h>

typedef struct moru_monitor {
    char name[128];
    bool automatic;        /* the metric decides upwards, when the training begins */
    bool upwards;          /* greater is better */
    double min_delta;
    double best;
    bool any;              /* there is a best */
} moru_monitor;

/* mode NULL or "auto": by what is logged under the name. */
moru_status moru_monitor_init(moru_monitor *monitor, const char *name, const char *mode, double min_delta,
                              const char *where);
/* Before the first epoch: what the model logs is known. */
void moru_monitor_begin(moru_monitor *monitor, const moru_model *model);
/* Value of the epoch; an error that lists what is logged if it isn't there. */
moru_status moru_monitor_value(const moru_monitor *monitor, const moru_logs *logs, const char *where, double *value);
/* Whether value is better than the best; it is the best from then on. A NaN never is. */
bool moru_monitor_improves(moru_monitor *monitor, double value);

/* As moru_model_checkpoint_new(), with a function of its own in the place of saving. */
moru_callback *moru_model_checkpoint_with(const moru_model_checkpoint_options *options,
                                          moru_status (*save)(moru_model *model, const char *path));

#endif
