/* Data sources by name: SPEC is NAME, NAME:ARGUMENT or csv:FILE?OPTION=VALUE&... */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/status.h"
#include "datasets/dataset.h"

static const char *const clothes[10] = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                        "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"};
static const char *const digits[10] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};

static bool is_split(const char *text)
{
    return strcmp(text, "train") == 0 || strcmp(text, "test") == 0;
}

/* fashion-mnist[:train|:test]: under MORU_DATA, then where Debian's package puts it. */
static moru_status open_fashion(moru_dataset **dataset, const char *argument)
{
    static const char debian[] = "/usr/share/datasets/fashion-mnist";
    char directory[PATH_MAX] = "";
    const char *data = getenv("MORU_DATA"), *split = *argument ? argument : "train";
    if (!is_split(split))
        return moru_fail(MORU_ERR_ARGUMENT, "fashion-mnist: \"%s\" isn't train or test", split);
    if (data && *data && (size_t)snprintf(directory, sizeof directory, "%s/fashion-mnist", data) < sizeof directory
        && access(directory, F_OK) == 0)
        return moru_dataset_mnist(dataset, "fashion-mnist", directory, split, clothes);
    if (access(debian, F_OK) == 0)
        return moru_dataset_mnist(dataset, "fashion-mnist", debian, split, clothes);
    return moru_fail(MORU_ERR_IO, "fashion-mnist: it is neither in %s nor in %s; on Debian: apt-get install "
                     "dataset-fashion-mnist", *directory ? directory : "$MORU_DATA/fashion-mnist", debian);
}

/* mnist:DIR[:train|:test] */
static moru_status open_mnist(moru_dataset **dataset, const char *argument)
{
    char directory[PATH_MAX];
    const char *colon = strrchr(argument, ':'), *split = "train";
    size_t length = strlen(argument);
    if (colon && is_split(colon + 1)) {
        split = colon + 1;
        length = (size_t)(colon - argument);
    }
    if (length == 0 || length >= sizeof directory)
        return moru_fail(MORU_ERR_ARGUMENT, "mnist: it needs a directory, as in mnist:DIR");
    memcpy(directory, argument, length);
    directory[length] = '\0';
    return moru_dataset_mnist(dataset, "mnist", directory, split, digits);
}

/* ---- csv:FILE?options ---- */

static int hex(char c)
{
    static const char pairs[] = "00112233445566778899aAbBcCdDeEfF";
    const char *found = c ? strchr(pairs, c) : NULL;
    return found ? (int)(found - pairs) / 2 : -1;
}

/* %41 becomes A, in place. */
static void decode(char *text)
{
    char *to = text;
    for (; *text; text++)
        if (*text == '%' && hex(text[1]) >= 0 && hex(text[2]) >= 0) {
            *to++ = (char)(16 * hex(text[1]) + hex(text[2]));
            text += 2;
        } else {
            *to++ = *text;
        }
    *to = '\0';
}

static moru_status yes_or_no(const char *name, const char *value, bool *out)
{
    *out = strcmp(value, "yes") == 0;
    if (!*out && strcmp(value, "no") != 0)
        return moru_fail(MORU_ERR_ARGUMENT, "csv: %s=%s: yes or no is possible", name, value);
    return MORU_OK;
}

static moru_status csv_option(moru_csv_options *o, const char *name, const char *value)
{
    bool header = true;
    if (strcmp(name, "target") == 0)
        o->target = value;
    else if (strcmp(name, "ignore") == 0)
        o->ignore = value;
    else if (strcmp(name, "numeric") == 0)
        o->numeric = value;
    else if (strcmp(name, "raw") == 0)
        return yes_or_no(name, value, &o->raw);
    else if (strcmp(name, "header") == 0) {
        MORU_TRY(yes_or_no(name, value, &header));
        o->no_header = !header;
    } else if (strcmp(name, "sep") == 0) {
        bool tab = strcmp(value, "\\t") == 0 || strcmp(value, "tab") == 0;
        if (!tab && strlen(value) != 1)
            return moru_fail(MORU_ERR_ARGUMENT, "csv: sep=%s: a separator is one character (or tab)", value);
        o->separator = tab ? '\t' : value[0];
    } else {
        return moru_fail(MORU_ERR_ARGUMENT, "csv: no option \"%s\"; there are target, sep, header, raw, ignore and "
                         "numeric", name);
    }
    return MORU_OK;
}

static moru_status open_csv(moru_dataset **dataset, const char *argument)
{
    moru_csv_options options = {0};
    char *text = strdup(argument), *question, *save = NULL;
    if (!text)
        return moru_fail(MORU_ERR_MEMORY, "csv: no memory");
    moru_status status = MORU_OK;
    if ((question = strrchr(text, '?'))) {
        *question = '\0';
        for (char *rest = question + 1, *pair; status == MORU_OK && (pair = strtok_r(rest, "&", &save)); rest = NULL) {
            char *equals = strchr(pair, '=');
            if (!equals) {
                status = moru_fail(MORU_ERR_ARGUMENT, "csv: option \"%s\" has no value", pair);
                break;
            }
            *equals = '\0';
            decode(pair);
            decode(equals + 1);
            status = csv_option(&options, pair, equals + 1);
        }
    }
    if (status == MORU_OK && !*text)
        status = moru_fail(MORU_ERR_ARGUMENT, "csv: it needs a file, as in csv:FILE?target=COLUMN");
    if (status == MORU_OK)
        status = moru_dataset_csv(dataset, text, &options);
    free(text);
    return status;
}

static moru_status open_h5(moru_dataset **dataset, const char *argument)
{
    if (!*argument)
        return moru_fail(MORU_ERR_ARGUMENT, "h5: it needs a file, as in h5:FILE");
    return moru_dataset_h5(dataset, argument);
}

static moru_status open_npz(moru_dataset **dataset, const char *argument)
{
    if (!*argument)
        return moru_fail(MORU_ERR_ARGUMENT, "npz: it needs a file, as in npz:FILE");
    return moru_dataset_npz(dataset, argument);
}

/* ---- all of them ---- */

static moru_status unknown(const char *spec, size_t length)
{
    static const char *const formats[] = {"cifar10", "images", "text", "wav"};
    char names[256] = "";
    moru_status status = MORU_ERR_ARGUMENT;
    for (size_t k = 0; k < sizeof formats / sizeof *formats; k++)
        if (strlen(formats[k]) == length && memcmp(formats[k], spec, length) == 0)
            status = MORU_ERR_UNSUPPORTED;
    for (int k = 0; moru_dataset_builtin_name(k); k++) {
        strncat(names, ", ", sizeof names - strlen(names) - 1);
        strncat(names, moru_dataset_builtin_name(k), sizeof names - strlen(names) - 1);
    }
    return moru_fail(status, "%s data source \"%.*s\"; there are fashion-mnist[:test], mnist:DIR[:test], "
                     "csv:FILE?target=COLUMN&sep=;, h5:FILE, npz:FILE%s",
                     status == MORU_ERR_UNSUPPORTED ? "this version has no" : "there is no", (int)length, spec, names);
}

moru_status moru_dataset_open(moru_dataset **dataset, const char *spec)
{
    static const struct source { const char *name; moru_status (*open)(moru_dataset **dataset, const char *argument); }
        sources[] = {{"fashion-mnist", open_fashion}, {"mnist", open_mnist}, {"csv", open_csv}, {"h5", open_h5}, {"npz", open_npz}};
    if (!dataset || !spec)
        return moru_fail(MORU_ERR_ARGUMENT, "data set: an argument is NULL");
    const char *colon = strchr(spec, ':');
    size_t length = colon ? (size_t)(colon - spec) : strlen(spec);
    *dataset = NULL;
    for (size_t k = 0; k < sizeof sources / sizeof *sources; k++)
        if (strlen(sources[k].name) == length && strncmp(sources[k].name, spec, length) == 0)
            return sources[k].open(dataset, colon ? colon + 1 : "");
    for (int k = 0; !colon && moru_dataset_builtin_name(k); k++)
        if (strcmp(moru_dataset_builtin_name(k), spec) == 0)
            return moru_dataset_builtin(dataset, spec);
    return unknown(spec, length);
}
