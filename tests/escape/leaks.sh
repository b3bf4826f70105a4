#!/bin/bash
# shellcheck disable=SC2154 # alice, vector_says and more: the two files sourced
# shellcheck disable=SC2317 # called by attacks, by name
# SPDX-License-Identifier: LGPL-2.1-or-later
# The guard's entries go when the kernel frees what they stand for: who keeps that may do so only so often. With the
# guard off, and on: lib.sh.
. "$(dirname "$0")/../system/lib.sh"
. "$(dirname "$0")/lib.sh"

# Who keeps a mount of each login keeps a superblock, and with it an entry: there is an end to that.
logins=66
leak() {
        local guard=$1 i fd fds=()
        escape_policy "$guard" usual "$alice"
        vector_says="escaped: $logins logins, of each of which a mount is kept"
        for ((i = 0; i < logins; i++)); do
                session_start a "$alice" >"$T/vector.out" 2>&1 \
                        || { tap failed "a login, with $i mounts kept" "$T/vector.out"; break; }
                if ! wait_until delegations_are 2; then
                        session_end a
                        # What its user hears, where the policy lets him hear anything.
                        simple_policy 50-escape "$alice" "bpf:$("guard_${guard}_policy")" 'session:on_failure = deny'
                        login_as "$alice" -- true >"$T/vector.out" 2>&1
                        vector_says="refused: after $i kept mounts: $(tr '\n' ' ' <"$T/vector.out")"
                        break
                fi
                exec {fd}<"/proc/$(anchor_pid "$(delegation_dirs | grep -v "/$(basename "$other_dir")\$")")/root/bpf"
                fds+=("$fd")
                session_end a
        done
        judged "$guard" leaked-mounts
        [ "$guard" = off ] || prints "and its user hears why" 'ended delegations of uid [0-9]+ are still held' cat \
                "$T/vector.out"
        for fd in "${fds[@]}"; do exec {fd}<&-; done
        ok "when they are given back, a login works again (guard $guard)" wait_until login_as "$alice" -- bpfdeleg \
                run -- true
}

attacks leak
