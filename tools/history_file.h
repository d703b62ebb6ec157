/* DIR/history.csv: a row an epoch. */
#ifndef MORU_TOOLS_HISTORY_FILE_H
#define MORU_TOOLS_HISTORY_FILE_H

#include <moru.h>

moru_status history_write(const moru_history *history, const char *directory);
/* Rows before epoch, if the file is there: a resumed run's curves begin where the first run's did. */
moru_status history_read(moru_history *history, const char *directory, int epoch);

#endif
