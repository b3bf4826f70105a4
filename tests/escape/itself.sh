#!/bin/bash
# shellcheck disable=SC2154 # cgroup2, vector_pid and more: the two files sourced
# shellcheck disable=SC2004 # off and on have names for keys
# shellcheck disable=SC2317 # called by attacks, by name
# SPDX-License-Identifier: LGPL-2.1-or-later
# The guard itself: a helper that is dead, and hands on what is its own. Each with the guard off, and on: lib.sh.
. "$(dirname "$0")/../system/lib.sh"
. "$(dirname "$0")/lib.sh"

# The guard needs no helper: dead before the attack, killed and started again and again during it, dead when the session
# ends.
kill_helper() {
        local guard=$1 i
        escape_policy "$guard" usual "$alice"
        ok "a session, to kill the helper in" session_start a "$alice"
        vector_start "$alice" helper-dead
        helper_kill
        vector_goes_on
        vector_end
        judged "$guard" helper-dead
        ok "the helper starts again" helper_start

        vector_start "$alice" cgroup-root
        vector_end
        detach_left
        judged "$guard" helper-after

        # Its answer is awaited below, not by vector_start.
        vector_hear_now=$(declare -f vector_hear)
        vector_hear() { :; }
        vector_start "$alice" race-link-2
        eval "$vector_hear_now"
        for i in 1 2 3; do
                sleep 2
                helper_kill
                ok "the helper starts during the attack, $i" helper_start
        done
        vector_hear
        vector_end
        judged "$guard" helper-during

        vector_start "$alice" end-mount-and-namespace
        helper_kill
        session_end a
        ok "the helper starts after the session's end" helper_start
        ok "and ends what was left" expect_delegations 1
        vector_goes_on
        vector_end
        judged "$guard" helper-dead-at-end
}

# What is the guard's, for its user: not by pin, not by number, not through the helper. Root shows on things like them
# that each way is one.
pry() {
        local guard=$1 name link
        export ESCAPE_GUARD ESCAPE_HELPER ESCAPE_MAP_ID ESCAPE_PROG_ID ESCAPE_LINK_ID
        if [ "$guard" = off ]; then
                ESCAPE_GUARD=$T/bpffs/guard
                mkdir -m 0700 "$ESCAPE_GUARD"
                bpftool map create "$ESCAPE_GUARD/delegations" type array key 4 value 8 entries 1 name like_a_guards
                "$T/bin/escape" --admin-link "$cgroup2/$cgroup_parent" "$ESCAPE_GUARD/guard_bpf"
                "$T/bin/escape" --admin-link "$cgroup2/$cgroup_parent" "$T/bpffs/second"
                link=$T/bpffs/second
                spawn sleep 1000 </dev/null
                ESCAPE_HELPER=$spawned
        else
                ESCAPE_GUARD=$guard_dir ESCAPE_HELPER=$helper_pid
                link=$guard_dir/guard_bpf
        fi
        read -r ESCAPE_LINK_ID _ _ ESCAPE_PROG_ID _ < <(bpftool link show pinned "$link" | tr -d :)
        read -r ESCAPE_MAP_ID _ < <(bpftool map show pinned "$ESCAPE_GUARD/delegations" | tr -d :)
        if [ "$guard" = off ]; then
                vector_says=$("$T/bin/escape" --pry)
                case $vector_says in
                'escaped: '*'but not'*) tap failed "for root every way is open ($vector_says)" ;;
                *) judged off pry-session ;;
                esac
                off[pry-inside]=${off[pry-session]:-} off[pry-joined]=${off[pry-session]:-}
                kill "$spawned"
                rm -rf "$ESCAPE_GUARD" "$T/bpffs/second"
                return
        fi
        escape_policy on usual "$alice"
        ok "a session, to pry in" session_start a "$alice"
        for name in $(vectors pry); do
                vector_start "$alice" "$name"
                vector_end
                judged on "$name"
        done
        ok "the session ends (pry)" session_end a
        prints "the guard's link is the one that it was" "^$ESCAPE_LINK_ID: tracing +prog $ESCAPE_PROG_ID " bpftool \
                link list
}

attacks kill_helper pry
