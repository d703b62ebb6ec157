/* The moru command: what its subcommands share. Each is one file. */
#ifndef MORU_TOOLS_COMMAND_H
#define MORU_TOOLS_COMMAND_H

#include <stdio.h>
#include <moru.h>

/* Exit statuses. */
enum { DONE = 0, FAILED = 1, USAGE = 2 };

/* What the command line says, all subcommands together. Numbers that weren't given are negative (lr: NAN). */
typedef struct settings {
    const char *model;          /* the argument: a zoo name or a file */
    const char *data, *validation, *optimizer, *schedule, *loss, *save, *checkpoint, *log, *input, *output, *mode, *preview;
    const char *metrics[MORU_MAX_METRICS];
    int n_metrics;
    int64_t epochs, steps, batch, seed, threads, limit;
    double lr, seconds;
    bool resume, quiet, training, program, json, profile;
} settings;

typedef struct command {
    const char *name;
    const char *argument;       /* "MODEL", or NULL: takes none */
    const char *summary;        /* one line */
    const char *details;        /* of --help, after the options */
    const char *const *options; /* names of those it takes, ended by NULL; see tools/options.c */
    int (*run)(const settings *s);
} command;

extern const command command_list, command_train, command_evaluate, command_predict, command_gradients, command_summary,
    command_graph, command_bench, command_data;

/* Parses argv[2..); DONE with *help if help was asked for and printed. */
int options_parse(const command *c, int argc, char **argv, settings *s, bool *help);

/* Prints "moru: SENTENCE" and returns FAILED. The first takes the library's last sentence. */
int fail_last(void);
int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
