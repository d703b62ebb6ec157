/* Specs: Keras objects as a user writes them: name, name(arguments), JSON object. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/config.h"
#include "core/number.h"

/* Equal but for case and underscores: "SGD", "sgd"; "L1L2", "l1_l2". */
static bool same_name(const char *a, const char *b)
{
    for (;; a++, b++) {
        while (*a == '_')
            a++;
        while (*b == '_')
            b++;
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b))
            return false;
        if (!*a)
            return true;
    }
}

/* Exact names first: "ELU" the layer and "elu" the function may differ in their defaults. */
static const moru_class *find_class(const moru_class *const *classes, int n, const char *name)
{
    const char *bare = strrchr(name, '>'); /* "Custom>Adam" is how Keras 2 registers its own */
    if (bare)
        name = bare + 1;
    for (int i = 0; i < n; i++)
        if (strcmp(classes[i]->class_name, name) == 0)
            return classes[i];
    for (int i = 0; i < n; i++)
        if (classes[i]->alias && strcmp(classes[i]->alias, name) == 0)
            return classes[i];
    for (int i = 0; i < n; i++)
        if (same_name(classes[i]->class_name, name) || (classes[i]->alias && same_name(classes[i]->alias, name)))
            return classes[i];
    return NULL;
}

static moru_status unknown_class(const moru_class *const *classes, int n, const char *name, const char *where)
{
    char known[600] = "";
    size_t used = 0;
    for (int i = 0; i < n && used + 4 < sizeof known; i++) {
        const char *text = classes[i]->alias ? classes[i]->alias : classes[i]->class_name;
        int more = snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", text);
        used += more > 0 ? (size_t)more : 0;
    }
    return moru_fail(MORU_ERR_UNSUPPORTED, "%s: there is no \"%.60s\"; known: %s", where, name, known);
}

static moru_status read_options(moru_arena *arena, const moru_class *class_, json_t *config, const char *where,
                                void **options)
{
    char inner[256];
    snprintf(inner, sizeof inner, "%s: %s", where, class_->alias ? class_->alias : class_->class_name);
    if (class_->defaults)
        *options = moru_options_copy(arena, class_->fields, class_->n_fields, class_->size, class_->defaults);
    else
        *options = moru_arena_alloc(arena, class_->size ? class_->size : 1);
    if (!*options)
        return moru_fail(MORU_ERR_MEMORY, "%s: no memory", where);
    return moru_fields_read(arena, class_->fields, class_->n_fields, config, *options, inner, NULL);
}

/* ---- JSON ---- */

static moru_status parse_object(moru_arena *arena, json_t *object, const moru_class *const *classes, int n,
                                const char *where, const moru_class **class_, void **options)
{
    const char *name = json_string_value(json_object_get(object, "class_name"));
    json_t *config = json_object_get(object, "config"), *none = NULL;
    if (name && strcmp(name, "function") == 0 && json_is_string(config)) { /* how early Keras 3 wrote functions */
        name = json_string_value(config);
        config = NULL;
    }
    if (!name)
        return moru_fail(MORU_ERR_FORMAT, "%s: the JSON object has no class_name", where);
    *class_ = find_class(classes, n, name);
    if (!*class_)
        return unknown_class(classes, n, name, where);
    if (!config || json_is_null(config))
        config = none = json_object();
    moru_status status = read_options(arena, *class_, config, where, options);
    json_decref(none);
    return status;
}

static moru_status parse_json(moru_arena *arena, const char *spec, const moru_class *const *classes, int n,
                              const char *where, const moru_class **class_, void **options)
{
    json_error_t error;
    json_t *object = json_loads(spec, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(object)) {
        json_decref(object);
        return moru_fail(MORU_ERR_FORMAT, "%s: bad JSON: %s", where, error.text);
    }
    moru_status status = parse_object(arena, object, classes, n, where, class_, options);
    json_decref(object);
    return status;
}

/* ---- name(argument, key=argument) ---- */

static const char *skip_space(const char *c)
{
    while (isspace((unsigned char)*c))
        c++;
    return c;
}

static bool is_name_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '>' || c == '.';
}

static const char *skip_name(const char *c)
{
    while (is_name_char(*c))
        c++;
    return c;
}

/* The end of an argument: the comma or bracket that is outside of quotes and of brackets of its own; NULL: none. */
static const char *argument_end(const char *c)
{
    int depth = 0;
    char quote = '\0';
    for (; *c; c++) {
        if (quote) {
            quote = *c == quote ? '\0' : quote;
            continue;
        }
        if (*c == '"' || *c == '\'')
            quote = *c;
        else if (depth == 0 && (*c == ',' || *c == ')'))
            return c;
        else if (*c == '(' || *c == '[' || *c == '{')
            depth++;
        else if (*c == ')' || *c == ']' || *c == '}')
            depth--;
        if (depth < 0)
            return NULL;
    }
    return NULL;
}

static bool same_word(const char *text, size_t n, const char *word)
{
    return strlen(word) == n && strncasecmp(text, word, n) == 0;
}

/* The JSON value of an argument's text: a number, truth value, null, text in quotes, list or, else, a name or spec. */
static json_t *argument_value(const char *text, size_t n)
{
    char copy[64], *end;
    if (same_word(text, n, "true") || same_word(text, n, "false"))
        return json_boolean(n == 4);
    if (same_word(text, n, "none") || same_word(text, n, "null"))
        return json_null();
    if (n >= 2 && (text[0] == '"' || text[0] == '\'') && text[n - 1] == text[0])
        return json_stringn(text + 1, n - 2);
    if (text[0] == '[' || text[0] == '{') {
        json_t *value = json_loadb(text, n, 0, NULL);
        if (text[0] == '[')
            return value;
        json_decref(value); /* an object stays a spec; it is only checked here */
        return value ? json_stringn(text, n) : NULL;
    }
    if (n < sizeof copy && (isdigit((unsigned char)text[0]) || strchr("+-.", text[0]))) {
        memcpy(copy, text, n);
        copy[n] = '\0';
        if (strspn(copy, "+-0123456789") == n) {
            long long integer = strtoll(copy, &end, 10);
            return *end ? NULL : json_integer(integer);
        }
        double real = strspn(copy, "+-0123456789.eE") == n ? moru_parse_number(copy, &end) : 0;
        return strspn(copy, "+-0123456789.eE") != n || *end ? NULL : json_real(real);
    }
    return json_stringn(text, n);
}

/* The field a positional argument means. */
static const char *field_at(const moru_class *class_, int position)
{
    for (int i = 0; i < class_->n_fields; i++)
        if (class_->fields[i].kind < MORU_FIELD_IGNORED && position-- == 0)
            return class_->fields[i].name;
    return NULL;
}

static bool has_field(const moru_class *class_, const char *name)
{
    for (int i = 0; i < class_->n_fields; i++)
        if (strcmp(class_->fields[i].name, name) == 0)
            return true;
    return false;
}

/* One argument [c, end) into config. */
static moru_status read_argument(const moru_class *class_, const char *c, const char *end, int *position,
                                 json_t *config, const char *where)
{
    const char *name_end = skip_name(c), *equals = skip_space(name_end);
    char name[64];
    if (name_end > c && equals < end && *equals == '=') {
        snprintf(name, sizeof name, "%.*s", (int)(name_end - c), c);
        if (!has_field(class_, name))
            return moru_fail(MORU_ERR_ARGUMENT, "%s: %s has no argument \"%s\"", where, class_->class_name, name);
        *position = -1;
        c = skip_space(equals + 1);
    } else {
        const char *field = *position >= 0 ? field_at(class_, (*position)++) : NULL;
        if (!field)
            return moru_fail(MORU_ERR_ARGUMENT, *position < 0
                             ? "%s: %s: an argument without a name after one with a name"
                             : "%s: too many arguments for %s", where, class_->class_name);
        snprintf(name, sizeof name, "%s", field);
    }
    while (end > c && isspace((unsigned char)end[-1]))
        end--;
    json_t *value = end > c ? argument_value(c, (size_t)(end - c)) : NULL;
    if (!value)
        return moru_fail(MORU_ERR_ARGUMENT, "%s: %s: \"%.*s\" is not a value for %s", where, class_->class_name,
                         end - c > 60 ? 60 : (int)(end - c), c, name);
    if (json_object_get(config, name)) {
        json_decref(value);
        return moru_fail(MORU_ERR_ARGUMENT, "%s: %s: %s is given twice", where, class_->class_name, name);
    }
    return json_object_set_new(config, name, value) == 0 ? MORU_OK : moru_fail(MORU_ERR_MEMORY, "%s: no memory", where);
}

/* From behind the opening bracket to the end of the spec. */
static moru_status read_arguments(const moru_class *class_, const char *c, json_t *config, const char *where)
{
    int position = 0;
    const char *start = c;
    c = skip_space(c);
    while (*c != ')') {
        const char *end = argument_end(c);
        if (!end)
            return moru_fail(MORU_ERR_ARGUMENT, "%s: \"(%.60s\" isn't closed", where, start);
        MORU_TRY(read_argument(class_, c, end, &position, config, where));
        c = *end == ',' ? skip_space(end + 1) : end;
    }
    if (*skip_space(c + 1))
        return moru_fail(MORU_ERR_ARGUMENT, "%s: \"%.60s\" follows the closing bracket", where, c + 1);
    return MORU_OK;
}

moru_status moru_spec_parse(moru_arena *arena, const char *spec, const moru_class *const *classes, int n,
                            const char *where, const moru_class **class_, void **options)
{
    if (!spec || !*skip_space(spec))
        return moru_fail(MORU_ERR_ARGUMENT, "%s: the name is missing", where);
    spec = skip_space(spec);
    if (*spec == '{')
        return parse_json(arena, spec, classes, n, where, class_, options);
    const char *end = skip_name(spec), *next = skip_space(end);
    char name[128];
    snprintf(name, sizeof name, "%.*s", end - spec > 100 ? 100 : (int)(end - spec), spec);
    if (end == spec || (*next && *next != '('))
        return moru_fail(MORU_ERR_ARGUMENT, "%s: \"%.60s\" is neither a name, nor name(arguments), nor a JSON object",
                         where, spec);
    *class_ = find_class(classes, n, name);
    if (!*class_)
        return unknown_class(classes, n, name, where);
    json_t *config = json_object();
    if (!config)
        return moru_fail(MORU_ERR_MEMORY, "%s: no memory", where);
    moru_status status = *next == '(' ? read_arguments(*class_, next + 1, config, where) : MORU_OK;
    if (status == MORU_OK)
        status = read_options(arena, *class_, config, where, options);
    json_decref(config);
    return status;
}

/* The name by which Keras knows the class: as given if it is one of the class's two. */
static const char *canonical(const moru_class *class_, const char *name)
{
    if (strcmp(class_->class_name, name) == 0)
        return class_->class_name;
    return class_->alias ? class_->alias : class_->class_name;
}

moru_status moru_spec_normalize(moru_arena *arena, const char *spec, const moru_class *const *classes, int n,
                                const char *where, const char **normal)
{
    const moru_class *class_;
    void *options;
    *normal = spec;
    if (!spec)
        return MORU_OK;
    MORU_TRY(moru_spec_parse(arena, spec, classes, n, where, &class_, &options));
    if (*skip_space(spec) == '{')
        return MORU_OK;
    if (!strchr(spec, '(') || class_->n_fields == 0) {
        *normal = canonical(class_, skip_space(spec));
        return MORU_OK;
    }
    json_t *json = moru_class_to_json(class_, options);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    *normal = text ? moru_arena_strdup(arena, text) : NULL;
    free(text);
    json_decref(json);
    return *normal ? MORU_OK : moru_fail(MORU_ERR_MEMORY, "%s: no memory", where);
}
