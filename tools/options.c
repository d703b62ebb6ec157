/* The command line: one table of options, from which parsing and --help come. */
#include <errno.h>
#include <getopt.h>
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
    {"data", "SPEC", TEXT, AT(data), 0, "data: fashion-mnist[:test], mnist:DIR[:test], csv:FILE?target=COL&sep=;, h5:FILE, "
     "study-time, study-and-sleep, and, or, nand, xor"},
    {"validation", "SPEC|SHARE", TEXT, AT(validation), 0, "validation data, or the last share of the data (0.1)"},
    {"epochs", "N", INTEGER, AT(epochs), 0, "times to go through the data"},
    {"steps", "N", INTEGER, AT(steps), 1, "steps an epoch (default: all of the data)"},
    {"batch", "N", INTEGER, AT(batch), 1, "samples a step"},
    {"optimizer", "NAME", TEXT, AT(optimizer), 0, "adam, adamw, sgd, rmsprop, adagrad, or 'sgd(0.1, momentum=0.9)'"},
    {"lr", "X", NUMBER, AT(lr), 0, "learning rate; takes the place of the model's own schedule"},
    {"schedule", "SPEC", TEXT, AT(schedule), 0, "learning-rate schedule, as 'cosine_decay(0.1, decay_steps=1000)'"},
    {"loss", "NAME|JSON", TEXT, AT(loss), 0, "loss, by Keras's name or as a Keras object"},
    {"metric", "NAME", METRIC, 0, 0, "metric; may be given several times"},
    {"save", "FILE", TEXT, AT(save), 0, "write the trained model (.keras, or .weights.h5)"},
    {"checkpoint", "DIR", TEXT, AT(checkpoint), 0, "write the state of training after each epoch"},
    {"resume", NULL, FLAG, AT(resume), 0, "go on from the checkpoint, if there is one"},
    {"log", "DIR", TEXT, AT(log), 0, "write history.csv and the pictures there"},
    {"seed", "N", INTEGER, AT(seed), 0, "of weights, shuffling and dropout (default 0)"},
    {"threads", "N", INTEGER, AT(threads), 1, "threads (default: as OpenMP would choose)"},
    {"quiet", NULL, FLAG, AT(quiet), 0, "no progress"},
    {"input", "FILE.h5", TEXT, AT(input), 0, "inputs: data sets x, or x0 x1 ..., or the inputs' own names"},
    {"output", "OUT.h5", TEXT, AT(output), 0, "file to write"},
    {"training", NULL, FLAG, AT(training), 0, "run the model as in training: batch statistics; dropout stays off"},
    {"program", NULL, FLAG, AT(program), 0, "the compiled program instead of the graph"},
    {"mode", "train|infer", TEXT, AT(mode), 0, "what to time (default train)"},
    {"seconds", "S", NUMBER, AT(seconds), 0, "how long to measure (default 3)"},
    {"json", NULL, FLAG, AT(json), 0, "one JSON object"},
    {"profile", NULL, FLAG, AT(profile), 0, "time by node, the slowest first"},
    {"preview", "OUT.png", TEXT, AT(preview), 0, "a picture of the first samples"},
};
enum { ROWS = sizeof rows / sizeof *rows };

static const option_row *find(const char *name)
{
    for (int i = 0; i < ROWS; i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

static void print_help(const command *c)
{
    printf("moru %s%s%s%s\n\n%s\n", c->name, c->argument ? " " : "", c->argument ? c->argument : "",
           c->options[0] ? " [options]" : "", c->summary);
    if (c->options[0])
        printf("\nOptions\n");
    for (int i = 0; c->options[i]; i++) {
        const option_row *row = find(c->options[i]);
        char left[64];
        snprintf(left, sizeof left, "--%s%s%s", row->name, row->value ? " " : "", row->value ? row->value : "");
        printf("  %-24s %s\n", left, row->help);
    }
    if (c->details)
        printf("\n%s\n", c->details);
}

static int usage(const command *c, const char *option, const char *what)
{
    fprintf(stderr, "moru: --%s: %s (moru %s --help shows all)\n", option, what, c->name);
    return USAGE;
}

static int set(const command *c, const option_row *row, const char *text, settings *s)
{
    char *end, *field = (char *)s + row->offset;
    errno = 0;
    if (row->kind == FLAG) {
        *(bool *)field = true;
    } else if (row->kind == TEXT) {
        if (!*text)
            return usage(c, row->name, "its value is empty");
        *(const char **)field = text;
    } else if (row->kind == METRIC) {
        if (s->n_metrics == MORU_MAX_METRICS)
            return usage(c, row->name, "too many metrics");
        s->metrics[s->n_metrics++] = text;
    } else if (row->kind == INTEGER) {
        long long value = strtoll(text, &end, 10);
        if (errno || end == text || *end || value < row->least || value > INT32_MAX)
            return usage(c, row->name, "a whole number in its range is wanted");
        *(int64_t *)field = value;
    } else {
        double value = strtod(text, &end);
        if (errno || end == text || *end || !isfinite(value) || value < 0)
            return usage(c, row->name, "a number that isn't negative is wanted");
        *(double *)field = value;
    }
    return DONE;
}

/* getopt's table of the command's options; option k has value k + 1. */
static int fill(const command *c, struct option *table)
{
    int n = 0;
    for (; c->options[n]; n++)
        table[n] = (struct option){c->options[n], find(c->options[n])->value ? required_argument : no_argument, NULL, n + 1};
    table[n++] = (struct option){"help", no_argument, NULL, 1000};
    table[n] = (struct option){0};
    return n;
}

int options_parse(const command *c, int argc, char **argv, settings *s, bool *help)
{
    struct option table[ROWS + 2];
    fill(c, table);
    *s = (settings){.epochs = -1, .steps = -1, .batch = -1, .seed = 0, .threads = -1, .limit = -1, .lr = NAN, .seconds = NAN};
    opterr = 0;
    optind = 2;
    for (int code; (code = getopt_long(argc, argv, "h", table, NULL)) != -1;) {
        if (code == 1000 || code == 'h') {
            print_help(c);
            *help = true;
            return DONE;
        }
        if (code == '?') {
            const char *given = argv[optind - 1];
            fprintf(stderr, "moru: %s: moru %s has no such option, or it lacks its value (moru %s --help shows all)\n", given,
                    c->name, c->name);
            return USAGE;
        }
        int status = set(c, find(c->options[code - 1]), optarg, s);
        if (status != DONE)
            return status;
    }
    if (c->argument && optind < argc)
        s->model = argv[optind++];
    if (c->argument && !s->model) {
        fprintf(stderr, "moru: %s: %s is missing (moru %s --help)\n", c->name, c->argument, c->name);
        return USAGE;
    }
    if (optind < argc) {
        fprintf(stderr, "moru: %s: \"%s\" is one argument too many (moru %s --help)\n", c->name, argv[optind], c->name);
        return USAGE;
    }
    return DONE;
}
