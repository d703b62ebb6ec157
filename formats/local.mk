formats_sources = \
    formats/arrays.c \
    formats/canvas.c \
    formats/file.c \
    formats/hdf5.c \
    formats/hdf5_check.c \
    formats/hdf5_read.c \
    formats/hdf5_text.c \
    formats/intake.c \
    formats/keras2_config.c \
    formats/keras_archive.c \
    formats/keras2_operation.c \
    formats/keras_config.c \
    formats/keras_constant.c \
    formats/keras_functional_read.c \
    formats/keras_functional_write.c \
    formats/keras_h5_read.c \
    formats/keras_layer.c \
    formats/keras_operations.c \
    formats/keras_weights.c \
    formats/listing.c \
    formats/load.c \
    formats/plot_history.c \
    formats/plot_images.c \
    formats/png.c \
    formats/save.c
