/* Images and labels in MNIST's idx format (http://yann.lecun.com/exdb/mnist), plain or gzip.
 * A file is a big-endian magic number 0x00000801 (labels) or 0x00000803 (images), the sizes, then bytes. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "core/status.h"
#include "datasets/dataset.h"

enum { LABELS = 0x801, IMAGES = 0x803, MAX_CLASSES = 256 };

typedef struct idx_file {
    int rank;
    int64_t dims[3];
    int64_t bytes;
    unsigned char *data;
} idx_file;

static uint32_t big_endian(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Reads up to size bytes; less only at the end of the file. */
static moru_status read_bytes(gzFile file, const char *path, unsigned char *data, int64_t size, int64_t *got)
{
    *got = 0;
    while (*got < size) {
        int64_t left = size - *got;
        int n = gzread(file, data + *got, left > INT_MAX / 2 ? INT_MAX / 2 : (unsigned)left);
        if (n < 0) {
            int code;
            const char *what = gzerror(file, &code);
            if (code == Z_ERRNO)
                return moru_fail(MORU_ERR_IO, "%s: %s", path, strerror(errno));
            return moru_fail(MORU_ERR_FORMAT, "%s: damaged after byte %" PRId64 " (%s)", path, *got, what);
        }
        if (n == 0)
            break;
        *got += n;
    }
    return MORU_OK;
}

static moru_status read_header(gzFile file, const char *path, uint32_t magic, idx_file *idx)
{
    unsigned char header[16];
    int64_t got, header_bytes = magic == IMAGES ? 16 : 8;
    MORU_TRY(read_bytes(file, path, header, header_bytes, &got));
    if (got < 4 || big_endian(header) != magic) {
        char found[16] = "nothing";
        if (got >= 4)
            snprintf(found, sizeof found, "0x%08" PRIx32, big_endian(header));
        return moru_fail(MORU_ERR_FORMAT, "%s: not an idx file of %s: it begins with %s, not 0x%08" PRIx32, path,
                         magic == IMAGES ? "images" : "labels", found, magic);
    }
    if (got < header_bytes)
        return moru_fail(MORU_ERR_FORMAT, "%s: ends after %" PRId64 " bytes, within its header", path, got);
    idx->rank = magic == IMAGES ? 3 : 1;
    idx->bytes = 1;
    for (int i = 0; i < idx->rank; i++) {
        idx->dims[i] = big_endian(header + 4 + 4 * i);
        if (!moru_mul_ok(idx->bytes, idx->dims[i], &idx->bytes))
            return moru_fail(MORU_ERR_FORMAT, "%s: its sizes are too large", path);
    }
    if (idx->rank == 3 && (idx->dims[1] < 1 || idx->dims[2] < 1 || idx->dims[1] > 65536 || idx->dims[2] > 65536))
        return moru_fail(MORU_ERR_FORMAT, "%s: images of %" PRId64 " x %" PRId64 " pixels make no sense", path,
                         idx->dims[1], idx->dims[2]);
    return MORU_OK;
}

/* The contents, in pieces, so that a header that lies about its size can't make us allocate it. */
static moru_status read_contents(gzFile file, const char *path, idx_file *idx)
{
    int64_t capacity = 0, have = 0, got;
    while (have < idx->bytes) {
        int64_t wanted = capacity ? 2 * capacity : 1 << 20;
        if (wanted > idx->bytes)
            wanted = idx->bytes;
        unsigned char *larger = realloc(idx->data, (size_t)wanted);
        if (!larger)
            return moru_fail(MORU_ERR_MEMORY, "%s: no memory for its %" PRId64 " bytes", path, idx->bytes);
        idx->data = larger;
        capacity = wanted;
        MORU_TRY(read_bytes(file, path, idx->data + have, capacity - have, &got));
        have += got;
        if (have < capacity)
            return moru_fail(MORU_ERR_FORMAT, "%s: ends after %" PRId64 " bytes of data, its header promises %" PRId64,
                             path, have, idx->bytes);
    }
    unsigned char more;
    MORU_TRY(read_bytes(file, path, &more, 1, &got));
    if (got > 0)
        return moru_fail(MORU_ERR_FORMAT, "%s: goes on after the %" PRId64 " bytes of data its header promises", path,
                         idx->bytes);
    return MORU_OK;
}

static moru_status read_file(const char *path, uint32_t magic, idx_file *idx)
{
    *idx = (idx_file){0};
    errno = 0;
    gzFile file = gzopen(path, "rb");
    if (!file)
        return moru_fail(MORU_ERR_IO, "%s: %s", path, strerror(errno ? errno : ENOMEM));
    moru_status status = read_header(file, path, magic, idx);
    if (status == MORU_OK)
        status = read_contents(file, path, idx);
    int closed = gzclose(file);
    if (status == MORU_OK && closed != Z_OK)
        status = moru_fail(MORU_ERR_FORMAT, "%s: damaged at its end", path);
    if (status != MORU_OK) {
        free(idx->data);
        idx->data = NULL;
    }
    return status;
}

/* ---- the data set ---- */

typedef struct idx_dataset {
    idx_file images, labels;
    char *name;
} idx_dataset;

static moru_status read_samples(const void *self, const int64_t *rows, int64_t n, void *const *inputs,
                                void *const *targets)
{
    const idx_dataset *d = self;
    int64_t pixels = d->images.dims[1] * d->images.dims[2];
    moru_real *x = inputs[0];
    int32_t *y = targets[0];
    for (int64_t i = 0; i < n; i++) {
        const unsigned char *image = d->images.data + rows[i] * pixels;
        for (int64_t k = 0; k < pixels; k++)
            x[i * pixels + k] = (moru_real)image[k] / 255;
        y[i] = d->labels.data[rows[i]];
    }
    return MORU_OK;
}

static void free_samples(void *self)
{
    idx_dataset *d = self;
    free(d->images.data);
    free(d->labels.data);
    free(d->name);
    free(d);
}

static moru_status check(const idx_dataset *d, const char *images, const char *labels, int *n_classes)
{
    if (d->images.dims[0] != d->labels.dims[0])
        return moru_fail(MORU_ERR_FORMAT, "%s holds %" PRId64 " images, %s %" PRId64 " labels", images,
                         d->images.dims[0], labels, d->labels.dims[0]);
    int largest = -1;
    for (int64_t i = 0; i < d->labels.dims[0]; i++) {
        int label = d->labels.data[i];
        if (*n_classes > 0 && label >= *n_classes)
            return moru_fail(MORU_ERR_RANGE, "%s: label %d at position %" PRId64 " is outside 0..%d", labels, label, i,
                             *n_classes - 1);
        if (label > largest)
            largest = label;
    }
    if (*n_classes <= 0)
        *n_classes = largest + 1;
    return MORU_OK;
}

moru_status moru_dataset_idx_classes(moru_dataset **dataset, const char *name, const char *images, const char *labels,
                                     int n_classes, const char *const *class_names)
{
    static const moru_dataset_class idx_class = {read_samples, free_samples};
    *dataset = NULL;
    idx_dataset *d = calloc(1, sizeof *d);
    if (!d || !(d->name = strdup(name))) {
        free(d);
        return moru_fail(MORU_ERR_MEMORY, "%s: no memory for a data set", images);
    }
    moru_status status = read_file(images, IMAGES, &d->images);
    if (status == MORU_OK)
        status = read_file(labels, LABELS, &d->labels);
    if (status == MORU_OK)
        status = check(d, images, labels, &n_classes);
    if (status == MORU_OK) {
        moru_dataset_info info = {.name = d->name, .size = d->images.dims[0], .n_inputs = 1, .n_targets = 1,
                                  .n_classes = n_classes, .class_names = class_names, .images = true};
        info.input_shapes[0] = MORU_SHAPE(d->images.dims[1], d->images.dims[2], 1);
        info.target_dtypes[0] = MORU_INT32;
        *dataset = moru_dataset_custom(&idx_class, d, &info);
        status = *dataset ? MORU_OK : MORU_ERR_MEMORY;
    }
    if (status != MORU_OK)
        free_samples(d);
    return status;
}

moru_status moru_dataset_idx(moru_dataset **dataset, const char *images, const char *labels)
{
    if (!dataset || !images || !labels)
        return moru_fail(MORU_ERR_ARGUMENT, "idx: an argument is NULL");
    return moru_dataset_idx_classes(dataset, images, images, labels, 0, NULL);
}

/* DIRECTORY/STEM.gz if it is there, otherwise DIRECTORY/STEM. */
static void find(char *path, size_t size, const char *directory, const char *stem)
{
    snprintf(path, size, "%s/%s.gz", directory, stem);
    if (access(path, F_OK) != 0)
        snprintf(path, size, "%s/%s", directory, stem);
}

moru_status moru_dataset_mnist(moru_dataset **dataset, const char *name, const char *directory, const char *split,
                               const char *const *classes)
{
    char images[PATH_MAX], labels[PATH_MAX], full_name[256];
    const bool test = strcmp(split, "test") == 0;
    *dataset = NULL;
    if (strlen(directory) > PATH_MAX - 64)
        return moru_fail(MORU_ERR_ARGUMENT, "%s: the directory's name is too long", name);
    find(images, sizeof images, directory, test ? "t10k-images-idx3-ubyte" : "train-images-idx3-ubyte");
    find(labels, sizeof labels, directory, test ? "t10k-labels-idx1-ubyte" : "train-labels-idx1-ubyte");
    snprintf(full_name, sizeof full_name, "%s:%s", name, split);
    return moru_dataset_idx_classes(dataset, full_name, images, labels, 10, classes);
}
