/* Learning-rate schedules: Keras's classes, computed in float as Keras does. */
#ifndef MORU_TRAIN_SCHEDULES_H
#define MORU_TRAIN_SCHEDULES_H

#include "core/config.h"

typedef struct moru_schedule {
    const moru_class *class_;
    void *options;
} moru_schedule;

/* Everything lies in arena. */
moru_status moru_schedule_parse(moru_arena *arena, const char *spec, const char *where, moru_schedule **schedule);
/* The rate of an iteration, counted from 0. */
double moru_schedule_at(const moru_schedule *schedule, int64_t iteration);
/* The Keras object: new reference, NULL when out of memory. */
json_t *moru_schedule_to_json(const moru_schedule *schedule);

#endif
