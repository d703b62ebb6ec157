/* One layer after an input: what it gives, what it refuses. */
#ifndef MORU_TESTS_LAYER_TEST_H
#define MORU_TESTS_LAYER_TEST_H

#include <check.h>
#include <stdio.h>
#include <string.h>

#include <moru/model.h>
#include "layers/model.h"

static moru_model *model_of(moru_shape input, moru_dtype dtype, moru_layer *layer)
{
    return moru_sequential("m", moru_input_layer(input, dtype, NULL), layer);
}

static void assert_layer(moru_shape input, moru_layer *layer, moru_shape output, int64_t parameters)
{
    char got[MORU_SHAPE_TEXT], wanted[MORU_SHAPE_TEXT];
    moru_model *model = model_of(input, MORU_REAL, layer);
    ck_assert_msg(moru_model_status(model) == MORU_OK, "%s", moru_model_error(model));
    moru_summary_row row;
    ck_assert(moru_model_summary_at(model, 1, &row));
    moru_shape want = {.rank = output.rank + 1, .dims = {-1}};
    memcpy(want.dims + 1, output.dims, sizeof(int64_t) * (size_t)output.rank);
    ck_assert_msg(moru_shape_equal(&row.output, &want), "%s: %s, not %s", row.class_name,
                  moru_shape_print(&row.output, got, sizeof got), moru_shape_print(&want, wanted, sizeof wanted));
    ck_assert_int_eq(row.parameters, parameters);
    ck_assert_int_eq(moru_model_parameter_count(model, false), parameters);
    moru_model_free(model);
}

/* The message names the layer and holds part. */
static void assert_refused(moru_shape input, moru_layer *layer, moru_status status, const char *part)
{
    char name[80];
    snprintf(name, sizeof name, "%s \"", moru_layer_class_name(layer));
    moru_model *model = model_of(input, MORU_REAL, layer);
    ck_assert_msg(moru_model_status(model) == status, "%d: %s", moru_model_status(model), moru_model_error(model));
    ck_assert_msg(strstr(moru_model_error(model), part) != NULL, "\"%s\" isn't in: %s", part, moru_model_error(model));
    ck_assert_msg(strncmp(moru_model_error(model), name, strlen(name)) == 0, "%s", moru_model_error(model));
    moru_model_free(model);
}

#endif
