/* Logs, monitors, freeing of callbacks. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/callbacks.h"
#include "train/training.h"

double moru_logs_get(const moru_logs *logs, const char *name)
{
    for (int k = 0; logs && name && k < logs->n; k++)
        if (strcmp(logs->names[k], name) == 0)
            return logs->values[k];
    return (double)NAN;
}

void moru_callback_free(moru_callback *callback)
{
    if (!callback)
        return;
    if (callback->free)
        callback->free(callback->self);
    free(callback);
}

moru_status moru_monitor_init(moru_monitor *monitor, const char *name, const char *mode, double min_delta,
                              const char *where)
{
    *monitor = (moru_monitor){.min_delta = fabs(min_delta)};
    if (!name || strlen(name) >= sizeof monitor->name)
        return moru_fail(MORU_ERR_ARGUMENT, "%s: monitor must be the name of a logged value", where);
    strcpy(monitor->name, name);
    if (!mode || strcmp(mode, "auto") == 0)
        monitor->automatic = true;
    else if (strcmp(mode, "max") == 0 || strcmp(mode, "min") == 0)
        monitor->upwards = mode[1] == 'a';
    else
        return moru_fail(MORU_ERR_ARGUMENT, "%s: mode must be auto, min or max, not %s", where, mode);
    return MORU_OK;
}

void moru_monitor_begin(moru_monitor *monitor, const moru_model *model)
{
    const moru_training *t = model->training;
    for (int k = 0; monitor->automatic && t && k < 2 * t->n_logs; k++)
        if (strcmp(t->log_names[k], monitor->name) == 0) {
            const moru_metric *metric = moru_logged_metric(t, k);
            monitor->upwards = metric && moru_metric_goes_up(metric);
        }
}

moru_status moru_monitor_value(const moru_monitor *monitor, const moru_logs *logs, const char *where, double *value)
{
    char known[512] = "";
    for (int k = 0; k < logs->n; k++) {
        if (strcmp(logs->names[k], monitor->name) == 0) {
            *value = logs->values[k];
            return MORU_OK;
        }
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", k ? ", " : "", logs->names[k]);
    }
    return moru_fail(MORU_ERR_ARGUMENT, "%s: \"%s\" isn't measured; there are %s", where, monitor->name, known);
}

bool moru_monitor_improves(moru_monitor *monitor, double value)
{
    bool better = !monitor->any || (monitor->upwards ? value - monitor->min_delta > monitor->best
                                                     : value + monitor->min_delta < monitor->best);
    if (isnan(value) || !better)
        return false;
    monitor->best = value;
    monitor->any = true;
    return true;
}
