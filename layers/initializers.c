/* Keras's initializers. Numbers come from (seed, stream) alone, whatever the order layers are made in. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <moru/random.h>

#include "core/status.h"
#include "layers/layer.h"

typedef struct target {
    moru_real *data;
    int64_t size;
    const moru_shape *shape;
    moru_random random;
    double fan_in, fan_out; /* 0: by the shape */
} target;

typedef struct filler { moru_status (*fill)(const void *options, target *to); } filler;

typedef struct constant_options { double value; } constant_options;
typedef struct uniform_options { double minval, maxval; } uniform_options;
typedef struct normal_options { double mean, stddev; } normal_options;
typedef struct scaling_options { double scale; const char *mode, *distribution; } scaling_options;
typedef struct gain_options { double gain; } gain_options;

/* ---- fillers ---- */

static moru_status fill_constant(const void *options, target *to)
{
    const constant_options *o = options;
    for (int64_t i = 0; i < to->size; i++)
        to->data[i] = (moru_real)o->value;
    return MORU_OK;
}

static moru_status uniform(target *to, double low, double high)
{
    for (int64_t i = 0; i < to->size; i++)
        to->data[i] = (moru_real)(low + (high - low) * moru_random_uniform(&to->random));
    return MORU_OK;
}

static moru_status normal(target *to, double mean, double stddev)
{
    for (int64_t i = 0; i < to->size; i++)
        to->data[i] = (moru_real)(mean + stddev * moru_random_normal(&to->random));
    return MORU_OK;
}

/* A normal distribution whose numbers beyond two standard deviations are drawn again. */
static moru_status truncated(target *to, double mean, double stddev)
{
    for (int64_t i = 0; i < to->size; i++) {
        double z;
        do
            z = moru_random_normal(&to->random);
        while (fabs(z) > 2.0);
        to->data[i] = (moru_real)(mean + stddev * z);
    }
    return MORU_OK;
}

static moru_status fill_uniform(const void *options, target *to)
{
    const uniform_options *o = options;
    return uniform(to, o->minval, o->maxval);
}

static moru_status fill_normal(const void *options, target *to)
{
    const normal_options *o = options;
    return normal(to, o->mean, o->stddev);
}

static moru_status fill_truncated(const void *options, target *to)
{
    const normal_options *o = options;
    return truncated(to, o->mean, o->stddev);
}

/* Inputs and outputs of one unit: [in, out]; [receptive field ..., in, out] for convolutions. */
static void fans(const moru_shape *shape, double *fan_in, double *fan_out)
{
    int rank = shape->rank;
    double field = 1;
    for (int i = 0; i < rank - 2; i++)
        field *= (double)shape->dims[i];
    *fan_in = rank == 0 ? 1 : field * (double)shape->dims[rank > 1 ? rank - 2 : 0];
    *fan_out = rank == 0 ? 1 : field * (double)shape->dims[rank - 1];
}

/* Variance scale / max(1, fan): limit sqrt(3 variance) if uniform. */
static moru_status fill_scaling(const void *options, target *to)
{
    const scaling_options *o = options;
    double fan_in, fan_out, fan;
    fans(to->shape, &fan_in, &fan_out);
    fan_in = to->fan_in > 0 ? to->fan_in : fan_in;
    fan_out = to->fan_out > 0 ? to->fan_out : fan_out;
    if (!o->mode || !o->distribution || !(o->scale > 0))
        return moru_fail(MORU_ERR_ARGUMENT, "variance_scaling needs a positive scale, a mode and a distribution");
    if (strcmp(o->mode, "fan_in") == 0)
        fan = fan_in;
    else if (strcmp(o->mode, "fan_out") == 0)
        fan = fan_out;
    else if (strcmp(o->mode, "fan_avg") == 0)
        fan = (fan_in + fan_out) / 2;
    else
        return moru_fail(MORU_ERR_ARGUMENT,
                         "variance_scaling: mode must be fan_in, fan_out or fan_avg, not \"%.40s\"", o->mode);
    double variance = o->scale / fmax(1.0, fan);
    if (strcmp(o->distribution, "uniform") == 0)
        return uniform(to, -sqrt(3 * variance), sqrt(3 * variance));
    if (strcmp(o->distribution, "untruncated_normal") == 0)
        return normal(to, 0, sqrt(variance));
    if (strcmp(o->distribution, "truncated_normal") == 0 || strcmp(o->distribution, "normal") == 0)
        return truncated(to, 0, sqrt(variance) / .87962566103423978); /* what is cut off lessens the variance */
    return moru_fail(MORU_ERR_ARGUMENT, "variance_scaling: there is no distribution \"%.40s\"", o->distribution);
}

static moru_status fill_identity(const void *options, target *to)
{
    const gain_options *o = options;
    if (to->shape->rank != 2)
        return moru_fail(MORU_ERR_SHAPE, "identity fits matrices only");
    int64_t columns = to->shape->dims[1];
    for (int64_t i = 0; i < to->size; i++)
        to->data[i] = (moru_real)(i / columns == i % columns ? o->gain : 0);
    return MORU_OK;
}

/* Makes row k orthogonal to the rows before it; twice, since once loses digits. Afterwards it has length 1. */
static double orthogonalize(double *rows, int64_t k, int64_t n)
{
    double *row = rows + k * n, length = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int64_t j = 0; j < k; j++) {
            const double *other = rows + j * n;
            double dot = 0;
            for (int64_t i = 0; i < n; i++)
                dot += row[i] * other[i];
            for (int64_t i = 0; i < n; i++)
                row[i] -= dot * other[i];
        }
    for (int64_t i = 0; i < n; i++)
        length += row[i] * row[i];
    length = sqrt(length);
    for (int64_t i = 0; i < n && length > 0; i++)
        row[i] /= length;
    return length;
}

/* Q of the QR decomposition of a normal matrix, R's diagonal positive; transposed if there are more columns. */
static moru_status fill_orthogonal(const void *options, target *to)
{
    const gain_options *o = options;
    if (to->shape->rank < 2)
        return moru_fail(MORU_ERR_SHAPE, "orthogonal fits two or more dimensions only");
    int64_t columns = to->shape->dims[to->shape->rank - 1], rows = columns ? to->size / columns : 0;
    bool wide = rows < columns;
    int64_t count = wide ? rows : columns, length = wide ? columns : rows, bytes;
    if (to->size == 0)
        return MORU_OK;
    double *vectors = moru_mul_ok(to->size, sizeof *vectors, &bytes) ? malloc((size_t)bytes) : NULL;
    if (!vectors)
        return moru_fail(MORU_ERR_MEMORY, "no memory for an orthogonal matrix");
    for (int64_t k = 0; k < count; k++)
        do
            for (int64_t i = 0; i < length; i++)
                vectors[k * length + i] = moru_random_normal(&to->random);
        while (orthogonalize(vectors, k, length) < 1e-6); /* by chance nearly dependent: draw again */
    for (int64_t k = 0; k < count; k++)
        for (int64_t i = 0; i < length; i++)
            to->data[wide ? k * length + i : i * columns + k] = (moru_real)(o->gain * vectors[k * length + i]);
    free(vectors);
    return MORU_OK;
}

/* ---- classes ---- */

static const moru_field constant_fields[] = {MORU_FIELD(constant_options, value, MORU_FIELD_REAL)};
static const moru_field uniform_fields[] = {MORU_FIELD(uniform_options, minval, MORU_FIELD_REAL),
                                            MORU_FIELD(uniform_options, maxval, MORU_FIELD_REAL),
                                            MORU_FIELD_DROPPED("seed")};
static const moru_field normal_fields[] = {MORU_FIELD(normal_options, mean, MORU_FIELD_REAL),
                                           MORU_FIELD(normal_options, stddev, MORU_FIELD_REAL),
                                           MORU_FIELD_DROPPED("seed")};
static const moru_field scaling_fields[] = {MORU_FIELD(scaling_options, scale, MORU_FIELD_REAL),
                                            MORU_FIELD(scaling_options, mode, MORU_FIELD_TEXT),
                                            MORU_FIELD(scaling_options, distribution, MORU_FIELD_TEXT),
                                            MORU_FIELD_DROPPED("seed")};
static const moru_field gain_fields[] = {MORU_FIELD(gain_options, gain, MORU_FIELD_REAL), MORU_FIELD_DROPPED("seed")};
static const moru_field seed_fields[] = {MORU_FIELD_DROPPED("seed")};

#define COUNT(array) (int)(sizeof(array) / sizeof(array)[0])
#define INITIALIZER(id, name, alias_, type, fields_, n, function, ...) \
    static const type id##_defaults = {__VA_ARGS__}; \
    static const filler id##_filler = {function}; \
    static const moru_class id = {.class_name = name, .alias = alias_, .module = "keras.initializers", \
                                  .size = sizeof(type), .defaults = &id##_defaults, .fields = fields_, \
                                  .n_fields = n, .functions = &id##_filler}
#define SCALED(id, name, alias, ...) \
    INITIALIZER(id, name, alias, scaling_options, seed_fields, 1, fill_scaling, __VA_ARGS__)

INITIALIZER(zeros, "Zeros", "zeros", constant_options, NULL, 0, fill_constant, 0);
INITIALIZER(zero, "Zeros", "zero", constant_options, NULL, 0, fill_constant, 0);
INITIALIZER(ones, "Ones", "ones", constant_options, NULL, 0, fill_constant, 1);
INITIALIZER(one, "Ones", "one", constant_options, NULL, 0, fill_constant, 1);
INITIALIZER(constant, "Constant", "constant", constant_options, constant_fields, 1, fill_constant, 0);
INITIALIZER(random_uniform, "RandomUniform", "random_uniform", uniform_options, uniform_fields, 3, fill_uniform,
            -0.05, 0.05);
INITIALIZER(uniform_, "RandomUniform", "uniform", uniform_options, uniform_fields, 3, fill_uniform, -0.05, 0.05);
INITIALIZER(random_normal, "RandomNormal", "random_normal", normal_options, normal_fields, 3, fill_normal, 0, 0.05);
INITIALIZER(normal_, "RandomNormal", "normal", normal_options, normal_fields, 3, fill_normal, 0, 0.05);
INITIALIZER(truncated_normal, "TruncatedNormal", "truncated_normal", normal_options, normal_fields, 3, fill_truncated,
            0, 0.05);
INITIALIZER(variance_scaling, "VarianceScaling", "variance_scaling", scaling_options, scaling_fields, 4, fill_scaling,
            1, "fan_in", "truncated_normal");
SCALED(glorot_uniform, "GlorotUniform", "glorot_uniform", 1, "fan_avg", "uniform");
SCALED(glorot_normal, "GlorotNormal", "glorot_normal", 1, "fan_avg", "truncated_normal");
SCALED(he_uniform, "HeUniform", "he_uniform", 2, "fan_in", "uniform");
SCALED(he_normal, "HeNormal", "he_normal", 2, "fan_in", "truncated_normal");
SCALED(lecun_uniform, "LecunUniform", "lecun_uniform", 1, "fan_in", "uniform");
SCALED(lecun_normal, "LecunNormal", "lecun_normal", 1, "fan_in", "truncated_normal");
INITIALIZER(orthogonal, "Orthogonal", "orthogonal", gain_options, gain_fields, 2, fill_orthogonal, 1);
INITIALIZER(orthogonal_2, "OrthogonalInitializer", NULL, gain_options, gain_fields, 2, fill_orthogonal, 1);
INITIALIZER(identity, "Identity", "identity", gain_options, gain_fields, 1, fill_identity, 1);
INITIALIZER(identity_2, "IdentityInitializer", NULL, gain_options, gain_fields, 1, fill_identity, 1);

const moru_class *const moru_initializer_classes[] = {
    &zeros, &ones, &constant, &random_uniform, &random_normal, &truncated_normal, &variance_scaling, &glorot_uniform,
    &glorot_normal, &he_uniform, &he_normal, &lecun_uniform, &lecun_normal, &orthogonal, &identity, &zero, &one,
    &uniform_, &normal_, &orthogonal_2, &identity_2};
const int moru_initializer_count = COUNT(moru_initializer_classes);

moru_status moru_initialize(const char *spec, moru_tensor *tensor, uint64_t seed, uint64_t stream)
{
    return moru_initialize_fans(spec, tensor, seed, stream, 0, 0);
}

moru_status moru_initialize_fans(const char *spec, moru_tensor *tensor, uint64_t seed, uint64_t stream, double fan_in,
                                 double fan_out)
{
    moru_arena arena = {0};
    const moru_class *class_;
    void *options;
    target to = {moru_tensor_data(tensor), moru_tensor_size(tensor), moru_tensor_shape(tensor), {seed, stream, 0},
                 fan_in, fan_out};
    moru_status status = moru_spec_parse(&arena, spec, moru_initializer_classes, moru_initializer_count, "initializer",
                                         &class_, &options);
    if (status == MORU_OK)
        status = ((const filler *)class_->functions)->fill(options, &to);
    moru_arena_free(&arena);
    return status;
}
