#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# manual.sh: prints what bpfdeleg-programs(7) says of tests/programs/table, between two comments that are there as well.
# `manual.sh --write' puts it in place of what is there. tests/tree/programs.sh compares.

set -eu
dir=$(cd "$(dirname "$0")" && pwd)
page=$dir/../../man/bpfdeleg-programs.7

# No line of text is wider than 98 columns; one of a macro stays whole.
folded() {
        awk '
                { while (length > 98 && !/^[.]/ && match(substr($0, 1, 98), /.* /)) {
                        print substr($0, 1, RLENGTH - 1); $0 = substr($0, RLENGTH + 1) }
                  print }'
}
section() {
        awk '
                function begin_list(width) { print ".Bl -tag -width " width }
                function verdict(what) { return what == "loads" ? "loads" : what }
                function flush() {
                        if (name == "") return
                        if (!("message" in row)) {
                                if (!loads++) { print "These load:"; begin_list("connect-redirect -compact") }
                                print ".It Cm " name
                                print row["type"] ": " row["does"]
                        } else {
                                if (!others++) {
                                        print ".El\n.Pp\nThese do not, on one kernel at least:"; begin_list("Ds") }
                                print ".It Cm " name
                                print row["type"] ": " row["does"] "."
                                if (row["6.12"] == row["7.3"]) print "It is " row["6.12"] ":"
                                else print "On Linux 6.12 it " is(row["6.12"]) ", on 7.3 it " is(row["7.3"]) ":"
                                print ".Ql " row["message"] " .\n" row["why"]
                                print "Instead: " row["instead"] "."
                        }
                        delete row
                        name = ""
                }
                function is(what) { return what == "loads" ? what : "is " what }
                /^#/ { next }
                /^$/ { flush(); next }
                { key = $1; sub(/:$/, "", key); value = $0; sub(/^[^:]*: */, "", value); gsub(/\\/, "\\e", value) }
                key == "program" { name = value; next }
                { row[key] = value }
                END { flush(); print ".El" }' "$dir/table"
}

if [ "${1:-}" = --write ]; then
        section | folded >"$page.section"
        awk -v from="$page.section" '
                /^\.\\" begin of tests\/programs\/manual\.sh/ { print; while ((getline line <from) > 0) print line;
                        skip = 1; next }
                /^\.\\" end of tests\/programs\/manual\.sh/ { skip = 0 }
                !skip' "$page" >"$page.new"
        rm "$page.section"
        mv "$page.new" "$page"
else
        section | folded
fi
