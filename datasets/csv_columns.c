/* Columns of a table: what kind they are, missing cells, standardising, the different words. */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/status.h"
#include "datasets/csv_table.h"

typedef enum content { MISSING, NUMBER, ODD, WORD } content; /* ODD: NaN, infinity, too large for a float */

static content content_of(const char *text, double *value)
{
    *value = NAN;
    if (!*text || strcmp(text, "NA") == 0 || strcmp(text, "?") == 0)
        return MISSING;
    const char *name = text + (*text == '+' || *text == '-');
    if (strcasecmp(name, "nan") == 0 || strcasecmp(name, "inf") == 0 || strcasecmp(name, "infinity") == 0)
        return ODD;
    if (text[strspn(text, "+-.0123456789eE")]) /* strtod would take hexadecimal, too */
        return WORD;
    char *end;
    double number = strtod(text, &end);
    if (end == text || *end)
        return WORD;
    if (fabs(number) > FLT_MAX)
        return ODD;
    *value = number;
    return NUMBER;
}

static moru_status no_memory(const moru_csv_column *c, const char *path)
{
    char shown[MORU_CSV_SHOWN];
    return moru_fail(MORU_ERR_MEMORY, "%s: no memory for column \"%s\"", path, moru_csv_show(c->name, shown));
}

static moru_status not_a_number(const moru_csv_column *c, const char *path, const char *text, int64_t line, bool odd)
{
    char name[MORU_CSV_SHOWN], shown[MORU_CSV_SHOWN];
    return moru_fail(MORU_ERR_FORMAT, "%s:%" PRId64 ": column \"%s\": \"%s\" isn't a %snumber", path, line,
                     moru_csv_show(c->name, name), moru_csv_show(text, shown), odd ? "finite " : "");
}

static bool make_room(moru_csv_column *c)
{
    if (c->n < c->capacity)
        return true;
    int64_t capacity = 2 * c->capacity + 16, bytes;
    const bool numbers = c->kind == MORU_CSV_NUMBERS;
    if (!moru_mul_ok(capacity, numbers ? (int64_t)sizeof *c->numbers : (int64_t)sizeof *c->codes, &bytes))
        return false;
    void *larger = realloc(numbers ? (void *)c->numbers : (void *)c->codes, (size_t)bytes);
    if (!larger)
        return false;
    if (numbers)
        c->numbers = larger;
    else
        c->codes = larger;
    c->capacity = capacity;
    return true;
}

/* ---- words ---- */

static uint32_t hash(const char *text) /* FNV-1a */
{
    uint32_t h = 2166136261u;
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 16777619u;
    return h;
}

/* Where text stands in the table of slots, or the free slot where it would. */
static int32_t slot_of(const moru_csv_column *c, const char *text)
{
    int32_t slot = (int32_t)(hash(text) & (uint32_t)(c->n_slots - 1));
    while (c->slots[slot] >= 0 && strcmp(c->words[c->slots[slot]], text) != 0)
        slot = (slot + 1) & (c->n_slots - 1);
    return slot;
}

static bool grow_words(moru_csv_column *c)
{
    int32_t capacity = c->words_capacity ? 2 * c->words_capacity : 8, n_slots = 2 * capacity;
    char **words = realloc(c->words, ((size_t)capacity + 1) * sizeof *words); /* one more for "?" */
    if (words)
        c->words = words;
    int32_t *slots = malloc((size_t)n_slots * sizeof *slots);
    if (!words || !slots) {
        free(slots);
        return false;
    }
    free(c->slots);
    c->slots = slots;
    c->n_slots = n_slots;
    c->words_capacity = capacity;
    memset(slots, -1, (size_t)n_slots * sizeof *slots);
    for (int32_t k = 0; k < c->n_words; k++)
        slots[slot_of(c, c->words[k])] = k;
    return true;
}

static moru_status add_word(moru_csv_column *c, const char *path, const moru_csv_cell *cell)
{
    if (c->n_words == c->words_capacity && !grow_words(c))
        return no_memory(c, path);
    int32_t slot = slot_of(c, cell->text);
    if (c->slots[slot] < 0) {
        char shown[MORU_CSV_SHOWN];
        if (c->n_words == MORU_CSV_TEXTS)
            return moru_fail(MORU_ERR_UNSUPPORTED, "%s:%" PRId64 ": column \"%s\" has more than %d different texts; "
                             "can it be ignored?", path, cell->line, moru_csv_show(c->name, shown), MORU_CSV_TEXTS);
        if (!(c->words[c->n_words] = strdup(cell->text)))
            return no_memory(c, path);
        c->slots[slot] = c->n_words++;
    }
    c->codes[c->n++] = c->slots[slot];
    return MORU_OK;
}

/* ---- cells ---- */

/* The first number: what came before was missing, or an error. */
static moru_status become_numbers(moru_csv_column *c, const char *path)
{
    if (c->odd_line)
        return not_a_number(c, path, c->words[0], c->odd_line, true);
    free(c->codes);
    c->codes = NULL;
    c->kind = MORU_CSV_NUMBERS;
    if (!(c->numbers = malloc((size_t)c->capacity * sizeof *c->numbers + 1)))
        return no_memory(c, path);
    for (int64_t i = 0; i < c->n; i++)
        c->numbers[i] = NAN;
    return MORU_OK;
}

moru_status moru_csv_column_add(moru_csv_column *c, const char *path, const moru_csv_cell *cell, bool target)
{
    double value;
    content found = content_of(cell->text, &value);
    if (c->kind == MORU_CSV_IGNORED)
        return MORU_OK;
    if (found == MISSING && target) {
        char shown[MORU_CSV_SHOWN];
        return moru_fail(MORU_ERR_FORMAT, "%s:%" PRId64 ": the target, column \"%s\", is missing", path, cell->line,
                         moru_csv_show(c->name, shown));
    }
    if (c->kind == MORU_CSV_UNDECIDED && found == NUMBER)
        MORU_TRY(become_numbers(c, path));
    else if (c->kind == MORU_CSV_UNDECIDED && found == WORD)
        c->kind = MORU_CSV_WORDS;
    if (!make_room(c))
        return no_memory(c, path);
    if (c->kind == MORU_CSV_NUMBERS) {
        if (found == WORD || found == ODD)
            return not_a_number(c, path, cell->text, cell->line, found == ODD);
        c->numbers[c->n++] = value;
        return MORU_OK;
    }
    if (found == MISSING) {
        c->codes[c->n++] = -1;
        return MORU_OK;
    }
    if (found == ODD && c->kind == MORU_CSV_UNDECIDED && !c->odd_line)
        c->odd_line = cell->line;
    return add_word(c, path, cell);
}

/* ---- after the last row ---- */

/* mean and standard deviation (the root of the mean square distance) of what isn't missing. */
static void moments(const moru_csv_column *c, double *mean, double *deviation)
{
    double sum = 0, squares = 0, least = INFINITY, most = -INFINITY;
    int64_t n = 0;
    for (int64_t i = 0; i < c->n; i++) {
        double x = c->numbers[i];
        if (isnan(x))
            continue;
        n++;
        sum += x;
        least = x < least ? x : least;
        most = x > most ? x : most;
    }
    *mean = n > 0 ? sum / (double)n : 0;
    for (int64_t i = 0; i < c->n; i++)
        if (!isnan(c->numbers[i]))
            squares += (c->numbers[i] - *mean) * (c->numbers[i] - *mean);
    /* Exactly 0 for a constant, whatever rounding made of its mean. */
    *deviation = least < most ? sqrt(squares / (double)n) : 0;
}

static moru_status finish_numbers(moru_csv_column *c, const char *path, bool standardise)
{
    double mean, deviation;
    moments(c, &mean, &deviation);
    if (!(c->values = malloc((size_t)c->n * sizeof *c->values + 1)))
        return no_memory(c, path);
    for (int64_t i = 0; i < c->n; i++) {
        double x = isnan(c->numbers[i]) ? mean : c->numbers[i];
        if (standardise)
            x = deviation > 0 ? (x - mean) / deviation : 0;
        c->values[i] = (moru_real)x;
    }
    free(c->numbers);
    c->numbers = NULL;
    return MORU_OK;
}

typedef struct ranked { char *word; int32_t code; } ranked;

static int by_word(const void *a, const void *b)
{
    return strcmp(((const ranked *)a)->word, ((const ranked *)b)->word);
}

static moru_status finish_words(moru_csv_column *c, const char *path)
{
    ranked *order = malloc((size_t)c->n_words * sizeof *order + 1);
    int32_t *rank = malloc((size_t)c->n_words * sizeof *rank + 1);
    char *missing = strdup("?");
    if (!order || !rank || !missing) {
        free(order);
        free(rank);
        free(missing);
        return no_memory(c, path);
    }
    for (int32_t k = 0; k < c->n_words; k++)
        order[k] = (ranked){c->words[k], k};
    qsort(order, (size_t)c->n_words, sizeof *order, by_word);
    for (int32_t k = 0; k < c->n_words; k++) {
        c->words[k] = order[k].word;
        rank[order[k].code] = k;
    }
    bool any_missing = false;
    for (int64_t i = 0; i < c->n; i++) {
        any_missing |= c->codes[i] < 0;
        c->codes[i] = c->codes[i] < 0 ? c->n_words : rank[c->codes[i]];
    }
    if (any_missing)
        c->words[c->n_words++] = missing;
    else
        free(missing);
    free(order);
    free(rank);
    free(c->slots);
    c->slots = NULL;
    return MORU_OK;
}

moru_status moru_csv_column_finish(moru_csv_column *c, const char *path, bool standardise)
{
    if (c->kind == MORU_CSV_UNDECIDED)
        MORU_TRY(become_numbers(c, path));
    if (c->kind == MORU_CSV_NUMBERS)
        return finish_numbers(c, path, standardise);
    return c->kind == MORU_CSV_WORDS ? finish_words(c, path) : MORU_OK;
}

void moru_csv_column_clear(moru_csv_column *c)
{
    for (int32_t k = 0; k < c->n_words; k++)
        free(c->words[k]);
    free(c->words);
    free(c->slots);
    free(c->numbers);
    free(c->codes);
    free(c->values);
    free(c->name);
}
