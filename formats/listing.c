#include "formats/keras.h"

#include <stdarg.h>
#include <stdio.h>

void moru_listing_add(moru_listing *listing, moru_status status, const char *format, ...)
{
    if (listing->count++ == 0)
        listing->status = status;
    if (listing->shown + 1 < listing->count)
        return; /* one was too long already */
    size_t left = sizeof listing->text - listing->used;
    int start = listing->used ? snprintf(listing->text + listing->used, left, "; ") : 0;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(listing->text + listing->used + start, left - (size_t)start, format, args);
    va_end(args);
    if (n >= 0 && listing->used + (size_t)start + (size_t)n < sizeof listing->text - 1) {
        listing->used += (size_t)(start + n);
        listing->shown++;
    }
    listing->text[listing->used] = 0;
}

moru_status moru_listing_fail(const moru_listing *listing, const char *where, const char *what)
{
    if (listing->count == 0)
        return MORU_OK;
    if (!what)
        what = listing->status == MORU_ERR_UNSUPPORTED ? "not supported" : "cannot be read";
    if (listing->shown == listing->count)
        return moru_fail(listing->status, "%s: %s: %s", where, what, listing->text);
    return moru_fail(listing->status, "%s: %s: %s; and %d more", where, what, listing->text,
                     listing->count - listing->shown);
}
