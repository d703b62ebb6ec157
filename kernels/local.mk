# Compiled once per instruction set, with -DMORU_ISA=generic (no flags), v2, v3 or v4 (-march=x86-64-v2 ...).
kernel_sources = \
	kernels/kernel.h \
	kernels/tile.h \
	kernels/special.h \
	kernels/vecmath.h \
	kernels/vecmath_float.h \
	kernels/softmax_row.h \
	kernels/table.c \
	kernels/tile.c \
	kernels/gemm.c \
	kernels/conv.h \
	kernels/conv_engine.c \
	kernels/conv_narrow.c \
	kernels/conv_planar.c \
	kernels/conv_planar_weight.c \
	kernels/conv_forward.c \
	kernels/conv_grad_input.c \
	kernels/conv_grad_weight.c \
	kernels/winograd.h \
	kernels/winograd_rule.c \
	kernels/winograd_transform.c \
	kernels/winograd_multiply.c \
	kernels/winograd_forward.c \
	kernels/winograd_grad_weight.c \
	kernels/depthwise.c \
	kernels/pool.c \
	kernels/unary.c \
	kernels/binary.c \
	kernels/reduce.c \
	kernels/softmax.c \
	kernels/attention.c \
	kernels/batch_norm.c \
	kernels/layer_norm.c \
	kernels/affine.c \
	kernels/copy.c \
	kernels/random.c \
	kernels/gather.c \
	kernels/resample.c \
	kernels/rnn.h \
	kernels/rnn.c \
	kernels/lstm.c \
	kernels/lstm_grad.c \
	kernels/gru.c \
	kernels/gru_grad.c \
	kernels/optimizers.c \
	kernels/finite.c \
	kernels/loss.c

# Compiled once.
kernel_common_sources = \
	kernels/kernels.h \
	kernels/elementwise.def \
	kernels/select.c
