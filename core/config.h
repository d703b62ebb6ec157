/* Keras objects: a class name and a configuration, as options structs in C and as JSON in files.
 *
 * A *spec* is how a user writes one in a string: a Keras name ("he_normal"), a name with arguments
 * ("random_normal(stddev=0.02)", "cosine_decay(0.1, decay_steps=1000)") or a Keras JSON object
 * ("{\"class_name\": ..., \"config\": ...}"). Options structs keep specs as they were given. */
#ifndef MORU_CORE_CONFIG_H
#define MORU_CORE_CONFIG_H

#include <jansson.h>
#include <stddef.h>
#include "core/arena.h"
#include "core/status.h"
#include <moru/tensor.h>

typedef enum moru_field_kind {
    MORU_FIELD_BOOL,    /* bool */
    MORU_FIELD_INT,     /* int64_t */
    MORU_FIELD_REAL,    /* double; JSON null: NAN */
    MORU_FIELD_TEXT,    /* const char *, a plain string; JSON null: NULL */
    MORU_FIELD_SPEC,    /* const char *, a spec of a Keras object (initializer, activation, ...); JSON null: NULL */
    MORU_FIELD_INTS,    /* int64_t[count]; JSON takes one number for all, too */
    MORU_FIELD_OPTIONAL_INTS, /* the same; JSON null: all -1 */
    MORU_FIELD_SHAPE,   /* moru_shape; JSON null inside: -1 */
    MORU_FIELD_SIZES,   /* moru_shape; -1 is written as it is */
    MORU_FIELD_REALS,   /* moru_reals: a list of numbers; a number: a list of one; null: of none */
    MORU_FIELD_COUNT,   /* int64_t; JSON null: 0 */
    MORU_FIELD_OPTIONAL_SIZES, /* MORU_FIELD_SIZES; JSON null: none. Beside a MORU_FIELD_INT of its name it takes lists */
    MORU_FIELD_JSON,    /* const char *, the text of any JSON value; null: NULL */
    MORU_FIELD_LAYER,   /* moru_layer *: a layer inside; core/ passes it over, layers/ and formats/ see to it */
    MORU_FIELD_LAYERS,  /* moru_layers: several */
    MORU_FIELD_OPTIONAL_INT, /* int64_t; JSON null: MORU_NO_INT */
    MORU_FIELD_OPTIONAL_SHAPE, /* moru_shape; JSON null: no sizes, null inside: -1 */
    MORU_FIELD_RANGE,   /* double[2]; JSON also one number x for {-|x|, |x|}; null: {NAN, NAN} */
    MORU_FIELD_IGNORED, /* read and dropped: cannot change a result */
    MORU_FIELD_READ_ONLY = 0x100 /* or'ed to a kind: an older version's name of another field, never written */
} moru_field_kind;

#define MORU_NO_INT INT64_MIN

typedef struct moru_field {
    const char *name;      /* as in Keras's configuration */
    moru_field_kind kind;
    size_t offset;         /* in the options struct */
    int count;             /* of MORU_FIELD_INTS, MORU_FIELD_OPTIONAL_INTS */
    const char *family;    /* of MORU_FIELD_SPEC: "initializer", "activation", ...: the classes it may name */
} moru_field;

/* Rows of a table of fields. */
#define MORU_FIELD(type, member, kind_) {.name = #member, .kind = (kind_), .offset = offsetof(type, member)}
#define MORU_FIELD_NAMED(type, member, kind_, name_) \
    {.name = (name_), .kind = (kind_), .offset = offsetof(type, member)}
#define MORU_FIELD_ARRAY(type, member, n) \
    {.name = #member, .kind = MORU_FIELD_INTS, .offset = offsetof(type, member), .count = (n)}
#define MORU_FIELD_OBJECT(type, member, family_) \
    {.name = #member, .kind = MORU_FIELD_SPEC, .offset = offsetof(type, member), .family = (family_)}
#define MORU_FIELD_DROPPED(name_) {.name = (name_), .kind = MORU_FIELD_IGNORED}

/* A class of configured objects that isn't a layer: initializers, losses, optimizers, schedules ... */
typedef struct moru_class {
    const char *class_name;   /* "RandomNormal" */
    const char *alias;        /* "random_normal" */
    const char *module;       /* "keras.initializers" */
    size_t size;              /* of the options struct */
    const void *defaults;     /* an options struct */
    const moru_field *fields;
    int n_fields;
    const void *functions;    /* the family's own function table */
} moru_class;

/* Parses a spec. *class points into classes[0..n); *options is a fresh options struct in arena. where starts messages.
 * Keras 3 and Keras 2 JSON, names, aliases and case variants ("SGD", "sgd") are taken. */
moru_status moru_spec_parse(moru_arena *arena, const char *spec, const moru_class *const *classes, int n,
                            const char *where, const moru_class **class_, void **options);
/* Checks a spec and gives it in a form moru_fields_write() can write without knowing the family: a plain name stays
 * as it is, a name with arguments becomes the text of a Keras JSON object. NULL stays NULL. */
moru_status moru_spec_normalize(moru_arena *arena, const char *spec, const moru_class *const *classes, int n,
                                const char *where, const char **normal);
/* Keras's objects around functions as specs: {"class_name": "function"} is the function's name, and one of class
 * `wrapper` the object of its "fn" with the other options. edit (or NULL) may change it; name is the function's. Other
 * specs stay as they are; NULL: out of memory. */
typedef void moru_unwrap_edit(void *context, json_t *object, json_t *name);
const char *moru_spec_unwrap(moru_arena *arena, const char *spec, const char *wrapper, moru_unwrap_edit *edit,
                             void *context);
/* {"module","class_name","config","registered_name"}: new reference, NULL when out of memory. */
json_t *moru_class_to_json(const moru_class *class_, const void *options);
/* Fields from a JSON configuration over options that hold defaults; strings go to arena. Unknown members are
 * appended to `unknown` (a JSON array of strings; NULL: they are errors) unless their value is null or false.
 * Besides the fields, "name", "trainable" and a "dtype" that is float32 are taken and dropped. Two rows of one name:
 * the kind that fits counts. */
moru_status moru_fields_read(moru_arena *arena, const moru_field *fields, int n, json_t *config, void *options,
                             const char *where, json_t *unknown);
/* New reference; NULL (and moru_last_error()) when out of memory or a spec is neither a name nor JSON. */
json_t *moru_fields_write(const moru_field *fields, int n, const void *options);
/* Copies an options struct and its strings into arena. */
void *moru_options_copy(moru_arena *arena, const moru_field *fields, int n, size_t size, const void *options);

/* snake("Conv2DTranspose") = "conv2d_transpose", by Keras's rule. */
void moru_snake(const char *class_name, char *out, size_t size);

#endif
