#!/bin/bash
# shellcheck disable=SC2154 # alice, vector_says and more: the two files sourced
# shellcheck disable=SC2004 # off and on have names for keys
# shellcheck disable=SC2317 # called by attacks, by name
# SPDX-License-Identifier: LGPL-2.1-or-later
# `any` on all axes with allow_host_wide: what is still refused, and what is not, which SECURITY.md must say. Guard off,
# and on: lib.sh.
. "$(dirname "$0")/../system/lib.sh"
. "$(dirname "$0")/lib.sh"

# Gets through with the guard on: a tracing program in the place of the hook that the guard is called by.
documented() { [ "$1" = blind-modify-return ]; }

blind() {
        local guard=$1 name wanted
        simple_policy 50-escape "$alice" "bpf:$("guard_$1_policy")" 'bpf:delegate_cmds = any' \
                'bpf:delegate_maps = any' \
                'bpf:delegate_progs = any' 'bpf:delegate_attachs = any' 'bpf:allow_host_wide = yes' \
                'bpf:caps = CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON'
        ok "a session with all of it (guard $guard)" session_start a "$alice"
        attached_snapshot
        for name in $(vectors blind); do
                vector_start "$alice" "$name"
                vector_end
                detach_left
                wanted=escaped
                if [ "$guard" = on ] && ! documented "$name"; then wanted=refused; fi
                if [ "${vector_says%%:*}" = "$wanted" ]; then
                        tap ok "$name: $wanted with the guard $guard"
                        if [ "$guard" = on ] && documented "$name"; then \
                                vector_says="documented: ${vector_says#*: }"; fi
                elif [ "$guard" = off ] && ! "$T/bin/escape" --tracing >>"$T/vector.out"; then
                        tap ok "$name: this kernel refuses it to root, too ($vector_says)"
                        vector_says="not-offered: ${vector_says#*: }"
                else
                        tap failed "$name: $wanted with the guard $guard" "$T/vector.out"
                fi
                if [ "$guard" = off ]; then off["$name"]=$vector_says; else on["$name"]=$vector_says; fi
        done
        ok "the session ends (all, guard $guard)" session_end a
}

attacks blind
