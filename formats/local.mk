formats_sources = \
    formats/arrays.c \
    formats/canvas.c \
    formats/file.c \
    formats/hdf5.c \
    formats/hdf5_read.c \
    formats/plot_history.c \
    formats/plot_images.c \
    formats/png.c
