/* A small GPT as nanoGPT has it: 4 layers of 4 heads, 128 wide, norm first, GELU, learned positions, no dropout. */
#include "bench/bench.h"

enum { LENGTH = 64, WIDTH = 128 };

static moru_node *norm(moru_node *x)
{
    return moru_apply(moru_layer_normalization(.epsilon = 1e-5), x);
}

static moru_node *add(moru_node *a, moru_node *b)
{
    return moru_apply_n(moru_add_layer(), (moru_node *[]){a, b}, 2);
}

static moru_node *block(moru_node *x)
{
    moru_node *y = norm(x);
    y = moru_apply_n(moru_multi_head_attention(.num_heads = 4, .key_dim = WIDTH / 4, .use_causal_mask = true),
                     (moru_node *[]){y, y}, 2);
    x = add(x, y);
    y = moru_apply(moru_dense(.units = 4 * WIDTH, .activation = "gelu"), norm(x));
    return add(x, moru_apply(moru_dense(.units = WIDTH), y));
}

static moru_model *gpt(void)
{
    moru_model *model = moru_functional("gpt");
    moru_node *tokens = moru_model_input_int(model, "tokens", (const int64_t[]){LENGTH}, 1);
    int32_t places[LENGTH];
    for (int k = 0; k < LENGTH; k++)
        places[k] = k;
    moru_node *x = moru_apply(moru_embedding(.input_dim = 65, .output_dim = WIDTH), tokens);
    moru_node *place = moru_constant(moru_node_graph(tokens), MORU_INT32, MORU_SHAPE(1, LENGTH), places);
    x = moru_add(x, moru_apply(moru_embedding(.input_dim = LENGTH, .output_dim = WIDTH), place));
    for (int k = 0; k < 4; k++)
        x = block(x);
    x = moru_apply(moru_dense(.units = 65, .use_bias = false), norm(x));
    moru_model_outputs(model, &x, 1);
    return model;
}

const bench_workload bench_gpt = {"gpt", BENCH_CROSS_ENTROPY, {gpt}, NULL};
