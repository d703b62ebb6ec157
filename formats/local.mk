formats_sources = \
    formats/arrays.c \
    formats/file.c \
    formats/hdf5.c \
    formats/hdf5_read.c
