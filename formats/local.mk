formats_sources = \
    formats/file.c
