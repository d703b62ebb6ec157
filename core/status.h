/* Setting the thread's message. */
#ifndef MORU_CORE_STATUS_H
#define MORU_CORE_STATUS_H

#include <moru/status.h>

/* Keeps the sentence for moru_last_error() and returns status. */
moru_status moru_fail(moru_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Puts "where: " before the thread's sentence; returns status unchanged. */
moru_status moru_fail_in(moru_status status, const char *where);

/* Overflow-checked product and sum; false on overflow or a negative factor. */
#include <stdbool.h>
#include <stdint.h>
static inline bool moru_mul_ok(int64_t a, int64_t b, int64_t *out) { return a >= 0 && b >= 0 && !__builtin_mul_overflow(a, b, out); }
static inline bool moru_add_ok(int64_t a, int64_t b, int64_t *out) { return !__builtin_add_overflow(a, b, out); }

#define MORU_TRY(expression) do { moru_status try_ = (expression); if (try_ != MORU_OK) return try_; } while (0)

#endif
