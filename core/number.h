/* Numbers in text. */
#ifndef MORU_CORE_NUMBER_H
#define MORU_CORE_NUMBER_H

/* strtod() with a point for a point, whatever the program's locale says. */
double moru_parse_number(const char *text, char **end);

#endif
