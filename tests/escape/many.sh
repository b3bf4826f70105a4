#!/bin/bash
# shellcheck disable=SC2154 # alice: lib.sh
# shellcheck disable=SC2317 # called by attacks, by name
# SPDX-License-Identifier: LGPL-2.1-or-later
# More tokens than the guard can count, at a time and one after the other. Each with the guard off, and on: lib.sh.

. "$(dirname "$0")/../system/lib.sh"
. "$(dirname "$0")/lib.sh"

no_tokens() { [ "$(guard_map_entries tokens)" = 0 ]; }

# 100 000 tokens, one after the other, leave the guard's map as it was.
churn() {
        [ "$1" = on ] || return 0
        escape_policy on usual "$alice"
        ok "a session, for many tokens" session_start a "$alice"
        own_works own-churn on
        ok "no token is left in the guard's map" wait_until no_tokens
        ok "the session ends (many tokens)" session_end a
}

attacks 'usual itself' churn
