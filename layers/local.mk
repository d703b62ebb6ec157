layers_sources = \
    layers/activation.c \
    layers/batch_normalization.c \
    layers/concatenate.c \
    layers/conv2d.c \
    layers/dense.c \
    layers/dropout.c \
    layers/elu.c \
    layers/embedding.c \
    layers/flatten.c \
    layers/functional.c \
    layers/global_pooling2d.c \
    layers/initializers.c \
    layers/input.c \
    layers/layer.c \
    layers/leaky_relu.c \
    layers/merge.c \
    layers/model.c \
    layers/order.c \
    layers/pooling2d.c \
    layers/regularizers.c \
    layers/relu.c \
    layers/rescaling.c \
    layers/reshape.c \
    layers/sequential.c \
    layers/softmax.c \
    layers/trace.c \
    layers/zero_padding2d.c
