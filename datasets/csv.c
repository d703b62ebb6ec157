/* CSV tables as data sets: one input, the columns side by side, words one-hot; one target column. */
#include <inttypes.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __APPLE__
#include <xlocale.h>
#endif

#include "core/status.h"
#include "datasets/csv_table.h"

typedef struct table {
    char *path;
    moru_csv_options options;     /* strings are the caller's: for reading the file only */
    moru_csv_column *columns;
    int n_columns, target;
    int64_t n_rows, width;        /* of the input */
    char **input_names;
} table;

/* ---- columns by name ---- */

static moru_status no_column(const table *t, const char *name, size_t length, const char *what)
{
    char list[1024] = "", shown[MORU_CSV_SHOWN];
    size_t at = 0;
    for (int c = 0; c < t->n_columns; c++) {
        if (at + MORU_CSV_SHOWN + 8 > sizeof list) {
            strcpy(list + at, ", ...");
            break;
        }
        at += (size_t)sprintf(list + at, "%s%s", c ? ", " : "", moru_csv_show(t->columns[c].name, shown));
    }
    return moru_fail(MORU_ERR_ARGUMENT, "%s: %s \"%.*s\" isn't one of its columns %s", t->path, what, (int)length, name,
                     list);
}

static int find(const table *t, const char *name, size_t length)
{
    for (int c = 0; c < t->n_columns; c++)
        if (strlen(t->columns[c].name) == length && memcmp(t->columns[c].name, name, length) == 0)
            return c;
    return -1;
}

/* Gives every column of a list "a,b" its kind. */
static moru_status mark(table *t, const char *list, moru_csv_kind kind, const char *what)
{
    for (const char *name = list; name && *name;) {
        size_t length = strcspn(name, ",");
        int c = find(t, name, length);
        if (length > 0 && c < 0)
            return no_column(t, name, length, what);
        if (length > 0)
            t->columns[c].kind = kind;
        name += length + (name[length] == ',');
    }
    return MORU_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static moru_status check_names(const table *t, int64_t line)
{
    const char **names = malloc((size_t)t->n_columns * sizeof *names + 1);
    moru_status status = MORU_OK;
    if (!names)
        return moru_fail(MORU_ERR_MEMORY, "%s: no memory for %d columns", t->path, t->n_columns);
    for (int c = 0; c < t->n_columns; c++)
        names[c] = t->columns[c].name;
    qsort(names, (size_t)t->n_columns, sizeof *names, by_name);
    for (int c = 1; c < t->n_columns && status == MORU_OK; c++)
        if (strcmp(names[c - 1], names[c]) == 0) {
            char shown[MORU_CSV_SHOWN];
            int first = find(t, names[c], strlen(names[c])), second = first + 1;
            while (strcmp(t->columns[second].name, names[c]) != 0)
                second++;
            status = moru_fail(MORU_ERR_FORMAT, "%s:%" PRId64 ": columns %d and %d are both named \"%s\"", t->path,
                               line, first + 1, second + 1, moru_csv_show(names[c], shown));
        }
    free(names);
    return status;
}

static moru_status choose(table *t)
{
    const moru_csv_options *o = &t->options;
    MORU_TRY(mark(t, o->numeric, MORU_CSV_NUMBERS, "numeric"));
    MORU_TRY(mark(t, o->ignore, MORU_CSV_IGNORED, "ignore"));
    if (o->target) {
        t->target = find(t, o->target, strlen(o->target));
        if (t->target < 0)
            return no_column(t, o->target, strlen(o->target), "target");
        if (t->columns[t->target].kind == MORU_CSV_IGNORED)
            return moru_fail(MORU_ERR_ARGUMENT, "%s: the target \"%s\" can't be ignored", t->path, o->target);
    } else {
        t->target = t->n_columns - 1;
        while (t->target >= 0 && t->columns[t->target].kind == MORU_CSV_IGNORED)
            t->target--;
    }
    int inputs = 0;
    for (int c = 0; c < t->n_columns; c++)
        inputs += c != t->target && t->columns[c].kind != MORU_CSV_IGNORED;
    if (t->target < 0 || inputs == 0)
        return moru_fail(MORU_ERR_FORMAT, "%s: of its %d column%s none is left as %s; is the separator \"%c\" right?",
                         t->path, t->n_columns, t->n_columns == 1 ? "" : "s", t->target < 0 ? "target" : "input",
                         o->separator);
    return MORU_OK;
}

/* ---- rows ---- */

static moru_status take_header(table *t, const moru_csv_cell *cells, int n)
{
    char number[16];
    if (!(t->columns = calloc((size_t)n, sizeof *t->columns)))
        return moru_fail(MORU_ERR_MEMORY, "%s: no memory for %d columns", t->path, n);
    t->n_columns = n;
    for (int c = 0; c < n; c++) {
        snprintf(number, sizeof number, "%d", c + 1);
        t->columns[c].name = strdup(t->options.no_header || !*cells[c].text ? number : cells[c].text);
        if (!t->columns[c].name)
            return moru_fail(MORU_ERR_MEMORY, "%s: no memory for %d columns", t->path, n);
    }
    MORU_TRY(check_names(t, cells[0].line));
    return choose(t);
}

static moru_status take_row(void *self, const moru_csv_cell *cells, int n)
{
    table *t = self;
    if (!t->columns) {
        MORU_TRY(take_header(t, cells, n));
        if (!t->options.no_header)
            return MORU_OK;
    }
    if (n != t->n_columns)
        return moru_fail(MORU_ERR_FORMAT, "%s:%" PRId64 ": a row of %d cells in a table of %d columns", t->path,
                         cells[0].line, n, t->n_columns);
    for (int c = 0; c < n; c++)
        MORU_TRY(moru_csv_column_add(&t->columns[c], t->path, &cells[c], c == t->target));
    t->n_rows++;
    return MORU_OK;
}

/* A decimal point is a point, whatever the program's locale says. */
static moru_status read_rows(table *t)
{
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!c)
        return moru_fail(MORU_ERR_MEMORY, "%s: no memory for reading it", t->path);
    locale_t before = uselocale(c);
    moru_status status = moru_csv_read(t->path, t->options.separator, take_row, t);
    uselocale(before);
    freelocale(c);
    if (status == MORU_OK && t->n_rows == 0)
        status = moru_fail(MORU_ERR_FORMAT, "%s: %s", t->path,
                           t->columns ? "no row follows the header" : "it is empty");
    return status;
}

/* ---- the data set ---- */

static moru_status read_table(const void *self, const int64_t *rows, int64_t n, void *const *inputs,
                              void *const *targets)
{
    const table *t = self;
    moru_real *x = inputs[0];
    for (int64_t i = 0; i < n; i++, x += t->width) {
        moru_real *to = x;
        memset(to, 0, (size_t)t->width * sizeof *to);
        for (int c = 0; c < t->n_columns; c++) {
            const moru_csv_column *column = &t->columns[c];
            if (c == t->target)
                continue;
            if (column->kind == MORU_CSV_NUMBERS) {
                *to++ = column->values[rows[i]];
            } else if (column->kind == MORU_CSV_WORDS) {
                to[column->codes[rows[i]]] = 1;
                to += column->n_words;
            }
        }
    }
    const moru_csv_column *target = &t->columns[t->target];
    for (int64_t i = 0; i < n; i++)
        if (target->kind == MORU_CSV_NUMBERS)
            ((moru_real *)targets[0])[i] = target->values[rows[i]];
        else
            ((int32_t *)targets[0])[i] = target->codes[rows[i]];
    return MORU_OK;
}

static void free_table(void *self)
{
    table *t = self;
    for (int64_t k = 0; t->input_names && k < t->width; k++)
        free(t->input_names[k]);
    free(t->input_names);
    for (int c = 0; c < t->n_columns; c++)
        moru_csv_column_clear(&t->columns[c]);
    free(t->columns);
    free(t->path);
    free(t);
}

/* "age", "sex=F" */
static char *input_name(const moru_csv_column *column, int32_t word)
{
    if (column->kind == MORU_CSV_NUMBERS)
        return strdup(column->name);
    size_t size = strlen(column->name) + strlen(column->words[word]) + 2;
    char *name = malloc(size);
    if (name)
        snprintf(name, size, "%s=%s", column->name, column->words[word]);
    return name;
}

static moru_status finish(table *t)
{
    for (int c = 0; c < t->n_columns; c++) {
        moru_csv_column *column = &t->columns[c];
        MORU_TRY(moru_csv_column_finish(column, t->path, !t->options.raw && c != t->target));
        if (c != t->target && column->kind != MORU_CSV_IGNORED)
            t->width += column->kind == MORU_CSV_WORDS ? column->n_words : 1;
    }
    if (!(t->input_names = calloc((size_t)t->width, sizeof *t->input_names)))
        return moru_fail(MORU_ERR_MEMORY, "%s: no memory for %" PRId64 " inputs", t->path, t->width);
    int64_t k = 0;
    for (int c = 0; c < t->n_columns; c++) {
        const moru_csv_column *column = &t->columns[c];
        int32_t parts = column->kind == MORU_CSV_WORDS ? column->n_words : column->kind == MORU_CSV_NUMBERS;
        for (int32_t word = 0; c != t->target && word < parts; word++)
            if (!(t->input_names[k++] = input_name(column, word)))
                return moru_fail(MORU_ERR_MEMORY, "%s: no memory for %" PRId64 " inputs", t->path, t->width);
    }
    return MORU_OK;
}

static moru_status make(moru_dataset **dataset, table *t)
{
    static const moru_dataset_class csv_class = {read_table, free_table};
    const moru_csv_column *target = &t->columns[t->target];
    moru_dataset_info info = {.name = t->path, .size = t->n_rows, .n_inputs = 1, .n_targets = 1,
                              .input_names = (const char *const *)t->input_names};
    info.input_shapes[0] = MORU_SHAPE(t->width);
    if (target->kind == MORU_CSV_WORDS) {
        info.target_dtypes[0] = MORU_INT32;
        info.n_classes = target->n_words;
        info.class_names = (const char *const *)target->words;
    } else {
        info.target_shapes[0] = MORU_SHAPE(1);
    }
    t->options = (moru_csv_options){0};
    *dataset = moru_dataset_custom(&csv_class, t, &info);
    return *dataset ? MORU_OK : MORU_ERR_MEMORY;
}

moru_status moru_dataset_csv(moru_dataset **dataset, const char *path, const moru_csv_options *options)
{
    if (!dataset || !path)
        return moru_fail(MORU_ERR_ARGUMENT, "csv: an argument is NULL");
    *dataset = NULL;
    table *t = calloc(1, sizeof *t);
    if (!t || !(t->path = strdup(path))) {
        free(t);
        return moru_fail(MORU_ERR_MEMORY, "%s: no memory for a data set", path);
    }
    if (options)
        t->options = *options;
    if (!t->options.separator)
        t->options.separator = ',';
    moru_status status = MORU_OK;
    if (strchr("\"\r\n", t->options.separator))
        status = moru_fail(MORU_ERR_ARGUMENT, "%s: quotation marks and ends of lines can't separate cells", path);
    if (status == MORU_OK)
        status = read_rows(t);
    if (status == MORU_OK)
        status = finish(t);
    if (status == MORU_OK)
        status = make(dataset, t);
    if (status != MORU_OK)
        free_table(t);
    return status;
}
