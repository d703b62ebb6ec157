#!/bin/sh
# Automake's test driver for Moru: runs one test program and tells automake of every single check in it.
# A program says how it went as Check does, "100%: Checks: 12, Failures: 0, Errors: 0"; one that says nothing counts as one
# check by its exit status (77: skipped). Lines that begin with "skip" are shown, so that nothing is left out silently.
set -u

name=test log= trs= color=no
while [ $# -gt 0 ]; do
    case $1 in
        --test-name) name=$2; shift ;;
        --log-file) log=$2; shift ;;
        --trs-file) trs=$2; shift ;;
        --color-tests) color=$2; shift ;;
        --expect-failure|--enable-hard-errors|--collect-skipped-logs) shift ;;
        --) shift; break ;;
        *) break ;;
    esac
    shift
done

"$@" >"$log" 2>&1
status=$?

set -- $(sed -n 's/^[0-9]*%: Checks: \([0-9]*\), Failures: \([0-9]*\), Errors: \([0-9]*\).*/\1 \2 \3/p' "$log" |
         awk '{ c += $1; f += $2; e += $3; n++ } END { print n + 0, c + 0, f + 0, e + 0 }')
summaries=$1 checks=$2 failures=$3 errors=$4
skips=$(grep -ci '^[[:space:]]*skip' "$log")
if [ "$summaries" -eq 0 ]; then
    case $status in
        0) checks=1 ;;
        77) skips=$((skips > 0 ? skips : 1)) ;;
        *) checks=1 failures=1 ;;
    esac
elif [ $status -ne 0 ] && [ $((failures + errors)) -eq 0 ]; then
    checks=$((checks + 1)) failures=1     # all checks are well, yet the program isn't: a leak, a crash at exit
fi
passed=$((checks - failures - errors))

if [ $((failures + errors)) -gt 0 ]; then
    result=FAIL; paint='[0;31m'
elif [ $passed -eq 0 ] && [ "$skips" -gt 0 ]; then
    result=SKIP; paint='[1;34m'
else
    result=PASS; paint='[0;32m'
fi

results() { i=0; while [ $i -lt "$2" ]; do echo ":test-result: $1"; i=$((i + 1)); done; }
{
    results PASS $passed
    results FAIL "$failures"
    results ERROR "$errors"
    results SKIP "$skips"
    echo ":global-test-result: $result"
    [ $result = FAIL ] && echo ":recheck: yes" || echo ":recheck: no"
    [ $result = FAIL ] && echo ":copy-in-global-log: yes" || echo ":copy-in-global-log: no"
} >"$trs"

text="$name ($passed passed"
[ $((failures + errors)) -eq 0 ] || text="$text, $((failures + errors)) failed"
[ "$skips" -eq 0 ] || text="$text, $skips skipped"
if [ "$color" = yes ]; then
    printf '\033%s%s\033[m: %s)\n' "$paint" "$result" "$text"
else
    echo "$result: $text)"
fi
if [ $result = FAIL ]; then
    tail -n 40 "$log" | sed 's/^/    /'
else
    grep -i '^[[:space:]]*skip' "$log" | sort -u | sed 's/^[[:space:]]*/    /'
fi
exit 0
