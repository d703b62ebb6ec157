#include "formats/canvas.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>
#include "formats/file.h"

/* zlib packs better than stb's own compressor, and reports a lack of memory instead of asserting. */
static unsigned char *deflate_rows(unsigned char *data, int size, int *packed_size, int level)
{
    uLongf n = compressBound((uLong)size);
    unsigned char *packed = n <= INT_MAX ? malloc(n) : NULL;
    if (packed && compress2(packed, &n, data, (uLong)size, level) != Z_OK) {
        free(packed);
        return NULL;
    }
    *packed_size = (int)n;
    return packed;
}

#define STBIW_ZLIB_COMPRESS deflate_rows
#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb/stb_image_write.h>

moru_status moru_png_write(const char *path, int width, int height, int channels, const uint8_t *pixels)
{
    int64_t row = (int64_t)width * channels;
    if (width <= 0 || height <= 0 || row > INT_MAX / 4 || (row + 1) * height > INT_MAX / 4)
        return moru_fail(MORU_ERR_ARGUMENT, "%s: a picture of %d x %d pixels is too large", path, width, height);
    int size = 0;
    unsigned char *data = stbi_write_png_to_mem(pixels, (int)row, width, height, channels, &size);
    if (!data)
        return moru_fail(MORU_ERR_MEMORY, "%s: out of memory", path);
    moru_status status = moru_file_write(path, data, size);
    free(data);
    return status;
}
