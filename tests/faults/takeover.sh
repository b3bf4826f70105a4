#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The helper is killed while a hundred delegations live, and started again: all go on, and who is at work in one does
# not notice. How long it took is printed. An anchor whose number somebody else has got meanwhile is not believed, and
# nobody else is ended for it. BD_CROWD: how many (100).

. "$(dirname "$0")/../system/lib.sh"

many=${BD_CROWD:-100}
setup
alice=bdt-$$-a
add_user "$alice"
simple_policy 50-all '~nobody-is-left-out'
# A busy machine is no fault.
start() { helper_start '[timeouts]' 'open = 40' 'enter = 40' 'close = 40'; }
service bdt "socket=$T/run/session" "policy_dir=$T/policy.d" timeout=50
ok "the helper starts" start

# ---- a hundred ----

rounds() { sed -n "/^good\$/p" "$T/home/$alice/work" 2>/dev/null | wc -l; }
at_work() { [ "$(rounds)" -gt "$1" ]; }
work_goes_on() { wait_until at_work "$(rounds)" || { tail -n 5 "$T/home/$alice/work"; return 1; }; }
anchors() { find "$cgroup2/$cgroup_parent" -path '*/supervisor/cgroup.procs' -exec cat {} + | sort; }
# start_timed: starts it again; in $took, how long it was until it served.
start_timed() {
        local begin
        begin=$(now_ms)
        start || return 1
        took=$(($(now_ms) - begin))
}

ok "$many users have delegations" crowd_start "$many"
ok "another logs in" session_start one "$alice"
# Loads a program through his token again and again: each line is one that went well, and the first that does not ends
# it.
ok "and works in his" in_session_sh one \
        'bpfdeleg run -- sh -c '\''while bpftool prog load "$0" /sys/fs/bpf/x && rm /sys/fs/bpf/x;
                do echo good; sleep 0.05; done'\'' '"$T"'/bin/packets.bpf.o >~/work 2>&1 & echo $! >~/pid'
ok "which goes well" work_goes_on
worker=$(cat "$T/home/$alice/pid")
anchors >"$T/anchors"
helper_kill
ok "the helper is killed: the work goes on" work_goes_on
log_mark
ok "it starts again" start_timed
ok "and takes all of them over" logged "taken over: $((many + 1)) delegations with $((many + 1)) sessions; ended: 0"
with=$took
same_anchors() { anchors | cmp - "$T/anchors"; }
ok "with the same anchors" same_anchors
ok "the work goes on" work_goes_on
ok "and was never interrupted" alive "$worker"
ok "run works" in_session one bpfdeleg run -- test -d /sys/fs/bpf/.
helper_stop || tap failed "the helper stops in order"
ok "stopped in order, and started again" start_timed
ok "all of them are there" expect_delegations $((many + 1))
ok "the hundred end" crowd_end
ok "and nothing but them" expect_delegations 1
ok "the work goes on" work_goes_on
ok "he logs out" session_end one
ok "all is gone" expect_delegations 0
ok "the helper stops" helper_stop
ok "and starts, with nothing to take over" start_timed
diag "a start that takes over $((many + 1)) delegations: $with ms from exec to serving; one with none: $took ms"

# ---- a number that somebody else has got ----

# impostor PID: a process of that number, of the same user.
impostor() {
        local uid gid
        uid=$(id -u "$alice") gid=$(id -g "$alice")
        for _ in {1..200}; do
                # Nothing may fork between these two, or it has the number.
                echo $(($1 - 1)) >/proc/sys/kernel/ns_last_pid || return 1
                spawn setpriv "--reuid=$uid" "--regid=$gid" --clear-groups sleep 1000 </dev/null
                [ "$spawned" != "$1" ] || return 0
                kill -KILL "$spawned"
                wait "$spawned" 2>/dev/null
                unset "pids[$spawned]"
        done
        echo "pid $1 was not given out again, the last one was $spawned"
        return 1
}
if [ -w /proc/sys/kernel/ns_last_pid ]; then
        for forged in nothing start; do
                ok "he logs in" session_start one "$alice"
                anchor=$(anchor_pid)
                record=$(echo "$T"/run/state/*/record)
                helper_kill
                kill -KILL "$anchor"
                # Until its new parent has reaped it, the number is not free.
                ok "his anchor ends while no helper runs" wait_until test ! -e "/proc/$anchor"
                ok "and another process of his gets its number" impostor "$anchor"
                # The record says the impostor's start, too: then it is the pidfd that tells.
                [ "$forged" = nothing ] \
                        || { start=$(sed 's/.*) //' "/proc/$anchor/stat" | cut -d ' ' -f 20)
                                sed -i "s/^anchor.start = .*/anchor.start = $start/" "$record"; }
                log_mark
                ok "the helper starts again" start
                ok "and is not deceived" logged 'end: .*its anchor was killed while no bpfdelegd ran'
                ok "the delegation ends" expect_delegations 0
                ok "but not the process of that number" alive "$anchor"
                kill -KILL "$anchor"
                wait "$anchor" 2>/dev/null
                unset "pids[$anchor]"
                ok "he logs out" session_end one
        done
else
        skip "a pid that is used again" "/proc/sys/kernel/ns_last_pid is not writable here"
fi
finish
