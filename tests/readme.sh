#!/bin/sh
# The programs in README.md compile as they stand there.
set -u
checks=0 failures=0
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT

awk -v dir="$dir" '/^```c$/ { file = dir "/" ++n ".c"; next } /^```/ { file = "" } file { print >file }' "$srcdir/README.md"
for file in "$dir"/*.c; do
    checks=$((checks + 1))
    if ! $CC -std=gnu11 -Wall -Wextra -Werror -fsyntax-only -I"$builddir/include" -I"$srcdir/include" "$file"; then
        cat "$file"
        failures=$((failures + 1))
    fi
done
echo "$(((checks - failures) * 100 / checks))%: Checks: $checks, Failures: $failures, Errors: 0"
[ $failures -eq 0 ]
