/* moru data: what a data source holds. */
#include <inttypes.h>

#include "tools/output.h"
#include "tools/pictures.h"

static void print_feature(const char *what, int k, const moru_shape *shape, moru_dtype dtype)
{
    char text[MORU_SHAPE_TEXT];
    printf("%s %d: %s %s\n", what, k, moru_dtype_name(dtype), moru_shape_print(shape, text, sizeof text));
}

static void describe(const moru_dataset *data)
{
    moru_dataset_info info;
    moru_dataset_describe(data, &info);
    printf("%s: %" PRId64 " samples\n", info.name, info.size);
    for (int k = 0; k < info.n_inputs; k++)
        print_feature("input", k, &info.input_shapes[k], info.input_dtypes[k]);
    for (int k = 0; k < info.n_targets; k++)
        print_feature("target", k, &info.target_shapes[k], info.target_dtypes[k]);
    for (int c = 0; c < info.n_classes; c++)
        printf("%s%s", c ? ", " : "classes: ", info.class_names ? info.class_names[c] : "?");
    if (info.n_classes)
        putchar('\n');
    for (int64_t c = 0; info.input_names && c < info.input_shapes[0].dims[0]; c++)
        printf("%s%s", c ? ", " : "columns: ", info.input_names[c]);
    if (info.input_names)
        putchar('\n');
}

static moru_status show(moru_dataset **data, const settings *s)
{
    moru_status status = s->preview ? output_check_file(s->preview) : MORU_OK;
    if (status == MORU_OK)
        status = source_open_data(data, s->model, "SPEC");
    if (status != MORU_OK)
        return status;
    describe(*data);
    return s->preview ? picture_samples(*data, s->preview) : MORU_OK;
}

static int run(const settings *s)
{
    moru_dataset *data = NULL;
    int result = show(&data, s) == MORU_OK ? DONE : fail_last();
    moru_dataset_free(data);
    return result;
}

const command command_data = {
    .name = "data", .argument = "SPEC", .summary = "what a data source holds",
    .options = (const char *const[]){"preview", NULL}, .run = run,
};
