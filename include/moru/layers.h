/** @file
 * Layers: Keras's names, defaults and semantics.
 *
 * Options are given as designated initialisers, moru_dense(.units = 10, .activation = "relu"); what isn't named has
 * Keras's default. Every constructor gives a layer that belongs to the caller until it is put into a model.
 * Wrong options are reported by the model. Strings are copied. Activations, initializers and regularizers are specs: a
 * Keras name ("he_normal"), a name with arguments ("l2(1e-4)"), or a Keras JSON object.
 */
#ifndef MORU_LAYERS_H
#define MORU_LAYERS_H

#include <moru/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct moru_layer moru_layer;

/** What a layer is applied to: n values, those given by place first, then those that go by a name, as in Keras's
 *  lstm(x, initial_state=[h, c], mask=m): {x, h, c, m} with {NULL, "initial_state", "initial_state", "mask"}. Where elements of
 *  a list are missing, "mask:2" is the third one. */
typedef struct moru_inputs {
    moru_node *const *values;
    const char *const *names; /**< NULL for those given by place; names NULL: all are */
    int n;
    int training;             /**< 1: as in training always, -1: never; 0: as the model runs. Keras 2's argument of a call;
                                   Keras 3 has it, but its fit() and predict() overrule it */
} moru_inputs;

/** Frees a layer that was not put into a model. */
MORU_API void moru_layer_free(moru_layer *layer);
MORU_API const char *moru_layer_name(const moru_layer *layer);
MORU_API const char *moru_layer_class_name(const moru_layer *layer);
/** A layer that isn't trainable keeps its weights; BatchNormalization then also uses its moving statistics.
 *  Set it before moru_compile(), or compile again: what is trained is settled there. */
MORU_API void moru_layer_set_trainable(moru_layer *layer, bool trainable);
MORU_API bool moru_layer_trainable(const moru_layer *layer);
/** Puts a weight under a constraint, which holds after each training step: "max_norm(2)", "non_neg", "unit_norm",
 *  "min_max_norm(0.5, 1)". weight is the beginning of Keras's option: "kernel" for kernel_constraint. Before the layer is
 *  applied; a mistake is reported by the model. */
MORU_API void moru_layer_set_constraint(moru_layer *layer, const char *weight, const char *spec);
/** Keras's activity_regularizer: l1 sum |y| + l2 sum y^2 of the outputs, of a batch the mean over its samples, joins the
 *  loss. Before the layer is applied. */
MORU_API void moru_layer_set_activity_regularizer(moru_layer *layer, const char *spec);
MORU_API int moru_layer_weight_count(const moru_layer *layer);
/** Weight k in Keras's order, owned by the layer; its tensor may be written between steps. */
MORU_API moru_tensor *moru_layer_weight_at(moru_layer *layer, int k, const char **name);

/** Layers inside a layer, as options. */
enum { MORU_MAX_INNER_LAYERS = 32 };
typedef struct moru_layers { int n; moru_layer *layers[MORU_MAX_INNER_LAYERS]; } moru_layers;

/** Options every layer has. */
#define MORU_LAYER_OPTIONS const char *name; bool trainable;
#define MORU_LAYER_DEFAULTS .name = NULL, .trainable = true

/** Options with defaults, moru_dense(.units = 10): later initialisers override earlier ones, which -Woverride-init would
 *  call a mistake. C++ has no such thing: there a call with options is spelled out, as
 *  `moru_dense_options o = {MORU_DENSE_DEFAULTS}; o.units = 10; moru_dense_new(&o)`. */
#ifdef __cplusplus
#define MORU_WITH_DEFAULTS(function, type, defaults, ...)                                      \
    ([] {                                                                                      \
        static_assert(sizeof(#__VA_ARGS__) == 1, "in C++: " #type " o = {" #defaults "}; set its members; " #function "(&o)"); \
        const type moru_options_ = {defaults};                                                 \
        return function(&moru_options_);                                                       \
    }())
/** The address of options that live as long as the call they are made in. */
#define MORU_OPTIONS(type, ...) (&static_cast<const type &>(type{__VA_ARGS__}))
#else
#define MORU_WITH_DEFAULTS(function, type, defaults, ...)                                     \
    (__extension__({ _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Woverride-init\"") \
        const type moru_options_ = {defaults, __VA_ARGS__};                                    \
        _Pragma("GCC diagnostic pop") function(&moru_options_); }))
#define MORU_OPTIONS(type, ...) (&(const type){__VA_ARGS__})
#endif

/** moru_input(28, 28, 1): the shape of one sample. */
#define moru_input(...) moru_input_layer(MORU_SHAPE(__VA_ARGS__), MORU_REAL, NULL)
#define moru_input_int(...) moru_input_layer(MORU_SHAPE(__VA_ARGS__), MORU_INT32, NULL)
/** Shape without the batch; -1 inside it: any size. */
MORU_API moru_layer *moru_input_layer(moru_shape shape, moru_dtype dtype, const char *name);
/** The same with the batch size in front, which stateful layers need: moru_input_batch(32, 10, 8). */
#define moru_input_batch(...) moru_input_layer_of(MORU_SHAPE(__VA_ARGS__), MORU_REAL, NULL)
MORU_API moru_layer *moru_input_layer_of(moru_shape batch_shape, moru_dtype dtype, const char *name);
/** Makes the states of a stateful layer, and of those inside it, zeros. */
MORU_API void moru_layer_reset_states(moru_layer *layer);

/** y = activation(x kernel + bias), over the last axis. Variables: kernel [in, units], bias [units]. */
typedef struct moru_dense_options {
    MORU_LAYER_OPTIONS
    int64_t units;
    const char *activation;
    bool use_bias;
    const char *kernel_initializer, *bias_initializer;
    const char *kernel_regularizer, *bias_regularizer, *activity_regularizer;
    const char *kernel_constraint, *bias_constraint;
} moru_dense_options;
#define MORU_DENSE_DEFAULTS MORU_LAYER_DEFAULTS, .use_bias = true, .kernel_initializer = "glorot_uniform", .bias_initializer = "zeros"
#define moru_dense(...) MORU_WITH_DEFAULTS(moru_dense_new, moru_dense_options, MORU_DENSE_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_dense_new(const moru_dense_options *options);

/** 2-D convolution, NHWC. Variables: kernel [kh, kw, in/groups, filters], bias [filters]. */
typedef struct moru_conv2d_options {
    MORU_LAYER_OPTIONS
    int64_t filters;
    int64_t kernel_size[2], strides[2], dilation_rate[2];
    int64_t groups;
    const char *padding;       /**< "valid" or "same" */
    const char *data_format;   /**< "channels_last", or "channels_first": [n, c, h, w] */
    const char *activation;
    bool use_bias;
    const char *kernel_initializer, *bias_initializer;
    const char *kernel_regularizer, *bias_regularizer;
} moru_conv2d_options;
#define MORU_CONV2D_DEFAULTS MORU_LAYER_DEFAULTS, .strides = {1, 1}, .dilation_rate = {1, 1}, .groups = 1, .padding = "valid", \
    .data_format = "channels_last", .use_bias = true, .kernel_initializer = "glorot_uniform", .bias_initializer = "zeros"
#define moru_conv2d(...) MORU_WITH_DEFAULTS(moru_conv2d_new, moru_conv2d_options, MORU_CONV2D_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_conv2d_new(const moru_conv2d_options *options);

/** Transposed 2-D convolution, NHWC: each pixel of the input adds the kernel times its channels to the output, `strides`
 *  apart. With k = (kernel_size - 1) dilation_rate + 1 the height is (h - 1) stride + max(k, stride) for "valid",
 *  h stride for "same"; a given output_padding p makes it (h - 1) stride + k + p, and (h - 1) stride + k mod 2 + p.
 *  Variables: kernel [kh, kw, filters, in], bias [filters]. */
typedef struct moru_conv2d_transpose_options {
    MORU_LAYER_OPTIONS
    int64_t filters;
    int64_t kernel_size[2], strides[2];
    int64_t dilation_rate[2];  /**< above 1 only where strides are 1 */
    int64_t output_padding[2]; /**< below strides; {-1, -1}: Keras's None, see above */
    const char *padding;       /**< "valid" or "same" */
    const char *data_format;   /**< "channels_last", or "channels_first": [n, c, h, w] */
    const char *activation;
    bool use_bias;
    const char *kernel_initializer, *bias_initializer;
    const char *kernel_regularizer, *bias_regularizer;
} moru_conv2d_transpose_options;
#define MORU_CONV2D_TRANSPOSE_DEFAULTS MORU_LAYER_DEFAULTS, .strides = {1, 1}, .dilation_rate = {1, 1}, \
    .output_padding = {-1, -1}, .padding = "valid", .data_format = "channels_last", .use_bias = true, \
    .kernel_initializer = "glorot_uniform", .bias_initializer = "zeros"
#define moru_conv2d_transpose(...) MORU_WITH_DEFAULTS(moru_conv2d_transpose_new, moru_conv2d_transpose_options, \
    MORU_CONV2D_TRANSPOSE_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_conv2d_transpose_new(const moru_conv2d_transpose_options *options);

/** Largest or mean value of each pool_size window: [n, h, w, c] gives [n, oh, ow, c], oh = floor((h - size)/stride) + 1 for
 *  "valid", ceil(h/stride) for "same". Padding never wins a maximum and never counts in a mean. No variables. */
typedef struct moru_pooling2d_options {
    MORU_LAYER_OPTIONS
    int64_t pool_size[2];
    int64_t strides[2];        /**< 0: pool_size */
    const char *padding, *data_format;
} moru_pooling2d_options;
#define MORU_POOLING2D_DEFAULTS MORU_LAYER_DEFAULTS, .pool_size = {2, 2}, .padding = "valid", .data_format = "channels_last"
#define moru_max_pooling2d(...) \
    MORU_WITH_DEFAULTS(moru_max_pooling2d_new, moru_pooling2d_options, MORU_POOLING2D_DEFAULTS, __VA_ARGS__)
#define moru_average_pooling2d(...) \
    MORU_WITH_DEFAULTS(moru_average_pooling2d_new, moru_pooling2d_options, MORU_POOLING2D_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_max_pooling2d_new(const moru_pooling2d_options *options);
MORU_API moru_layer *moru_average_pooling2d_new(const moru_pooling2d_options *options);

/** Mean or maximum over height and width: [n, h, w, c] gives [n, c], or [n, 1, 1, c] with keepdims. No variables. */
typedef struct moru_global_pooling2d_options {
    MORU_LAYER_OPTIONS
    bool keepdims;
    const char *data_format;
} moru_global_pooling2d_options;
#define MORU_GLOBAL_POOLING2D_DEFAULTS MORU_LAYER_DEFAULTS, .data_format = "channels_last"
#define moru_global_average_pooling2d(...) \
    MORU_WITH_DEFAULTS(moru_global_average_pooling2d_new, moru_global_pooling2d_options, MORU_GLOBAL_POOLING2D_DEFAULTS, __VA_ARGS__)
#define moru_global_max_pooling2d(...) \
    MORU_WITH_DEFAULTS(moru_global_max_pooling2d_new, moru_global_pooling2d_options, MORU_GLOBAL_POOLING2D_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_global_average_pooling2d_new(const moru_global_pooling2d_options *options);
MORU_API moru_layer *moru_global_max_pooling2d_new(const moru_global_pooling2d_options *options);

/** y = (x - mean)/sqrt(variance + epsilon) gamma + beta, each channel (axis) by itself; Ioffe and Szegedy, 2015. In training mean
 *  and (biased) variance are the batch's, and moving = momentum moving + (1 - momentum) batch; otherwise, or when the layer is not
 *  trainable, they are the moving ones. Variables: [gamma if scale], [beta if center], moving_mean, moving_variance. */
typedef struct moru_batch_normalization_options {
    MORU_LAYER_OPTIONS
    int64_t axis;
    double momentum, epsilon;
    bool center, scale;
    const char *beta_initializer, *gamma_initializer, *moving_mean_initializer, *moving_variance_initializer;
    const char *beta_regularizer, *gamma_regularizer;
} moru_batch_normalization_options;
#define MORU_BATCH_NORMALIZATION_DEFAULTS MORU_LAYER_DEFAULTS, .axis = -1, .momentum = 0.99, .epsilon = 1e-3, .center = true, .scale = true, \
    .beta_initializer = "zeros", .gamma_initializer = "ones", .moving_mean_initializer = "zeros", .moving_variance_initializer = "ones"
#define moru_batch_normalization(...) \
    MORU_WITH_DEFAULTS(moru_batch_normalization_new, moru_batch_normalization_options, MORU_BATCH_NORMALIZATION_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_batch_normalization_new(const moru_batch_normalization_options *options);

/** In training each element is 0 with probability rate and x/(1 - rate) otherwise (Srivastava et al., 2014); else y = x. */
typedef struct moru_dropout_options {
    MORU_LAYER_OPTIONS
    double rate;               /**< share of the inputs that is dropped, in [0, 1]; 1: all */
    moru_shape noise_shape;    /**< for each axis 1: kept or dropped together along it, -1 or the input's size: one by one.
                                    Rank 0: all one by one */
    int64_t seed;              /**< ::MORU_NO_SEED: the layer's place in the model is its own seed */
} moru_dropout_options;
/** Of layers with random numbers: layers with equal seeds draw equal ones. The model's seed counts besides. */
#define MORU_NO_SEED INT64_MIN
#define MORU_DROPOUT_DEFAULTS MORU_LAYER_DEFAULTS, .seed = MORU_NO_SEED
#define moru_dropout(...) MORU_WITH_DEFAULTS(moru_dropout_new, moru_dropout_options, MORU_DROPOUT_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_dropout_new(const moru_dropout_options *options);

/** [n, a, b, ...] gives [n, a b ...]; with data_format "channels_first" axis 1 goes last before. */
typedef struct moru_flatten_options { MORU_LAYER_OPTIONS const char *data_format; } moru_flatten_options;
#define MORU_FLATTEN_DEFAULTS MORU_LAYER_DEFAULTS, .data_format = "channels_last"
#define moru_flatten(...) MORU_WITH_DEFAULTS(moru_flatten_new, moru_flatten_options, MORU_FLATTEN_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_flatten_new(const moru_flatten_options *options);

/** The same elements under target_shape, which is without the batch; one size of it may be -1 and is worked out. */
typedef struct moru_reshape_options { MORU_LAYER_OPTIONS moru_shape target_shape; } moru_reshape_options;
#define moru_reshape_layer(...) \
    MORU_WITH_DEFAULTS(moru_reshape_new, moru_reshape_options, MORU_LAYER_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_reshape_new(const moru_reshape_options *options);

/** y = activation(x): "relu", "sigmoid", "tanh", "softmax", "gelu", "elu", "selu", "silu", "softplus", ..., as Keras names them. */
typedef struct moru_activation_options { MORU_LAYER_OPTIONS const char *activation; } moru_activation_options;
#define moru_activation(...) \
    MORU_WITH_DEFAULTS(moru_activation_new, moru_activation_options, MORU_LAYER_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_activation_new(const moru_activation_options *options);

/** y = x >= threshold ? min(x, max_value) : negative_slope (x - threshold). max_value NAN (the default): no bound. */
typedef struct moru_relu_options {
    MORU_LAYER_OPTIONS
    double max_value, negative_slope, threshold;
} moru_relu_options;
#define MORU_RELU_LAYER_DEFAULTS MORU_LAYER_DEFAULTS, .max_value = __builtin_nan("")
#define moru_relu_layer(...) MORU_WITH_DEFAULTS(moru_relu_new, moru_relu_options, MORU_RELU_LAYER_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_relu_new(const moru_relu_options *options);

/** y = x > 0 ? x : negative_slope x. */
typedef struct moru_leaky_relu_options { MORU_LAYER_OPTIONS double negative_slope; } moru_leaky_relu_options;
#define MORU_LEAKY_RELU_LAYER_DEFAULTS MORU_LAYER_DEFAULTS, .negative_slope = 0.3
#define moru_leaky_relu_layer(...) \
    MORU_WITH_DEFAULTS(moru_leaky_relu_new, moru_leaky_relu_options, MORU_LEAKY_RELU_LAYER_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_leaky_relu_new(const moru_leaky_relu_options *options);

/** y = x > 0 ? x : alpha (exp(x) - 1). */
typedef struct moru_elu_options { MORU_LAYER_OPTIONS double alpha; } moru_elu_options;
#define MORU_ELU_LAYER_DEFAULTS MORU_LAYER_DEFAULTS, .alpha = 1.0
#define moru_elu_layer(...) MORU_WITH_DEFAULTS(moru_elu_new, moru_elu_options, MORU_ELU_LAYER_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_elu_new(const moru_elu_options *options);

/** y = exp(x)/sum exp(x) along the axes in axis: axes, not sizes, as .axis = MORU_SHAPE(1, 2). A mask, 1 where an element
 *  counts, may be given by name or come with the input: others are 0. */
typedef struct moru_softmax_options { MORU_LAYER_OPTIONS moru_shape axis; } moru_softmax_options;
#define MORU_SOFTMAX_LAYER_DEFAULTS MORU_LAYER_DEFAULTS, .axis = {1, {-1}}
#define moru_softmax_layer(...) \
    MORU_WITH_DEFAULTS(moru_softmax_new, moru_softmax_options, MORU_SOFTMAX_LAYER_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_softmax_new(const moru_softmax_options *options);

/** int32 tokens [n, ...] to rows of the variable embeddings [input_dim, output_dim]: [n, ..., output_dim]. A token outside
 *  0..input_dim - 1 is MORU_ERR_RANGE when it is met. With mask_zero the layers after it pass over tokens that are 0. */
typedef struct moru_embedding_options {
    MORU_LAYER_OPTIONS
    int64_t input_dim, output_dim;
    const char *embeddings_initializer, *embeddings_regularizer;
    bool mask_zero;
} moru_embedding_options;
#define MORU_EMBEDDING_DEFAULTS MORU_LAYER_DEFAULTS, .embeddings_initializer = "uniform"
#define moru_embedding(...) \
    MORU_WITH_DEFAULTS(moru_embedding_new, moru_embedding_options, MORU_EMBEDDING_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_embedding_new(const moru_embedding_options *options);

/** y = (x - mean)/sqrt(variance + epsilon) gamma + beta, mean and (biased) variance being those of each sample over the axes in
 *  axis (any but the batch's); Ba et al., 2016. Training and inference are the same. Variables: [gamma if scale],
 *  [beta if center], of those axes' sizes. rms_scaling, Keras's outdated option: y = x/sqrt(variance + epsilon) gamma. */
typedef struct moru_layer_normalization_options {
    MORU_LAYER_OPTIONS
    moru_shape axis;           /**< axes, not sizes: MORU_SHAPE(-2, -1) */
    double epsilon;
    bool center, scale, rms_scaling;
    const char *beta_initializer, *gamma_initializer;
    const char *beta_regularizer, *gamma_regularizer;
} moru_layer_normalization_options;
#define MORU_LAYER_NORMALIZATION_DEFAULTS MORU_LAYER_DEFAULTS, .axis = {1, {-1}}, .epsilon = 1e-3, .center = true, .scale = true, \
    .beta_initializer = "zeros", .gamma_initializer = "ones"
#define moru_layer_normalization(...) \
    MORU_WITH_DEFAULTS(moru_layer_normalization_new, moru_layer_normalization_options, MORU_LAYER_NORMALIZATION_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_layer_normalization_new(const moru_layer_normalization_options *options);

/** Attention of query [n, t, width] to value [n, s, ..] under keys [n, s, ..]; Vaswani et al., 2017. Applied by moru_apply_n()
 *  to {query, value} (the keys are the values then) or {query, value, key}; self-attention is {x, x}. Each is projected to
 *  num_heads heads, y = softmax(q k^T/sqrt(key_dim)) v for each, and all heads are projected to [n, t, width]. In training the
 *  probabilities are dropped out by the rate dropout. Variables: query/kernel [width, heads, key_dim], query/bias [heads,
 *  key_dim], key/.. and value/.. alike, attention_output/kernel [heads, value_dim, width], attention_output/bias [width].
 *  Named inputs (moru_apply_inputs()) say by numbers other than 0 which query may see which key: attention_mask [n, t, s] or
 *  what broadcasts to it, value_mask and key_mask [n, s]. What comes with the inputs, as from an Embedding with mask_zero, counts as
 *  value_mask, key_mask, and a mask of queries, and is taken off the inputs, as Keras's layer does: what is applied to them later
 *  doesn't see it. A query that may see nothing gets the mean over all keys, or 0 if there is dropout, as in Keras.
 *  Inputs of more dimensions, [n, a, b, .., width], attend along attention_axes, for each place along the others.
 *  return_attention_scores: a second output, the probabilities [n, heads, t, s]. */
typedef struct moru_multi_head_attention_options {
    MORU_LAYER_OPTIONS
    int64_t num_heads, key_dim;
    int64_t value_dim;         /**< 0: key_dim */
    double dropout;
    bool use_bias;
    bool use_causal_mask;      /**< query i attends to keys 0..i only. Keras's argument of each call: written with the calls */
    moru_shape attention_axes; /**< no sizes: all but the first and the last */
    const char *kernel_initializer, *bias_initializer;
    const char *kernel_regularizer, *bias_regularizer;
    moru_shape output_shape;   /**< of one place, instead of {width} */
    bool use_gate;             /**< the heads' results times sigmoid of gate/kernel, gate/bias: as the query's, of value_dim */
    int64_t sliding_window;    /**< query i sees keys i - w + 1 to i + w - 1 only; 0: all */
    bool return_attention_scores; /**< Keras's argument of each call */
} moru_multi_head_attention_options;
#define MORU_MULTI_HEAD_ATTENTION_DEFAULTS MORU_LAYER_DEFAULTS, .use_bias = true, \
    .kernel_initializer = "glorot_uniform", .bias_initializer = "zeros"
#define moru_multi_head_attention(...) \
    MORU_WITH_DEFAULTS(moru_multi_head_attention_new, moru_multi_head_attention_options, MORU_MULTI_HEAD_ATTENTION_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_multi_head_attention_new(const moru_multi_head_attention_options *options);

/** Zeros around each picture. */
typedef struct moru_zero_padding2d_options {
    MORU_LAYER_OPTIONS
    int64_t padding[4];        /**< top, bottom, left, right */
    const char *data_format;
} moru_zero_padding2d_options;
#define MORU_ZERO_PADDING2D_DEFAULTS MORU_LAYER_DEFAULTS, .padding = {1, 1, 1, 1}, .data_format = "channels_last"
#define moru_zero_padding2d(...) \
    MORU_WITH_DEFAULTS(moru_zero_padding2d_new, moru_zero_padding2d_options, MORU_ZERO_PADDING2D_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_zero_padding2d_new(const moru_zero_padding2d_options *options);

/** x scale + offset; by channel, the last axis, where scales or offsets have numbers: .scales = {3, {0.5, 1, 2}}. */
typedef struct moru_rescaling_options {
    MORU_LAYER_OPTIONS
    double scale, offset;
    moru_reals scales, offsets;
} moru_rescaling_options;
#define MORU_RESCALING_DEFAULTS MORU_LAYER_DEFAULTS, .scale = 1.0
#define moru_rescaling(...) \
    MORU_WITH_DEFAULTS(moru_rescaling_new, moru_rescaling_options, MORU_RESCALING_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_rescaling_new(const moru_rescaling_options *options);

/** Layers of several inputs (moru_apply_n()), element by element with broadcasting. Subtract takes two. */
typedef struct moru_merge_options { MORU_LAYER_OPTIONS } moru_merge_options;
#define moru_add_layer(...) MORU_WITH_DEFAULTS(moru_add_new, moru_merge_options, MORU_LAYER_DEFAULTS, __VA_ARGS__)
#define moru_multiply_layer(...) \
    MORU_WITH_DEFAULTS(moru_multiply_new, moru_merge_options, MORU_LAYER_DEFAULTS, __VA_ARGS__)
#define moru_subtract_layer(...) \
    MORU_WITH_DEFAULTS(moru_subtract_new, moru_merge_options, MORU_LAYER_DEFAULTS, __VA_ARGS__)
#define moru_average_layer(...) \
    MORU_WITH_DEFAULTS(moru_average_new, moru_merge_options, MORU_LAYER_DEFAULTS, __VA_ARGS__)
#define moru_maximum_layer(...) \
    MORU_WITH_DEFAULTS(moru_maximum_new, moru_merge_options, MORU_LAYER_DEFAULTS, __VA_ARGS__)
#define moru_minimum_layer(...) \
    MORU_WITH_DEFAULTS(moru_minimum_new, moru_merge_options, MORU_LAYER_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_add_new(const moru_merge_options *options);
MORU_API moru_layer *moru_multiply_new(const moru_merge_options *options);
MORU_API moru_layer *moru_subtract_new(const moru_merge_options *options);
MORU_API moru_layer *moru_average_new(const moru_merge_options *options);
MORU_API moru_layer *moru_maximum_new(const moru_merge_options *options);
MORU_API moru_layer *moru_minimum_new(const moru_merge_options *options);
/** Inputs one after the other along axis (not the batch's). */
typedef struct moru_concatenate_options { MORU_LAYER_OPTIONS int64_t axis; } moru_concatenate_options;
#define MORU_CONCATENATE_DEFAULTS MORU_LAYER_DEFAULTS, .axis = -1
#define moru_concatenate(...) \
    MORU_WITH_DEFAULTS(moru_concatenate_new, moru_concatenate_options, MORU_CONCATENATE_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_concatenate_new(const moru_concatenate_options *options);

#ifdef __cplusplus
}
#endif

#include <moru/layers/convolution.h>
#include <moru/layers/pooling.h>
#include <moru/layers/reshaping.h>
#include <moru/layers/recurrent.h>
#include <moru/layers/attention.h>
#include <moru/layers/activation.h>
#include <moru/layers/dropout.h>
#include <moru/layers/merging.h>
#include <moru/layers/normalization.h>
#include <moru/layers/preprocessing.h>

#endif
