/* What the tests of the moru command share: a folder of their own with small data, running the command, messages. */
#ifndef MORU_TESTS_COMMAND_TEST_H
#define MORU_TESTS_COMMAND_TEST_H

#include <check.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <moru.h>

#define OK(call) ck_assert_msg((call) == MORU_OK, "%s", moru_last_error())

static char folder[64];
static char out[1 << 18], err[1 << 16];     /* of the last run */

static inline void read_text(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "%s isn't there", path);
    size_t n = fread(text, 1, size - 1, file);
    text[n] = '\0';
    fclose(file);
}

static inline void write_bytes(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    ck_assert_msg(file != NULL, "%s can't be opened", path);
    ck_assert_msg(fwrite(data, 1, size, file) == size && fclose(file) == 0, "%s can't be written", path);
}

static inline void write_text(const char *path, const char *text)
{
    write_bytes(path, text, strlen(text));
}

/* Runs a line of the shell, "moru" being the command; fills out and err and returns the exit status. */
static inline int run(const char *format, ...) __attribute__((format(printf, 1, 2)));
static inline int run(const char *format, ...)
{
    char arguments[2048], line[6144];
    va_list list;
    va_start(list, format);
    vsnprintf(arguments, sizeof arguments, format, list);
    va_end(list);
    snprintf(line, sizeof line, "moru() { '%s' \"$@\"; }; { %s; } >.out 2>.err", getenv("MORU_COMMAND"), arguments);
    int status = system(line);
    read_text(".out", out, sizeof out);
    read_text(".err", err, sizeof err);
    ck_assert_msg(WIFEXITED(status), "%s: ended by a signal: %s", arguments, err);
    return WEXITSTATUS(status);
}

#define RUNS(...) do { \
        int status_ = run(__VA_ARGS__); \
        ck_assert_msg(status_ == 0, "exit status %d: %s", status_, err); \
    } while (0)

/* It fails with a status and one line on standard error that begins with "moru: WHERE" and holds what. */
static inline void check_failure(int status, int wanted, const char *where, const char *what)
{
    size_t n = strlen(err);
    ck_assert_msg(status == wanted, "exit status %d, not %d: %s", status, wanted, err);
    ck_assert_msg(strncmp(err, "moru: ", 6) == 0 && strncmp(err + 6, where, strlen(where)) == 0,
                  "\"moru: %s\" doesn't begin: %s", where, err);
    ck_assert_msg(strstr(err, what) != NULL, "\"%s\" isn't in: %s", what, err);
    ck_assert_msg(n > 1 && strchr(err, '\n') == err + n - 1, "not one line: %s", err);
}
#define FAILS(status, where, what, ...) check_failure(run(__VA_ARGS__), status, where, what)

static inline bool there(const char *path)
{
    return access(path, F_OK) == 0;
}

/* The number after "NAME " at the beginning of a line of out. */
static inline double printed(const char *name)
{
    for (const char *line = out; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ' ')
            return strtod(line + strlen(name), NULL);
    ck_abort_msg("no \"%s\" in: %s", name, out);
}

/* n images of 28 x 28 that tell their class by a bright bar, in MNIST's format. */
static inline void write_idx(const char *directory, const char *split, int n, uint32_t magic, int bytes_less,
                             int last_label)
{
    char path[256];
    unsigned char *images = calloc((size_t)n * 784 + 16, 1), *labels = calloc((size_t)n + 8, 1);
    moru_random r = {11, (uint64_t)n, 0};
    ck_assert(images && labels);
    const unsigned char count = (unsigned char)n, kind[2] = {(unsigned char)(magic >> 8), (unsigned char)magic};
    memcpy(images, (const unsigned char[]){0, 0, kind[0], kind[1], 0, 0, 0, count, 0, 0, 0, 28, 0, 0, 0, 28}, 16);
    memcpy(labels, (const unsigned char[]){0, 0, 8, 1, 0, 0, 0, count}, 8);
    for (int i = 0; i < n; i++) {
        int label = (int)moru_random_below(&r, 10);
        labels[8 + i] = (unsigned char)(i == n - 1 && last_label >= 0 ? last_label : label);
        for (int k = 0; k < 784; k++)
            images[16 + i * 784 + k] = (unsigned char)(moru_random_below(&r, 60) + (k / 28 / 3 == label ? 190 : 0));
    }
    mkdir(directory, 0777);
    snprintf(path, sizeof path, "%s/%s-images-idx3-ubyte", directory, split);
    write_bytes(path, images, (size_t)(n * 784 + 16 - bytes_less));
    snprintf(path, sizeof path, "%s/%s-labels-idx1-ubyte", directory, split);
    write_bytes(path, labels, (size_t)n + 8);
    free(images);
    free(labels);
}

static inline moru_tensor *random_images(int64_t n, int64_t height, int64_t width)
{
    moru_tensor *t = moru_tensor_new(MORU_REAL, MORU_SHAPE(n, height, width, 1));
    moru_random r = {5, (uint64_t)(n * height), 0};
    ck_assert_ptr_nonnull(t);
    for (int64_t i = 0; i < moru_tensor_size(t); i++)
        ((moru_real *)moru_tensor_data(t))[i] = (moru_real)moru_random_uniform(&r);
    return t;
}

static inline moru_tensor *random_labels(int64_t n, int64_t classes)
{
    moru_tensor *t = moru_tensor_new(MORU_INT32, MORU_SHAPE(n));
    moru_random r = {6, (uint64_t)n, 0};
    ck_assert_ptr_nonnull(t);
    for (int64_t i = 0; i < n; i++)
        ((int32_t *)moru_tensor_data(t))[i] = (int32_t)moru_random_below(&r, classes);
    return t;
}

static inline void write_h5(const char *path, moru_tensor *x, moru_tensor *target)
{
    OK(moru_h5_write(path, (moru_h5_item[]){{"x", x}, {"target", target}}, target ? 2 : 1));
    moru_tensor_free(x);
    moru_tensor_free(target);
}

/* Each test runs in an empty folder of its own. */
static inline void enter_folder(void)
{
    strcpy(folder, "/tmp/moru-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
    ck_assert_int_eq(mkdir("data", 0777), 0);
    write_idx("data/fashion-mnist", "train", 40, 0x803, 0, -1);
    write_idx("data/fashion-mnist", "t10k", 20, 0x803, 0, -1);
    setenv("MORU_DATA", "data", 1);
    setenv("OMP_NUM_THREADS", "1", 1);
}

static inline void leave_folder(void)
{
    char line[128];
    snprintf(line, sizeof line, "rm -rf '%s'", folder);
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_int_eq(system(line), 0);
}

#endif
