#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The whole way: a session opens, its user loads, attaches and counts; sessions share and leave; the last one out takes
# all away.

. "$(dirname "$0")/lib.sh"

setup
alice=bdt-$$-a
add_user "$alice"
alice_uid=$(id -u "$alice")
service bdt
simple_policy 50-test "$alice"
ok "the helper starts" helper_start
helper_idle

load=(bpftool prog load "$T/bin/packets.bpf.o" /sys/fs/bpf/egress)
# `multi`: bpftool's default is exclusive, and the libbpf program attaches beside it.
attach=(bpftool cgroup attach /sys/fs/cgroup egress pinned /sys/fs/bpf/egress multi)

# ---- one session, and everything in it ----

refused "without a session the kernel refuses the load" 'not permitted|permission denied|EPERM' as_user "$alice" \
        "${load[@]}"

ok "a session opens" session_start one "$alice"
ok "the helper says grant, with user, service and policy" \
        logged "grant: .*uid=$alice_uid user=$alice service=bdt policy=50-test.ini id=[0-9a-f]{16}"
ok "there is one delegation" expect_delegations 1
prints "the session has its cookie" '^[0-9a-f]{16}-1$' in_session one printenv BPFDELEG
lacks "and no variable for libbpf outside of run" . in_session_sh one 'printenv LIBBPF_BPF_TOKEN_PATH || true'
prints "status shows the delegation" '50-test' in_session one bpfdeleg status
ok "bpftool loads and pins" in_session one bpfdeleg run -- "${load[@]}"
ok "bpftool attaches" in_session one bpfdeleg run -- "${attach[@]}"
prints "a libbpf program counts its own packets" '[1-9]' in_session one bpfdeleg run -- \
        packets "$T/bin/packets.bpf.o" /sys/fs/cgroup 5
prints "the pin is there in the next run" '^egress$' in_session one bpfdeleg run -- ls /sys/fs/bpf
lacks "and not in the session outside of run" egress in_session_sh one 'ls /sys/fs/bpf 2>&1 || true'

# ---- what root sees ----

ok "the host's mount table is as it was" world_same_kind idle mounts
ok "the host's bpffs are as they were" world_same_kind idle pins

processes_of_helper() { ps -o pid=,ppid=,comm=,args= --pid "$helper_pid" --ppid "$helper_pid"; }
# The helper, and for each delegation its anchor, whatever it is called: no other child, no thread.
helper_processes_are() { # DELEGATIONS
        processes_of_helper
        [ "$(processes_of_helper | wc -l)" -eq $(($1 + 1)) ] \
                && [ "$(find "/proc/$helper_pid/task" -mindepth 1 -maxdepth 1 | wc -l)" -eq 1 ]
}
one_anchor() {
        wait_until helper_processes_are 1 && [ "$(ps -o ppid= --pid "$(anchor_pid)" | tr -d ' ')" = "$helper_pid" ]
}
ok "ps shows the helper as one process, and one anchor" one_anchor

# ---- a second session of the same user ----

ok "a second session opens" session_start two "$alice"
ok "the helper says join" logged "join: .*user=$alice"
ok "it is the same delegation" expect_delegations 1
ok "with the same anchor" one_anchor
prints "it has a cookie of its own" '^[0-9a-f]{16}-2$' in_session two printenv BPFDELEG
prints "it sees the first one's pin" '^egress$' in_session two bpfdeleg run -- ls /sys/fs/bpf
ok "it can use the pin" in_session two bpfdeleg run -- bpftool prog show pinned /sys/fs/bpf/egress
prints "status tells of two sessions" '(^|[^0-9])2([^0-9]|$)' in_session two bpfdeleg status

ok "the first session ends" session_end one
ok "the helper says leave" logged "leave: .*user=$alice"
ok "the second keeps the delegation" expect_delegations 1
prints "and its pins" '^egress$' in_session two bpfdeleg run -- ls /sys/fs/bpf
ok "and can enter it as before" in_session two bpfdeleg run -- true

# ---- the last one out ----

ok "a process stays in the delegation" in_session_sh two 'bpfdeleg run -- sleep 1000 & sleep 0.3; kill -0 $!'
ok "a process of the user's runs outside of it" in_session_sh two 'setsid sleep 1001 >/dev/null 2>&1 & echo $!'
outside=$(grep -Eo '^[0-9]+$' "$T/out")
ok "the last session ends" session_end two
ok "the helper says end" logged "end: .*user=$alice"
no_sleeper() { ! pgrep -u "$alice_uid" -f 'sleep 1000' >/dev/null; }
ok "the process inside has been killed" wait_until no_sleeper
ok "the one outside has not" alive "${outside:-0}"
kill "${outside:-$$.none}" 2>/dev/null
still_idle "nothing is left of the two sessions"

# ---- the leader dies ----

ok "a session opens" session_start three "$alice"
ok "bpftool loads and pins" in_session three bpfdeleg run -- "${load[@]}"
session_kill three
ok "kill -9 of its leader ends the delegation" expect_delegations 0
still_idle "nothing is left of it"

# ---- many, one after the other ----

ten_times() {
        local i
        for i in 1 2 3 4 5 6 7 8 9 10; do
                login_as "$alice" -- bpfdeleg run -- test -d /sys/fs/bpf || { echo "login $i: $?"; return 1; }
        done
}
ok "ten sessions, one after the other" ten_times
still_idle "nothing is left of them"

# ---- the helper ends ----

ok "a session opens" session_start four "$alice"
ok "another joins" session_start five "$alice"
ok "bpftool loads and pins" in_session four bpfdeleg run -- "${load[@]}"
ok "a process stays in the delegation" in_session_sh four 'bpfdeleg run -- sleep 1000 & sleep 0.3; kill -0 $!'
ok "SIGINT ends the helper" helper_stop INT
ok "and with it the process inside" wait_until no_sleeper
no_parent() { ! [ -e "$cgroup2/$cgroup_parent" ]; }
ok "and its cgroups" no_parent
exits "run says what is wrong, then" 125 'bpfdeleg' in_session four bpfdeleg run -- true
ok "the sessions end as if nothing had been" session_end four
ok "the other one too" session_end five

finish
