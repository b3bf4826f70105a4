#!/bin/bash
# shellcheck disable=SC2154 # alice, vector_says and more: the two files sourced
# shellcheck disable=SC2317 # called by attacks, by name
# shellcheck disable=SC2004 # off and on have names for keys
# SPDX-License-Identifier: LGPL-2.1-or-later
# A cgroup_sockopt program on the own subtree answers a server's SO_PEERCRED. The helper does not ask: its limits hold
# without a guard, too. With the guard off, and on: lib.sh.
. "$(dirname "$0")/../system/lib.sh"
. "$(dirname "$0")/lib.sh"

# Her connections are full: the oldest, of which nothing has come, goes for one more.
counted() {
        log_new | grep -q "user socket: connection of uid $(id -u "$alice"), pid [0-9]* closed: .* its place was needed"
}
not_forged() { ! log_new | grep -E 'user socket: (connection of )?uid [0-9]+' | grep -qv "uid $(id -u "$alice")[, ]"; }

forge_peers() {
        local guard=$1 name=peercred
        escape_policy "$guard" wide "$alice"
        ok "a session, to forge peers in (guard $guard)" session_start a "$alice"
        log_mark
        vector_start "$alice" "$name"
        case "$guard $vector_says" in
        *' escaped:'*)
                # Forged, and counted all the same.
                if wait_until counted \
                        && not_forged; then \
                        vector_says="refused: the helper counts the true uid's (${vector_says#*: })"; fi
                ;;
        esac
        vector_end
        if [ "$guard" = off ]; then off["$name"]=$vector_says; else on["$name"]=$vector_says; fi
        case "$guard $vector_says" in
        'off refused: the helper counts '* \
                | 'on refused:'*) tap ok "the helper holds to the true uid (guard $guard): ${vector_says#*: }" ;;
        *) tap failed "the helper holds to the true uid, though another is forged (guard $guard): $vector_says" \
                "$T/vector.out" ;;
        esac
        ok "the session ends (forged peers, guard $guard)" session_end a
}

attacks forge_peers
