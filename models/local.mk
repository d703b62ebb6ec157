# The zoo: one file a model, by the public interface only.
models_sources = \
	models/cnn.c \
	models/lenet.c \
	models/linear_regression.c \
	models/mlp.c \
	models/multiple_regression.c \
	models/perceptron.c \
	models/softmax_regression.c \
	models/xor_mlp.c \
	models/zoo.c \
	models/zoo.h
