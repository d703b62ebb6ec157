/** @file
 * Status codes and messages.
 *
 * Every function that can fail returns a ::moru_status. The sentence that explains a failure is kept for the
 * calling thread and read with moru_last_error(); graphs and models keep their own first error as well.
 * The library never prints, exits or aborts.
 */
#ifndef MORU_STATUS_H
#define MORU_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

/** Marks what the shared library exports; everything else is hidden. */
#define MORU_API __attribute__((visibility("default")))

typedef enum moru_status {
    MORU_OK = 0,
    MORU_ERR_ARGUMENT,    /**< an argument makes no sense by itself */
    MORU_ERR_SHAPE,       /**< shapes or data types don't fit together */
    MORU_ERR_RANGE,       /**< a value (index, label) lies outside its range */
    MORU_ERR_MEMORY,      /**< out of memory, or a size overflows int64_t */
    MORU_ERR_IO,          /**< the operating system refused a read or write */
    MORU_ERR_FORMAT,      /**< a file's contents break its format */
    MORU_ERR_UNSUPPORTED, /**< valid, but not supported here */
    MORU_ERR_GRADIENT,    /**< an op on the path has no gradient */
    MORU_ERR_NUMERIC,     /**< a NaN or infinity where training checks for one */
    MORU_ERR_STATE        /**< called in the wrong order (fit before compile, say) */
} moru_status;

/** Sentence of the calling thread's last failure; "" when there was none. Valid until the thread's next failure. */
MORU_API const char *moru_last_error(void);

/** Short name of a status, such as "shape". */
MORU_API const char *moru_status_name(moru_status status);

/** Version of the library that runs, such as "0.1.0". */
MORU_API const char *moru_version(void);

#ifdef __cplusplus
}
#endif
#endif
