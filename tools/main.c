/* moru: train, run and look at neural networks. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include "tools/command.h"

static const command *const commands[] = {
    &command_list, &command_train, &command_evaluate, &command_predict, &command_gradients, &command_summary,
    &command_graph, &command_convert, &command_bench, &command_data,
};
enum { COMMANDS = sizeof commands / sizeof *commands };

/* One line, whatever the sentence holds: names of files and layers may have line ends in them. */
static void print_failure(const char *sentence)
{
    fputs("moru: ", stderr);
    for (const char *c = sentence; *c; c++)
        fputc((unsigned char)*c < ' ' ? ' ' : *c, stderr);
    fputc('\n', stderr);
}

int usage(const char *format, ...)
{
    char sentence[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    print_failure(sentence);
    return USAGE;
}

/* What the command line got wrong says so: its sentence begins with an argument's name. */
static bool is_about_argument(const char *sentence)
{
    return strncmp(sentence, "--", 2) == 0 || strncmp(sentence, "MODEL:", 6) == 0 || strncmp(sentence, "SPEC:", 5) == 0 ||
           strncmp(sentence, "OUT:", 4) == 0;
}

int fail_last(void)
{
    const char *sentence = moru_last_error();
    print_failure(*sentence ? sentence : "memory: there isn't enough");
    return is_about_argument(sentence) ? USAGE : FAILED;
}

moru_status in_argument(moru_status status, const char *argument)
{
    const char *sentence = moru_last_error(), *name = argument + strspn(argument, "-"), *colon = strstr(sentence, ": ");
    if (colon && strncmp(sentence, name, strlen(name)) == 0)
        sentence = colon + 2; /* "loss: ..." of --loss needn't say so twice */
    return moru_op_error(status, "%s: %s", argument, sentence);
}

static void help(void)
{
    printf("moru %s: train, run and look at neural networks\n\n", moru_version());
    for (int i = 0; i < COMMANDS; i++) {
        const command *c = commands[i];
        int width = printf("  moru %s%s%s%s%s", c->name, c->argument ? " " : "", c->argument ? c->argument : "",
                           c->second ? " " : "", c->second ? c->second : "");
        printf("%*s%s\n", 25 - width, "", c->summary);
    }
    printf("\nMODEL is one of the zoo (moru list) or a .keras or .h5 file. moru COMMAND --help tells the options.\n"
           "Try: moru train linear-regression\n");
}

/* What is written to standard output must get there: a full disk is a failure. */
static int finish(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    print_failure("standard output: it can't be written");
    return status == DONE ? FAILED : status;
}

static int run(const command *c, int argc, char **argv)
{
    settings s;
    bool helped = false;
    int status = options_parse(c, argc, argv, &s, &helped);
    if (status != DONE || helped)
        return status;
#ifdef _OPENMP
    if (s.threads > 0)
        omp_set_num_threads((int)s.threads);
#endif
    return c->run(&s);
}

/* GNU's OpenMP lets threads spin while they wait for each other, which on a processor shared with other programs makes
 * steps many times slower: one spins while the one it waits for is off the processor. A short spin loses nothing.
 * It reads the variable when it is loaded, so the command begins anew with it; not where threads are bound to
 * processors, as it would inherit the one that this thread is bound to already. */
static void limit_spinning(char **argv)
{
#ifdef _OPENMP
    if (getenv("OMP_WAIT_POLICY") || getenv("OMP_PROC_BIND") || getenv("GOMP_CPU_AFFINITY") || getenv("GOMP_SPINCOUNT")
        || setenv("GOMP_SPINCOUNT", "10000", 1) != 0)
        return;
    execv("/proc/self/exe", argv); /* where there is no such file, it spins as it did */
#else
    (void)argv;
#endif
}

int main(int argc, char **argv)
{
    limit_spinning(argv);
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "--version") == 0) {
        printf("moru %s\n", moru_version());
        return finish(DONE);
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        help();
        return finish(DONE);
    }
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return finish(run(commands[i], argc, argv));
    if (*name)
        return usage("%s: not a command (moru --help shows them)", name);
    help();
    return finish(usage("COMMAND: it is missing"));
}
