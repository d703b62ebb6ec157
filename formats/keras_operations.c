/* Operations that stand between layers in a functional model, and their Keras classes. */
#include "formats/keras.h"

#include <string.h>

static moru_node *softmax(moru_node *x, double axis)
{
    return moru_softmax(x, (int)axis);
}

static moru_node *log_softmax(moru_node *x, double axis)
{
    return moru_log_softmax(x, (int)axis);
}

#define NUMPY "keras.src.ops.numpy"
#define NN "keras.src.ops.nn"
#define MATH "keras.src.ops.math"
#define CORE "keras.src.ops.core"
#define ONE(module, class_name, op) {class_name, module, #op, 1, NULL, 0, moru_##op, NULL, NULL}
#define TWO(class_name, op) {class_name, NUMPY, #op, 2, NULL, 0, NULL, NULL, moru_##op}
#define WITH(class_name, op, parameter, value, function) \
    {class_name, NN, #op, 1, parameter, value, NULL, function, NULL}

static const moru_keras_operation operations[] = {
    TWO("Add", add), TWO("Subtract", sub), TWO("Multiply", mul), TWO("TrueDivide", div), TWO("Divide", div),
    TWO("Power", pow), TWO("Maximum", maximum), TWO("Minimum", minimum),
    ONE(NUMPY, "Negative", neg), ONE(NUMPY, "Absolute", abs), ONE(NUMPY, "Abs", abs), ONE(NUMPY, "Sign", sign),
    ONE(NUMPY, "Floor", floor), ONE(NUMPY, "Ceil", ceil), ONE(NUMPY, "Exp", exp), ONE(NUMPY, "Expm1", expm1),
    ONE(NUMPY, "Log", log), ONE(NUMPY, "Log1p", log1p), ONE(NUMPY, "Log2", log2), ONE(NUMPY, "Sqrt", sqrt),
    ONE(MATH, "Rsqrt", rsqrt), ONE(NUMPY, "Square", square), ONE(NUMPY, "Reciprocal", reciprocal),
    ONE(NUMPY, "Sin", sin), ONE(NUMPY, "Cos", cos), ONE(NUMPY, "Tan", tan), ONE(NUMPY, "Arctan", atan),
    ONE(NUMPY, "Sinh", sinh), ONE(NUMPY, "Cosh", cosh), ONE(NUMPY, "Tanh", tanh), ONE(MATH, "Erf", erf),
    ONE(NUMPY, "Fabs", abs), ONE(NUMPY, "Exp2", exp2), ONE(NUMPY, "Log10", log10), ONE(NUMPY, "Cbrt", cbrt),
    ONE(NUMPY, "Arcsin", asin), ONE(NUMPY, "Arccos", acos), ONE(NUMPY, "Arcsinh", asinh), ONE(NUMPY, "Arccosh", acosh),
    ONE(NUMPY, "Arctanh", atanh), ONE(MATH, "Erfc", erfc), ONE(MATH, "Erfinv", erfinv), ONE(NUMPY, "Sinc", sinc),
    ONE(NUMPY, "Trunc", trunc), TWO("Arctan2", atan2), TWO("FloorDivide", floor_divide), TWO("Mod", mod),
    TWO("Fmod", fmod), TWO("Hypot", hypot), TWO("Logaddexp", logaddexp), TWO("LogicalXor", logical_xor),
    ONE(NN, "Relu", relu), ONE(NN, "Relu6", relu6), ONE(NN, "Sigmoid", sigmoid), ONE(NN, "Silu", silu),
    ONE(NN, "Softplus", softplus), ONE(NN, "Softsign", softsign), ONE(NN, "LogSigmoid", log_sigmoid),
    ONE(NN, "HardSigmoid", hard_sigmoid), ONE(NN, "HardSilu", hard_silu), ONE(NN, "Selu", selu),
    WITH("LeakyRelu", leaky_relu, "negative_slope", 0.2, moru_leaky_relu), WITH("Elu", elu, "alpha", 1, moru_elu),
    WITH("Softmax", softmax, "axis", -1, softmax), WITH("LogSoftmax", log_softmax, "axis", -1, log_softmax),
    /* read as layers (layers/operations/), and written from ops as these */
    TWO("Equal", equal), TWO("NotEqual", not_equal), TWO("Less", less), TWO("LessEqual", less_equal),
    TWO("Greater", greater), TWO("GreaterEqual", greater_equal), TWO("LogicalAnd", logical_and),
    TWO("LogicalOr", logical_or), TWO("Matmul", matmul), ONE(NUMPY, "LogicalNot", logical_not),
    ONE(NUMPY, "Isnan", is_nan), ONE(NUMPY, "Isfinite", is_finite),
    ONE(NUMPY, "Isinf", is_inf), ONE(NUMPY, "Copy", identity), ONE(NUMPY, "ZerosLike", zeros_like),
    ONE(NUMPY, "OnesLike", ones_like), ONE(CORE, "StopGradient", stop_gradient),
};
enum { N_OPERATIONS = sizeof operations / sizeof *operations };

const moru_keras_operation *moru_keras_operation_of_class(const char *class_name)
{
    for (int k = 0; k < N_OPERATIONS; k++)
        if (strcmp(operations[k].class_name, class_name) == 0)
            return &operations[k];
    return NULL;
}

/* The first of several classes is the one written. */
const moru_keras_operation *moru_keras_operation_of_op(const char *op)
{
    for (int k = 0; k < N_OPERATIONS; k++)
        if (strcmp(operations[k].op, op) == 0)
            return &operations[k];
    return NULL;
}
