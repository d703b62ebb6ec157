/* Cells of a CSV file, by libcsv. The parser gets one line at a time, so that the line of a cell is known. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <csv.h>

#include "core/status.h"
#include "datasets/csv_table.h"

enum { PIECE = 1 << 16, MAX_CELL = 1 << 20, MAX_ROW = 1 << 26 };

typedef struct reader {
    const char *path;
    struct csv_parser parser;
    unsigned char separator;
    moru_csv_row row;
    void *self;
    int64_t line;
    bool after_return;      /* the last byte was a carriage return */
    moru_status status;     /* of the callbacks, which can't stop the parser */
    char *texts;            /* of the row so far, zero-terminated */
    size_t size, capacity;
    size_t *starts;         /* of its cells in texts */
    moru_csv_cell *cells;
    int n_cells, cells_capacity;
} reader;

const char *moru_csv_show(const char *text, char shown[static MORU_CSV_SHOWN])
{
    size_t n = strlen(text), limit = MORU_CSV_SHOWN - 4;
    bool cut = n > limit;
    if (cut)
        for (n = limit; n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80; n--) /* not within a character of UTF-8 */
            continue;
    for (size_t i = 0; i < n; i++)
        shown[i] = (unsigned char)text[i] < 32 || text[i] == 127 ? ' ' : text[i];
    strcpy(shown + n, cut ? "..." : "");
    return shown;
}

/* Ends of lines: LF, CR LF or CR. */
static int64_t lines_in(const char *text, size_t n)
{
    int64_t lines = 0;
    for (size_t i = 0; i < n; i++)
        lines += text[i] == '\n' || (text[i] == '\r' && (i + 1 == n || text[i + 1] != '\n'));
    return lines;
}

static bool make_room(reader *r, size_t size)
{
    if (r->size + size > r->capacity) {
        size_t capacity = 2 * (r->size + size) + 256;
        char *texts = realloc(r->texts, capacity);
        if (!texts)
            return false;
        r->texts = texts;
        r->capacity = capacity;
    }
    if (r->n_cells == r->cells_capacity) {
        int capacity = 2 * r->cells_capacity + 16;
        size_t *starts = realloc(r->starts, (size_t)capacity * sizeof *starts);
        if (starts)
            r->starts = starts;
        moru_csv_cell *cells = realloc(r->cells, (size_t)capacity * sizeof *cells);
        if (cells)
            r->cells = cells;
        if (!starts || !cells)
            return false;
        r->cells_capacity = capacity;
    }
    return true;
}

static void take_cell(void *text_, size_t n, void *self)
{
    reader *r = self;
    const char *text = text_;
    int64_t line = r->line - lines_in(text, n);
    if (r->status != MORU_OK)
        return;
    for (; n > 0 && isspace((unsigned char)text[n - 1]); n--)
        continue;
    for (; n > 0 && isspace((unsigned char)*text); n--)
        text++;
    if (r->n_cells == MORU_CSV_COLUMNS || r->size + n > MAX_ROW) {
        r->status = moru_fail(MORU_ERR_FORMAT, "%s:%" PRId64 ": the row has more than %d cells or %d bytes", r->path,
                              line, MORU_CSV_COLUMNS, MAX_ROW);
        return;
    }
    if (!make_room(r, n + 1)) {
        r->status = moru_fail(MORU_ERR_MEMORY, "%s:%" PRId64 ": no memory for the row", r->path, line);
        return;
    }
    if (n > 0)
        memcpy(r->texts + r->size, text, n);
    r->texts[r->size + n] = '\0';
    r->starts[r->n_cells] = r->size;
    r->cells[r->n_cells++].line = line;
    r->size += n + 1;
}

static void take_row(int end, void *self)
{
    reader *r = self;
    (void)end;
    if (r->status == MORU_OK) {
        for (int c = 0; c < r->n_cells; c++)
            r->cells[c].text = r->texts + r->starts[c];
        r->status = r->row(r->self, r->cells, r->n_cells);
    }
    r->n_cells = 0;
    r->size = 0;
}

static moru_status parser_failed(reader *r)
{
    if (csv_error(&r->parser) == CSV_EPARSE)
        return moru_fail(MORU_ERR_FORMAT, "%s:%" PRId64 ": a quotation mark within a cell, or text after a quoted one",
                         r->path, r->line);
    return moru_fail(MORU_ERR_MEMORY, "%s:%" PRId64 ": %s", r->path, r->line, csv_strerror(csv_error(&r->parser)));
}

/* Text or not: control characters don't occur in it. */
static moru_status check_bytes(const reader *r, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 32 && !isspace(c) && c != r->separator)
            return moru_fail(MORU_ERR_FORMAT, "%s:%" PRId64 ": a byte of value %d: this isn't a text file", r->path,
                             r->line, c);
    }
    return MORU_OK;
}

/* A line, or a part of one. */
static moru_status take_line(reader *r, const char *text, size_t n)
{
    MORU_TRY(check_bytes(r, text, n));
    size_t done = csv_parse(&r->parser, text, n, take_cell, take_row, r);
    MORU_TRY(r->status);
    if (done != n)
        return parser_failed(r);
    if (r->parser.entry_pos > MAX_CELL)
        return moru_fail(MORU_ERR_FORMAT, "%s:%" PRId64 ": a cell of more than %d bytes; is a quotation mark missing?",
                         r->path, r->line - lines_in((char *)r->parser.entry_buf, r->parser.entry_pos), MAX_CELL);
    char last = text[n - 1];
    r->line += last == '\r' || (last == '\n' && !(n == 1 && r->after_return));
    r->after_return = last == '\r';
    return MORU_OK;
}

static moru_status take_piece(reader *r, const char *text, size_t n)
{
    while (n > 0) {
        size_t line = 0;
        while (line < n && text[line] != '\n' && text[line] != '\r')
            line++;
        line += line < n;
        MORU_TRY(take_line(r, text, line));
        text += line;
        n -= line;
    }
    return MORU_OK;
}

static moru_status take_end(reader *r)
{
    int64_t begin = r->line - lines_in((char *)r->parser.entry_buf, r->parser.entry_pos);
    if (csv_fini(&r->parser, take_cell, take_row, r) == 0)
        return r->status;
    if (csv_error(&r->parser) != CSV_EPARSE)
        return parser_failed(r);
    return moru_fail(MORU_ERR_FORMAT, "%s:%" PRId64 ": the quotation mark before this cell has no end", r->path, begin);
}

static moru_status read_pieces(reader *r, FILE *file, char *piece)
{
    for (bool first = true;; first = false) {
        size_t n = fread(piece, 1, PIECE, file), mark = 0;
        if (n < PIECE && ferror(file))
            return moru_fail(MORU_ERR_IO, "%s: %s", r->path, strerror(errno));
        if (first && n >= 3 && memcmp(piece, "\xef\xbb\xbf", 3) == 0) /* a byte order mark */
            mark = 3;
        MORU_TRY(take_piece(r, piece + mark, n - mark));
        if (n < PIECE)
            return take_end(r);
    }
}

moru_status moru_csv_read(const char *path, char separator, moru_csv_row row, void *self)
{
    reader r = {.path = path, .separator = (unsigned char)separator, .row = row, .self = self, .line = 1};
    FILE *file = fopen(path, "rb");
    if (!file)
        return moru_fail(MORU_ERR_IO, "%s: %s", path, strerror(errno));
    char *piece = malloc(PIECE);
    moru_status status = MORU_ERR_MEMORY;
    if (!piece || csv_init(&r.parser, CSV_STRICT | CSV_STRICT_FINI) != 0) {
        moru_fail(MORU_ERR_MEMORY, "%s: no memory for reading it", path);
    } else {
        csv_set_delim(&r.parser, r.separator);
        status = read_pieces(&r, file, piece);
        csv_free(&r.parser);
    }
    fclose(file);
    free(piece);
    free(r.texts);
    free(r.starts);
    free(r.cells);
    return status;
}
