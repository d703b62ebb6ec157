/* What a user's first program may look like: built by `make installcheck` against the installed library. */
#include <moru.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    if (argc != 2 || strcmp(moru_version(), MORU_VERSION) != 0 || strcmp(moru_version(), argv[1]) != 0) {
        fprintf(stderr, "library %s, headers %s, pkg-config %s\n", moru_version(), MORU_VERSION, argc > 1 ? argv[1] : "?");
        return 1;
    }
    moru_dataset *data = NULL;
    moru_model *model = moru_sequential("line", moru_input(1), moru_dense(.units = 1));
    moru_status status = moru_dataset_open(&data, "study-time");
    if (status == MORU_OK)
        status = moru_compile(model, .optimizer = moru_sgd(.learning_rate = 0.01), .loss = "mean_squared_error");
    if (status == MORU_OK)
        status = moru_fit(model, data, .epochs = 5, .batch_size = 4);
    if (status != MORU_OK)
        fprintf(stderr, "%s: %s\n", moru_status_name(status), moru_last_error());
    moru_model_free(model);
    moru_dataset_free(data);
    return status != MORU_OK;
}
