#!/bin/bash
# shellcheck disable=SC2154 # bob, vector_says and more: the two files sourced
# SPDX-License-Identifier: LGPL-2.1-or-later
# The other half: while a delegation is there, root sees all of it, and those who have BPF from elsewhere are let alone.
. "$(dirname "$0")/../system/lib.sh"
. "$(dirname "$0")/lib.sh"

guard_preferred_policy() { echo 'confine = preferred'; }

setup
trap undo_attacks EXIT
install -m 0755 "$(program tests/escape/escape)" "$T/bin/" || exit 1
alice=bdt-$$-a bob=bdt-$$-b
add_user "$alice" && add_user "$bob" || exit 1
service bdt
ok "the helper starts" helper_start
escape_policy preferred usual "$alice"
ok "a session" session_start a "$alice"
vector_start "$alice" own-root
case $vector_says in
escaped:*) tap ok "its user has a program on his own subtree" ;;
*) tap failed "its user has a program on his own subtree" "$T/vector.out" ;;
esac

link=$(sed -n 's/^escaped: link \([0-9]*\) on .*/\1/p' "$T/vector.out")
prints "root lists the delegated link" "^$link: cgroup +prog " bpftool link list
prog=$(bpftool link list | sed -n "s/^$link: cgroup  *prog \([0-9]*\).*/\1/p")
prints "root lists the delegated program" "^$prog: cgroup_skb +name escape" bpftool prog list
prints "root reads it" 'exit' bpftool prog dump xlated id "$prog"
outsider=(setpriv "--reuid=$(id -u "$bob")" "--regid=$(id -g "$bob")" --clear-groups)
refused "its user's neighbour does not" 'not permitted' "${outsider[@]}" bpftool prog show id "$prog"

# A cgroup of nobody's.
mkdir "$cgroup2/$cgroup_parent-other" && chmod 0755 "$cgroup2/$cgroup_parent-other"
prints "an outsider's threaded loader with CAP_BPF and CAP_NET_ADMIN works" '^works:' \
        "${outsider[@]}" --inh-caps=+bpf,+net_admin --ambient-caps=+bpf,+net_admin "$T/bin/escape" --outsider \
                "$cgroup2/$cgroup_parent-other"
refused "and without them does not" 'broken: load: Operation not permitted' "${outsider[@]}" "$T/bin/escape" \
        --outsider "$cgroup2/$cgroup_parent-other"
prints "so does a token that root has delegated by hand, from threads, sent to somebody outside" '^works:' \
        "$T/bin/escape" --foreign "$(id -u "$bob")" "$cgroup2/$cgroup_parent-other"
ok "nothing is attached there any more" wait_until rmdir "$cgroup2/$cgroup_parent-other"

vector_end
ok "the session ends" session_end a
finish
