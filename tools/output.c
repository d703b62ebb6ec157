/* Files and directories that a command writes. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/output.h"

static moru_status failed(const char *path)
{
    return moru_op_error(MORU_ERR_IO, "%s: it can't be written: %s", path, strerror(errno));
}

/* The directory of path in out. */
static moru_status parent_of(const char *path, char out[PATH_MAX])
{
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    while (length > 0 && path[length - 1] != '/')
        length--;
    if (length >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return failed(path);
    }
    snprintf(out, PATH_MAX, "%.*s", length ? (int)length : 1, length ? path : ".");
    return MORU_OK;
}

static moru_status check_parent(const char *path)
{
    char parent[PATH_MAX];
    moru_status status = parent_of(path, parent);
    if (status == MORU_OK && access(parent, W_OK | X_OK) != 0)
        return failed(path);
    return status;
}

moru_status output_check_file(const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return errno == ENOENT ? check_parent(path) : failed(path);
    if (S_ISDIR(info.st_mode)) {
        errno = EISDIR;
        return failed(path);
    }
    return S_ISREG(info.st_mode) ? check_parent(path) : MORU_OK;
}

moru_status output_check_directory(const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return errno == ENOENT ? check_parent(path) : failed(path);
    if (!S_ISDIR(info.st_mode))
        errno = ENOTDIR;
    else if (access(path, W_OK | X_OK) == 0)
        return MORU_OK;
    return failed(path);
}

moru_status output_make_directory(const char *path)
{
    return mkdir(path, 0777) == 0 || errno == EEXIST ? MORU_OK : failed(path);
}

moru_status output_write(const char *path, const char *text)
{
    char beside[PATH_MAX];
    if (snprintf(beside, sizeof beside, "%s.%ld.tmp", path, (long)getpid()) >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return failed(path);
    }
    FILE *out = fopen(beside, "w");
    if (!out)
        return failed(path);
    bool good = fputs(text, out) >= 0 && fflush(out) == 0 && fsync(fileno(out)) == 0;
    good = fclose(out) == 0 && good;
    if (good && rename(beside, path) == 0)
        return MORU_OK;
    moru_status status = failed(path);
    remove(beside);
    return status;
}
