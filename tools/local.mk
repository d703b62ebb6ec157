# The moru command: one file a subcommand.
tools_sources = \
	tools/batch.c \
	tools/batch.h \
	tools/bench.c \
	tools/checkpoint.c \
	tools/checkpoint.h \
	tools/command.h \
	tools/convert.c \
	tools/data.c \
	tools/evaluate.c \
	tools/gradients.c \
	tools/graph.c \
	tools/history_file.c \
	tools/history_file.h \
	tools/inputs.c \
	tools/inputs.h \
	tools/list.c \
	tools/main.c \
	tools/options.c \
	tools/output.c \
	tools/output.h \
	tools/pictures.c \
	tools/pictures.h \
	tools/predict.c \
	tools/profile.c \
	tools/profile.h \
	tools/progress.c \
	tools/progress.h \
	tools/source.c \
	tools/source.h \
	tools/summary.c \
	tools/train.c
