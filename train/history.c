/* Histories: the logs of a fit's epochs. */
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/status.h"
#include <moru/train.h>

struct moru_history {
    moru_arena arena;   /* names, which outlive the model this way */
    moru_logs *rows;
    int n, capacity;
};

moru_history *moru_history_new(void)
{
    moru_history *history = calloc(1, sizeof *history);
    if (!history)
        moru_fail(MORU_ERR_MEMORY, "no memory for a history");
    return history;
}

void moru_history_free(moru_history *history)
{
    if (!history)
        return;
    moru_arena_free(&history->arena);
    free(history->rows);
    free(history);
}

int moru_history_count(const moru_history *history)
{
    return history->n;
}

const moru_logs *moru_history_at(const moru_history *history, int epoch)
{
    return epoch >= 0 && epoch < history->n ? &history->rows[epoch] : NULL;
}

static const char *keep_name(moru_history *history, const char *name, int k)
{
    const moru_logs *last = history->n > 0 ? &history->rows[history->n - 1] : NULL;
    if (last && k < last->n && strcmp(last->names[k], name) == 0)
        return last->names[k];
    return moru_arena_strdup(&history->arena, name);
}

moru_status moru_history_append(moru_history *history, const moru_logs *logs)
{
    if (history->n == history->capacity) {
        int capacity = history->capacity ? 2 * history->capacity : 16;
        moru_logs *rows = realloc(history->rows, (size_t)capacity * sizeof *rows);
        if (!rows)
            return moru_fail(MORU_ERR_MEMORY, "no memory for the history");
        history->rows = rows;
        history->capacity = capacity;
    }
    moru_logs row = *logs;
    for (int k = 0; k < row.n; k++)
        if (!(row.names[k] = keep_name(history, logs->names[k], k)))
            return moru_fail(MORU_ERR_MEMORY, "no memory for the history");
    history->rows[history->n++] = row;
    return MORU_OK;
}
