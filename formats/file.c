#include "formats/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* strerror_r() comes in two kinds: GNU's gives the text, POSIX's a number. */
static inline const char *posix_text(int failed, const char *text)
{
    return failed ? "unknown error" : text;
}

static inline const char *gnu_text(const char *result, const char *text)
{
    (void)text;
    return result;
}

static moru_status io_error(const char *path, const char *what)
{
    int error = errno;
    char text[128];
    const char *sentence = _Generic(strerror_r(error, text, sizeof text), int: posix_text, char *: gnu_text)(
        strerror_r(error, text, sizeof text), text);
    return moru_fail(error == ENOMEM ? MORU_ERR_MEMORY : MORU_ERR_IO, "%s: %s: %s", path, what, sentence);
}

static moru_status read_all(const char *path, int fd, char *data, int64_t size)
{
    int64_t done = 0;
    while (done < size) {
        ssize_t n = read(fd, data + done, (size_t)(size - done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return io_error(path, "cannot be read");
        if (n == 0)
            return moru_fail(MORU_ERR_IO, "%s: became shorter while it was read", path);
        done += n;
    }
    return MORU_OK;
}

moru_status moru_file_read(const char *path, int64_t limit, void **data, int64_t *size)
{
    *data = NULL;
    /* Without O_NONBLOCK a pipe that nobody writes to would block for ever. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return io_error(path, "cannot be opened");
    moru_status status = MORU_OK;
    struct stat info;
    char *bytes = NULL;
    if (fstat(fd, &info) != 0)
        status = io_error(path, "cannot be read");
    else if (!S_ISREG(info.st_mode))
        status = moru_fail(MORU_ERR_IO, "%s: is not a regular file", path);
    else if (info.st_size > limit)
        status = moru_fail(MORU_ERR_FORMAT, "%s: %lld bytes are more than the %lld allowed here", path,
                           (long long)info.st_size, (long long)limit);
    else if (!(bytes = malloc((size_t)info.st_size + 1)))
        status = moru_fail(MORU_ERR_MEMORY, "%s: no memory for %lld bytes", path, (long long)info.st_size);
    else
        status = read_all(path, fd, bytes, info.st_size);
    close(fd);
    if (status != MORU_OK) {
        free(bytes);
        return status;
    }
    bytes[info.st_size] = 0;
    *data = bytes;
    *size = info.st_size;
    return MORU_OK;
}

static bool write_all(int fd, const char *data, int64_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, data, (size_t)size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        data += n;
        size -= n;
    }
    return true;
}

/* A new file in path's directory. O_EXCL instead of mkstemp(), so that the process's umask decides the permissions. */
static int open_beside(const char *path, char **beside)
{
    static atomic_uint serial;
    size_t length = strlen(path) + 48;
    char *name = malloc(length);
    if (!name)
        return -1;
    for (int k = 0; k < 100; k++) {
        snprintf(name, length, "%s.%ld-%u.tmp", path, (long)getpid(), atomic_fetch_add(&serial, 1));
        int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0) {
            *beside = name;
            return fd;
        }
        if (errno != EEXIST)
            break;
    }
    int error = errno;
    free(name);
    errno = error;
    return -1;
}

/* A rename is only safe on disk once its directory is. File systems that can't sync a directory are left alone. */
static void sync_directory(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *directory = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    int fd = directory ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
    free(directory);
}

static moru_status write_directly(const char *path, const void *data, int64_t size)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return io_error(path, "cannot be opened for writing");
    bool ok = write_all(fd, data, size);
    if (close(fd) != 0)
        ok = false;
    return ok ? MORU_OK : io_error(path, "cannot be written");
}

static moru_status write_beside(const char *path, const mode_t *mode, const void *data, int64_t size)
{
    char *beside = NULL;
    int fd = open_beside(path, &beside);
    if (fd < 0)
        return io_error(path, "cannot be created");
    bool ok = write_all(fd, data, size);
    if (ok && mode)
        (void)fchmod(fd, *mode); /* an unwilling file system doesn't make the contents wrong */
    ok = ok && fsync(fd) == 0;
    int error = errno;
    if (close(fd) != 0 && ok) {
        ok = false;
        error = errno;
    }
    if (ok && rename(beside, path) != 0) {
        ok = false;
        error = errno;
    }
    if (!ok)
        unlink(beside);
    free(beside);
    if (!ok) {
        errno = error;
        return io_error(path, "cannot be written");
    }
    sync_directory(path);
    return MORU_OK;
}

moru_status moru_file_write(const char *path, const void *data, int64_t size)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return write_beside(path, NULL, data, size);
    if (S_ISDIR(info.st_mode))
        return moru_fail(MORU_ERR_IO, "%s: is a directory", path);
    if (!S_ISREG(info.st_mode))
        return write_directly(path, data, size);
    char *target = realpath(path, NULL);
    if (!target)
        return io_error(path, "cannot be written");
    mode_t mode = info.st_mode & 07777;
    moru_status status = write_beside(target, &mode, data, size);
    free(target);
    return status;
}

bool moru_file_has_suffix(const char *path, const char *suffix)
{
    size_t n = strlen(path), m = strlen(suffix);
    return n >= m && strcasecmp(path + n - m, suffix) == 0;
}
