#!/bin/sh
# The shared library exports what the headers declare, all of it and nothing else.
set -u
library=
for file in "$builddir"/.libs/libmoru.so "$builddir"/.libs/libmoru.dylib; do
    [ ! -f "$file" ] || library=$file
done
if [ -z "$library" ] || [ "$NM" = no ]; then
    echo "skip: exported symbols were not looked at: no shared library or no nm"
    exit 77
fi
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT

case $library in
    *.so) $NM -D --defined-only "$library" ;;
    *) $NM -gU "$library" | sed 's/ _/ /' ;;
esac | awk '{ print $NF }' | sed 's/@.*//' |
    grep -Ev '^(_init|_fini|_edata|_end|__bss_start|__(odr_)?asan[_.].*|__ubsan.*)$' | sort -u >"$dir/exported"

# Declarations marked MORU_API, one a line; the name is what stands before the first parenthesis, or the last word.
echo '#include <moru.h>' >"$dir/all.c"
$CC -E -P -I"$builddir/include" -I"$srcdir/include" "$dir/all.c" | tr '\n' ' ' | tr ';' '\n' |
    sed -n 's/.*__attribute__ *((visibility *("default"))) *//p' |
    sed -E 's/^([^(]*[^(A-Za-z0-9_])?([A-Za-z0-9_]+) *(\(|$|\[).*/\2/' | sort -u >"$dir/declared"

failures=0
foreign=$(grep -v '^moru_' "$dir/exported")
if [ -n "$foreign" ]; then
    echo "exported, but not moru_*:" $foreign
    failures=$((failures + 1))
fi
private=$(comm -23 "$dir/exported" "$dir/declared" | grep '^moru_')
if [ -n "$private" ]; then
    echo "exported, but in no public header:" $private
    failures=$((failures + 1))
fi
absent=$(comm -13 "$dir/exported" "$dir/declared")
if [ -n "$absent" ]; then
    echo "declared in a public header, but not in the library:" $absent
    failures=$((failures + 1))
fi
echo "$(wc -l <"$dir/declared") declarations, $(wc -l <"$dir/exported") exported symbols"
echo "$(((3 - failures) * 100 / 3))%: Checks: 3, Failures: $failures, Errors: 0"
[ $failures -eq 0 ]
