/* Loading a workload and running its steps. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"

const bench_workload *const bench_workloads[] = {
    &bench_linear, &bench_mlp, &bench_mlp_small, &bench_lenet, &bench_cnn, &bench_resnet20, &bench_vgg,
    &bench_lstm, &bench_lstm512, &bench_gru, &bench_dcgan, &bench_gpt, NULL
};

static const bench_workload single_op = {.name = "op"};
static char message[512];

moru_status bench_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return MORU_ERR_ARGUMENT;
}

const char *bench_message(void)
{
    return message[0] ? message : moru_last_error();
}

/* "dtype rank sizes..." and the numbers; see workloads.py. */
static moru_status read_tensor(FILE *file, const char *line, moru_tensor **tensor)
{
    char dtype[16];
    int rank, used, more;
    moru_shape shape = {0};
    if (sscanf(line, "%15s %d%n", dtype, &rank, &used) != 2 || rank < 0 || rank > MORU_MAX_RANK)
        return bench_fail("not a tensor: %s", line);
    shape.rank = rank;
    for (int k = 0; k < rank; k++, used += more)
        if (sscanf(line + used, "%" SCNd64 "%n", &shape.dims[k], &more) != 1)
            return bench_fail("sizes are missing: %s", line);
    *tensor = moru_tensor_new(strcmp(dtype, "int32") == 0 ? MORU_INT32 : MORU_REAL, shape);
    if (!*tensor)
        return MORU_ERR_MEMORY;
    size_t n = (size_t)moru_tensor_size(*tensor);
    if (fread(moru_tensor_data(*tensor), sizeof(float), n, file) != n)
        return bench_fail("the file ends within a tensor");
    return MORU_OK;
}

static moru_status read_tensors(bench_run *run, const char *path)
{
    char line[256];
    moru_status status = MORU_OK;
    FILE *file = fopen(path, "rb");
    if (!file)
        return bench_fail("%s can't be opened", path);
    while (status == MORU_OK && fgets(line, sizeof line, file)) {
        if (run->n_tensors == BENCH_MAX_TENSORS)
            status = bench_fail("%s: more than %d tensors", path, BENCH_MAX_TENSORS);
        else if ((status = read_tensor(file, line, &run->tensors[run->n_tensors])) == MORU_OK)
            run->n_tensors++;
    }
    fclose(file);
    return status == MORU_OK && run->n_tensors < 2 ? bench_fail("%s: too few tensors", path) : status;
}

/* The file's tensors from *next on become the model's weights. */
static moru_status fill(bench_run *run, moru_model *model, int *next)
{
    if (moru_model_status(model) != MORU_OK)
        return bench_fail("%s", moru_model_error(model));
    for (int i = 0; i < moru_model_layer_count(model); i++) {
        moru_layer *layer = moru_model_layer_at(model, i);
        for (int k = 0; k < moru_layer_weight_count(layer); k++, ++*next) {
            const char *name;
            moru_tensor *to = moru_layer_weight_at(layer, k, &name);
            moru_tensor *from = *next < run->n_tensors - 2 ? run->tensors[*next] : NULL;
            if (!from || !moru_shape_equal(moru_tensor_shape(from), moru_tensor_shape(to)))
                return bench_fail("%s: tensor %d isn't %s of %s", run->workload->name, *next, name,
                                  moru_layer_name(layer));
            memcpy(moru_tensor_data(to), moru_tensor_const_data(from), (size_t)moru_tensor_size(to) * sizeof(float));
        }
    }
    return MORU_OK;
}

static moru_tensor *first_samples(const moru_tensor *t, int64_t batch)
{
    moru_shape shape = *moru_tensor_shape(t);
    if (shape.rank > 0 && batch < shape.dims[0])
        shape.dims[0] = batch;
    return moru_tensor_from(moru_tensor_dtype(t), shape, moru_tensor_const_data(t));
}

static moru_status make_models(bench_run *run)
{
    int next = 0;
    for (int k = 0; k < BENCH_MAX_MODELS && run->workload->models[k]; k++) {
        if (!(run->models[k] = run->workload->models[k]()))
            return MORU_ERR_MEMORY;
        moru_status status = fill(run, run->models[k], &next);
        if (status != MORU_OK)
            return status;
        if (!run->training)
            break; /* the inference model alone */
    }
    if (run->training && next != run->n_tensors - 2)
        return bench_fail("%s: %d weights are left over", run->workload->name, run->n_tensors - 2 - next);
    run->x = first_samples(run->tensors[run->n_tensors - 2], run->batch);
    run->y = first_samples(run->tensors[run->n_tensors - 1], run->batch);
    return run->x && run->y ? MORU_OK : MORU_ERR_MEMORY;
}

static moru_status prepare(bench_run *run)
{
    if (run->training && run->workload->step)
        return run->workload->step(run);
    moru_status status = MORU_OK;
    if (run->training) {
        run->n_losses = 1;
        return moru_compile(run->models[0], .optimizer = moru_adam(.learning_rate = 1e-3), .loss = run->workload->loss);
    }
    status = moru_model_program(run->models[0], false, &run->x, NULL, &run->program);
    if (status == MORU_OK)
        status = moru_program_bind(run->program, 0, moru_tensor_const_data(run->x));
    return status;
}

moru_status bench_load(bench_run *run, const char *name, bool training, int64_t batch, const char *path)
{
    message[0] = '\0';
    *run = (bench_run){.training = training, .batch = batch};
    for (int k = 0; bench_workloads[k]; k++)
        if (strcmp(bench_workloads[k]->name, name) == 0)
            run->workload = bench_workloads[k];
    if (strncmp(name, "op:", 3) == 0) {
        moru_status status = read_tensors(run, path);
        run->training = false;
        run->workload = &single_op;
        return status == MORU_OK ? bench_load_op(run, name) : status;
    }
    if (!run->workload)
        return MORU_OK;
    moru_status status = read_tensors(run, path);
    if (status == MORU_OK)
        status = make_models(run);
    /* Only the batch is needed from here on. */
    for (int k = 0; k < run->n_tensors; k++)
        moru_tensor_free(run->tensors[k]);
    run->n_tensors = 0;
    return status == MORU_OK ? prepare(run) : status;
}

moru_status bench_step(bench_run *run)
{
    if (run->program)
        return moru_program_run(run->program);
    if (!run->step)
        return moru_train_on_batch(run->models[0], &run->x, &run->y, &run->losses[0]);
    moru_status status = moru_train_step_run(run->step, (const void *[]){moru_tensor_const_data(run->x),
                                                                         moru_tensor_const_data(run->y)});
    for (int k = 0; status == MORU_OK && k < run->n_losses; k++)
        run->losses[k] = *(const moru_real *)moru_tensor_const_data(moru_train_step_output(run->step, k));
    return status;
}

void bench_free(bench_run *run)
{
    for (int k = 0; k < run->n_tensors; k++)
        moru_tensor_free(run->tensors[k]);
    moru_train_step_free(run->step);
    moru_program_free(run->op);
    moru_graph_free(run->graph);
    for (int k = 0; k < BENCH_MAX_MODELS; k++)
        moru_model_free(run->models[k]);
    moru_tensor_free(run->x);
    moru_tensor_free(run->y);
    *run = (bench_run){0};
}
