#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What is there is tried through the installed package: each command of the tool, request, limit, setting, signal and
# backend has a row, `covers KIND NAME`, in tests/booted; each limit has another in tests/host, where it can bite. Names
# come from the sources' own tables.

. "$(dirname "$0")/../system/lib.sh"

T=$(mktemp -d) || exit 1
trap 'rm -rf "$T"' EXIT
: >"$T/out"

# table FILE BEGIN SED-EXPRESSION: what the expression prints of the table that begins at that line and ends with `};`.
table() { sed -n "/$2/,/^ *}.*;/{ $3 }" "$1" | sort; }
commands() { table "$1/cli/main.c" '} commands\[\] = {' 's/^ *{"\([^"]*\)", .*/\1/p'; }
requests() { table "$1/helper/request.c" 'request_rows\[\] = {' 's/^ *{PROTO_\([A-Z_]*\), .*/\1/p'; }
# The wire's own list: what is below the answers.
wire() { sed -n '/^enum proto_type {/,/\/\* answers \*\//s/^ *PROTO_\([A-Z_]*\) = .*/\1/p' "$1/lib/proto.h" | sort; }
limits() { table "$1/lib/policy.c" '} limits\[POLICY_LIMITS\] = {' 's/^ *\[POLICY_[A-Z_]*\] = {"\([^"]*\)", .*/\1/p'; }
settings() { table "$1/helper/settings.c" 'struct ini_key keys\[\] = {' 's/^ *{"\([^"]*\)", "\([^"]*\)", .*/\1.\2/p'; }
signals() { table "$1/helper/main.c" '} signals\[\] = {' 's/{/\n/g; p' | grep -Eo '^SIG[A-Z0-9]+' | sort; }
backends() {
        sed -n '/parse_backend(/,/^}/s/\[SETTINGS_BACKEND_[A-Z]*\] = "\([a-z]*\)"/\n@\1\n/gp' "$1/helper/settings.c" \
                | sed -n 's/^@//p' | sort
}
# The one thing that a unit alone makes happen.
units() { grep -Eo '^WatchdogSec' "$1/conf/bpfdelegd.service.in"; }

rows() { sed -n "s/^ *covers $1 \\([A-Za-z_.]*\\)\$/\\1/p" "${@:2}" | sort -u; }
# covered KIND NAMES BED SOURCES: rows and names are the same, and there are some.
covered() {
        "$2" "$4" >"$T/names"
        [ -s "$T/names" ] || { echo "no $1 is found in the sources"; return 1; }
        rows "$1" "$top_srcdir/tests/$3"/*.sh | diff "$T/names" -
}
while read -r kind names bed; do
        ok "tests/$bed has each $kind" covered "$kind" "$names" "$bed" "$top_srcdir"
done <<'END'
command commands booted
request requests booted
request wire booted
limit limits booted
limit limits host
setting settings booted
signal signals booted
backend backends booted
unit units booted
END

ok "README says where bpftool is" grep -Fq 'PATH=$PATH:/usr/sbin' "$top_srcdir/README.md"

# ---- the check must be able to fail ----

mkdir -p "$T/src"/{cli,helper,lib,conf}
for file in cli/main.c helper/request.c helper/settings.c helper/main.c lib/proto.h lib/policy.c \
        conf/bpfdelegd.service.in; do
        cp "$top_srcdir/$file" "$T/src/$file"
done
new_is_seen() { # FILE SED-EXPRESSION KIND NAMES BED
        sed "$2" "$top_srcdir/$1" >"$T/src/$1"
        ! covered "$3" "$4" "$5" "$T/src" && grep -Eqi 'new|usr1' "$T/names"
}
ok "a new command would be seen" new_is_seen cli/main.c 's/^ *{"run", cmd_run},/&\n        {"new", cmd_new},/' \
        command commands booted
ok "a new request" new_is_seen helper/request.c \
        's/^ *{PROTO_ENTER, .*/&\n        {PROTO_NEW, SERVER_USER, request_new},/' request requests booted
ok "a new type" new_is_seen lib/proto.h 's/^ *PROTO_ENTER = 16,/&\n        PROTO_NEW = 20,/' request wire booted
limit='s/^ *\[POLICY_IO_WEIGHT\] = {.*/&\n        [POLICY_NEW] = {"new", "pids", LIMIT_NUMBER, 1, 2, ""},/'
ok "a new limit" new_is_seen lib/policy.c "$limit" limit limits booted
ok "here and there" new_is_seen lib/policy.c "$limit" limit limits host
ok "a new setting" new_is_seen helper/settings.c \
        's/^ *{"timeouts", "open", .*/&\n        {"timeouts", "new", parse_new},/' setting settings booted
ok "a new backend" new_is_seen helper/settings.c \
        's/\[SETTINGS_BACKEND_SYSTEMD\] = "systemd",/& [SETTINGS_BACKEND_NEW] = "new",/' backend backends booted
ok "a new signal" new_is_seen helper/main.c 's/{SIGINT, on_stop_signal}/&, {SIGUSR1, on_new}/' signal signals booted

printf '1..%d\n' "$case_count"
[ "$case_failures" -eq 0 ]
