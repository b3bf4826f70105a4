#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# How long a program may hold a processor: not for long, unless the policy says long_loops = yes. How much BTF may be kept. Each with the guard off, and on: lib.sh.

. "$(dirname "$0")/../system/lib.sh"
. "$(dirname "$0")/lib.sh"

# With long_loops the guard lets them by.
allowed() {
        local name
        [ "$1" = on ] || return 0
        simple_policy 50-escape "$alice" 'bpf:confine = required' 'bpf:delegate_progs = @socket' 'bpf:delegate_attachs = any' \
                'bpf:long_loops = yes'
        ok "a session with long_loops" session_start a "$alice"
        for name in $(vectors time); do own_works "$name" "on, and long_loops"; done
        ok "it ends" session_end a
}

attacks 'usual time btf own-btf btf-kept' allowed
