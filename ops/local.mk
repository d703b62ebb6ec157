# One op family a file; ops.def lists the ops.
ops_sources = \
	ops/broadcast.h \
	ops/elementwise.h \
	ops/op_table.h \
	ops/fused.h \
	ops/reduce.h \
	ops/ops.def \
	ops/activation.c \
	ops/activation_grad.c \
	ops/argmax.c \
	ops/binary.c \
	ops/broadcast.c \
	ops/compare.c \
	ops/elementwise.c \
	ops/fused.c \
	ops/loss.c \
	ops/prod_grad.c \
	ops/reduce.c \
	ops/softmax.c \
	ops/table.c \
	ops/unary.c \
	ops/where.c
