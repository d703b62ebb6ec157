/* Keras objects: specs, configurations read and written, class names as Keras spells them. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/config.h"

typedef struct thing_options {
    bool flag;
    int64_t count;
    double rate;
    const char *text, *inner;
    int64_t pair[2], sides[4];
    moru_shape shape;
} thing_options;

static const thing_options defaults = {.count = 3, .rate = 0.5, .text = "plain", .pair = {1, 1}, .sides = {1, 1, 1, 1}};
static const moru_field fields[] = {
    MORU_FIELD(thing_options, rate, MORU_FIELD_REAL),
    MORU_FIELD(thing_options, count, MORU_FIELD_INT),
    MORU_FIELD(thing_options, flag, MORU_FIELD_BOOL),
    MORU_FIELD(thing_options, text, MORU_FIELD_TEXT),
    MORU_FIELD_OBJECT(thing_options, inner, "thing"),
    MORU_FIELD_ARRAY(thing_options, pair, 2),
    MORU_FIELD_ARRAY(thing_options, sides, 4),
    MORU_FIELD(thing_options, shape, MORU_FIELD_SHAPE),
    MORU_FIELD_NAMED(thing_options, rate, MORU_FIELD_REAL | MORU_FIELD_READ_ONLY, "old_rate"),
    MORU_FIELD_DROPPED("seed"),
};
enum { N_FIELDS = sizeof fields / sizeof *fields };
static const moru_class thing = {.class_name = "BigThing", .alias = "big_thing", .module = "keras.things",
                                 .size = sizeof(thing_options), .defaults = &defaults, .fields = fields,
                                 .n_fields = N_FIELDS};
static const moru_class plain = {.class_name = "plain"};
static const moru_class upper = {.class_name = "PLAIN"};
static const moru_class *const classes[] = {&thing, &plain, &upper};

static moru_arena arena;
static const moru_class *found;
static thing_options *options;

static void setup(void)
{
    arena = (moru_arena){0};
}

static void teardown(void)
{
    moru_arena_free(&arena);
}

static moru_status parse(const char *spec)
{
    void *any = NULL;
    found = NULL;
    moru_status status = moru_spec_parse(&arena, spec, classes, 3, "here", &found, &any);
    options = any;
    return status;
}

static void assert_parses(const char *spec)
{
    moru_status status = parse(spec);
    ck_assert_msg(status == MORU_OK, "%s: %s", spec, moru_last_error());
}

static void assert_fails(const char *spec, moru_status status, const char *part)
{
    ck_assert_msg(parse(spec) == status, "%s gave: %s", spec, moru_last_error());
    ck_assert_msg(strstr(moru_last_error(), part) != NULL, "\"%s\" isn't in: %s", part, moru_last_error());
    ck_assert_msg(strncmp(moru_last_error(), "here", 4) == 0, "no place in: %s", moru_last_error());
}

START_TEST(test_names)
{
    static const char *const names[] = {"BigThing", "big_thing", "bigthing", "BIG_THING", "Custom>BigThing",
                                        " big_thing ", "big_thing()", "big_thing( )"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_parses(names[i]);
        ck_assert_ptr_eq(found, &thing);
        ck_assert_int_eq(options->count, 3);
        ck_assert_str_eq(options->text, "plain");
    }
    assert_parses("plain");
    ck_assert_ptr_eq(found, &plain);
    assert_parses("PLAIN");
    ck_assert_ptr_eq(found, &upper);
}
END_TEST

START_TEST(test_arguments)
{
    assert_parses("big_thing(0.25, 7, flag=true, text='a, (b)', inner=plain(1, [2]), pair=[4,5], sides=2, "
                  "shape=[null, 3])");
    ck_assert(options->rate == 0.25 && options->count == 7 && options->flag);
    ck_assert_str_eq(options->text, "a, (b)");
    ck_assert_str_eq(options->inner, "plain(1, [2])");
    ck_assert(options->pair[0] == 4 && options->pair[1] == 5);
    ck_assert(options->sides[0] == 2 && options->sides[3] == 2);
    ck_assert(options->shape.rank == 2 && options->shape.dims[0] == -1 && options->shape.dims[1] == 3);
    assert_parses("big_thing(1e-4, -2, False, none)");
    ck_assert(options->rate == 1e-4 && options->count == -2 && !options->flag && options->text == NULL);
    assert_parses("big_thing( rate = 2 , seed=9)");
    ck_assert(options->rate == 2.0);
    assert_parses("big_thing(None)");
    ck_assert(isnan(options->rate));
    assert_parses("big_thing(inner={\"class_name\": \"plain\"})");
    ck_assert_str_eq(options->inner, "{\"class_name\": \"plain\"}");
    assert_parses("big_thing(old_rate=0.125)");
    ck_assert(options->rate == 0.125);
}
END_TEST

START_TEST(test_bad_specs)
{
    assert_fails(NULL, MORU_ERR_ARGUMENT, "missing");
    assert_fails("", MORU_ERR_ARGUMENT, "missing");
    assert_fails("  ", MORU_ERR_ARGUMENT, "missing");
    assert_fails("nothing", MORU_ERR_UNSUPPORTED, "\"nothing\"; known: big_thing, plain");
    assert_fails("big_thing 3", MORU_ERR_ARGUMENT, "neither a name");
    assert_fails("(3)", MORU_ERR_ARGUMENT, "neither a name");
    assert_fails("big_thing(3", MORU_ERR_ARGUMENT, "isn't closed");
    assert_fails("big_thing(", MORU_ERR_ARGUMENT, "isn't closed");
    assert_fails("big_thing(text='a)", MORU_ERR_ARGUMENT, "isn't closed");
    assert_fails("big_thing(]", MORU_ERR_ARGUMENT, "isn't closed");
    assert_fails("big_thing(3) more", MORU_ERR_ARGUMENT, "follows");
    assert_fails("big_thing(,)", MORU_ERR_ARGUMENT, "not a value");
    assert_fails("big_thing(1 2)", MORU_ERR_ARGUMENT, "\"1 2\" is not a value for rate");
    assert_fails("big_thing(1.2.3)", MORU_ERR_ARGUMENT, "not a value for rate");
    assert_fails("big_thing(0x10)", MORU_ERR_ARGUMENT, "not a value for rate");
    assert_fails("big_thing(rate=1, 2)", MORU_ERR_ARGUMENT, "without a name");
    assert_fails("big_thing(rate=1, rate=2)", MORU_ERR_ARGUMENT, "twice");
    assert_fails("big_thing(1, rate=2)", MORU_ERR_ARGUMENT, "twice");
    assert_fails("big_thing(wrong=1)", MORU_ERR_ARGUMENT, "no argument \"wrong\"");
    assert_fails("big_thing(1,2,true,a,b,[1,1],1,[1],9)", MORU_ERR_ARGUMENT, "too many arguments");
    assert_fails("plain(1)", MORU_ERR_ARGUMENT, "too many arguments");
    assert_fails("big_thing(count=2.5)", MORU_ERR_FORMAT, "count must be an integer, not 2.5");
    assert_fails("big_thing(count=x)", MORU_ERR_FORMAT, "count must be an integer");
    assert_fails("big_thing(flag=maybe)", MORU_ERR_FORMAT, "true or false");
    assert_fails("big_thing(pair=[1,2,3])", MORU_ERR_FORMAT, "2 integers");
    assert_fails("big_thing(pair=[])", MORU_ERR_FORMAT, "2 integers");
    assert_fails("big_thing(shape=[1,2,3,4,5,6,7,8,9])", MORU_ERR_FORMAT, "at most 8");
    assert_fails("big_thing(shape=[\"a\"])", MORU_ERR_FORMAT, "sizes");
    assert_fails("{", MORU_ERR_FORMAT, "bad JSON");
    assert_fails("{}", MORU_ERR_FORMAT, "class_name");
    assert_fails("{\"class_name\": \"Other\"}", MORU_ERR_UNSUPPORTED, "Other");
    assert_fails("{\"class_name\": \"BigThing\", \"config\": []}", MORU_ERR_FORMAT, "JSON object");
    assert_fails("{\"class_name\": \"BigThing\", \"config\": {\"new_option\": 1}}", MORU_ERR_UNSUPPORTED, "new_option");
    assert_fails("{\"class_name\": \"BigThing\", \"config\": {\"dtype\": \"float16\"}}", MORU_ERR_UNSUPPORTED, "dtype");
}
END_TEST

START_TEST(test_json_specs)
{
    assert_parses("{\"module\": \"keras.things\", \"class_name\": \"BigThing\", \"config\": {\"name\": \"x\","
                  "\"trainable\": true,"
                  "\"dtype\": {\"class_name\": \"DTypePolicy\", \"config\": {\"name\": \"float32\"}},"
                  "\"rate\": 1, \"count\": [4], \"sides\": [[1, 2], [3, 4]], \"inner\": {\"class_name\": \"plain\"},"
                  "\"future\": null, \"renorm\": false},"
                  "\"registered_name\": null}");
    ck_assert_ptr_eq(found, &thing);
    ck_assert(options->rate == 1.0 && options->count == 4);
    ck_assert(options->sides[0] == 1 && options->sides[1] == 2 && options->sides[2] == 3 && options->sides[3] == 4);
    ck_assert_str_eq(options->inner, "{\"class_name\":\"plain\"}");
    assert_parses("{\"class_name\": \"BigThing\", \"config\": {\"sides\": [2, 5], \"pair\": 3, \"count\": 6.0}}");
    ck_assert(options->sides[0] == 2 && options->sides[1] == 2 && options->sides[2] == 5 && options->sides[3] == 5);
    ck_assert(options->pair[0] == 3 && options->pair[1] == 3 && options->count == 6);
    assert_parses("{\"module\": \"builtins\", \"class_name\": \"function\", \"config\": \"plain\"}");
    ck_assert_ptr_eq(found, &plain);
}
END_TEST

START_TEST(test_write_and_read_again)
{
    assert_parses("big_thing(0.1, 7, true, \"\xc3\xa4\", plain, [4,5], [1,2,3,4], [null, 3])");
    json_t *json = moru_class_to_json(&thing, options);
    char *text = json_dumps(json, JSON_COMPACT);
    ck_assert_ptr_nonnull(strstr(text, "\"class_name\":\"BigThing\""));
    ck_assert_ptr_nonnull(strstr(text, "\"sides\":[[1,2],[3,4]]"));
    ck_assert_ptr_null(strstr(text, "old_rate"));
    ck_assert_ptr_null(strstr(text, "seed"));
    thing_options first = *options;
    assert_parses(text);
    ck_assert(options->rate == first.rate && options->count == 7 && options->flag);
    ck_assert_str_eq(options->text, first.text);
    ck_assert_str_eq(options->inner, "plain");
    ck_assert(moru_shape_equal(&options->shape, &first.shape));
    ck_assert(memcmp(options->sides, first.sides, sizeof first.sides) == 0);
    free(text);
    json_decref(json);
    thing_options bad = defaults;
    bad.inner = "plain(1)";
    ck_assert_ptr_null(moru_fields_write(fields, N_FIELDS, &bad));
    ck_assert_ptr_nonnull(strstr(moru_last_error(), "inner"));
}
END_TEST

START_TEST(test_unknown_members_are_listed)
{
    thing_options o = defaults;
    json_t *unknown = json_array(), *config = json_pack("{s:i,s:b,s:n,s:s}", "a", 1, "b", 0, "c", "dtype", "bfloat16");
    ck_assert_int_eq(moru_fields_read(&arena, fields, N_FIELDS, config, &o, "here", unknown), MORU_OK);
    ck_assert_uint_eq(json_array_size(unknown), 2);
    ck_assert_str_eq(json_string_value(json_array_get(unknown, 0)), "a");
    ck_assert_str_eq(json_string_value(json_array_get(unknown, 1)), "dtype");
    json_decref(unknown);
    json_decref(config);
}
END_TEST

/* A learning rate is a number or a schedule: two rows of one name. */
START_TEST(test_two_rows_of_one_name)
{
    typedef struct two { double rate; const char *schedule; } two;
    static const moru_field rows[] = {MORU_FIELD(two, rate, MORU_FIELD_REAL),
                                      MORU_FIELD_NAMED(two, schedule, MORU_FIELD_SPEC, "rate")};
    two o = {0};
    json_t *number = json_pack("{s:f}", "rate", 0.5), *object = json_pack("{s:{s:s}}", "rate", "class_name", "plain");
    ck_assert_int_eq(moru_fields_read(&arena, rows, 2, number, &o, "here", NULL), MORU_OK);
    ck_assert(o.rate == 0.5 && o.schedule == NULL);
    json_t *written = moru_fields_write(rows, 2, &o);
    ck_assert(json_number_value(json_object_get(written, "rate")) == 0.5);
    json_decref(written);
    ck_assert_int_eq(moru_fields_read(&arena, rows, 2, object, &o, "here", NULL), MORU_OK);
    ck_assert_str_eq(o.schedule, "{\"class_name\":\"plain\"}");
    written = moru_fields_write(rows, 2, &o);
    ck_assert(json_is_object(json_object_get(written, "rate")));
    json_decref(written);
    json_decref(number);
    json_decref(object);
}
END_TEST

START_TEST(test_normal_form)
{
    const char *normal;
    ck_assert_int_eq(moru_spec_normalize(&arena, NULL, classes, 3, "here", &normal), MORU_OK);
    ck_assert_ptr_null(normal);
    ck_assert_int_eq(moru_spec_normalize(&arena, "BIG_thing", classes, 3, "here", &normal), MORU_OK);
    ck_assert_str_eq(normal, "big_thing");
    ck_assert_int_eq(moru_spec_normalize(&arena, "plain()", classes, 3, "here", &normal), MORU_OK);
    ck_assert_str_eq(normal, "plain");
    ck_assert_int_eq(moru_spec_normalize(&arena, "big_thing(0.75)", classes, 3, "here", &normal), MORU_OK);
    assert_parses(normal);
    ck_assert(options->rate == 0.75);
    ck_assert_int_eq(moru_spec_normalize(&arena, "other", classes, 3, "here", &normal), MORU_ERR_UNSUPPORTED);
}
END_TEST

START_TEST(test_snake)
{
    static const char *const pairs[][2] = {
        {"Dense", "dense"}, {"Conv2D", "conv2d"}, {"Conv2DTranspose", "conv2d_transpose"},
        {"DepthwiseConv2D", "depthwise_conv2d"}, {"SeparableConv2D", "separable_conv2d"},
        {"MaxPooling2D", "max_pooling2d"},
        {"UpSampling2D", "up_sampling2d"}, {"LSTM", "lstm"}, {"GRU", "gru"}, {"SimpleRNN", "simple_rnn"},
        {"ReLU", "re_lu"},
        {"LeakyReLU", "leaky_re_lu"}, {"PReLU", "p_re_lu"}, {"ELU", "elu"}, {"RMSNormalization", "rms_normalization"},
        {"GlobalAveragePooling2D", "global_average_pooling2d"}, {"SpatialDropout2D", "spatial_dropout2d"},
        {"InputLayer", "input_layer"}, {"TimeDistributed", "time_distributed"},
        {"MultiHeadAttention", "multi_head_attention"}, {"BatchNormalization", "batch_normalization"},
        {"A-b c", "abc"}};
    char text[64];
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        moru_snake(pairs[i][0], text, sizeof text);
        ck_assert_str_eq(text, pairs[i][1]);
    }
    char small[4];
    moru_snake("LongClassName", small, sizeof small);
    ck_assert_uint_lt(strlen(small), sizeof small);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config");
    TCase *tests = tcase_create("specs");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_names);
    tcase_add_test(tests, test_arguments);
    tcase_add_test(tests, test_bad_specs);
    tcase_add_test(tests, test_json_specs);
    tcase_add_test(tests, test_write_and_read_again);
    tcase_add_test(tests, test_unknown_members_are_listed);
    tcase_add_test(tests, test_two_rows_of_one_name);
    tcase_add_test(tests, test_normal_form);
    tcase_add_test(tests, test_snake);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
