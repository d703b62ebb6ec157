#!/bin/sh
# summary.sh FILE.trs ...: what the tests came to, "N passed, N failed"; exit status 1 if any failed or there were none.
set -u
cat /dev/null "$@" 2>/dev/null | awk '
    /^:test-result: (PASS|XFAIL)/ { passed++ }
    /^:test-result: (FAIL|ERROR|XPASS)/ { failed++ }
    /^:test-result: SKIP/ { skipped++ }
    END {
        if (skipped) printf "%d skipped\n", skipped
        printf "%d passed, %d failed\n", passed, failed
        exit failed > 0 || passed == 0
    }'
