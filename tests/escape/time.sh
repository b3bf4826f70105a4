#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# How long a program may hold a processor: not for long, unless the policy says long_loops = yes. How much BTF may be
# kept. Each with the guard off, and on: lib.sh.

. "$(dirname "$0")/../system/lib.sh"
. "$(dirname "$0")/lib.sh"

# With long_loops the guard lets them by.
allowed() {
        local name
        [ "$1" = on ] || return 0
        simple_policy 50-escape "$alice" 'bpf:confine = required' 'bpf:delegate_progs = @socket' \
                'bpf:delegate_attachs = any' \
                'bpf:long_loops = yes'
        ok "a session with long_loops" session_start a "$alice"
        for name in $(vectors time); do own_works "$name" "on, and long_loops"; done
        ok "it ends" session_end a
}

# A daemon of root's that writes to who connects to it.
writer_listens() { grep -q "@$cgroup_parent-writer\$" /proc/net/unix; }
writes() {
        spawn "$T/bin/escape" --writer "$cgroup_parent-writer"
        local writer=$spawned
        ok "a daemon of root's listens (guard $1)" wait_until writer_listens
        round "$1" usual writer
        kill -KILL "$writer"
        wait "$writer" 2>/dev/null
        unset "pids[$writer]"
}

attacks 'usual time btf own-btf btf-kept' writes allowed
