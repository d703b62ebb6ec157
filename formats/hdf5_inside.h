/* For formats/hdf5*.c only: the library's lock, handles that close themselves. */
#ifndef MORU_FORMATS_HDF5_INSIDE_H
#define MORU_FORMATS_HDF5_INSIDE_H

#include <hdf5.h>
#include "formats/hdf5.h"

struct moru_hdf5 {
    hid_t id;
    char *name;
    int64_t bytes; /* of the file when it was opened */
    bool hidden;   /* holds texts that weren't checked: they aren't read */
};

#ifdef MORU_DOUBLE
#define REAL_NATIVE H5T_NATIVE_DOUBLE
#define REAL_FILE H5T_IEEE_F64LE
#else
#define REAL_NATIVE H5T_NATIVE_FLOAT
#define REAL_FILE H5T_IEEE_F32LE
#endif

typedef struct moru_hdf5_guard {
    H5E_auto2_t print;
    void *data;
} moru_hdf5_guard;
void moru_hdf5_enter(moru_hdf5_guard *guard);
void moru_hdf5_leave(moru_hdf5_guard *guard);
void moru_hdf5_release(hid_t *id);

/* Takes the lock till the end of the block; declared first, so that it is left last. */
#define INSIDE moru_hdf5_guard guard_ __attribute__((cleanup(moru_hdf5_leave))); moru_hdf5_enter(&guard_)
/* An HDF5 handle that closes itself. */
#define HANDLE __attribute__((cleanup(moru_hdf5_release))) hid_t

/* Whether what the HDF5 library follows lies where it should; of an open file, or with fd -1 of bytes in memory. Things
 * in dense storage aren't looked into: *hidden. */
bool moru_hdf5_check(int fd, const void *bytes, int64_t size, bool *hidden);

/* The following are called with the lock held. */
moru_status moru_hdf5_damaged(const moru_hdf5 *file, const char *path, const char *what);
moru_status moru_hdf5_refused(const moru_hdf5 *file, const char *path, const char *what);
moru_status moru_hdf5_expect(moru_hdf5 *file, const char *path, moru_hdf5_kind kind);
/* One string, of either form HDF5 has; NULL if it is no string. */
char *moru_hdf5_attribute_text(const moru_hdf5 *file, hid_t object, const char *name);

#endif
