#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What ./bootstrap shows of a log when something has failed: the failed cases with what they printed, and not the passed
# ones.

. "$(dirname "$0")/../system/lib.sh"

T=$(mktemp -d) || exit 1
trap 'rm -rf "$T"' EXIT
: >"$T/out"
eval "$(sed -n '/^excerpt() {/,/^}/p' "$top_srcdir/scripts/lib.sh")"

numbered() { seq -f "$1" "$2" "$3"; }
{
        numbered 'ok %g - passed' 1 20
        printf '%s\n' 'not ok 21 - the one' '#   why it failed'
        numbered 'ok %g - passed' 22 90
        echo 1..90
} >"$T/tap"
prints "a failed case" '^    not ok 21 - the one$' excerpt "$T/tap" 40
prints "what it printed" '^    #   why it failed$' excerpt "$T/tap" 40
lacks "no passed one" 'passed' excerpt "$T/tap" 40
{
        numbered 'PASS: tests/a %g - passed' 1 60
        echo 'FAIL: tests/a 61 - the one'
        numbered 'PASS: tests/a %g - passed' 62 99
} >"$T/automake"
prints "a failed case as automake prints it" '^    FAIL: tests/a 61 - the one$' excerpt "$T/automake" 40
lacks "no passed one" 'passed' excerpt "$T/automake" 40
{
        numbered '  CC file-%g.o' 1 30
        printf '%s\n' 'x.c:5:1: error: expected something' 'make[1]: *** [Makefile:7: x.o] Error 1'
        numbered '  CC file-%g.o' 31 99
} >"$T/make"
prints "the error of a compiler, however far up" '^    x.c:5:1: error: expected something$' excerpt "$T/make" 40
prints "what make says of it" '^    make\[1\]: \*\*\* ' excerpt "$T/make" 40
numbered 'line %g' 1 99 >"$T/plain"
prints "where nothing tells: the end" '^    line 99$' excerpt "$T/plain" 40
lines() { [ "$(excerpt "$T/plain" 40 | wc -l)" -eq 40 ]; }
ok "as much of it as is asked for" lines
printf '1..%d\n' "$case_count"
[ "$case_failures" -eq 0 ]
