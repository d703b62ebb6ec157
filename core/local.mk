# Graphs, gradients, compiler passes, programs; what any particular op computes isn't known here.
core_sources = \
	core/arena.c \
	core/arena.h \
	core/compile.c \
	core/compile.h \
	core/config.c \
	core/config.h \
	core/dot.c \
	core/gradients.c \
	core/graph.c \
	core/graph.h \
	core/leaf.c \
	core/leaf.h \
	core/number.c \
	core/number.h \
	core/pass_commute.c \
	core/pass_direct.c \
	core/pass_fold.c \
	core/pass_fuse.c \
	core/pass_lower.c \
	core/pass_normalize.c \
	core/pass_order.c \
	core/pass_plan.c \
	core/pass_share.c \
	core/program.c \
	core/program.h \
	core/random.c \
	core/report.c \
	core/spec.c \
	core/status.c \
	core/status.h \
	core/tensor.c \
	core/tensor.h \
	core/version.c
