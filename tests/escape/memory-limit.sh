#!/bin/bash
# shellcheck disable=SC2154,SC2034 # alice and more: the two files sourced; own_dir and vector_patience are theirs
# shellcheck disable=SC2317 # called by attacks, by name
# SPDX-License-Identifier: LGPL-2.1-or-later
# memory_max = 64M, and every command of bpf(2) that takes memory in a loop: the whole machine loses no more than 128 MB
# by any of them. A line a command says how much. Each with the guard off, and on: lib.sh.
# vm-seconds: 1800

. "$(dirname "$0")/../system/lib.sh"
. "$(dirname "$0")/lib.sh"

row_by_row() {
        local line
        while IFS= read -r line; do diag "guard $1: ${line#row: }"; done < <(grep '^row: ' "$T/vector.out")
}

limited() {
        if ! grep -qw memory "$cgroup2/cgroup.controllers"; then
                skip "memory_max (guard $1)" "no memory controller in cgroup2"
                return
        fi
        simple_policy 50-escape "$alice" "bpf:$("guard_$1_policy")" 'bpf:delegate_cmds = any' \
                'bpf:delegate_maps = any' 'bpf:delegate_progs = any' \
                'bpf:delegate_attachs = any' 'bpf:network = private' 'cgroup:memory_max = 64M'
        ok "a session with a limit (guard $1)" session_start a "$alice"
        own_dir=$(delegation_dirs | grep -v "/$(basename "$other_dir")\$")
        attached_snapshot
        "vector_$1" memory-limit
        row_by_row "$1"
        ok "it ends (guard $1)" session_end a
}

vector_patience=1600 # each row has its seconds
attacks limited
