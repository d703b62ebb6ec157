/* moru: train, run and look at neural networks. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include "tools/command.h"

static const command *const commands[] = {
    &command_list, &command_train, &command_evaluate, &command_predict, &command_gradients, &command_summary,
    &command_graph, &command_bench, &command_data,
};
enum { COMMANDS = sizeof commands / sizeof *commands };

int fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("moru: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return FAILED;
}

/* One line, whatever the sentence holds. */
int fail_last(void)
{
    fputs("moru: ", stderr);
    for (const char *c = moru_last_error(); *c; c++)
        fputc(*c == '\n' || *c == '\r' ? ' ' : *c, stderr);
    fputc('\n', stderr);
    return FAILED;
}

static void help(FILE *out)
{
    fprintf(out, "moru %s: train, run and look at neural networks\n\n", moru_version());
    for (int i = 0; i < COMMANDS; i++) {
        char left[64];
        snprintf(left, sizeof left, "moru %s%s%s", commands[i]->name, commands[i]->argument ? " " : "",
                 commands[i]->argument ? commands[i]->argument : "");
        fprintf(out, "  %-24s %s\n", left, commands[i]->summary);
    }
    fprintf(out, "\nmoru COMMAND --help shows a command's options. Try: moru train cnn\n");
}

/* What is written to standard output must get there: a full disk is a failure. */
static int finish(int status)
{
    if (fflush(stdout) != 0 || ferror(stdout))
        return fail("standard output: it can't be written");
    return status;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        help(stdout);
        return finish(DONE);
    }
    if (strcmp(name, "--version") == 0) {
        printf("moru %s\n", moru_version());
        return finish(DONE);
    }
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i]->name, name) == 0) {
            settings s;
            bool helped = false;
            int status = options_parse(commands[i], argc, argv, &s, &helped);
            if (status != DONE || helped)
                return finish(status);
#ifdef _OPENMP
            if (s.threads > 0)
                omp_set_num_threads((int)s.threads);
#endif
            return finish(commands[i]->run(&s));
        }
    if (*name)
        fprintf(stderr, "moru: \"%s\" isn't a command; there are", name);
    else
        fprintf(stderr, "moru: which command? There are");
    for (int i = 0; i < COMMANDS; i++)
        fprintf(stderr, "%s %s", i ? "," : "", commands[i]->name);
    fprintf(stderr, " (moru --help)\n");
    return USAGE;
}
