/* The command line: one table of options, from which parsing and --help come. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "tools/command.h"

enum kind { TEXT, INTEGER, NUMBER, FLAG, METRIC };

typedef struct option_row {
    const char *name, *value;   /* value: what --help calls it; NULL: a flag */
    enum kind kind;
    size_t offset;
    int64_t least;              /* of INTEGER */
    const char *help;
} option_row;

#define AT(field) offsetof(settings, field)
static const option_row rows[] = {
    {"data", "SPEC", TEXT, AT(data), 0, "data; see below"},
    {"validation", "SPEC|SHARE", TEXT, AT(validation), 0, "data to validate on, or the last share of the data (0.1)"},
    {"epochs", "N", INTEGER, AT(epochs), 0, "times to go through the data"},
    {"steps", "N", INTEGER, AT(steps), 1, "steps an epoch (default: all of the data)"},
    {"batch", "N", INTEGER, AT(batch), 1, "samples a step"},
    {"optimizer", "NAME", TEXT, AT(optimizer), 0, "adam, adamw, sgd, rmsprop, adagrad, or 'sgd(0.1, momentum=0.9)'"},
    {"lr", "X", NUMBER, AT(lr), 0, "learning rate, instead of the model's rate or schedule"},
    {"schedule", "SPEC", TEXT, AT(schedule), 0, "of the learning rate, as 'cosine_decay(0.1, decay_steps=1000)'"},
    {"loss", "NAME|JSON", TEXT, AT(loss), 0, "loss, by Keras's name or as a Keras object"},
    {"metric", "NAME", METRIC, 0, 0, "metric; may be given several times"},
    {"weights", "FILE", TEXT, AT(weights), 0, "read the weights from a .keras, .h5, .weights.h5 or .safetensors file"},
    {"by-name", NULL, FLAG, AT(by_name), 0, "weights: find layers by their names; those on one side only are left alone"},
    {"partial", NULL, FLAG, AT(partial), 0, "weights: leave alone what the file or the model lacks"},
    {"skip-mismatch", NULL, FLAG, AT(skip_mismatch), 0, "weights: leave alone what has another shape"},
    {"mapping", "FILE.json", TEXT, AT(mapping), 0, "PyTorch's modules for layers: {\"layer\": \"module\", ...}"},
    {"model", "FILE", TEXT, AT(architecture), 0, "the model whose weights IN holds (.keras or .h5)"},
    {"weights-only", NULL, FLAG, AT(weights_only), 0, "write a .h5 of weights alone"},
    {"uncompiled", NULL, FLAG, AT(uncompiled), 0, "leave out optimizer and loss"},
    {"save", "FILE", TEXT, AT(save), 0, "write the trained model (.keras, .h5, .weights.h5 or .safetensors)"},
    {"checkpoint", "DIR", TEXT, AT(checkpoint), 0, "write the state of training there after each epoch"},
    {"resume", NULL, FLAG, AT(resume), 0, "go on from the checkpoint, if there is one"},
    {"log", "DIR", TEXT, AT(log), 0, "write history.csv and the pictures there"},
    {"seed", "N", INTEGER, AT(seed), 0, "of weights, shuffling and dropout (default 0)"},
    {"threads", "N", INTEGER, AT(threads), 1, "threads (default: as OpenMP would choose)"},
    {"no-winograd", NULL, FLAG, AT(no_winograd), 0, "compute all convolutions as plain sums: slower, less rounding"},
    {"quiet", NULL, FLAG, AT(quiet), 0, "no progress and no messages but failures"},
    {"input", "FILE.h5", TEXT, AT(input), 0, "data sets x, or x0 x1 ..., or the inputs' own names (or .npz, .npy)"},
    {"output", "OUT.h5", TEXT, AT(output), 0, "file to write (or .npz, .npy)"},
    {"training", NULL, FLAG, AT(training), 0, "as in a training step (with batch statistics)"},
    {"program", NULL, FLAG, AT(program), 0, "the compiled program instead of the graph"},
    {"mode", "train|infer", TEXT, AT(mode), 0, "what to time (default train)"},
    {"seconds", "S", NUMBER, AT(seconds), 0, "how long to measure (default 3)"},
    {"json", NULL, FLAG, AT(json), 0, "print one JSON object"},
    {"profile", NULL, FLAG, AT(profile), 0, "time, flops and bytes by call, the slowest first, and by op"},
    {"preview", "OUT.png", TEXT, AT(preview), 0, "write a picture of the first samples"},
};
enum { ROWS = sizeof rows / sizeof *rows, HELP = 1000 };

static const char specs[] =
    "SPEC: fashion-mnist[:train|:test], mnist:DIR[:train|:test], csv:FILE?target=COLUMN&sep=;, h5:FILE,\n"
    "npz:FILE, "
    "study-time, study-and-sleep, and, or, nand, xor";

static const option_row *find(const char *name)
{
    for (int i = 0; i < ROWS; i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

static bool takes(const command *c, const char *name)
{
    for (int i = 0; c->options[i]; i++)
        if (strcmp(c->options[i], name) == 0)
            return true;
    return false;
}

static void print_help(const command *c)
{
    printf("moru %s%s%s%s%s%s\n\n%s\n", c->name, c->argument ? " " : "", c->argument ? c->argument : "",
           c->second ? " " : "", c->second ? c->second : "", c->options[0] ? " [options]" : "", c->summary);
    if (c->options[0])
        printf("\nOptions\n");
    for (int i = 0; c->options[i]; i++) {
        const option_row *row = find(c->options[i]);
        int width = printf("  --%s%s%s", row->name, row->value ? " " : "", row->value ? row->value : "");
        printf("%*s%s\n", 26 - width, "", row->help);
    }
    if (takes(c, "data") || (c->argument && strcmp(c->argument, "SPEC") == 0))
        printf("\n%s\n", specs);
    if (c->details)
        printf("\n%s\n", c->details);
}

static int set(const option_row *row, const char *text, settings *s)
{
    char *end, *field = (char *)s + row->offset;
    errno = 0;
    if (row->kind == FLAG) {
        *(bool *)field = true;
    } else if (!*text) {
        return usage("--%s: its value is empty", row->name);
    } else if (row->kind == TEXT) {
        *(const char **)field = text;
    } else if (row->kind == METRIC) {
        if (s->n_metrics == MORU_MAX_METRICS)
            return usage("--%s: more than %d metrics", row->name, MORU_MAX_METRICS);
        s->metrics[s->n_metrics++] = text;
    } else if (row->kind == INTEGER) {
        long long value = strtoll(text, &end, 10);
        if (errno || *end || value < row->least || value > INT32_MAX)
            return usage("--%s: \"%s\" isn't a whole number from %" PRId64 " to %d", row->name, text, row->least,
                         INT32_MAX);
        *(int64_t *)field = value;
    } else {
        double value = strtod(text, &end);
        if (*end || !isfinite(value) || value < 0)
            return usage("--%s: \"%s\" isn't a number >= 0", row->name, text);
        *(double *)field = value;
    }
    return DONE;
}

/* getopt's table of the command's options; option k has value k + 1. */
static void fill(const command *c, struct option *table)
{
    int n = 0;
    for (; c->options[n]; n++) {
        bool has_value = find(c->options[n])->value != NULL;
        table[n] = (struct option){c->options[n], has_value ? required_argument : no_argument, NULL, n + 1};
    }
    table[n++] = (struct option){"help", no_argument, NULL, HELP};
    table[n] = (struct option){0};
}

/* What getopt refused: code ':' is a missing value, '?' an option that isn't there or a value where none belongs. */
static int refuse(const command *c, int code, const char *given)
{
    if (code == ':')
        return usage("%s: its value is missing (moru %s --help)", given, c->name);
    if (optopt > 0 && strchr(given, '='))
        return usage("%.*s: it takes no value", (int)strcspn(given, "="), given);
    return usage("%s: moru %s has no such option (moru %s --help shows all)", given, c->name, c->name);
}

static int check_needed(const command *c, const settings *s)
{
    if (c->argument && !s->model)
        return usage("%s: it is missing (moru %s --help)", c->argument, c->name);
    if (c->second && !s->output)
        return usage("%s: it is missing (moru %s --help)", c->second, c->name);
    for (int i = 0; c->needed && c->needed[i]; i++) {
        const option_row *row = find(c->needed[i]);
        if (!*(const char *const *)((const char *)s + row->offset))
            return usage("--%s: it is needed: --%s %s (moru %s --help)", row->name, row->name, row->value, c->name);
    }
    return DONE;
}

int options_parse(const command *c, int argc, char **argv, settings *s, bool *help)
{
    struct option table[ROWS + 2];
    fill(c, table);
    *s = (settings){.epochs = -1, .steps = -1, .batch = -1, .threads = -1, .lr = NAN, .seconds = NAN};
    optind = 2;
    for (int code; (code = getopt_long(argc, argv, ":h", table, NULL)) != -1;) {
        if (code == HELP || code == 'h') {
            print_help(c);
            *help = true;
            return DONE;
        }
        int status = code == '?' || code == ':' ? refuse(c, code, argv[optind - 1])
                                                : set(find(c->options[code - 1]), optarg, s);
        if (status != DONE)
            return status;
    }
    if (c->argument && optind < argc)
        s->model = argv[optind++];
    if (c->second && optind < argc)
        s->output = argv[optind++];
    if (optind < argc)
        return usage("%s: one argument too many (moru %s --help)", argv[optind], c->name);
    return check_needed(c, s);
}
