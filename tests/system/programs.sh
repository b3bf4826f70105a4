#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Ordinary programs under the guard: each row of tests/programs/table, loaded by libbpf and bpftool as they are. Only in
# the vm bed, whose kernels the table knows.

. "$(dirname "$0")/lib.sh"

table=$top_srcdir/tests/programs/table

# row PROGRAM KEY: what the table says.
row() {
        awk -v name="$1" -v key="$2:" \
                '$1 == "program:" { found = $2 == name } found && $1 == key { sub(/^[^:]*: */, ""); print }' "$table"
}
programs() { sed -n 's/^program: //p' "$table"; }

# The newest kernel of the table that is not newer than this one.
column() {
        local known=(6.12 7.3) version last=
        for version in "${known[@]}"; do
                if printf '%s\n' "$version" "$(uname -r)" | sort -CV; then last=$version; fi
        done
        printf '%s\n' "$last"
}

# Each in a login of its own: a delegation's refusals are logged a few at a time.
# inside CMD…: what it prints goes to a file of the user's: a verifier's log is long.
inside() { login_as "$alice" -- bash -c 'bpfdeleg run -- "$@" >~/out 2>&1' sh "$@"; }
loads() { # OBJECT
        log_mark
        inside load "$T/programs/$1" || { tail -n 40 "$T/home/$alice/out"; log_new | grep 'guard: '; return 1; }
}
bpftool_loads() {
        inside bpftool prog loadall "$T/programs/$1" /sys/fs/bpf/objects \
                || { tail -n 40 "$T/home/$alice/out"; return 1; }
}

guard_said() { log_new | grep '^guard: ' | grep -Fq -- "$1"; }

# refused_by WHO OBJECT MESSAGE: by the verifier, to which the guard let it come; or by the guard, which comes first; or
# by the kernel, because the policy's masks lack it, before either.
refused_by() {
        local out=$T/home/$alice/out
        log_mark
        if inside load "$T/programs/$2"; then echo "it loads" && return 1; fi
        grep -q '^refused: ' "$out" || { cat "$out"; return 1; }
        case $1 in
        verifier) grep -Fq -- "$3" "$out" && grep -q 'BEGIN PROG LOAD LOG' "$out" && ! guard_said '' && return 0 ;;
        guard)
                grep -q '^refused: .*: Operation not permitted$' "$out" && ! grep -q 'BEGIN PROG LOAD LOG' "$out" &&
                        patience=5 wait_until guard_said "$3" && return 0
                ;;
        policy)
                grep -q "^refused: .*: $3\$" "$out" && ! grep -q 'BEGIN PROG LOAD LOG' "$out" && ! guard_said '' \
                        && return 0
                ;;
        esac
        tail -n 40 "$out"
        log_new
        return 1
}

judge() { # PROGRAM
        local what message
        what=$(row "$1" "$kernel")
        message=$(row "$1" message)
        case $what in
        loads) ok "$1 loads" loads "$1.bpf.o" && ok "$1 loads with bpftool" bpftool_loads "$1.bpf.o" ;;
        'refused by the '*) ok "$1 is $what: $message" refused_by "${what##* }" "$1.bpf.o" "$message" ;;
        *) tap failed "$1: the table says \`$what' of $kernel" ;;
        esac
        [ -z "$message" ] || ok "$1, written otherwise, loads" loads "$1-instead.bpf.o"
}

setup
kernel=$(column)
[ -n "$kernel" ] || skip_all "the table knows nothing of Linux $(uname -r)"
alice=bdt-$$-a
add_user "$alice" || exit 1
install -m 0755 "$(program tests/tools/load)" "$T/bin/" || exit 1
mkdir "$T/programs" && install -m 0644 "$top_builddir"/tests/programs/*.bpf.o "$T/programs/" || exit 1
service bdt
simple_policy 50-programs "$alice" 'bpf:confine = required' 'bpf:network = private' 'bpf:delegate_maps = any' \
        'bpf:delegate_progs = any' \
        'bpf:delegate_attachs = any'
ok "the helper starts" helper_start
prints "what is granted is confined by the guard" 'guard' login_as "$alice" -- bpfdeleg status
diag "Linux $(uname -r), the table's $kernel"
while read -r name; do judge "$name"; done < <(programs)
finish
