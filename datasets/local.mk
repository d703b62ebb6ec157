# Data sources and how they are read.
datasets_sources = \
	datasets/builtin.c \
	datasets/csv.c \
	datasets/csv_columns.c \
	datasets/csv_read.c \
	datasets/csv_table.h \
	datasets/dataset.c \
	datasets/dataset.h \
	datasets/h5.c \
	datasets/idx.c \
	datasets/loader.c \
	datasets/open.c
