core_sources = \
    core/arena.c \
    core/gradients.c \
    core/graph.c \
    core/leaf.c \
    core/random.c \
    core/status.c \
    core/tensor.c
