/* CSV tables: what they become, and what is refused. */
#include <locale.h>

#include "dataset_test.h"

static moru_dataset *d;
static moru_dataset_info info;

static moru_status open_text_size(const char *text, size_t size, const moru_csv_options *options)
{
    moru_dataset_free(d);
    d = (void *)&info; /* a failure must make it NULL */
    moru_status status = moru_dataset_csv(&d, write_file("t.csv", text, size), options);
    if (status == MORU_OK)
        moru_dataset_describe(d, &info);
    return status;
}

static moru_status open_text(const char *text, const moru_csv_options *options)
{
    return open_text_size(text, strlen(text), options);
}

static void check_row(int64_t row, int width, const double *want)
{
    moru_real x[64], y[2];
    ck_assert_int_eq(info.input_shapes[0].rank, 1);
    ck_assert_int_eq(info.input_shapes[0].dims[0], width);
    read_row(d, row, x, y);
    for (int k = 0; k < width; k++)
        ck_assert_msg(fabs((double)x[k] - want[k]) < 1e-6, "row %d, input %d (%s): %g, should be %g", (int)row, k,
                      info.input_names[k], (double)x[k], want[k]);
}
#define ROW(row, ...) check_row(row, (int)(sizeof((double[]){__VA_ARGS__}) / sizeof(double)), (double[]){__VA_ARGS__})

static double number_target(int64_t row)
{
    moru_real x[64], y;
    ck_assert_int_eq(info.target_dtypes[0], MORU_REAL);
    ck_assert_int_eq(info.target_shapes[0].rank, 1);
    read_row(d, row, x, &y);
    return (double)y;
}

static int class_target(int64_t row)
{
    moru_real x[64];
    int32_t y;
    ck_assert_int_eq(info.target_dtypes[0], MORU_INT32);
    ck_assert_int_eq(info.target_shapes[0].rank, 0);
    read_row(d, row, x, &y);
    return y;
}

static void done(void)
{
    moru_dataset_free(d);
    d = NULL;
}

START_TEST(test_numbers_and_words)
{
    OK(open_text("age,sex,score\n1,M,10\n3,F,20\n", NULL));
    ck_assert_int_eq(info.size, 2);
    ck_assert_int_eq(info.n_inputs, 1);
    ck_assert_int_eq(info.n_targets, 1);
    ck_assert_int_eq(info.n_classes, 0);
    ROW(0, -1, 0, 1);
    ROW(1, 1, 1, 0);
    ck_assert_str_eq(info.input_names[0], "age");
    ck_assert_str_eq(info.input_names[1], "sex=F");
    ck_assert_str_eq(info.input_names[2], "sex=M");
    ck_assert(number_target(0) == 10 && number_target(1) == 20);
    done();
}
END_TEST

START_TEST(test_standardised)
{
    OK(open_text("a,b,y\n2,0.1,1\n4,0.1,2\n4,0.1,3\n4,0.1,4\n5,0.1,5\n5,0.1,6\n7,0.1,7\n9,0.1,8\n", NULL));
    ROW(0, -1.5, 0); /* mean 5, deviation 2; a constant */
    ROW(6, 1, 0);
    ROW(7, 2, 0);
    OK(open_text("a,b,y\n2,0.1,1\n1e1,-.5,2\n", &(moru_csv_options){.raw = true}));
    ROW(0, 2, 0.1);
    ROW(1, 10, -0.5);
    done();
}
END_TEST

START_TEST(test_missing)
{
    OK(open_text("a,b,y\n1,x,1\n,?,2\nNA,x,3\n3,,4\n", &(moru_csv_options){.raw = true}));
    ROW(0, 1, 1, 0);
    ROW(1, 2, 0, 1);
    ROW(2, 2, 1, 0);
    ROW(3, 3, 0, 1);
    ck_assert_str_eq(info.input_names[1], "b=x");
    ck_assert_str_eq(info.input_names[2], "b=?");
    OK(open_text("a,b,y\n,1,1\n,3,2\n", NULL)); /* nothing but missing cells */
    ROW(0, 0, -1);
    OK(open_text("a,y\n,1\nNA,2\n7,3\n9,4\n", NULL)); /* missing ones first */
    ROW(0, 0);
    ROW(2, -1);
    OK(open_text("a,y\n,1\nNA,2\nseven,3\n9,4\n", NULL)); /* a number among texts is a text */
    ROW(0, 0, 0, 1);
    ROW(2, 0, 1, 0);
    ROW(3, 1, 0, 0);
    done();
}
END_TEST

START_TEST(test_syntax)
{
    static const char *const same[] = {
        "\"a\",b,y\n\"1\", two ,3\n4,five,6\n", "a,b,y\r\n1,two,3\r\n4,\"five\",6", "a,b,y\r1,two,3\r4,five,6\r",
        "\xef\xbb\xbf" "a,b,y\n\n1,two,3\n  \n\n4,five,6\n\n", "a , b , \"y\"\n 1 ,\" two\" ,3\n4,five,+6.0e0\n"};
    for (size_t k = 0; k < sizeof same / sizeof *same; k++) {
        OK(open_text(same[k], &(moru_csv_options){.raw = true}));
        ck_assert_int_eq(info.size, 2);
        ROW(0, 1, 0, 1);
        ROW(1, 4, 1, 0);
        ck_assert(number_target(0) == 3 && number_target(1) == 6);
        ck_assert_str_eq(info.input_names[1], "b=five");
    }
    OK(open_text("a;\"b;c\";y\n\"x;\"\"1\"\"\";\"two\nlines\";3\nz;\"\";4\n", &(moru_csv_options){.separator = ';'}));
    ck_assert_str_eq(info.input_names[0], "a=x;\"1\"");
    ck_assert_str_eq(info.input_names[2], "b;c=two\nlines");
    ck_assert_str_eq(info.input_names[3], "b;c=?");
    OK(open_text("1\t\t3\n4\t5\t6\n", &(moru_csv_options){.separator = '\t', .no_header = true, .raw = true}));
    ck_assert_str_eq(info.input_names[1], "2");
    ROW(0, 1, 5);
    ROW(1, 4, 5);
    done();
}
END_TEST

START_TEST(test_columns_chosen)
{
    const char *table = "id,a,b,c\n7,red,1,x\n8,blue,3,y\n9,red,5,x\n";
    OK(open_text(table, &(moru_csv_options){.target = "a", .ignore = "id,c"}));
    ck_assert_int_eq(info.n_classes, 2);
    ck_assert_str_eq(info.class_names[0], "blue");
    ck_assert_str_eq(info.class_names[1], "red");
    ck_assert(class_target(0) == 1 && class_target(1) == 0 && class_target(2) == 1);
    ROW(1, 0);
    OK(open_text(table, &(moru_csv_options){.ignore = "c"})); /* the last that isn't ignored is the target */
    ck_assert(number_target(2) == 5);
    OK(open_text(table, &(moru_csv_options){.numeric = "b", .target = "c"}));
    FAILS(d, open_text(table, &(moru_csv_options){.numeric = "b,c"}), MORU_ERR_FORMAT,
          "t.csv:2: column \"c\": \"x\" isn't a number");
    FAILS(d, open_text(table, &(moru_csv_options){.target = "z"}), MORU_ERR_ARGUMENT,
          "\"z\" isn't one of its columns id, a, b, c");
    FAILS(d, open_text(table, &(moru_csv_options){.ignore = "a,z"}), MORU_ERR_ARGUMENT,
          "ignore \"z\" isn't one of its");
    FAILS(d, open_text(table, &(moru_csv_options){.numeric = "z"}), MORU_ERR_ARGUMENT,
          "numeric \"z\" isn't one of its");
    FAILS(d, open_text(table, &(moru_csv_options){.target = "a", .ignore = "a"}), MORU_ERR_ARGUMENT,
          "can't be ignored");
    FAILS(d, open_text(table, &(moru_csv_options){.ignore = "id,a,b"}), MORU_ERR_FORMAT, "none is left as input");
    FAILS(d, open_text(table, &(moru_csv_options){.ignore = "id,a,b,c"}), MORU_ERR_FORMAT, "none is left as target");
    FAILS(d, open_text(table, &(moru_csv_options){.separator = ';'}), MORU_ERR_FORMAT, "is the separator \";\" right?");
    FAILS(d, open_text(table, &(moru_csv_options){.separator = '"'}), MORU_ERR_ARGUMENT, "can't separate");
}
END_TEST

START_TEST(test_refused)
{
    static const struct { const char *text, *message; } bad[] = {
        {"a,y\n1,1\nabc,2\n", "t.csv:3: column \"a\": \"abc\" isn't a number"},
        {"a,y\r\n1,1\r\n\r\n0x10,2\r\n", "t.csv:4: column \"a\": \"0x10\" isn't a number"},
        {"a,b,y\n\"two\nlines\",1,1\n\"and\r\nthree\nmore\",x,2\n", "t.csv:6: column \"b\": \"x\" isn't a number"},
        {"a,y\nnan,1\n", "t.csv:2: column \"a\": \"nan\" isn't a finite number"},
        {"a,y\n,1\n-Inf,2\n3,3\n", "t.csv:3: column \"a\": \"-Inf\" isn't a finite number"},
        {"a,y\n3,1\nNaN,2\n", "t.csv:3: column \"a\": \"NaN\" isn't a finite number"},
        {"a,y\n3,1\n1e39,2\n", "t.csv:3: column \"a\": \"1e39\" isn't a finite number"},
        {"a,y\n3,1\n4,inf\n", "t.csv:3: column \"y\": \"inf\" isn't a finite number"},
        {"a,y\n3,1\n4,\n", "t.csv:3: the target, column \"y\", is missing"},
        {"a,y\n3,x\n4,?\n", "t.csv:3: the target, column \"y\", is missing"},
        {"a,b,y\n1,2,3\n4,5\n", "t.csv:3: a row of 2 cells in a table of 3 columns"},
        {"a,b,y\n1,2,3,4\n", "t.csv:2: a row of 4 cells in a table of 3 columns"},
        {"a,b,a,y\n1,2,3,4\n", "t.csv:1: columns 1 and 3 are both named \"a\""},
        {"a,y\n1,2\n\"3,4\n5,6\n", "t.csv:3: the quotation mark before this cell has no end"},
        {"a,y\n1,2\n3,x\"y\n", "t.csv:3: a quotation mark within a cell"},
        {"a,y\n1,2\n\"3\"4,5\n", "t.csv:3: a quotation mark within a cell"},
        {"a,y\n1,2\n\x01\x02,5\n", "t.csv:3: a byte of value 1: this isn't a text file"},
        {"a,y\n", "no row follows the header"}, {"", "it is empty"}, {"\n\n \n", "it is empty"},
        {"\xef\xbb\xbf", "it is empty"}, {"a\n1\n", "none is left as input"}};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
        FAILS(d, open_text(bad[k].text, NULL), MORU_ERR_FORMAT, bad[k].message);
    FAILS(d, open_text_size("a,y\n1,\0", 7, NULL), MORU_ERR_FORMAT, "t.csv:2: a byte of value 0");
    FAILS(d, open_text("a,y\n1,1\n\"a long text, of\n several lines, that no message repeats like this\",2\n", NULL),
          MORU_ERR_FORMAT, "t.csv:3: column \"a\": \"a long text, of  several lines, ");
    FAILS(d, moru_dataset_csv(&d, in_folder("nothing.csv"), NULL), MORU_ERR_IO, "nothing.csv: No such file");
    FAILS(d, moru_dataset_csv(&d, folder, NULL), MORU_ERR_IO, "directory");
    ck_assert_int_eq(moru_dataset_csv(&d, NULL, NULL), MORU_ERR_ARGUMENT);
    ck_assert_int_eq(moru_dataset_csv(NULL, "x", NULL), MORU_ERR_ARGUMENT);
}
END_TEST

/* More rows, columns, different texts and longer cells than the first buffers hold; a cell that is too long. */
START_TEST(test_sizes)
{
    enum { ROWS = 20000, WIDE = 5000, LONG = 3 << 20 };
    size_t capacity = LONG, n = 0;
    char *text = malloc(capacity);
    ck_assert_ptr_nonnull(text);
    n += (size_t)sprintf(text, "a,b,y\n");
    for (int i = 0; i < ROWS; i++)
        n += (size_t)sprintf(text + n, "%d,word %d,%d\n", i, i % 300, i);
    OK(open_text_size(text, n, &(moru_csv_options){.raw = true}));
    ck_assert_int_eq(info.size, ROWS);
    ck_assert_int_eq(info.input_shapes[0].dims[0], 301);
    moru_real x[301], y;
    for (int64_t i = 0; i < ROWS; i += 997) {
        char name[32];
        snprintf(name, sizeof name, "b=word %d", (int)(i % 300));
        read_row(d, i, x, &y);
        ck_assert(x[0] == (moru_real)i && y == (moru_real)i);
        for (int k = 1; k < 301; k++)
            ck_assert(x[k] == (strcmp(info.input_names[k], name) == 0 ? 1 : 0));
    }
    n = 0;
    for (int row = 0; row < 3; row++)
        for (int c = 0; c < WIDE; c++)
            n += (size_t)sprintf(text + n, "%d%c", c + row, c + 1 < WIDE ? ',' : '\n');
    OK(open_text_size(text, n, NULL));
    ck_assert_int_eq(info.input_shapes[0].dims[0], WIDE - 1);
    memset(text, 'x', LONG);
    memcpy(text, "a,y\n", 4);
    FAILS(d, open_text_size(text, LONG, NULL), MORU_ERR_FORMAT, "t.csv:2: a cell of more than 1048576 bytes");
    memset(text, ',', LONG);
    FAILS(d, open_text_size(text, LONG, NULL), MORU_ERR_FORMAT, "t.csv:1: the row has more than 65536 cells");
    free(text);
}
END_TEST

START_TEST(test_locale)
{
    if (!setlocale(LC_NUMERIC, "de_DE.UTF-8"))
        printf("a locale with decimal commas: none of that name here, so its part is skipped\n");
    OK(open_text("a,y\n1.5,2.5\n2.5,3.5\n", &(moru_csv_options){.raw = true}));
    ROW(0, 1.5);
    ck_assert(number_target(1) == 3.5);
    setlocale(LC_NUMERIC, "C");
    done();
}
END_TEST

/* Damage never crashes: it is refused with a sentence, or still a table. */
START_TEST(test_random_damage)
{
    static const char good[] = "name;age;\"grade, last\";y\n"
                               "\"Kim, A.\";17;\"6\";yes\n\"Lee \"\"B\"\"\";NA;5.5;no\nPark;16;?;no\n";
    static const char likely[] = "\"\";;\n\r,\0?.e-\xff";
    uint32_t state = 2024;
    char text[sizeof good], x[4096], y[8];
    for (int round = 0; round < 3000; round++) {
        size_t size = sizeof good - 1;
        memcpy(text, good, sizeof good);
        for (uint32_t k = next_number(&state) % 4; k < 4; k++) {
            char c = next_number(&state) % 2 ? likely[next_number(&state) % sizeof likely] : (char)next_number(&state);
            text[next_number(&state) % size] = c;
        }
        if (next_number(&state) % 4 == 0)
            size = next_number(&state) % size;
        moru_csv_options options = {.separator = ';', .no_header = round % 5 == 0, .raw = round % 3 == 0};
        if (open_text_size(text, size, &options) != MORU_OK) {
            ck_assert_ptr_null(d);
            ck_assert(*moru_last_error() && !strchr(moru_last_error(), '\n'));
            continue;
        }
        ck_assert(info.size > 0 && info.input_shapes[0].dims[0] < 256);
        for (int64_t row = 0; row < info.size; row++)
            read_row(d, row, x, y);
    }
    done();
}
END_TEST

START_TEST(test_students)
{
    char path[1024];
    const char *shared = getenv("MORU_SHARED");
    snprintf(path, sizeof path, "%s/data/student/student-mat.csv", shared ? shared : "../shared");
    if (access(path, R_OK) != 0) {
        printf("the students' table: skipped, there is no %s\n", path);
        return;
    }
    OK(moru_dataset_csv(&d, path, &(moru_csv_options){.target = "G3", .separator = ';'}));
    moru_dataset_describe(d, &info);
    ck_assert_int_eq(info.size, 395);
    ck_assert_int_eq(info.input_shapes[0].dims[0], 58);
    ck_assert_str_eq(info.input_names[2], "sex=F");
    ck_assert(number_target(0) == 6 && number_target(394) == 9);
    double sum = 0, squares = 0;
    for (int64_t row = 0; row < 395; row++) {
        moru_real x[58], y;
        read_row(d, row, x, &y);
        sum += (double)x[4];
        squares += (double)x[4] * (double)x[4];
    }
    ck_assert(fabs(sum / 395) < 1e-5 && fabs(squares / 395 - 1) < 1e-5);
    done();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_numbers_and_words, test_standardised, test_missing, test_syntax,
                                  test_columns_chosen, test_refused, test_sizes, test_locale, test_random_damage,
                                  test_students};
    return run_cases("csv", tests, sizeof tests / sizeof *tests);
}
