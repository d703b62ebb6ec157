/* Keras configurations: options structs from JSON and back, by tables of fields. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/config.h"

static moru_field_kind kind_of(const moru_field *field)
{
    return field->kind & ~MORU_FIELD_READ_ONLY;
}

static moru_status bad_value(const char *where, const moru_field *field, const char *wanted, json_t *value)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    moru_status status = moru_fail(MORU_ERR_FORMAT, "%s: %s must be %s, not %.80s%s", where, field->name, wanted,
                                   text ? text : "this", text && strlen(text) > 80 ? "..." : "");
    free(text);
    return status;
}

/* An integer, also written as 3.0 or, as Keras 2 does for axes, [3]. */
static bool to_int(json_t *value, int64_t *out)
{
    if (json_is_array(value) && json_array_size(value) == 1)
        value = json_array_get(value, 0);
    if (json_is_integer(value)) {
        *out = json_integer_value(value);
        return true;
    }
    double real = json_is_real(value) ? json_real_value(value) : NAN;
    if (!(fabs(real) < 9e15) || real != floor(real))
        return false;
    *out = (int64_t)real;
    return true;
}

/* Numbers of an array, of arrays inside it too; -1 if something else is there or there are too many. */
static int flatten_ints(json_t *value, int64_t *out, int n, int capacity, int depth)
{
    if (json_is_array(value) && depth < 3) {
        for (size_t i = 0; i < json_array_size(value) && n >= 0; i++)
            n = flatten_ints(json_array_get(value, i), out, n, capacity, depth + 1);
        return n;
    }
    if (n < 0 || n >= capacity || !to_int(value, &out[n]))
        return -1;
    return n + 1;
}

enum { MAX_INTS = 16 };

/* Four or six numbers are two for each axis. */
static bool are_pairs(int count)
{
    return count == 4 || count == 6;
}

/* One number stands for all, one for each axis for both of its two (Keras's (height, width)). */
static moru_status read_ints(const moru_field *field, json_t *value, int64_t *out, const char *where)
{
    int64_t ints[MAX_INTS] = {0};
    int count = field->count, n = json_is_null(value) ? count : flatten_ints(value, ints, 0, MAX_INTS, 0);
    if (n == count)
        memcpy(out, ints, (size_t)count * sizeof *out);
    else if (n == 1 || (are_pairs(count) && 2 * n == count))
        for (int i = 0; i < count; i++)
            out[i] = ints[n == 1 ? 0 : i / 2];
    else {
        char wanted[40];
        snprintf(wanted, sizeof wanted, "%d integers", count);
        return bad_value(where, field, wanted, value);
    }
    return MORU_OK;
}

static moru_status read_shape(const moru_field *field, json_t *value, moru_shape *shape, const char *where)
{
    size_t n = json_is_array(value) ? json_array_size(value) : 1;
    if (json_is_null(value) || n > MORU_MAX_RANK)
        return bad_value(where, field, "an array of at most 8 sizes", value);
    *shape = (moru_shape){.rank = (int32_t)n};
    for (size_t i = 0; i < n; i++) {
        json_t *size = json_is_array(value) ? json_array_get(value, i) : value;
        shape->dims[i] = -1;
        if (!json_is_null(size) && !to_int(size, &shape->dims[i]))
            return bad_value(where, field, "an array of sizes", value);
    }
    return MORU_OK;
}

static moru_status read_reals(const moru_field *field, json_t *value, moru_reals *reals, const char *where)
{
    if (json_is_number(value)) {
        reals->n = 1;
        reals->values[0] = json_number_value(value);
        return MORU_OK;
    }
    if ((!json_is_array(value) && !json_is_null(value)) || json_array_size(value) > MORU_MAX_REALS)
        return bad_value(where, field, "an array of at most 64 numbers", value);
    reals->n = (int)json_array_size(value);
    for (int i = 0; i < reals->n; i++) {
        json_t *item = json_array_get(value, (size_t)i);
        if (!json_is_number(item))
            return bad_value(where, field, "an array of numbers", value);
        reals->values[i] = json_number_value(item);
    }
    return MORU_OK;
}

static moru_status read_range(const moru_field *field, json_t *value, double *range, const char *where)
{
    json_t *low = json_array_get(value, 0), *high = json_array_get(value, 1);
    if (json_is_null(value)) {
        range[0] = range[1] = NAN;
    } else if (json_is_number(value)) {
        range[1] = fabs(json_number_value(value));
        range[0] = -range[1];
    } else if (json_array_size(value) == 2 && json_is_number(low) && json_is_number(high)) {
        range[0] = json_number_value(low);
        range[1] = json_number_value(high);
    } else {
        return bad_value(where, field, "a number or two", value);
    }
    return MORU_OK;
}

/* A string as it is, an object as its JSON text. */
static moru_status read_text(moru_arena *arena, const moru_field *field, json_t *value, const char **out,
                             const char *where)
{
    bool spec = kind_of(field) == MORU_FIELD_SPEC;
    *out = NULL;
    if (json_is_null(value))
        return MORU_OK;
    if (json_is_string(value))
        *out = moru_arena_strdup(arena, json_string_value(value));
    else if (spec && json_is_object(value)) {
        char *text = json_dumps(value, JSON_COMPACT);
        *out = text ? moru_arena_strdup(arena, text) : NULL;
        free(text);
    } else {
        return bad_value(where, field, spec ? "a name or an object" : "a text", value);
    }
    return *out ? MORU_OK : moru_fail(MORU_ERR_MEMORY, "%s: no memory for %s", where, field->name);
}

static moru_status read_json(moru_arena *arena, const moru_field *field, json_t *value, const char **out,
                             const char *where)
{
    *out = NULL;
    if (json_is_null(value))
        return MORU_OK;
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    *out = text ? moru_arena_strdup(arena, text) : NULL;
    free(text);
    return *out ? MORU_OK : moru_fail(MORU_ERR_MEMORY, "%s: no memory for %s", where, field->name);
}

static moru_status read_field(moru_arena *arena, const moru_field *field, json_t *value, void *options,
                              const char *where)
{
    void *target = (char *)options + field->offset;
    switch (kind_of(field)) {
    case MORU_FIELD_BOOL:
        if (!json_is_boolean(value) && !json_is_integer(value))
            return bad_value(where, field, "true or false", value);
        *(bool *)target = json_is_boolean(value) ? json_boolean_value(value) : json_integer_value(value) != 0;
        return MORU_OK;
    case MORU_FIELD_INT:
        return to_int(value, target) ? MORU_OK : bad_value(where, field, "an integer", value);
    case MORU_FIELD_REAL:
        if (!json_is_number(value) && !json_is_null(value))
            return bad_value(where, field, "a number", value);
        *(double *)target = json_is_null(value) ? (double)NAN : json_number_value(value);
        return MORU_OK;
    case MORU_FIELD_COUNT:
        if (json_is_null(value)) {
            *(int64_t *)target = 0;
            return MORU_OK;
        }
        return to_int(value, target) ? MORU_OK : bad_value(where, field, "an integer", value);
    case MORU_FIELD_OPTIONAL_SIZES:
        if (json_is_null(value)) {
            *(moru_shape *)target = (moru_shape){.rank = 0};
            return MORU_OK;
        }
        return read_shape(field, value, target, where);
    case MORU_FIELD_OPTIONAL_INTS:
        if (json_is_null(value)) {
            memset(target, 0xff, (size_t)field->count * sizeof(int64_t)); /* -1 each */
            return MORU_OK;
        }
        return read_ints(field, value, target, where);
    case MORU_FIELD_INTS: return read_ints(field, value, target, where);
    case MORU_FIELD_SHAPE:
    case MORU_FIELD_SIZES: return read_shape(field, value, target, where);
    case MORU_FIELD_REALS: return read_reals(field, value, target, where);
    case MORU_FIELD_OPTIONAL_INT:
        *(int64_t *)target = MORU_NO_INT;
        return json_is_null(value) || to_int(value, target) ? MORU_OK
                                                            : bad_value(where, field, "an integer or null", value);
    case MORU_FIELD_OPTIONAL_SHAPE:
        if (!json_is_null(value))
            return read_shape(field, value, target, where);
        *(moru_shape *)target = (moru_shape){.rank = 0};
        return MORU_OK;
    case MORU_FIELD_RANGE: return read_range(field, value, target, where);
    case MORU_FIELD_TEXT:
    case MORU_FIELD_SPEC: return read_text(arena, field, value, target, where);
    case MORU_FIELD_JSON: return read_json(arena, field, value, target, where);
    default: return MORU_OK;
    }
}

/* Of two rows of one name the later one takes objects and texts ("learning_rate": a number or a schedule) or lists
 * ("scale": a number or several). */
static const moru_field *find_field(const moru_field *fields, int n, const char *name, json_t *value)
{
    const moru_field *found = NULL;
    for (int i = 0; i < n; i++) {
        if (strcmp(fields[i].name, name) != 0)
            continue;
        moru_field_kind kind = kind_of(&fields[i]);
        bool list = kind == MORU_FIELD_REALS || kind == MORU_FIELD_OPTIONAL_SIZES, spec = kind == MORU_FIELD_SPEC;
        bool fits = spec == (json_is_object(value) || json_is_string(value)) && list == json_is_array(value);
        if (!found || fits)
            found = &fields[i];
    }
    return found;
}

static bool is_float32(json_t *dtype)
{
    if (json_is_object(dtype))
        dtype = json_object_get(json_object_get(dtype, "config"), "name");
    return json_is_string(dtype) && strcmp(json_string_value(dtype), "float32") == 0;
}

static moru_status unknown_member(const char *name, json_t *value, const char *where, json_t *unknown)
{
    bool everyones = strcmp(name, "name") == 0 || strcmp(name, "trainable") == 0;
    if (everyones || json_is_null(value) || json_is_false(value) || (strcmp(name, "dtype") == 0 && is_float32(value)))
        return MORU_OK;
    if (!unknown)
        return moru_fail(MORU_ERR_UNSUPPORTED, "%s: the option %s isn't supported", where, name);
    if (json_array_append_new(unknown, json_string(name)) != 0)
        return moru_fail(MORU_ERR_MEMORY, "%s: no memory", where);
    return MORU_OK;
}

moru_status moru_fields_read(moru_arena *arena, const moru_field *fields, int n, json_t *config, void *options,
                             const char *where, json_t *unknown)
{
    const char *name;
    json_t *value;
    if (!json_is_object(config))
        return moru_fail(MORU_ERR_FORMAT, "%s: the configuration isn't a JSON object", where);
    json_object_foreach(config, name, value) {
        const moru_field *field = find_field(fields, n, name, value);
        if (field)
            MORU_TRY(read_field(arena, field, value, options, where));
        else
            MORU_TRY(unknown_member(name, value, where, unknown));
    }
    return MORU_OK;
}

/* ---- writing ---- */

static json_t *write_spec(const char *spec)
{
    if (!spec)
        return json_null();
    if (spec[0] == '{')
        return json_loads(spec, 0, NULL);
    return strchr(spec, '(') ? NULL : json_string(spec);
}

static json_t *write_pairs(const int64_t *ints, int n)
{
    json_t *array = json_array();
    for (int i = 0; i < n; i++) {
        json_t *item = are_pairs(n) ? json_pack("[I,I]", (json_int_t)ints[i], (json_int_t)ints[i + 1])
                              : json_integer((json_int_t)ints[i]);
        i += are_pairs(n);
        if (json_array_append_new(array, item) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *write_shape(const moru_shape *shape, bool open_as_null)
{
    json_t *array = json_array();
    for (int i = 0; i < shape->rank; i++) {
        bool open = open_as_null && shape->dims[i] < 0;
        if (json_array_append_new(array, open ? json_null() : json_integer((json_int_t)shape->dims[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *write_reals(const moru_reals *reals)
{
    json_t *array = json_array();
    for (int i = 0; i < reals->n; i++)
        if (json_array_append_new(array, json_real(reals->values[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

static json_t *write_field(const moru_field *field, const void *options)
{
    const void *source = (const char *)options + field->offset;
    switch (kind_of(field)) {
    case MORU_FIELD_BOOL: return json_boolean(*(const bool *)source);
    case MORU_FIELD_INT: return json_integer((json_int_t)*(const int64_t *)source);
    case MORU_FIELD_REAL: return isfinite(*(const double *)source) ? json_real(*(const double *)source) : json_null();
    case MORU_FIELD_COUNT:
        return *(const int64_t *)source ? json_integer((json_int_t)*(const int64_t *)source) : json_null();
    case MORU_FIELD_OPTIONAL_SIZES:
        return ((const moru_shape *)source)->rank ? write_shape(source, false) : json_null();
    case MORU_FIELD_OPTIONAL_INTS:
        if (*(const int64_t *)source == -1)
            return json_null();
        return write_pairs(source, field->count);
    case MORU_FIELD_INTS: return write_pairs(source, field->count);
    case MORU_FIELD_SHAPE: return write_shape(source, true);
    case MORU_FIELD_SIZES: return write_shape(source, false);
    case MORU_FIELD_REALS: return write_reals(source);
    case MORU_FIELD_OPTIONAL_INT:
        return *(const int64_t *)source == MORU_NO_INT ? json_null()
                                                       : json_integer((json_int_t)*(const int64_t *)source);
    case MORU_FIELD_OPTIONAL_SHAPE:
        return ((const moru_shape *)source)->rank > 0 ? write_shape(source, true) : json_null();
    case MORU_FIELD_RANGE: {
        const double *range = source;
        return isnan(range[0]) ? json_null() : json_pack("[f,f]", range[0], range[1]);
    }
    case MORU_FIELD_TEXT: return *(const char *const *)source ? json_string(*(const char *const *)source) : json_null();
    case MORU_FIELD_SPEC: return write_spec(*(const char *const *)source);
    case MORU_FIELD_JSON:
        return *(const char *const *)source ? json_loads(*(const char *const *)source, JSON_DECODE_ANY, NULL)
                                            : json_null();
    default: return NULL;
    }
}

json_t *moru_fields_write(const moru_field *fields, int n, const void *options)
{
    json_t *config = json_object();
    for (int i = 0; config && i < n; i++) {
        if (fields[i].kind == MORU_FIELD_IGNORED || fields[i].kind & MORU_FIELD_READ_ONLY ||
            fields[i].kind == MORU_FIELD_LAYER || fields[i].kind == MORU_FIELD_LAYERS)
            continue;
        json_t *value = write_field(&fields[i], options);
        bool empty = json_is_null(value) || (json_is_array(value) && json_array_size(value) == 0);
        if (empty && json_object_get(config, fields[i].name)) {
            json_decref(value);
            continue; /* the second row of a name, unused */
        }
        if (json_object_set_new(config, fields[i].name, value) != 0) {
            moru_fail(MORU_ERR_ARGUMENT, "%s can't be written as JSON", fields[i].name);
            json_decref(config);
            return NULL;
        }
    }
    return config;
}

const char *moru_spec_unwrap(moru_arena *arena, const char *spec, const char *wrapper, moru_unwrap_edit *edit,
                             void *context)
{
    json_t *json = spec[0] == '{' ? json_loads(spec, 0, NULL) : NULL, *config = json_object_get(json, "config");
    const char *class_name = json_string_value(json_object_get(json, "class_name")), *result = spec;
    char *text = NULL;
    if (class_name && strcmp(class_name, "function") == 0 && json_is_string(config)) {
        result = moru_arena_strdup(arena, json_string_value(config));
    } else if (class_name && strcmp(class_name, wrapper) == 0) {
        json_t *fn = json_object_get(config, "fn"), *name = json_is_string(fn) ? fn : json_object_get(fn, "config");
        json_object_set(json, "class_name", name);
        if (edit)
            edit(context, json, name);
        json_object_del(config, "fn");
        text = json_dumps(json, JSON_COMPACT);
        result = text ? moru_arena_strdup(arena, text) : NULL;
    }
    free(text);
    json_decref(json);
    return result;
}

json_t *moru_class_to_json(const moru_class *class_, const void *options)
{
    json_t *config = moru_fields_write(class_->fields, class_->n_fields, options);
    return config ? json_pack("{s:s,s:s,s:o,s:n}", "module", class_->module, "class_name", class_->class_name, "config",
                              config, "registered_name") : NULL;
}

void *moru_options_copy(moru_arena *arena, const moru_field *fields, int n, size_t size, const void *options)
{
    char *copy = moru_arena_alloc(arena, size ? size : 1);
    if (!copy)
        return NULL;
    memcpy(copy, options, size);
    for (int i = 0; i < n; i++) {
        moru_field_kind kind = fields[i].kind; /* aliases share another row's place */
        if (kind != MORU_FIELD_TEXT && kind != MORU_FIELD_SPEC && kind != MORU_FIELD_JSON)
            continue;
        const char **text = (const char **)(void *)(copy + fields[i].offset);
        if (*text && !(*text = moru_arena_strdup(arena, *text)))
            return NULL;
    }
    return copy;
}

/* What no name has goes; (.)([A-Z][a-z]+) becomes \1_\2; ([a-z])([A-Z]) becomes \1_\2; all becomes lower case. */
void moru_snake(const char *class_name, char *out, size_t size)
{
    char clean[128];
    size_t n = 0, used = 0;
    for (const char *c = class_name; *c && n + 1 < sizeof clean; c++)
        if ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || *c == '_')
            clean[n++] = *c;
    clean[n] = '\0';
    size_t match_end = 0; /* the first substitution's matches don't overlap and begin with a character of any kind */
    for (size_t i = 0; i < n && used + 2 < size; i++) {
        bool upper = clean[i] >= 'A' && clean[i] <= 'Z';
        bool word = upper && clean[i + 1] >= 'a' && clean[i + 1] <= 'z' && i > match_end;
        if (word)
            for (match_end = i + 1; clean[match_end] >= 'a' && clean[match_end] <= 'z'; match_end++)
                ;
        if (word || (upper && i > 0 && clean[i - 1] >= 'a' && clean[i - 1] <= 'z'))
            out[used++] = '_';
        out[used++] = upper ? (char)(clean[i] - 'A' + 'a') : clean[i];
    }
    if (size > 0)
        out[used] = '\0';
}
