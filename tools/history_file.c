/* DIR/history.csv: a row an epoch. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/history_file.h"
#include "tools/output.h"

static void print_history(FILE *out, const moru_history *history)
{
    for (int e = 0; e < moru_history_count(history); e++) {
        const moru_logs *logs = moru_history_at(history, e);
        fputs(e == 0 ? "epoch,seconds,learning_rate" : "", out);
        for (int i = 0; i < logs->n && e == 0; i++)
            fprintf(out, ",%s", logs->names[i]);
        fprintf(out, "%s%d,%.3f,%.9g", e == 0 ? "\n" : "", logs->epoch + 1, logs->seconds, logs->learning_rate);
        for (int i = 0; i < logs->n; i++)
            fprintf(out, ",%.9g", logs->values[i]);
        fputc('\n', out);
    }
}

moru_status history_write(const moru_history *history, const char *directory)
{
    char path[PATH_MAX], *text = NULL;
    size_t size;
    snprintf(path, sizeof path, "%s/history.csv", directory);
    FILE *out = open_memstream(&text, &size);
    if (out)
        print_history(out, history);
    moru_status status = out && fclose(out) == 0 ? output_write(path, text)
                                                 : moru_op_error(MORU_ERR_MEMORY, "%s: no memory for it", path);
    free(text);
    return status;
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
    enum { COLUMNS = MORU_MAX_LOGS + 3 };
    char path[PATH_MAX], head[2048], line[2048], *names[COLUMNS], *cells[COLUMNS];
    snprintf(path, sizeof path, "%s/history.csv", directory);
    FILE *in = fopen(path, "r");
    if (!in)
        return errno == ENOENT ? MORU_OK : moru_op_error(MORU_ERR_IO, "%s: %s", path, strerror(errno));
    moru_status status = MORU_OK;
    int n = fgets(head, sizeof head, in) ? split(head, names, COLUMNS) : 0;
    while (n > 3 && status == MORU_OK && fgets(line, sizeof line, in)) {
        if (split(line, cells, COLUMNS) != n) {
            status = moru_op_error(MORU_ERR_FORMAT, "%s: its rows aren't equally long", path);
            break;
        }
        moru_logs logs = {.epoch = atoi(cells[0]) - 1, .seconds = atof(cells[1]), .learning_rate = atof(cells[2])};
        logs.n = n - 3;
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
