#!/bin/sh
# Every installed header compiles alone, as C11 and as C++17.
set -u
checks=0 failures=0
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT

try() { # language, compiler, flags, header
    checks=$((checks + 1))
    printf '#include <%s>\n#include <%s>\nint moru_header_test;\n' "$4" "$4" >"$dir/header.$1"
    # $2 may be several words, as in "ccache gcc"
    if ! $2 $3 -pedantic -Wall -Wextra -Werror -I"$builddir/include" -I"$srcdir/include" -c "$dir/header.$1" \
         -o "$dir/header.o"; then
        echo "<$4> doesn't compile alone with $2 $3"
        failures=$((failures + 1))
    fi
}

headers=$({ cd "$srcdir/include" && ls moru.h moru/*.h moru/*/*.h; cd "$builddir/include" && ls moru/*.h; } | sort -u)
for header in $headers; do
    try c "$CC" -std=c11 "$header"
done
if [ "$CXX" = no ]; then
    echo "skip: no C++ compiler, headers were not tried as C++17"
else
    for header in $headers; do
        try cc "$CXX" -std=c++17 "$header"
    done
fi
echo "$(((checks - failures) * 100 / checks))%: Checks: $checks, Failures: $failures, Errors: 0"
[ $failures -eq 0 ]
