/* Whole files: read with a limit, written so that they appear complete or not at all. */
#ifndef MORU_FORMATS_FILE_H
#define MORU_FORMATS_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include "core/status.h"

/* The contents of a regular file, followed by a zero byte that size doesn't count; free() *data. More than limit bytes
 * is MORU_ERR_FORMAT. */
moru_status moru_file_read(const char *path, int64_t limit, void **data, int64_t *size);
/* Writes beside path, syncs and renames; an old file keeps its permissions, a link its place. Devices and pipes are
 * written directly. On failure nothing is left behind and an old file is as it was. */
moru_status moru_file_write(const char *path, const void *data, int64_t size);
/* Whether path ends in suffix ("model.weights.h5", ".weights.h5"), letters of either case. */
bool moru_file_has_suffix(const char *path, const char *suffix);

#endif
