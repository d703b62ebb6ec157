/* HDF5 as this library needs it: safe against damaged files, silent, and usable from several threads at once (the usual
 * build of the HDF5 library is not: every function here holds one lock while it calls it). */
#ifndef MORU_FORMATS_HDF5_H
#define MORU_FORMATS_HDF5_H

#include <moru/tensor.h>
#include "core/status.h"

typedef struct moru_hdf5 moru_hdf5; /* an open file */

typedef enum moru_hdf5_kind { MORU_HDF5_MISSING, MORU_HDF5_GROUP, MORU_HDF5_DATASET } moru_hdf5_kind;
/* Types of memory for data. bfloat16 data sets count as REAL. */
typedef enum moru_hdf5_type { MORU_HDF5_REAL, MORU_HDF5_INT32, MORU_HDF5_INT64 } moru_hdf5_type;

/* For reading. Messages begin with the path. */
moru_status moru_hdf5_open(moru_hdf5 **file, const char *path);
/* The same under another name in messages. */
moru_status moru_hdf5_open_as(moru_hdf5 **file, const char *path, const char *name);
/* The same for a file that lies in memory, which must outlive it; name stands in messages. */
moru_status moru_hdf5_open_image(moru_hdf5 **file, const void *data, int64_t size, const char *name);
/* A new file in memory; moru_hdf5_image() gives its bytes: free() them. */
moru_status moru_hdf5_create(moru_hdf5 **file, const char *name);
moru_status moru_hdf5_image(moru_hdf5 *file, void **data, int64_t *size);
void moru_hdf5_close(moru_hdf5 *file); /* NULL is fine */

/* What stands at path ("layers/dense/vars/0"). Soft and external links on the way are MORU_ERR_UNSUPPORTED. */
moru_status moru_hdf5_find(moru_hdf5 *file, const char *path, moru_hdf5_kind *kind);
/* Number of things in a group; name of number k (in no particular order), free() it. */
moru_status moru_hdf5_count(moru_hdf5 *file, const char *group, int64_t *count);
moru_status moru_hdf5_name_at(moru_hdf5 *file, const char *group, int64_t k, char **name);
/* Type (INT64 for all integers) and shape of a data set. Sizes that the file can't hold are MORU_ERR_FORMAT. */
moru_status moru_hdf5_describe(moru_hdf5 *file, const char *path, moru_hdf5_type *type, moru_shape *shape);
/* A data set of exactly count elements, converted to type. Integers that don't fit are MORU_ERR_RANGE, floats read as
 * integers MORU_ERR_SHAPE. */
moru_status moru_hdf5_read(moru_hdf5 *file, const char *path, moru_hdf5_type type, void *data, int64_t count);
/* A text attribute of the group or data set at path ("/": the root); free() it. NULL and MORU_OK if there is none. */
moru_status moru_hdf5_text(moru_hdf5 *file, const char *path, const char *attribute, char **text);
/* A list of texts in an attribute, or in chunks of it: "layer_names0", "layer_names1", ... Free with
 * moru_hdf5_free_texts(). *found: whether the attribute is there. */
moru_status moru_hdf5_texts(moru_hdf5 *file, const char *path, const char *attribute, char ***texts, int64_t *count,
                            bool *found);
void moru_hdf5_free_texts(char **texts, int64_t count);

/* Writes a data set, little-endian, contiguous, without filters; groups on the way are made. */
moru_status moru_hdf5_write(moru_hdf5 *file, const char *path, moru_hdf5_type type, const moru_shape *shape,
                            const void *data);
/* Makes a group, and those on the way; name becomes its attribute "name" unless it is NULL. */
moru_status moru_hdf5_make_group(moru_hdf5 *file, const char *path, const char *name);
/* Attributes of the group at path ("/": the root). In the forms that Keras gives them: lists go into chunks where they
 * are long, and are called ASCII whatever they hold; an empty one is of type float64. */
moru_status moru_hdf5_write_text(moru_hdf5 *file, const char *path, const char *attribute, const char *text, bool utf8);
moru_status moru_hdf5_write_texts(moru_hdf5 *file, const char *path, const char *attribute, const char *const *texts,
                                  int64_t count);

#endif
