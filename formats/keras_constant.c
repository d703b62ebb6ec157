/* Fixed values among the arguments of calls: numbers, lists of them, arrays. */
#include "formats/keras.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_ELEMENTS = 1 << 24 };

/* The numbers of {"class_name": "__numpy__" or "__tensor__", "config": {"value": ..., "dtype": ...}}; NULL: none. */
static json_t *numbers_of(json_t *object)
{
    const char *class_name = moru_keras_class_name(object);
    if (class_name && (strcmp(class_name, "__numpy__") == 0 || strcmp(class_name, "__tensor__") == 0))
        return json_object_get(json_object_get(object, "config"), "value");
    return json_is_number(object) || json_is_array(object) ? object : NULL;
}

/* Shape of nested lists, by their first elements; false: no list of numbers, or too deep or too large. */
static bool find_shape(json_t *value, moru_shape *shape)
{
    int64_t size = 1;
    shape->rank = 0;
    for (; json_is_array(value); value = json_array_get(value, 0)) {
        if (shape->rank == MORU_MAX_RANK || json_array_size(value) > MAX_ELEMENTS)
            return false;
        shape->dims[shape->rank++] = (int64_t)json_array_size(value);
        size *= (int64_t)json_array_size(value);
        if (size > MAX_ELEMENTS)
            return false;
        if (size == 0)
            return true;
    }
    return json_is_number(value) || json_is_boolean(value);
}

/* Into data, in order; false where an element is no number, or a list has another size. */
static bool copy_numbers(json_t *value, const moru_shape *shape, int axis, double **data)
{
    if (axis == shape->rank) {
        *(*data)++ = json_is_boolean(value) ? json_is_true(value) : json_number_value(value);
        return json_is_number(value) || json_is_boolean(value);
    }
    bool ok = json_is_array(value) && (int64_t)json_array_size(value) == shape->dims[axis];
    for (int64_t k = 0; k < shape->dims[axis] && ok; k++)
        ok = copy_numbers(json_array_get(value, (size_t)k), shape, axis + 1, data);
    return ok;
}

static bool all_integers(json_t *value)
{
    bool all = json_is_array(value) || json_is_integer(value);
    for (size_t k = 0; k < json_array_size(value) && all; k++)
        all = all_integers(json_array_get(value, k));
    return all;
}

bool moru_keras_is_constant(json_t *value)
{
    moru_shape shape;
    json_t *numbers = numbers_of(value);
    return numbers && find_shape(numbers, &shape);
}

/* Integers of an array that says it has them; of a bare list if they all are. */
static bool is_int(json_t *object, json_t *numbers)
{
    const char *dtype = json_string_value(json_object_get(json_object_get(object, "config"), "dtype"));
    return dtype ? strstr(dtype, "int") != NULL : json_is_array(numbers) && all_integers(numbers);
}

moru_node *moru_keras_constant_read(moru_graph *graph, json_t *value)
{
    json_t *numbers = numbers_of(value);
    moru_shape shape;
    if (!numbers || !find_shape(numbers, &shape))
        return moru_graph_fail(graph, MORU_ERR_FORMAT, "a fixed value that isn't made of numbers");
    if (json_is_number(value))
        return moru_scalar(graph, json_number_value(value));
    int64_t size = 1;
    for (int k = 0; k < shape.rank; k++)
        size *= shape.dims[k];
    double *data = malloc((size_t)(size + 1) * sizeof *data), *end = data;
    bool integer = is_int(value, numbers);
    moru_node *node = NULL;
    if (!data)
        return moru_graph_fail(graph, MORU_ERR_MEMORY, "no memory for a fixed value");
    if (!copy_numbers(numbers, &shape, 0, &end))
        node = moru_graph_fail(graph, MORU_ERR_FORMAT, "a fixed value whose rows have different lengths");
    for (int64_t k = 0; k < size && !node; k++) { /* in place: both types are no wider */
        int32_t i = (int32_t)(data[k] < INT32_MIN ? INT32_MIN : data[k] > INT32_MAX ? INT32_MAX : data[k]);
        moru_real x = (moru_real)data[k];
        memcpy((char *)data + (size_t)k * (integer ? sizeof i : sizeof x), integer ? (void *)&i : (void *)&x,
               integer ? sizeof i : sizeof x);
    }
    if (!node)
        node = moru_constant(graph, integer ? MORU_INT32 : MORU_REAL, shape, data);
    free(data);
    return node;
}

static json_t *write_numbers(const moru_tensor *tensor, int axis, int64_t *next)
{
    const moru_shape *shape = moru_tensor_shape(tensor);
    if (axis == shape->rank) {
        int64_t k = (*next)++;
        return moru_tensor_dtype(tensor) == MORU_REAL
                   ? json_real((double)((const moru_real *)moru_tensor_const_data(tensor))[k])
                   : json_integer(((const int32_t *)moru_tensor_const_data(tensor))[k]);
    }
    json_t *list = json_array();
    for (int64_t k = 0; k < shape->dims[axis]; k++)
        json_array_append_new(list, write_numbers(tensor, axis + 1, next));
    return list;
}

json_t *moru_keras_constant_write(const moru_tensor *tensor)
{
    int64_t next = 0;
    json_t *numbers = write_numbers(tensor, 0, &next);
    if (moru_tensor_shape(tensor)->rank == 0 && moru_tensor_dtype(tensor) == MORU_REAL)
        return numbers;
    return json_pack("{s:s,s:{s:o,s:s}}", "class_name", "__numpy__", "config", "value", numbers, "dtype",
                     moru_tensor_dtype(tensor) == MORU_REAL ? "float32" : "int32");
}
