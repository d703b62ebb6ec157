/* TensorFlow's functions between Keras 2's layers (TFOpLambda, SlicingOpLambda), put as Keras 3 puts its operations. */
#include "formats/keras.h"

#include <string.h>

typedef struct function {
    const char *name, *class_name;
    const char *module;      /* of keras.src.ops */
    const char *inputs[3];   /* arguments after the first that may be tensors */
    const char *from[3], *to[3]; /* options under other names */
} function;

#define UNARY(name, class_name, module) {name, class_name, module, {0}, {0}, {0}}
#define BINARY(name, class_name) {name, class_name, "numpy", {"y"}, {0}, {0}}
#define RENAMED(name, class_name, module, a, b) {name, class_name, module, {0}, {a}, {b}}

static const function functions[] = {
    BINARY("__operators__.add", "Add"), BINARY("math.add", "Add"), BINARY("math.subtract", "Subtract"),
    BINARY("math.multiply", "Multiply"), BINARY("math.truediv", "TrueDivide"), BINARY("math.divide", "TrueDivide"),
    BINARY("math.pow", "Power"), BINARY("math.maximum", "Maximum"), BINARY("math.minimum", "Minimum"),
    BINARY("math.greater", "Greater"), BINARY("math.greater_equal", "GreaterEqual"), BINARY("math.less", "Less"),
    BINARY("math.less_equal", "LessEqual"), BINARY("math.equal", "Equal"), BINARY("math.not_equal", "NotEqual"),
    BINARY("__operators__.eq", "Equal"), BINARY("__operators__.ne", "NotEqual"),
    BINARY("math.logical_and", "LogicalAnd"), BINARY("math.logical_or", "LogicalOr"),
    UNARY("math.logical_not", "LogicalNot", "numpy"),
    {"linalg.matmul", "Matmul", "numpy", {"b"}, {0}, {0}}, {"where", "Where", "numpy", {"x", "y"}, {0}, {0}},
    UNARY("math.negative", "Negative", "numpy"), UNARY("math.abs", "Absolute", "numpy"),
    UNARY("math.exp", "Exp", "numpy"), UNARY("math.log", "Log", "numpy"), UNARY("math.log1p", "Log1p", "numpy"),
    UNARY("math.sqrt", "Sqrt", "numpy"), UNARY("math.rsqrt", "Rsqrt", "math"), UNARY("math.square", "Square", "numpy"),
    UNARY("math.reciprocal", "Reciprocal", "numpy"), UNARY("math.sign", "Sign", "numpy"),
    UNARY("math.floor", "Floor", "numpy"), UNARY("math.ceil", "Ceil", "numpy"), UNARY("math.sin", "Sin", "numpy"),
    UNARY("math.cos", "Cos", "numpy"), UNARY("math.tanh", "Tanh", "numpy"), UNARY("math.erf", "Erf", "math"),
    UNARY("math.tan", "Tan", "numpy"), UNARY("math.asin", "Arcsin", "numpy"), UNARY("math.acos", "Arccos", "numpy"),
    UNARY("math.atan", "Arctan", "numpy"), UNARY("math.sinh", "Sinh", "numpy"), UNARY("math.cosh", "Cosh", "numpy"),
    UNARY("math.asinh", "Arcsinh", "numpy"), UNARY("math.acosh", "Arccosh", "numpy"),
    UNARY("math.atanh", "Arctanh", "numpy"), UNARY("math.expm1", "Expm1", "numpy"), UNARY("math.erfc", "Erfc", "math"),
    UNARY("math.is_nan", "Isnan", "numpy"), UNARY("math.is_finite", "Isfinite", "numpy"),
    UNARY("math.is_inf", "Isinf", "numpy"), BINARY("math.floordiv", "FloorDivide"), BINARY("math.mod", "Mod"),
    UNARY("math.sigmoid", "Sigmoid", "nn"), UNARY("nn.relu", "Relu", "nn"), UNARY("nn.relu6", "Relu6", "nn"),
    UNARY("nn.elu", "Elu", "nn"), UNARY("nn.selu", "Selu", "nn"), UNARY("nn.silu", "Silu", "nn"),
    UNARY("nn.swish", "Silu", "nn"), UNARY("math.softplus", "Softplus", "nn"), UNARY("nn.softsign", "Softsign", "nn"),
    UNARY("nn.gelu", "Gelu", "nn"), UNARY("nn.softmax", "Softmax", "nn"), UNARY("nn.log_softmax", "LogSoftmax", "nn"),
    RENAMED("nn.leaky_relu", "LeakyRelu", "nn", "alpha", "negative_slope"),
    UNARY("math.reduce_mean", "Mean", "numpy"), UNARY("math.reduce_sum", "Sum", "numpy"),
    UNARY("math.reduce_max", "Max", "numpy"), UNARY("math.reduce_min", "Min", "numpy"),
    UNARY("math.reduce_prod", "Prod", "numpy"), UNARY("math.reduce_any", "Any", "numpy"),
    UNARY("math.reduce_all", "All", "numpy"), UNARY("math.reduce_std", "Std", "numpy"),
    UNARY("math.reduce_variance", "Var", "numpy"), UNARY("math.reduce_logsumexp", "Logsumexp", "math"),
    UNARY("math.argmax", "Argmax", "numpy"), UNARY("math.argmin", "Argmin", "numpy"),
    RENAMED("reshape", "Reshape", "numpy", "shape", "newshape"), UNARY("expand_dims", "ExpandDims", "numpy"),
    UNARY("squeeze", "Squeeze", "numpy"), UNARY("compat.v1.squeeze", "Squeeze", "numpy"),
    RENAMED("transpose", "Transpose", "numpy", "perm", "axes"),
    RENAMED("compat.v1.transpose", "Transpose", "numpy", "perm", "axes"),
    UNARY("concat", "Concatenate", "numpy"), UNARY("stack", "Stack", "numpy"),
    RENAMED("tile", "Tile", "numpy", "multiples", "repeats"),
    RENAMED("one_hot", "OneHot", "nn", "depth", "num_classes"), UNARY("cast", "Cast", "core"),
    UNARY("identity", "Copy", "numpy"), UNARY("stop_gradient", "StopGradient", "core"),
    UNARY("zeros_like", "ZerosLike", "numpy"), UNARY("ones_like", "OnesLike", "numpy"),
    {"clip_by_value", "Clip", "numpy", {0}, {"clip_value_min", "clip_value_max"}, {"x_min", "x_max"}},
};

static const function *find(const char *name)
{
    for (size_t k = 0; k < sizeof functions / sizeof *functions; k++)
        if (name && strcmp(functions[k].name, name) == 0)
            return &functions[k];
    return NULL;
}

/* ["_CONSTANT_VALUE", -1, 3.0, ...] is a number, ["layer", call, output, ...] what it was. */
static json_t *first_input(json_t *history)
{
    const char *layer = json_string_value(json_array_get(history, 0));
    if (layer && strcmp(layer, "_CONSTANT_VALUE") == 0)
        return json_incref(json_array_get(history, 2));
    return json_pack("[O,O,O]", json_array_get(history, 0), json_array_get(history, 1), json_array_get(history, 2));
}

static bool is_input(const function *f, const char *name)
{
    for (int k = 0; k < 3 && f->inputs[k]; k++)
        if (strcmp(f->inputs[k], name) == 0)
            return true;
    return false;
}

/* What isn't an input is an option; null, "name" and defaults of TensorFlow's own are nothing. */
static void copy_options(const function *f, json_t *named, json_t *config)
{
    const char *name;
    json_t *value;
    json_object_foreach(named, name, value) {
        const char *own = name;
        if (is_input(f, name) || strcmp(name, "name") == 0 || json_is_null(value))
            continue;
        for (int k = 0; k < 3 && f->from[k]; k++)
            own = strcmp(f->from[k], name) == 0 ? f->to[k] : own;
        json_object_set(config, own, value);
    }
}

/* Keras 2's slices are objects without a class. */
static json_t *key_of(json_t *spec)
{
    json_t *items = json_array();
    for (size_t k = 0; k < json_array_size(spec); k++) {
        json_t *item = json_array_get(spec, k);
        bool slice = json_is_object(item) && !json_object_get(item, "class_name");
        json_array_append_new(items, slice ? json_pack("{s:s,s:O}", "class_name", "__slice__", "config", item)
                                           : json_incref(item));
    }
    return items;
}

/* One call's arguments, as Keras 3 writes them; options go to config. */
static json_t *convert_call(const function *f, json_t *call, json_t *config)
{
    json_t *args = json_array();
    bool list = json_is_array(json_array_get(call, 0));
    json_t *named = json_array_get(list ? json_array_get(call, 0) : call, 3);
    if (list) {
        json_t *inputs = json_array();
        for (size_t k = 0; k < json_array_size(call); k++)
            json_array_append_new(inputs, first_input(json_array_get(call, k)));
        json_array_append_new(args, inputs);
    } else {
        json_array_append_new(args, first_input(call));
    }
    if (!f) { /* a slice */
        json_array_append_new(args, key_of(json_object_get(named, "slice_spec")));
    } else {
        for (int k = 0; k < 3 && f->inputs[k]; k++)
            if (json_object_get(named, f->inputs[k]))
                json_array_append(args, json_object_get(named, f->inputs[k]));
        copy_options(f, named, config);
    }
    return json_pack("{s:o,s:{}}", "args", args, "kwargs");
}

static bool is_class(json_t *object, const char *name)
{
    const char *class_name = moru_keras_class_name(object);
    return class_name && strcmp(class_name, name) == 0;
}

bool moru_keras2_is_operation(json_t *object)
{
    return is_class(object, "TFOpLambda") || is_class(object, "SlicingOpLambda");
}

static const function *function_of(json_t *object)
{
    return find(json_string_value(json_object_get(json_object_get(object, "config"), "function")));
}

bool moru_keras2_knows_operation(json_t *object)
{
    return is_class(object, "SlicingOpLambda") || function_of(object);
}

json_t *moru_keras2_operation(json_t *object)
{
    bool slice = is_class(object, "SlicingOpLambda");
    const function *f = slice ? NULL : function_of(object);
    json_t *calls = json_object_get(object, "inbound_nodes"), *entry = json_object_get(object, "name");
    if (!slice && !f)
        return NULL;
    json_t *config = json_pack("{s:O?}", "name", entry), *converted = json_array();
    for (size_t k = 0; k < json_array_size(calls); k++)
        json_array_append_new(converted, convert_call(f, json_array_get(calls, k), config));
    return json_pack("{s:s+,s:s,s:o,s:O?,s:o}", "module", "keras.src.ops.", slice ? "numpy" : f->module, "class_name",
                     slice ? "GetItem" : f->class_name, "config", config, "name", entry, "inbound_nodes", converted);
}
