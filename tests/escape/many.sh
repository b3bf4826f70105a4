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

# tokens_of SESSION USER: as many as its delegation may hold, which it does until the session ends.
tokens_of() {
        answer_timeout=$((60 * ${BED_SLOW:-1})) in_session_sh "$1" \
                "bpfdeleg run -- '$T/bin/escape' --hold-tokens 300 >'$T/home/$2/tokens.$1' 2>&1 &
                while ! grep -q holds '$T/home/$2/tokens.$1'; do sleep 0.1; done; cat '$T/home/$2/tokens.$1'"
}

# One user in all their delegations gets a share; and when the share of all is used up each delegation has some that are
# kept for it.
shares() {
        [ "$1" = on ] || return 0
        simple_policy 50-escape "$alice" 'session:scope = session' "bpf:$(guard_on_policy)"
        local name
        for name in a1 a2 a3; do ok "a session of its own ($name)" session_start "$name" "$alice"; done
        prints "a delegation holds 256 tokens" '^holds 256 tokens: Operation not permitted' tokens_of a1 "$alice"
        prints "one more of the user's too" '^holds 256 tokens: Operation not permitted' tokens_of a2 "$alice"
        prints "a third has what is left of the user's share, and two of its own" \
                '^holds 6 tokens: Operation not permitted' tokens_of a3 "$alice"
        prints "another user's holds as many as the first" '^holds 256 tokens: Operation not permitted' tokens_of b \
                "$bob"
        for name in a1 a2 a3; do ok "a session ends ($name)" session_end "$name"; done
        ok "the first user's share is free again" wait_until only_his
        bpftool map update pinned "$guard_dir/users" key hex 00 40 00 00 value hex 00 80 00 00
        ok "the share of all is used up" session_start a1 "$alice"
        prints "what is kept for a delegation is there" '^holds 2 tokens: Operation not permitted' tokens_of a1 "$alice"
        ok "that session ends" session_end a1
        bpftool map update pinned "$guard_dir/users" key hex 00 40 00 00 value hex fe 00 00 00
}
only_his() { [ "$(common_tokens)" = 254 ]; }

attacks 'usual itself' churn shares
