#!/bin/bash
# shellcheck disable=SC2154 # alice, bob, own_dir and more: the two files sourced
# shellcheck disable=SC2317 # called by attacks, by name
# SPDX-License-Identifier: LGPL-2.1-or-later
# BPF_PROG_DETACH, which the kernel lets anybody do: of what is the delegation's by others, of what is others' by the
# delegation. Beside them who may, and what stays as the kernel has it. Each with the guard off, and on: lib.sh.
. "$(dirname "$0")/../system/lib.sh"
. "$(dirname "$0")/lib.sh"

neighbour() { setpriv --reuid="$(id -u "$bob")" --regid="$(id -g "$bob")" --clear-groups "$@"; }
agent() {
        setpriv --reuid="$(id -u "$bob")" --regid="$(id -g "$bob")" --clear-groups --inh-caps=+bpf,+net_admin \
                --ambient-caps=+bpf,+net_admin "$@"
}
off_the_own() { "$T/bin/escape" --detach "$own_dir"; }

# by_others GUARD NAME COMMAND…: takes off what the user's own process has attached to the own subtree.
by_others() {
        local guard=$1 name=$2
        shift 2
        vector_start "$alice" stay-attached
        case $vector_says in
        escaped:*) ;;
        *) tap failed "something of the user's own is attached for $name" "$T/vector.out" ;;
        esac
        vector_says=$("$@" 2>&1)
        echo "$vector_says" >"$T/vector.out"
        judged "$guard" "$name"
        [[ $vector_says = escaped:* ]] || prints "it was still there, and root may take it off ($name, guard $guard)" \
                '^escaped:' off_the_own
        vector_end
}

# by_agent GUARD WHAT OPTION: whoever may attach there anyway is not kept from it.
by_agent() {
        vector_start "$alice" stay-attached
        prints "$2 with CAP_BPF and CAP_NET_ADMIN takes it off (guard $1)" '^escaped:' agent "$T/bin/escape" "$3" \
                "$own_dir"
        vector_end
}

# of_admins GUARD NAME: what root has attached to the user's own subtree or to another cgroup.
of_admins() {
        local guard=$1 name=$2
        ok "an admin's program is on the own subtree ($name, guard $guard)" "$T/bin/escape" --admin-attach "$own_dir"
        ok "and on another cgroup" "$T/bin/escape" --admin-attach "$elsewhere"
        ESCAPE_ELSEWHERE=$T/cg2/$(basename "$elsewhere")
        export ESCAPE_ELSEWHERE
        vector_start "$alice" "$name"
        vector_end
        judged "$guard" "$name"
        "$T/bin/escape" --detach "$own_dir" >/dev/null
        "$T/bin/escape" --detach "$elsewhere" >/dev/null
}

detachments() {
        local guard=$1 name
        elsewhere=$cgroup2/$cgroup_parent-elsewhere
        mkdir -m 0755 "$elsewhere"
        escape_policy "$guard" usual "$alice"
        ok "a session, for detaching (guard $guard)" session_start a "$alice"
        own_dir=$(delegation_dirs | grep -v "/$(basename "$other_dir")\$")
        by_others "$guard" detach-anybody neighbour "$T/bin/escape" --detach "$own_dir"
        by_others "$guard" detach-anybody-threads neighbour "$T/bin/escape" --detach-shared "$own_dir"
        by_agent "$guard" 'a program' --detach
        by_agent "$guard" 'one with threads' --detach-shared
        for name in detach-admins detach-replace detach-elsewhere; do of_admins "$guard" "$name"; done
        # Whose cgroup is nobody's delegation has the kernel's own hole, from a table of its own.
        "$T/bin/escape" --admin-attach "$elsewhere"
        prints "a cgroup of no delegation is as the kernel has it (guard $guard)" '^escaped:' neighbour \
                "$T/bin/escape" --detach "$elsewhere"
        ok "the session ends (detaching, guard $guard)" session_end a
        ok "the other cgroup is removed (guard $guard)" rmdir "$elsewhere"
}

attacks 'usual detach' detachments
