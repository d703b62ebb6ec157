/* Status codes and the thread's message. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/status.h"

enum { MESSAGE_SIZE = 4096 };
static _Thread_local char message[MESSAGE_SIZE];

moru_status moru_fail(moru_status status, const char *format, ...)
{
    char text[MESSAGE_SIZE]; /* the arguments may point into message */
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    memcpy(message, text, sizeof message);
    return status;
}

moru_status moru_fail_in(moru_status status, const char *where)
{
    return moru_fail(status, "%s: %s", where, message);
}

const char *moru_last_error(void)
{
    return message;
}

const char *moru_status_name(moru_status status)
{
    switch (status) {
    case MORU_OK: return "ok";
    case MORU_ERR_ARGUMENT: return "argument";
    case MORU_ERR_SHAPE: return "shape";
    case MORU_ERR_RANGE: return "range";
    case MORU_ERR_MEMORY: return "memory";
    case MORU_ERR_IO: return "input/output";
    case MORU_ERR_FORMAT: return "format";
    case MORU_ERR_UNSUPPORTED: return "unsupported";
    case MORU_ERR_GRADIENT: return "gradient";
    case MORU_ERR_NUMERIC: return "numeric";
    case MORU_ERR_STATE: return "state";
    }
    return "unknown";
}
