/* moru list: the zoo. */
#include <inttypes.h>

#include "models/zoo.h"
#include "tools/command.h"

static int run(const settings *s)
{
    (void)s;
    for (int k = 0; zoo_at(k); k++) {
        const zoo_model *m = zoo_at(k);
        printf("%-20s %s\n", m->name, m->summary);
        printf("%20s data %s, %" PRId64 " parameters\n", "", m->data, m->parameters);
        printf("%20s %s\n", "", m->reaches);
    }
    return DONE;
}

const command command_list = {
    .name = "list", .summary = "the zoo: what there is to train",
    .options = (const char *const[]){NULL}, .run = run,
};
