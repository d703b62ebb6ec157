/* DIR/history.csv: a row an epoch, written beside and renamed. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/history_file.h"

static moru_status failed(const char *path)
{
    return moru_op_error(MORU_ERR_IO, "%s: %s", path, strerror(errno));
}

moru_status history_write(const moru_history *history, const char *directory)
{
    char path[4200], beside[4210];
    snprintf(path, sizeof path, "%s/history.csv", directory);
    snprintf(beside, sizeof beside, "%s.new", path);
    FILE *out = fopen(beside, "w");
    if (!out)
        return failed(path);
    for (int e = 0; e < moru_history_count(history); e++) {
        const moru_logs *logs = moru_history_at(history, e);
        if (e == 0) {
            fputs("epoch,seconds,learning_rate", out);
            for (int i = 0; i < logs->n; i++)
                fprintf(out, ",%s", logs->names[i]);
            fputc('\n', out);
        }
        fprintf(out, "%d,%.3f,%.9g", logs->epoch + 1, logs->seconds, logs->learning_rate);
        for (int i = 0; i < logs->n; i++)
            fprintf(out, ",%.9g", logs->values[i]);
        fputc('\n', out);
    }
    bool bad = ferror(out) != 0;
    if (fclose(out) != 0 || bad || rename(beside, path) != 0) {
        moru_status status = failed(path);
        remove(beside);
        return status;
    }
    return MORU_OK;
}

/* Splits a line at commas, in place. */
static int split(char *line, char **cells, int most)
{
    int n = 0;
    line[strcspn(line, "\r\n")] = '\0';
    for (char *cell = line; cell && n < most; n++) {
        char *comma = strchr(cell, ',');
        if (comma)
            *comma++ = '\0';
        cells[n] = cell;
        cell = comma;
    }
    return n;
}

moru_status history_read(moru_history *history, const char *directory, int epoch)
{
    char path[4200], head[1024], line[1024], *names[MORU_MAX_LOGS + 3], *cells[MORU_MAX_LOGS + 3];
    snprintf(path, sizeof path, "%s/history.csv", directory);
    FILE *in = fopen(path, "r");
    if (!in)
        return errno == ENOENT ? MORU_OK : failed(path);
    moru_status status = MORU_OK;
    int n = fgets(head, sizeof head, in) ? split(head, names, MORU_MAX_LOGS + 3) : 0;
    while (n > 3 && status == MORU_OK && fgets(line, sizeof line, in)) {
        if (split(line, cells, MORU_MAX_LOGS + 3) != n) {
            status = moru_op_error(MORU_ERR_FORMAT, "%s: its rows aren't equally long", path);
            break;
        }
        moru_logs logs = {.epoch = atoi(cells[0]) - 1, .seconds = atof(cells[1]), .learning_rate = atof(cells[2]), .n = n - 3};
        for (int i = 0; i < logs.n; i++) {
            logs.names[i] = names[i + 3];
            logs.values[i] = atof(cells[i + 3]);
        }
        if (logs.epoch < epoch)
            status = moru_history_append(history, &logs);
    }
    fclose(in);
    return status;
}
