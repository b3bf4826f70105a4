#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# tests/programs/table, its programs and the manual page say the same. What the table says is tried in the vm bed:
# tests/system/programs.sh.

. "$(dirname "$0")/../system/lib.sh"

T=$(mktemp -d) || exit 1
trap 'rm -rf "$T"' EXIT
: >"$T/out"
dir=$top_srcdir/tests/programs

in_page() {
        sed -n '/^\.\\" begin of tests\/programs\/manual\.sh/,/^\.\\" end of tests\/programs\/manual\.sh/p' "$1" \
                | sed '1d;$d'
}
same_as_page() { # PAGE
        bash "$dir/manual.sh" >"$T/section" && [ -s "$T/section" ] && in_page "$1" | diff - "$T/section"
}
# The check must be able to fail.
another_page_is_seen() {
        sed 's/^\.It Cm atomics$/.It Cm atomic/' "$top_srcdir/man/bpfdeleg-programs.7" >"$T/page"
        ! same_as_page "$T/page" >/dev/null
}

rows() { sed -n 's/^program: //p' "$dir/table" | sort; }
sources() { find "$dir" -name '*.bpf.c' -exec basename {} .bpf.c \; | sort; }
objects() {
        find "$top_builddir/tests/programs" -name '*.bpf.o' ! -name '*-instead.bpf.o' -exec basename {} .bpf.o \; | sort
}
same_names() { rows | uniq -d >"$T/twice" && [ ! -s "$T/twice" ] && diff <(rows) <("$1"); }

# A row has all that it takes: two ways of writing it where one is refused, and one where none is.
whole_rows() {
        awk -v dir="$dir" -v built="$top_builddir/tests/programs" '
                function bad(why) { print name ": " why; failed = 1 }
                function exists(file) { return (getline line <file) >= 0 }
                function flush(   refused, n, words, i) {
                        if (name == "") return
                        if (!row["type"] || !row["does"]) bad("no type, or it does nothing")
                        if (row["6.12"] !~ verdict || row["7.3"] !~ verdict) bad("a verdict that is none")
                        refused = row["6.12"] row["7.3"] ~ /refused/
                        n = split("message why instead", words, " ")
                        for (i = 1; i <= n; i++)
                                if (refused != (words[i] in row)) bad((refused ? "no " : "a ") words[i])
                        if (refused != exists(built "/" name "-instead.bpf.o"))
                                bad("refused, or written otherwise, but not both")
                        delete row
                        name = ""
                }
                BEGIN { verdict = "^(loads|refused by the (verifier|guard|policy))$" }
                /^#/ { next }
                /^$/ { flush(); next }
                { key = $1; sub(/:$/, "", key); value = $0; sub(/^[^:]*: */, "", value) }
                key == "program" { name = value; next }
                { row[key] = value }
                END { flush(); exit failed }' "${1:-$dir/table}"
}
a_broken_row_is_seen() {
        grep -v '^instead: bpf_ringbuf_output' "$dir/table" >"$T/table" && ! whole_rows "$T/table" >/dev/null
}

at_least_20() { [ "$(rows | wc -l)" -ge 20 ]; }

ok "bpfdeleg-programs(7) says what the table says" same_as_page "$top_srcdir/man/bpfdeleg-programs.7"
ok "another page would be seen" another_page_is_seen
ok "each program has a row, each row a program" same_names sources
ok "and the Makefile builds it" same_names objects
ok "each row is whole" whole_rows
ok "a broken row would be seen" a_broken_row_is_seen
ok "there are 20 programs, or more" at_least_20

printf '1..%d\n' "$case_count"
[ "$case_failures" -eq 0 ]
