/* Small tables that are part of the library: first lessons need no files. */
#include <string.h>

#include "core/status.h"
#include "datasets/dataset.h"

typedef struct table {
    const char *name;
    int rows, columns;                /* columns of input; one target */
    moru_real inputs[8], targets[4];  /* row by row */
    const char *names[2];
} table;

static const table tables[] = {
    {"study-time", 4, 1, {9, 8, 4, 2}, {90, 80, 40, 20}, {"study time"}},
    {"study-and-sleep", 4, 2, {9, 5, 8, 8, 4, 7, 2, 3}, {90, 80, 40, 20}, {"study time", "sleep"}},
    {"and", 4, 2, {0, 0, 0, 1, 1, 0, 1, 1}, {0, 0, 0, 1}, {"a", "b"}},
    {"or", 4, 2, {0, 0, 0, 1, 1, 0, 1, 1}, {0, 1, 1, 1}, {"a", "b"}},
    {"nand", 4, 2, {0, 0, 0, 1, 1, 0, 1, 1}, {1, 1, 1, 0}, {"a", "b"}},
    {"xor", 4, 2, {0, 0, 0, 1, 1, 0, 1, 1}, {0, 1, 1, 0}, {"a", "b"}},
};
enum { TABLES = sizeof tables / sizeof *tables };

static moru_status read_table(const void *self, const int64_t *rows, int64_t n, void *const *inputs,
                              void *const *targets)
{
    const table *t = self;
    for (int64_t i = 0; i < n; i++) {
        memcpy((moru_real *)inputs[0] + i * t->columns, t->inputs + rows[i] * t->columns,
               (size_t)t->columns * sizeof(moru_real));
        ((moru_real *)targets[0])[i] = t->targets[rows[i]];
    }
    return MORU_OK;
}

const char *moru_dataset_builtin_name(int k)
{
    return k >= 0 && k < TABLES ? tables[k].name : NULL;
}

moru_status moru_dataset_builtin(moru_dataset **dataset, const char *name)
{
    static const moru_dataset_class table_class = {read_table, NULL};
    *dataset = NULL;
    for (int k = 0; k < TABLES; k++) {
        const table *t = &tables[k];
        if (strcmp(t->name, name) != 0)
            continue;
        moru_dataset_info info = {.name = t->name, .size = t->rows, .n_inputs = 1, .n_targets = 1,
                                  .input_names = t->names};
        info.input_shapes[0] = MORU_SHAPE(t->columns);
        info.target_shapes[0] = MORU_SHAPE(1);
        *dataset = moru_dataset_custom(&table_class, (void *)(uintptr_t)t, &info);
        return *dataset ? MORU_OK : MORU_ERR_MEMORY;
    }
    return moru_fail(MORU_ERR_ARGUMENT, "there is no built-in table \"%s\"", name);
}
