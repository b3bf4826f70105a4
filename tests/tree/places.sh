#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What is added in one place has its others: rows of tables that the compiler does not compare, and what documents must
# name. HACKING.md, "How to add", has the list; shipped.sh and units.sh have those of the beds and of the journal.

. "$(dirname "$0")/../system/lib.sh"

T=$(mktemp -d) || exit 1
trap 'rm -rf "$T"' EXIT
: >"$T/out"

# table FILE BEGIN SED-EXPRESSION: what the expression prints of the table that begins at that line and ends with `};`.
table() { sed -n "/$2/,/^ *}.*;/{ $3 }" "$1" | sort -u; }
# Sources are below $1, so that the check can be shown others.
limit_rows() { table "$1" "} $2\\[POLICY_LIMITS\\] = {" "s/^ *\\[\\(POLICY_[A-Z_]*\\)\\] = ${3:-}.*/\\1/p"; }
policy_keys() { table "$1/lib/policy.c" 'struct ini_key keys\[\] = {' 's/^ *{"[a-z]*", "\([^"]*\)", .*/\1/p'; }
limits() { limit_rows "$1/lib/policy.c" limits '{"[^"]*", '; }
limits_of_controllers() { limit_rows "$1/lib/policy.c" limits '{"[^"]*", "[^"]*", '; }
limit_enum() { sed -n '/^enum policy_limit {/,/^}/s/^ *\(POLICY_[A-Z_]*\),.*/\1/p' "$1/lib/policy.h" | sort; }
limit_files() { limit_rows "$1/helper/cgroup.c" limit_files; }
limit_properties() { limit_rows "$1/helper/scope.c" limit_properties; }
settings() { table "$1/helper/settings.c" 'struct ini_key keys\[\] = {' 's/^ *{"[^"]*", "\([^"]*\)", .*/\1/p'; }
timeouts() { table "$1/helper/settings.c" 'struct ini_key keys\[\] = {' 's/^ *{"timeouts", "\([^"]*\)", .*/\1/p'; }
requests() {
        sed -n '/^enum proto_type {/,/\/\* answers \*\//s/^ *PROTO_\([A-Z_]*\) = .*/\1/p' "$1/lib/proto.h" | sort
}
# FIND_SESSION opens nothing, and has no act of the fuzzer's.
fuzzed_requests() { requests "$1" | grep -vx FIND_SESSION; }
messages() { sed -n '/^enum proto_type {/,/^}/s/^ *PROTO_\([A-Z_]*\) = .*/\1/p' "$1/lib/proto.h" | sort; }
commands() { table "$1/cli/main.c" '} commands\[\] = {' 's/^ *{"\([^"]*\)", .*/\1/p'; }
checks() { table "$1/cli/doctor-checks.c" 'struct doctor_check doctor_checks\[\] = {' 's/^ *{"\([^"]*\)", .*/\1/p'; }
hooks() { sed -n 's,^SEC("lsm/\([a-z_]*\)"),\1,p' "$1/helper/guard/guard.bpf.c" | sort -u; }
# What is compiled there; a header alone belongs to nobody.
files() { find "$1/helper" -name '*.c' -exec basename {} .c \; | sort; }
backends() { sed -n '/^enum cgroup_backend {/,/^}/s/^ *\(CGROUP_[A-Z]*\),.*/\1/p' "$1/helper/cgroup.h" | sort; }
backend_words() {
        grep -o 'backend_words\[\] = {[^}]*}' "$1/helper/state.c" | grep -o '\[CGROUP_[A-Z]*\]' | tr -d '[]' | sort
}
events() { sed -n 's/^#define LOG_ID_\([A-Z]*\) .*/\1/p' "$1/helper/log.h" | sort; }

# same NAMES NAMES SOURCES
same() { "$1" "$3" >"$T/names" && "$2" "$3" >"$T/others" && [ -s "$T/names" ] && diff "$T/names" "$T/others"; }
# named NAMES FORMAT FILE…: each name is in each of the files, as FORMAT has it.
named() {
        local names=$1 format=$2 name file
        shift 2
        "$names" "${sources:-$top_srcdir}" >"$T/names"
        [ -s "$T/names" ] || { echo "no $names are found"; return 1; }
        for file; do
                while IFS= read -r name; do
                        grep -qE -- "${format//%s/$name}" "$top_srcdir/$file" || echo "$file: $name"
                done <"$T/names"
        done >"$T/missing"
        cat "$T/missing"
        ! [ -s "$T/missing" ]
}

ok "each limit has a row in lib/policy.c" same limit_enum limits "$top_srcdir"
ok "and in helper/cgroup.c, limit_files[]" same limits limit_files "$top_srcdir"
ok "and, if it has a controller, in helper/scope.c, limit_properties[]" \
        same limits_of_controllers limit_properties "$top_srcdir"
ok "bpfdeleg-policy(5) has each key" named policy_keys '^\.It Cm (.* , )?%s( , .*)?$' man/bpfdeleg-policy.5
ok "tests/unit/test-policy.c has each key" named policy_keys '(^|[^a-z_]|\\n)%s ?=' tests/unit/test-policy.c
ok "bpfdelegd(8) has each setting" named settings '^\.It Cm %s$' man/bpfdelegd.8
ok "and so has the example" named settings '^; %s = ' conf/bpfdeleg.ini
ok "PROTOCOL has each timeout" named timeouts '^    %s +[0-9]+ ' PROTOCOL
ok "PROTOCOL has each message" named messages '^%s, type [0-9]+, ' PROTOCOL
ok "a hostile client sends each request" named requests 'PROTO_%s\b' tests/tools/malformed.c
ok "and so does the fuzzer" named fuzzed_requests 'PROTO_%s\b' tests/fuzz/fuzz-helper.c
ok "the unit test has each message" named messages 'PROTO_%s\b' tests/unit/test-proto.c
ok "bpfdeleg(1) has each command of the tool" named commands '^\.(It )?Cm %s\b' man/bpfdeleg.1
ok "bpfdeleg-doctor(8) has each check" named checks '^\.It Cm %s$' man/bpfdeleg-doctor.8
ok "ARCHITECTURE.md has each hook of the guard" named hooks '^- .*`%s`.*: ' ARCHITECTURE.md
ok "and each file of helper/" named files '`%s(\.c)?`' ARCHITECTURE.md
ok "each backend has a word in records" same backends backend_words "$top_srcdir"
ok "each kind of record is written somewhere" named events '\bLOG_%s\b' helper/log.c
written() {
        events "$top_srcdir" | while IFS= read -r name; do
                grep -qE "log_event\(LOG_$name\b" "$top_srcdir"/helper/{,guard/}*.c || echo "$name"
        done >"$T/missing"
        cat "$T/missing"
        ! [ -s "$T/missing" ]
}
ok "by log_event()" written

# ---- the check must be able to fail ----

mkdir -p "$T/src"/{cli,helper/guard,lib}
for file in cli/main.c cli/doctor-checks.c \
        helper/{settings.c,cgroup.c,cgroup.h,scope.c,state.c,log.h,guard/guard.bpf.c} \
        lib/proto.h lib/policy.c lib/policy.h; do
        cp "$top_srcdir/$file" "$T/src/$file"
done
# seen FILE SED-EXPRESSION CMD…: with that source changed so, the command fails.
seen() {
        cp "$top_srcdir/$1" "$T/src/$1" && sed -i "$2" "$T/src/$1"
        ! cmp -s "$top_srcdir/$1" "$T/src/$1" && ! sources=$T/src "${@:3}" >"$T/said"
        local r=$?
        cp "$top_srcdir/$1" "$T/src/$1"
        return $r
}
ok "a limit without a row in scope.c would be seen" seen helper/scope.c \
        '/^ *\[POLICY_IO_WEIGHT\] = {"IOWeight"/d' \
        same limits_of_controllers limit_properties "$T/src"
ok "one without a row in cgroup.c" seen helper/cgroup.c \
        '/^ *\[POLICY_DEPTH_MAX\] = {/d' \
        same limits limit_files "$T/src"
ok "a key that the page has not" seen lib/policy.c \
        's/^ *{"bpf", "path", .*/&\n        {"bpf", "new_key", parse_new},/' \
        named policy_keys '^\.It Cm (.* , )?%s( , .*)?$' man/bpfdeleg-policy.5
ok "a setting that the example has not" seen helper/settings.c \
        's/^ *{"timeouts", "open", .*/&\n        {"timeouts", "new", parse_new},/' \
        named settings '^; %s = ' conf/bpfdeleg.ini
ok "a request that no malformed client sends" seen lib/proto.h \
        's/^ *PROTO_ENTER = 16,/&\n        PROTO_NEW = 20,/' \
        named requests 'PROTO_%s\b' tests/tools/malformed.c
ok "a check that its page has not" seen cli/doctor-checks.c \
        's/^ *{"btf", .*/&\n        {"new", doctor_new},/' \
        named checks '^\.It Cm %s$' man/bpfdeleg-doctor.8
ok "a hook that nothing describes" seen helper/guard/guard.bpf.c \
        's,^SEC("lsm/bpf_prog"),SEC("lsm/bpf_new")\n&,' \
        named hooks '^- .*`%s`.*: ' ARCHITECTURE.md
ok "a backend without a word" seen helper/cgroup.h \
        's/^ *CGROUP_FS, .*/&\n        CGROUP_NEW,/' \
        same backends backend_words "$T/src"

printf '1..%d\n' "$case_count"
[ "$case_failures" -eq 0 ]
