#include <locale.h>
#include <stdlib.h>
#ifdef __APPLE__
#include <xlocale.h>
#endif

#include "core/number.h"

double moru_parse_number(const char *text, char **end)
{
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!c)
        return strtod(text, end);
    locale_t before = uselocale(c);
    double number = strtod(text, end);
    uselocale(before);
    freelocale(c);
    return number;
}
