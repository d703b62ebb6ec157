/* Arrays in files: NumPy's .npy and .npz, .safetensors in all types. */
#include "formats/archive.h"
#include "formats/bundle.h"
#include "tests/format_test.h"

static void put(const char *path, const void *bytes, size_t n)
{
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, n, file), n);
    fclose(file);
}

/* A .npy of version 1. */
static size_t npy(uint8_t *to, const char *header, const void *data, size_t n)
{
    size_t length = strlen(header);
    memcpy(to, "\223NUMPY\1\0", 8);
    to[8] = (uint8_t)length;
    to[9] = (uint8_t)(length >> 8);
    memcpy(to + 10, header, length);
    memcpy(to + 10 + length, data, n);
    return 10 + length + n;
}

static void put_npy(const char *path, const char *header, const void *data, size_t n)
{
    static uint8_t bytes[4096];
    put(path, bytes, npy(bytes, header, data, n));
}

#define HEADER(type, order, shape) "{'descr': '" type "', 'fortran_order': " order ", 'shape': " shape ", }\n"

START_TEST(test_npy_types)
{
    static const struct { const char *header; uint8_t data[16]; size_t n; double first, second; bool real; } cases[] = {
        {HEADER("<f4", "False", "(2,)"), {0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0}, 8, 1, -2, true},
        {HEADER(">f4", "False", "(2,)"), {0x3f, 0x80, 0, 0, 0xc0, 0, 0, 0}, 8, 1, -2, true},
        {HEADER("<f8", "False", "(2,)"), {0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0xc0}, 16, 1, -2, true},
        {HEADER("<f2", "False", "(2,)"), {0, 0x3c, 1, 0}, 4, 1, 5.9604644775390625e-8, true},
        {HEADER("<i8", "False", "(2,)"), {5, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255}, 16, 5, -1, false},
        {HEADER("<i4", "False", "(2,)"), {5, 0, 0, 0, 255, 255, 255, 255}, 8, 5, -1, false},
        {HEADER("<i2", "False", "(2,)"), {5, 0, 255, 255}, 4, 5, -1, false},
        {HEADER("<u2", "False", "(2,)"), {5, 0, 255, 255}, 4, 5, 65535, false},
        {HEADER("|i1", "False", "(2,)"), {5, 255}, 2, 5, -1, false},
        {HEADER("|u1", "False", "(2,)"), {5, 255}, 2, 5, 255, false},
        {HEADER("|b1", "False", "(2L,)"), {1, 0}, 2, 1, 0, false},
    };
    moru_tensor *t;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        put_npy(scratch("a.npy"), cases[k].header, cases[k].data, cases[k].n);
        OK(moru_h5_read(&t, scratch("a.npy"), "a", MORU_INT32));
        ck_assert_int_eq(moru_tensor_size(t), 2);
        ck_assert_int_eq(moru_tensor_dtype(t), cases[k].real ? MORU_REAL : MORU_INT32);
        moru_tensor_free(t);
        OK(moru_h5_read(&t, scratch("a.npy"), "x", MORU_REAL));
        ck_assert_double_eq(((moru_real *)moru_tensor_data(t))[0], cases[k].first);
        ck_assert_double_eq(((moru_real *)moru_tensor_data(t))[1], cases[k].second);
        moru_tensor_free(t);
    }
    put_npy(scratch("a.npy"), HEADER("|u1", "True", "(2, 3)"), "\1\2\3\4\5\6", 6);
    OK(moru_h5_read(&t, scratch("a.npy"), "a", MORU_INT32));
    ck_assert_mem_eq(moru_tensor_data(t), ((int32_t[]){1, 3, 5, 2, 4, 6}), 24);
    moru_tensor_free(t);
    clean_scratch();
}
END_TEST

START_TEST(test_npy_refusals)
{
    static const struct { const char *header; size_t n; moru_status status; const char *text; } cases[] = {
        {HEADER("<U3", "False", "(1,)"), 12, MORU_ERR_UNSUPPORTED, "dtype '<U3'"},
        {HEADER("|O", "False", "(1,)"), 8, MORU_ERR_UNSUPPORTED, "dtype '|O'"},
        {HEADER("<c8", "False", "(1,)"), 8, MORU_ERR_UNSUPPORTED, "dtype '<c8'"},
        {HEADER("<f4", "False", "(3,)"), 8, MORU_ERR_FORMAT, "a shape that its data don't fit"},
        {HEADER("<f4", "False", "(4611686018427387904, 4)"), 8, MORU_ERR_FORMAT, "overflow"},
        {HEADER("<f4", "False", "(-1,)"), 8, MORU_ERR_FORMAT, "damaged shape"},
        {HEADER("<f4", "Maybe", "(2,)"), 8, MORU_ERR_FORMAT, "damaged header"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", 8, MORU_ERR_UNSUPPORTED, "dtype [('a'"},
        {"nothing", 8, MORU_ERR_FORMAT, "damaged header"},
    };
    moru_tensor *t;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        put_npy(scratch("a.npy"), cases[k].header, "0123456789ab", cases[k].n);
        FAILS(moru_h5_read(&t, scratch("a.npy"), "a", MORU_REAL), cases[k].status, cases[k].text);
    }
    clean_scratch();
}
END_TEST

START_TEST(test_npz_round_trip)
{
    moru_tensor *a = random_tensor(1, MORU_SHAPE(3, 4)), *b = moru_tensor_new(MORU_INT32, MORU_SHAPE(2)), *t;
    moru_tensor *c = moru_tensor_new(MORU_REAL, MORU_SCALAR_SHAPE);
    moru_h5_item items[] = {{"x0", a}, {"x1", b}, {"loss", c}};
    ((int32_t *)moru_tensor_data(b))[1] = -7;
    OK(moru_h5_write(scratch("a.npz"), items, 3));
    OK(moru_h5_read(&t, scratch("a.npz"), "x0", MORU_REAL));
    assert_same_bits(t, a);
    moru_tensor_free(t);
    OK(moru_h5_read(&t, scratch("a.npz"), "x1", MORU_INT32));
    assert_same_bits(t, b);
    moru_tensor_free(t);
    OK(moru_h5_read(&t, scratch("a.npz"), "loss", MORU_INT32));
    assert_same_bits(t, c);
    moru_tensor_free(t);
    ck_assert(!moru_h5_has(scratch("a.npz"), "x"));
    FAILS(moru_h5_read(&t, scratch("a.npz"), "x", MORU_REAL), MORU_ERR_FORMAT, "\"x\" is missing");
    FAILS(moru_h5_write(scratch("a.npy"), items, 3), MORU_ERR_ARGUMENT, "holds one array");
    OK(moru_h5_write(scratch("a.npy"), items, 1));
    OK(moru_h5_read(&t, scratch("a.npy"), "x", MORU_REAL));
    assert_same_bits(t, a);
    moru_tensor_free(t), moru_tensor_free(a), moru_tensor_free(b), moru_tensor_free(c);
    clean_scratch();
}
END_TEST

/* ---- .safetensors ---- */

static void put_safetensors(const char *header, const void *data, size_t n)
{
    static uint8_t bytes[4096];
    size_t length = strlen(header);
    memset(bytes, 0, 8);
    bytes[0] = (uint8_t)length;
    bytes[1] = (uint8_t)(length >> 8);
    memcpy(bytes + 8, header, length);
    memcpy(bytes + 8 + length, data, n);
    put(scratch("s.safetensors"), bytes, 8 + length + n);
}

START_TEST(test_safetensors_types)
{
    static const struct { const char *type; uint8_t data[8]; int size; double value; } cases[] = {
        {"F64", {0, 0, 0, 0, 0, 0, 0xf8, 0xbf}, 8, -1.5}, {"F32", {0, 0, 0xc0, 0xbf}, 4, -1.5},
        {"F16", {0, 0xbe}, 2, -1.5}, {"BF16", {0xc0, 0xbf}, 2, -1.5}, {"F8_E4M3", {0xbc}, 1, -1.5},
        {"F8_E5M2", {0xbe}, 1, -1.5}, {"I64", {254, 255, 255, 255, 255, 255, 255, 255}, 8, -2},
        {"I32", {254, 255, 255, 255}, 4, -2}, {"I16", {254, 255}, 2, -2}, {"I8", {254}, 1, -2}, {"U8", {254}, 1, 254},
        {"U16", {254, 255}, 2, 65534}, {"U32", {254, 255, 0, 0}, 4, 65534}, {"U64", {3}, 8, 3}, {"BOOL", {1}, 1, 1},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        char header[200];
        moru_bundle *bundle;
        moru_real value;
        snprintf(header, sizeof header, "{\"a\":{\"dtype\":\"%s\",\"shape\":[],\"data_offsets\":[0,%d]},"
                 "\"none\":{\"dtype\":\"F32\",\"shape\":[0,3],\"data_offsets\":[%d,%d]}}   ", cases[k].type,
                 cases[k].size, cases[k].size, cases[k].size);
        put_safetensors(header, cases[k].data, (size_t)cases[k].size);
        OK(moru_bundle_open(&bundle, scratch("s.safetensors")));
        ck_assert_int_eq(bundle->n, 2);
        OK(moru_bundle_read(bundle, moru_bundle_find(bundle, "a"), MORU_REAL, &value));
        ck_assert_double_eq(value, cases[k].value);
        ck_assert_int_eq(moru_bundle_find(bundle, "none")->size, 0);
        moru_bundle_free(bundle);
    }
    clean_scratch();
}
END_TEST

START_TEST(test_safetensors_refusals)
{
#define ONE(rest) "{\"a\":{" rest "}}"
    static const struct { const char *header; moru_status status; const char *text; } cases[] = {
        {ONE("\"dtype\":\"F4\",\"shape\":[2],\"data_offsets\":[0,8]"), MORU_ERR_UNSUPPORTED, "\"a\": not supported: dtype F4"},
        {ONE("\"shape\":[2],\"data_offsets\":[0,8]"), MORU_ERR_FORMAT, "no dtype"},
        {ONE("\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]"), MORU_ERR_FORMAT, "don't fit its shape"},
        {ONE("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,9223372036854775807]"), MORU_ERR_FORMAT, "don't fit"},
        {ONE("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-8,0]"), MORU_ERR_FORMAT, "don't fit"},
        {ONE("\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]"), MORU_ERR_FORMAT, "damaged shape"},
        {ONE("\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,8]"), MORU_ERR_FORMAT, "overflow"},
        {ONE("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]"), MORU_ERR_FORMAT, "goes on after"},
        {ONE("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]"), MORU_ERR_FORMAT, "a hole before it"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],"
         "\"data_offsets\":[4,8]}}", MORU_ERR_FORMAT, "overlaps"},
        {"{\"a\":1, \"a\":2}", MORU_ERR_FORMAT, "duplicate"}, {"[]", MORU_ERR_FORMAT, "JSON object"},
        {"{", MORU_ERR_FORMAT, "not a .safetensors file"},
    };
    moru_bundle *bundle;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        put_safetensors(cases[k].header, "01234567", 8);
        FAILS(moru_bundle_open(&bundle, scratch("s.safetensors")), cases[k].status, cases[k].text);
        ck_assert_ptr_null(bundle);
    }
    clean_scratch();
}
END_TEST

/* ---- damage ---- */

static void read_everything(const char *path)
{
    moru_bundle *bundle;
    if (moru_bundle_open(&bundle, path) != MORU_OK)
        return;
    for (int64_t k = 0; k < bundle->n; k++) {
        moru_real *data = malloc((size_t)bundle->items[k].size * sizeof *data + 1);
        if (data)
            (void)moru_bundle_read(bundle, &bundle->items[k], MORU_REAL, data);
        free(data);
    }
    moru_bundle_free(bundle);
}

static void damage(const char *path)
{
    void *bytes;
    int64_t size;
    OK(moru_file_read(path, 1 << 20, &bytes, &size));
    uint8_t *copy = malloc((size_t)size + 1);
    for (uint64_t seed = 0; seed < 3000; seed++) {
        moru_random r = {seed, 3, 0};
        memcpy(copy, bytes, (size_t)size);
        for (int64_t flips = 1 + moru_random_below(&r, 5); flips > 0; flips--)
            copy[moru_random_below(&r, size)] = seed % 2 ? (uint8_t)"0123456789,'()[]{}:<>"[moru_random_below(&r, 21)]
                                                         : (uint8_t)moru_random_bits(&r);
        put(path, copy, seed % 7 ? (size_t)size : (size_t)moru_random_below(&r, size));
        read_everything(path);
    }
    free(copy);
    free(bytes);
}

START_TEST(test_damaged_arrays)
{
    moru_tensor *a = random_tensor(1, MORU_SHAPE(3, 4)), *b = random_tensor(2, MORU_SHAPE(2));
    moru_h5_item items[] = {{"x0", a}, {"x1", b}};
    const moru_named named[] = {{"a.weight", a}, {"a.bias", b}};
    OK(moru_h5_write(scratch("d.npz"), items, 2));
    damage(scratch("d.npz"));
    OK(moru_h5_write(scratch("d.npy"), items, 1));
    damage(scratch("d.npy"));
    OK(moru_safetensors_write(scratch("d.safetensors"), named, 2));
    damage(scratch("d.safetensors"));
    moru_tensor_free(a), moru_tensor_free(b);
    clean_scratch();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("arrays");
    TCase *tests = tcase_create("arrays");
    tcase_add_test(tests, test_npy_types);
    tcase_add_test(tests, test_npy_refusals);
    tcase_add_test(tests, test_npz_round_trip);
    tcase_add_test(tests, test_safetensors_types);
    tcase_add_test(tests, test_safetensors_refusals);
    tcase_add_test(tests, test_damaged_arrays);
    tcase_set_timeout(tests, 300);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
