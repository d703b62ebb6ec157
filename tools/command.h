/* The moru command: what its subcommands share. Each is one file. */
#ifndef MORU_TOOLS_COMMAND_H
#define MORU_TOOLS_COMMAND_H

#include <stdio.h>
#include <moru.h>

/* Exit statuses. */
enum { DONE = 0, FAILED = 1, USAGE = 2 };

/* What the command line says, all subcommands together. Numbers that weren't given are -1 (lr, seconds: NAN). */
typedef struct settings {
    const char *model;          /* the argument: a zoo name or a file; a SPEC for data */
    const char *data, *validation, *optimizer, *schedule, *loss, *weights, *save, *checkpoint, *log;
    const char *input, *output, *mode, *preview, *architecture, *mapping;
    const char *metrics[MORU_MAX_METRICS];
    int n_metrics;
    int64_t epochs, steps, batch, seed, threads;
    double lr, seconds;
    bool resume, quiet, no_winograd, training, program, json, profile;
    bool by_name, partial, skip_mismatch, weights_only, uncompiled;
} settings;

typedef struct command {
    const char *name;
    const char *argument;       /* "MODEL" or "SPEC"; NULL: takes none */
    const char *second;         /* another argument after it, which is the output; NULL: none */
    const char *summary;        /* one line */
    const char *details;        /* of --help, after the options */
    const char *const *options; /* names of those it takes, ended by NULL; see tools/options.c */
    const char *const *needed;  /* those that must be given, ended by NULL; NULL: none */
    int (*run)(const settings *s);
} command;

extern const command command_list, command_train, command_evaluate, command_predict, command_gradients, command_summary,
    command_graph, command_convert, command_bench, command_data;

/* Parses argv[2..); DONE with *help if help was asked for and printed. */
int options_parse(const command *c, int argc, char **argv, settings *s, bool *help);

/* Prints "moru: WHERE: WHAT" in one line and returns USAGE. */
int usage(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Prints the library's last sentence and returns FAILED, or USAGE if its WHERE is an argument ("--data", "MODEL"). */
int fail_last(void);
/* Puts an argument in front of the library's last sentence, which becomes its WHERE, and returns status. */
moru_status in_argument(moru_status status, const char *argument);

#endif
