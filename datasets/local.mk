# Data sources and how they are read.
datasets_sources = \
	datasets/builtin.c \
	datasets/dataset.c \
	datasets/dataset.h \
	datasets/idx.c \
	datasets/loader.c \
	datasets/open.c
