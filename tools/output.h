/* Files and directories that a command writes. */
#ifndef MORU_TOOLS_OUTPUT_H
#define MORU_TOOLS_OUTPUT_H

#include <moru.h>

/* Whether a file or directory can be made there, found out before hours of work; nothing is made. */
moru_status output_check_file(const char *path);
moru_status output_check_directory(const char *path);
/* Makes the directory if it isn't there. */
moru_status output_make_directory(const char *path);
/* A text file, whole or not at all: written beside, synced, renamed. */
moru_status output_write(const char *path, const char *text);

#endif
