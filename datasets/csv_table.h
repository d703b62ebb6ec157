/* Tables in CSV files: cells row by row, and columns of numbers or texts made of them. */
#ifndef MORU_DATASETS_CSV_TABLE_H
#define MORU_DATASETS_CSV_TABLE_H

#include <stddef.h>
#include "datasets/dataset.h"

enum { MORU_CSV_COLUMNS = 65536, MORU_CSV_TEXTS = 65536 }; /* at most, of a row; different ones of a column */

/* A cell, without the white space around it, followed by a zero byte. line is where it begins, counted from 1. */
typedef struct moru_csv_cell {
    const char *text;
    int64_t line;
} moru_csv_cell;
typedef moru_status (*moru_csv_row)(void *self, const moru_csv_cell *cells, int n);

/* Calls row for every row; cells are valid during the call. Stops at the first failure. */
moru_status moru_csv_read(const char *path, char separator, moru_csv_row row, void *self);

enum { MORU_CSV_SHOWN = 64 };
/* A file's text as it may stand in a message: short, on one line. */
const char *moru_csv_show(const char *text, char shown[static MORU_CSV_SHOWN]);

typedef enum moru_csv_kind { MORU_CSV_UNDECIDED, MORU_CSV_NUMBERS, MORU_CSV_WORDS, MORU_CSV_IGNORED } moru_csv_kind;

/* One column. Undecided ones hold words, until the first number or text says what they are. */
typedef struct moru_csv_column {
    char *name;
    moru_csv_kind kind;
    int64_t n, capacity;  /* rows */
    double *numbers;      /* NaN: missing */
    int32_t *codes;       /* position in words; -1: missing */
    char **words;         /* different ones, in the order they came; sorted by finish */
    int32_t n_words, words_capacity, n_slots;
    int32_t *slots;       /* hash table of positions, -1: free */
    int64_t odd_line;     /* first NaN or infinity while undecided, 0: none */
    moru_real *values;    /* set by finish, for columns of numbers */
} moru_csv_column;

/* Appends a cell; path is for messages. A missing cell of a target is an error. */
moru_status moru_csv_column_add(moru_csv_column *column, const char *path, const moru_csv_cell *cell, bool target);
/* After the last row. Numbers become values: missing ones the mean, then, if standardise, mean 0 and standard deviation
 * 1 (0 where all are equal). Words are sorted; missing ones become the last word, "?". */
moru_status moru_csv_column_finish(moru_csv_column *column, const char *path, bool standardise);
void moru_csv_column_clear(moru_csv_column *column);

#endif
