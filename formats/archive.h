/* Zip archives of members that are stored as they are. */
#ifndef MORU_FORMATS_ARCHIVE_H
#define MORU_FORMATS_ARCHIVE_H

#include <stdint.h>
#include "core/status.h"

typedef struct moru_archive_member {
    const char *name;
    const void *data;
    int64_t size;
} moru_archive_member;
/* Appears whole or not at all. */
moru_status moru_archive_write(const char *path, const moru_archive_member *members, int n);

#endif
