#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Processes that do not go: detached, stopped, frozen, traced, in uninterruptible sleep, outside the cgroup but in the
# namespace; and subtrees that are large. The end kills what dies, reports what does not and goes on trying, and nobody
# else waits for it.
# not in the vm bed: its kernels have no FUSE; what is tested here is no kernel's in particular

. "$(dirname "$0")/lib.sh"

setup
alice=bdt-$$-a bob=bdt-$$-b
add_user "$alice"
add_user "$bob"
service bdt
simple_policy 50-all "$alice $bob"
ok "the helper starts" helper_start
helper_idle
home=$T/home/$alice
unmount() {
        local code=$?
        umount -l "$home/mnt" 2>/dev/null
        return "$code"
}
trap 'unmount; undo' EXIT

# stuck ARGUMENT…: makes something stick, until let_go.
stuck() {
        rm -f "$T/stuck.out"
        # shellcheck disable=SC2016 # for the inner shell
        spawn sh -c 'out=$1; shift; exec "$@" >"$out" 2>&1' sh "$T/stuck.out" "$(program tests/tools/stuck)" "$@" \
                </dev/null
        stuck_pid=$spawned
        stuck_says ready || { cat "$T/stuck.out"; return 1; }
}
stuck_says() { wait_until grep -qx "$1" "$T/stuck.out" 2>/dev/null; }
let_go() {
        kill "$stuck_pid"
        wait "$stuck_pid" 2>/dev/null
        unset "pids[$stuck_pid]"
        return 0
}
# inside FILE SCRIPT: runs it in the session's delegation, and its pid is in FILE.
inside() {
        in_session_sh s \
                "bpfdeleg run -- sh -c 'echo \$\$ >~/$1; $2' >/dev/null 2>&1 & disown;
                        while ! [ -s ~/$1 ]; do sleep 0.05; done"
}
pid_of() { cat "$home/$1"; }
state_of() { sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status"; }
is_in_state() { [ "$(state_of "$1")" = "$2" ]; }

# While one does not go: what others have of it is nothing, and its user gets another.
others_do_not_wait() {
        ok "another user logs in, works, and out" login_as "$bob" -- bpfdeleg run -- true
        ok "its user logs in again" login_as "$alice" -- bpfdeleg run -- true
        expect=$1 ok "both are torn down, and the one goes on ending" wait_until delegations_are "$1"
        patience=10 ok "the helper tells, after a while" logged \
                'is not torn down yet after 5 s \(a process does not die'
}

# ---- what dies ----

ok "a session" session_start s "$alice"
ok "a process that has left its session and parent" inside daemon \
        'setsid sh -c "echo \$\$ >~/grandchild; exec sleep 1000" & exit 0'
ok "it is there" wait_until test -s "$home/grandchild"
ok "one that is stopped" inside stopped 'kill -STOP $$'
ok "one that is frozen" inside frozen \
        'mkdir /sys/fs/cgroup/f && echo 1 >/sys/fs/cgroup/f/cgroup.freeze &&
                echo $$ >/sys/fs/cgroup/f/cgroup.procs; sleep 1000'
ok "one that waits in vfork for one that does not end" inside vfork 'exec setsid sh -c "sleep 1000"'
ok "one that joins the namespace from outside the cgroup" inside target 'exec sleep 1000'
ok "by a descriptor that he has opened" in_session_sh s \
        'nsenter --user --preserve-credentials -t $(cat ~/target) sh -c "echo \$\$ >~/joined; exec sleep 1000" \
                >/dev/null 2>&1 & disown; while ! [ -s ~/joined ]; do sleep 0.05; done'
prints "it is outside" "^0::/$" sh -c \
        "grep '^0::' /proc/$(pid_of joined)/cgroup | sed 's,^0::/.*bpfdeleg.*,inside,; s,^0::/.*,0::/,'"
ok "the session ends" session_end s
ok "its delegation, too" expect_delegations 0
for p in grandchild stopped frozen vfork target joined; do ok "$p is gone" wait_until gone "$(pid_of "$p")"; done
still_idle "nothing is left of it"

# ---- what does not ----

log_mark
ok "a session" session_start s "$alice"
ok "a process inside" inside traced 'exec sleep 1000'
ok "somebody traces it, and keeps it from dying" stuck trace "$(pid_of traced)"
ok "the session ends" session_end s
others_do_not_wait 1
ok "the tracer ends" let_go
ok "then the delegation does" expect_delegations 0
still_idle "nothing is left of it"

if [ -c /dev/fuse ] && modprobe -q fuse 2>/dev/null || grep -qw fuse /proc/filesystems; then
        log_mark
        mkdir "$home/mnt" && chown "$alice:" "$home/mnt"
        ok "a file system that never answers" stuck fuse "$home/mnt" "$(id -u "$alice")"
        ok "a session" session_start s "$alice"
        ok "a process inside asks it" inside asleep 'exec cat ~/mnt/file'
        ok "it asks" stuck_says asked
        unmount
        ok "the session ends" session_end s
        ok "it sleeps uninterruptibly" is_in_state "$(pid_of asleep)" D
        others_do_not_wait 1
        ok "the file system goes" let_go
        ok "then the delegation does" expect_delegations 0
        still_idle "nothing is left of it"
else
        skip "uninterruptible sleep" "this kernel has no FUSE"
fi

# ---- a large one ----

simple_policy 50-all "$alice $bob" 'cgroup:descendants_max = 1024'
ok "a session" session_start s "$alice"
ok "he makes a thousand cgroups" in_session s bpfdeleg run -- sh -c \
        'cd /sys/fs/cgroup/run && for i in $(seq 250); do mkdir -p "$i/a/b/c" || exit 1; done'
refused "no more than 1024 in all" '.' in_session s bpfdeleg run -- sh -c \
        'cd /sys/fs/cgroup && for i in $(seq 100); do mkdir "$i" || exit 1; done'
ok "the session ends" session_end s
ok "they are all removed" expect_delegations 0
still_idle "nothing is left of it"

# ---- a restart meanwhile ----

# restart_takes NAME: the shortest of five, in microseconds.
restart_takes() {
        local i begin takes least=
        for ((i = 0; i < 5; i++)); do
                begin=${EPOCHREALTIME/[.,]/}
                helper_stop || return 1
                helper_start || return 1
                takes=$((${EPOCHREALTIME/[.,]/} - begin))
                [ -n "$least" ] && [ "$least" -le "$takes" ] || least=$takes
        done
        echo "$least" >"$T/$1"
}
ok "(what a restart takes)" restart_takes without
ok "a session" session_start s "$alice"
ok "a process inside" inside traced2 'exec sleep 1000'
ok "somebody traces it, and keeps it from dying" stuck trace "$(pid_of traced2)"
ok "the session ends" session_end s
# The next one goes on where this one was. The bench has what it costs; this is that nobody waits for it.
expect=1 ok "its delegation goes on ending" wait_until delegations_are 1
ok "(for a while)" sleep 0.5
ok "the helper restarts, and does not wait for it" restart_takes with
nearly_as_long() {
        echo "microseconds with: $(cat "$T/with"), without: $(cat "$T/without")"
        [ "$(cat "$T/with")" -lt $((3 * $(cat "$T/without"))) ]
}
ok "which takes about as long as without" nearly_as_long
diag "$(cat "$T/out")"
ok "another user logs in, works, and out" login_as "$bob" -- bpfdeleg run -- true
expect=1 ok "the one goes on ending" wait_until delegations_are 1
ok "the tracer ends" let_go
ok "then the delegation does" expect_delegations 0
finish
