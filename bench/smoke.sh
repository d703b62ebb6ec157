#!/bin/sh
# The C side of the benchmark without its peers: linear regression's file by hand, losses that fall, times, inference.
set -u
checks=0 failures=0
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT

# kernel 0.5, bias 0, x 1 1 1 1, y 2 2 2 2, in little-endian floats.
{
    printf 'float32 2 1 1\n\000\000\000\077'
    printf 'float32 1 1\n\000\000\000\000'
    printf 'float32 2 4 1\n'; for i in 1 2 3 4; do printf '\000\000\200\077'; done
    printf 'float32 2 4 1\n'; for i in 1 2 3 4; do printf '\000\000\000\100'; done
} >"$dir/linear"
printf 'float32 2 1 1\n\000\000' >"$dir/short"
cat <<END | "$builddir/bench/moru_bench" >"$dir/answers"
load linear train 4 $dir/linear
check 2
time 0.01
load linear infer 1 $dir/linear
check 1
load linear train 4 $dir/short
load nothing train 1 $dir/linear
rss
quit
END

expect() {
    checks=$((checks + 1))
    if ! sed -n "$1p" "$dir/answers" | awk "$2"; then
        failures=$((failures + 1))
        echo "answer $1 isn't $2"
        cat "$dir/answers"
    fi
}

expect 1 '{ exit $0 != "ok" }'
expect 2 '{ exit !($1 == 2.25 && $2 < $1 && $2 > 2) }'
expect 3 '{ for (i = 1; i <= NF; i++) if ($i <= 0) exit 1; exit NF < 3 }'
expect 4 '{ exit $0 != "ok" }'
expect 5 '{ exit !($1 == 0.5 && $2 == 0.5 && $3 == 0.5) }'
expect 6 '{ exit $1 != "error" }'
expect 7 '{ exit $0 != "none" }'
expect 8 '{ exit !($1 > 100) }'
echo "$(((checks - failures) * 100 / checks))%: Checks: $checks, Failures: $failures, Errors: 0"
[ $failures -eq 0 ]
