#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every attack twice: with the guard off it must succeed, or the test would prove nothing; with it on it must be refused and leave
# nothing attached. A vector that a kernel does not offer is listed with the reason. Where the helper cannot have a guard the
# second half is untried, and the table says so.

. "$(dirname "$0")/../system/lib.sh"
. "$(dirname "$0")/lib.sh"

declare -A off=() on=()
other_dir= own_dir=

# Devices, mounts and a link of an admin's, as any host may have them.
furnish() {
        mkdir -p "$T/cg2" "$T/bpffs" && mount -t cgroup2 none "$T/cg2" && mount -t bpf -o mode=0755 none "$T/bpffs" || return 1
        "$T/bin/escape" --admin-link "$cgroup2" "$T/bpffs/link" && chmod 0666 "$T/bpffs/link" || return 1
        ip link add escv0 type veth peer name escv1 address 02:00:00:00:00:77 && ip addr add 10.233.77.1/24 dev escv0 &&
                ip link set escv0 up && ip link set escv1 up || return 1
        # Frames that XDP sends reach the other end only if that has XDP, too.
        "$T/bin/escape" --admin-xdp escv1 "$T/bpffs/xdp" || return 1
        ip link add escnk0 type netkit 2>/dev/null && ip link set escnk0 up
        return 0
}
unfurnish() {
        ip link del escv0 2>/dev/null
        ip link del escnk0 2>/dev/null
        umount "$T/bpffs" 2>/dev/null
        umount "$T/cg2" 2>/dev/null
        return 0
}
undo_all() {
        local code=$?
        unfurnish
        (exit "$code")
        undo
}

# vectors GROUP: names of one group, in the table's order.
vectors() { "$T/bin/escape" --list | awk -v group="$1" '$2 == group { print $1 }'; }

# round GUARD KIND GROUP…: a session with the policy of that kind, and each vector of the groups in it.
round() {
        local guard=$1 kind=$2 group name
        shift 2
        escape_policy "$guard" "$kind" "$alice"
        if ! session_start a "$alice" >"$T/out" 2>&1 || ! in_session a bpfdeleg run -- true >"$T/out" 2>&1; then
                [ "$guard" = on ] || tap failed "a session with the guard off ($kind)"
                [ -z "${session_pid[a]:-}" ] || session_end a >/dev/null 2>&1
                return 1
        fi
        own_dir=$(delegation_dirs | grep -v "/$(basename "$other_dir")\$")
        for group; do
                for name in $(vectors "$group"); do
                        case $group in
                        own*) own_works "$name" "$guard" ;;
                        *) "vector_$guard" "$name" ;;
                        esac
                done
        done
        ok "the session ends ($kind, guard $guard)" session_end a
}

# ends GUARD: those that look at what is left after the session.
ends() {
        local name
        escape_policy "$1" usual "$alice"
        for name in $(vectors end); do vector_ends "$1" "$name"; done
}

rounds() { # GUARD
        round "$1" usual targets memory outside races own && ends "$1" &&
                round "$1" wide targets-wide memory-wide &&
                round "$1" private targets-private own-private &&
                round "$1" private-wide targets-private-wide
}

table() {
        local name
        for name in $("$T/bin/escape" --list | cut -d' ' -f1); do
                [ -n "${off[$name]:-}" ] || continue
                diag "vector: $name off=${off[$name]} on=${on[$name]:-untried}"
        done
}

setup
trap undo_all EXIT
install -m 0755 "$(program tests/escape/escape)" "$T/bin/" || exit 1
alice=bdt-$$-a bob=bdt-$$-b
add_user "$alice" && add_user "$bob" || exit 1
service bdt
simple_policy 60-bob "$bob"
ok "devices, mounts and a link are there" furnish
ok "the helper starts" helper_start
ok "another user has a delegation" session_start b "$bob"
other_dir=$T/cg2/${cgroup_parent}/$(basename "$(delegation_dirs | head -n 1)")

rounds off
if rounds on; then
        ok "the guard is on" true
else
        skip "the guard is on" "this helper or kernel has none: $(tr '\n' ' ' <"$T/out" | cut -c 1-200)"
fi
table
ok "the other user's session ends" session_end b
ok "what the test has made is removed" unfurnish
finish
