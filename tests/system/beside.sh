#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A machine on which others are at work: the session test while somebody else mounts, makes cgroups, users, files and
# BPF programs all the time, and starts what a container starts. It looks at its own marks only; and those it does see.
# not in the vm bed: nothing in it depends on the guard or the kernel, and nobody else is there.

. "$(dirname "$0")/lib.sh"

setup
name=bes-$$ # no mark of ours, nor of the session test's
other=$(mktemp -d "/tmp/$name.XXXXXX") || exit 1
cp "$top_builddir/tests/tools/packets.bpf.o" "$other/" && mkdir "$other/mount" "$other/bpf" "$other/delegated" \
        && chmod 0755 "$other" || exit 1

# ---- somebody else ---------------------------------------------------------------------------------------------------

mount -t bpf -o mode=1777 bpf "$other/bpf" || exit 1
# Each thing is there in one picture of the other's and not in the next, or the other way round.
comes() {
        mount -t tmpfs "$name" "$other/mount"
        mount -t bpf -o delegate_cmds=prog_load,uid=4711 bpf "$other/delegated"
        mkdir "$cgroup2/$name" "$cgroup2/$name/inner"
        env -u BD_MARK sleep 1000 </dev/null >/dev/null 2>&1 &
        sleeper=$!
        echo "$sleeper" >"$cgroup2/$name/inner/cgroup.procs"
        bpftool prog load "$other/packets.bpf.o" "$other/bpf/count"
        bpftool cgroup attach "$cgroup2/$name" egress pinned "$other/bpf/count" multi
        : >"/run/$name"
}
goes() {
        rm -f "/run/$name" "$other/bpf/count"
        echo 1 >"$cgroup2/$name/inner/cgroup.kill"
        [ -z "$sleeper" ] || { wait "$sleeper"; } 2>/dev/null
        wait_until rmdir "$cgroup2/$name/inner" "$cgroup2/$name"
        umount "$other/mount"
        umount "$other/delegated"
}
tidy() {
        userdel "$name"
        groupdel "$name"
        umount "$other/bpf"
        rm -rf --one-file-system "$other"
}
# When this is ended half-way.
disturber='' sleeper=''
leave() {
        local code=$?
        [ "$BASHPID" = "$$" ] || exit "$code"
        [ -z "$disturber" ] || kill -KILL "$disturber"
        goes
        tidy
        (exit "$code")
        undo
} 2>/dev/null
trap leave EXIT
account() { wait_until useradd -l -r "$name" && wait_until userdel "$name"; }
container() { unshare --mount --pid --net --uts --ipc --cgroup --fork --kill-child mount -t proc proc /proc; }
disturb() {
        local rounds=0
        trap - EXIT INT TERM HUP
        exec {lock}>&- # which the tests below wait for
        until [ -e "$other/stop" ]; do
                comes
                account
                sleep 0.1
                goes
                container
                rounds=$((rounds + 1))
                echo "$rounds" >"$other/rounds"
        done >"$other/log" 2>&1
}
disturb &
disturber=$!
pids[$disturber]=1
beside() { [ -s "$other/rounds" ]; }
ok "somebody else is at work" wait_until beside

# Each takes the machine for itself, and that is not our matter here.
exec {lock}>&-
lock=
# of_others TEST: passes, and the other has worked all the while.
of_others() {
        local before cases
        before=$(cat "$other/rounds")
        env -u BD_MARK bash "$top_srcdir/tests/system/$1.sh" >"$T/$1.log" 2>&1 \
                || { grep -A 12 '^not ok\|✗' "$T/$1.log"; tail -n 3 "$T/$1.log"; return 1; }
        cases=$(grep -c '^ok \|✓' "$T/$1.log")
        echo "$1: $cases cases, while the other came and went $(($(cat "$other/rounds") - before)) times"
        [ "$cases" -ge 20 ] && [ $(($(cat "$other/rounds") - before)) -ge 3 ]
}
for test in session demo; do
        ok "$test.sh passes beside it" of_others "$test"
        diag "$(cat "$T/out")"
done
: >"$other/stop"
patience=60 wait_until gone "$disturber"
wait "$disturber" 2>/dev/null
unset "pids[$disturber]"
disturber=
# What it could not do it did not disturb with.
lacks "the other could do all of it" . cat "$other/log"

# ---- what is seen, and what is not -----------------------------------------------------------------------------------

alice=bdt-$$-a
add_user "$alice"
uid=$(id -u "$alice")
world_snapshot own
comes >"$T/out" 2>&1
groupadd "$name"
patience=0
for kind in "${world_kinds[@]}"; do ok "$kind of somebody else's are not seen" world_same_kind own "$kind"; done
groupdel "$name"
goes >"$T/out" 2>&1

differs() { world_differs own "$1" >"$T/seen"; cat "$T/seen"; grep -q -- "$2" "$T/seen"; }
seen() { ok "$1 of the test's own are seen" differs "$1" "$2"; } # KIND PATTERN
unseen() { ok "$1: gone" world_same_kind own "$1"; }

mount -t bpf -o "delegate_cmds=prog_load,uid=$uid" bpf "$other/delegated"
seen mounts "^+ .*delegate_cmds=prog_load"
umount "$other/delegated"
mkdir "$T/mount" && mount -t tmpfs none "$T/mount"
seen mounts "^+ .* $T/mount "
umount "$T/mount"
unseen mounts
mkdir "$cgroup2/$cgroup_parent" && seen cgroups "^+ .*/$cgroup_parent"
rmdir "$cgroup2/$cgroup_parent"
unseen cgroups
setpriv "--reuid=$uid" "--regid=$(id -g "$alice")" --clear-groups --inh-caps=+bpf,+net_admin,+perfmon \
        --ambient-caps=+bpf,+net_admin,+perfmon \
        bpftool prog load "$T/bin/packets.bpf.o" "$other/bpf/own" >"$T/out" 2>&1 || tap failed "a program can be loaded"
seen objects '^+ prog .*count_packets'
seen objects "^+ map .* name $map_mark"
seen pins "^+ .*/bpf/own uid=$uid"
rm "$other/bpf/own"
unseen pins
patience=10 unseen objects
: >"/run/bdt-$$.left"
seen files '^+ .*left'
rm "/run/bdt-$$.left"
unseen files
add_group "bdt-$$-left"
seen users '^+ group .*left'
groupdel "bdt-$$-left" && groups=()
unseen users
as_user "$alice" sleep 1000 </dev/null >/dev/null 2>&1 &
left=$!
patience=10 wait_until pgrep -u "$alice" -x sleep >/dev/null
seen processes 'sleep 1000'
kill_user "$alice"
wait "$left" 2>/dev/null
patience=10 unseen processes
unset patience

tidy >"$T/out" 2>&1
nothing_of_others() { ! [ -e "$other" ]; }
ok "nothing is left of somebody else's" nothing_of_others
trap undo EXIT
finish
