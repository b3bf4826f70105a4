#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Bad days: the helper is absent, silent or killed; leaders, anchors and limits go. Logins go on, and nothing is left.

. "$(dirname "$0")/lib.sh"

setup
alice=bdt-$$-a
bob=bdt-$$-b
add_user "$alice"
add_user "$bob"
service bdt "socket=$T/run/session" "policy_dir=$T/policy.d" timeout=2
simple_policy 50-allow "$alice"
simple_policy 50-deny "$bob" 'session:on_failure = deny'

logs_in() { # USER: and what is said on the way
        "$pam_session" --syslog --confdir "$T/pam.d" bdt "$1" -- sh -c 'printf "cookie=%s\n" "${BPFDELEG:-none}"' \
                </dev/null
}

# ---- no helper ----

prints "no helper: the login goes on" 'cookie=none' logs_in "$alice"
prints "one line says that it is not running" 'syslog: .*50-allow.ini.*bpfdelegd is not running' logs_in "$alice"
exits "under on_failure = deny it does not, and the user is told" 200 'pam: .*refused.*50-deny.ini.*administrator' \
        logs_in "$bob"
refused "the log says why" 'syslog: .*50-deny.ini.*login refused.*bpfdelegd is not running' logs_in "$bob"
ok "a user without policy does not notice" logs_in root

ok "the helper starts" helper_start
helper_idle
prints "with it, one is granted" 'cookie=[0-9a-f]{16}-1' logs_in "$alice"
prints "and the other" 'cookie=[0-9a-f]{16}-1' logs_in "$bob"

# ---- a helper that hears and says nothing ----

kill -STOP "$helper_pid"
before=$(now_ms)
prints "a silent helper: the login goes on" 'syslog: .*no answer.*within 2 s' logs_in "$alice"
took=$(($(now_ms) - before))
held() { echo "$took ms"; [ "$took" -ge 2000 ] && [ "$took" -lt 20000 ]; }
ok "after its deadline" held
exits "under on_failure = deny it does not" 200 'pam: .*refused' logs_in "$bob"
kill -CONT "$helper_pid"
still_idle "awake again, the helper drops the sessions that nobody waited for"

# ---- what a policy asks for cannot be had ----

# Whatever controllers this host has: the helper is shown none of them.
: >"$T/no-controllers"
cat >"$T/bin/bpfdelegd-poor" <<END
#!/bin/sh
exec unshare --mount --propagation private sh -c 'mount --bind "$T/no-controllers" "$cgroup2/cgroup.controllers" &&
        mount --bind "$T/no-controllers" "$cgroup2/cgroup.subtree_control" && exec "\$@"' sh "$bpfdelegd" "\$@"
END
chmod 0755 "$T/bin/bpfdelegd-poor"
real=$bpfdelegd
ok "the helper ends" helper_stop
bpfdelegd=$T/bin/bpfdelegd-poor
ok "the helper starts on a host without controllers" helper_start
simple_policy 50-deny "$bob" 'session:on_failure = deny' 'cgroup:pids_max = 100'
exits "a limit that this host cannot keep, under deny" 200 'syslog: .*pids_max.*no pids controller' logs_in "$bob"
simple_policy 50-deny "$bob" 'session:on_failure = deny'
ok "without it he logs in" logs_in "$bob"
ok "the helper ends" helper_stop
bpfdelegd=$real
ok "the helper starts" helper_start
helper_idle

# ---- leaders ----

ok "a session opens" session_start one "$alice"
ok "its user leaves a process" in_session_sh one 'bpfdeleg run -- sleep 1000 & echo $! >~/pid; sleep 0.3'
pid=$(cat "$T/home/$alice/pid")
session_kill one
ok "kill -9 of the leader tears the delegation down" expect_delegations 0
ok "with its process" wait_until gone "$pid"
ok "the helper says why" logged 'end: .*leader has exited'
kill_user "$alice"

ok "two sessions open" session_start one "$alice"
ok "two sessions open" session_start two "$alice"
session_kill one
ok "kill -9 of one leader is a leave" logged 'leave: .*leader has exited; 1 left'
ok "the other goes on" in_session two bpfdeleg run -- true
ok "and ends" session_end two
kill_user "$alice"
still_idle "nothing is left"

# ---- the user against his own anchor ----

ok "a session opens" session_start one "$alice"
anchor=$(anchor_pid)
has_executed() { [ "$(readlink "/proc/$anchor/exe")" = "$T/bin/bpfdeleg-anchor" ]; }
ok "it is a program of its own" wait_until has_executed
prints "by its name" '^bpfdeleg-anchor$' cat "/proc/$anchor/comm"
no_descriptor() { [ -z "$(ls "/proc/$anchor/fd")" ]; }
ok "without a descriptor" no_descriptor
prints "without a capability" '^CapEff:.0+$' grep CapEff "/proc/$anchor/status"
refused "he cannot read the program" 'denied' in_session one cat "$T/bin/bpfdeleg-anchor"
refused "he cannot trace his anchor" 'not permitted|denied' in_session one timeout 5 strace -p "$anchor"
refused "nor open anything of it" 'denied|not permitted' in_session one ls "/proc/$anchor/fd/"
refused "nor its namespaces" 'denied|not permitted' in_session_sh one "readlink -v /proc/$anchor/ns/user"
refused "nor from inside, where he has capabilities" 'denied|not permitted' in_session_sh one \
        "bpfdeleg run -- readlink -v /proc/$anchor/ns/mnt"
ok "he can kill it" in_session one kill -KILL "$anchor"
ok "that ends his delegation" expect_delegations 0
ok "the helper says why" logged 'end: .*anchor was killed'
exits "run says that it is over" 125 'no delegation' in_session one bpfdeleg run -- true
ok "the session ends as usual" session_end one

ok "a session opens" session_start one "$alice"
ok "he can stop it" in_session one kill -STOP "$(anchor_pid)"
ok "run works all the same" in_session one bpfdeleg run -- true
ok "and the end too" session_end one
ok "it is gone" expect_delegations 0

# What his user can read the kernel lets him trace.
ok "the helper ends" helper_stop
chmod 0755 "$T/bin/bpfdeleg-anchor"
ok "the helper starts where everybody can read the anchor's program" helper_start
ok "it says that it does without it" logged 'stay forks .* must be root.s, with mode 0711'
ok "a session opens" session_start one "$alice"
anchor=$(anchor_pid)
prints "the anchor is the helper's fork" '/bpfdelegd$' readlink "/proc/$anchor/exe"
refused "he cannot trace it" 'not permitted|denied' in_session one timeout 5 strace -p "$anchor"
has_no_heap() { # a sanitizer has one of its own
        ! grep -F '[heap]' "/proc/$anchor/maps" || grep -Fq libasan "/proc/$helper_pid/maps"
}
ok "it has nothing of the helper's heap" has_no_heap
ok "run works all the same" in_session one bpfdeleg run -- true
ok "the session ends" session_end one
ok "it is gone" expect_delegations 0
ok "the helper ends" helper_stop
chmod 0711 "$T/bin/bpfdeleg-anchor"
ok "the helper starts" helper_start
helper_idle

# ---- strays ----

ok "a session opens" session_start one "$alice"
ok "a process goes in" in_session_sh one 'bpfdeleg run -- sleep 1000 & echo $! >~/pid; sleep 0.3'
pid=$(cat "$T/home/$alice/pid")
mkdir "$cgroup2/bdt-$$.stray"
echo "$pid" >"$cgroup2/bdt-$$.stray/cgroup.procs"
ok "and is moved out of the subtree by root" grep -qx "$pid" "$cgroup2/bdt-$$.stray/cgroup.procs"
ok "the session ends" session_end one
ok "the process has been found in the user namespace, and killed" wait_until gone "$pid"
wait_until rmdir "$cgroup2/bdt-$$.stray" 2>/dev/null

# A stray that dies but is not reaped is no stray any more, and no reason to go on looking.
log_mark
ok "a session opens" session_start one "$alice"
cat >"$T/bin/zombie.py" <<'END'
import subprocess, sys, time
p = subprocess.Popen(["bpfdeleg", "run", "--", "sleep", "1000"])
print(p.pid, flush=True)
time.sleep(1000)
END
ok "a process goes in, whose parent never reaps it" in_session_sh one "python3 $T/bin/zombie.py >~/pid & sleep 0.5"
ok "the session ends" session_end one
one_round() { sleep 1; [ "$(log_count 'stray')" -le 1 ]; }
ok "its zombie is not taken for a stray" one_round
kill_user "$alice"

# ---- what the user has built in his subtree ----

ok "a session opens" session_start one "$alice"
nest='d=/sys/fs/cgroup; for i in 1 2 3 4 5 6 7 8; do d=$d/n$i; mkdir $d || exit 1; done;
        mkdir /sys/fs/cgroup/run/sub /sys/fs/cgroup/run/.hidden /sys/fs/cgroup/... /sys/fs/cgroup/a;
                [ -d /sys/fs/cgroup/... ]'
ok "he nests cgroups" in_session one bpfdeleg run -- sh -c "$nest"
in_session_sh one \
        'bpfdeleg run -- sh -c "echo \$\$ >/sys/fs/cgroup/n1/n2/n3/cgroup.procs;
                exec sleep 1000" & echo $! >~/pid; sleep 0.3' >/dev/null
in_session_sh one \
        'bpfdeleg run -- sh -c "echo 1 >/sys/fs/cgroup/a/cgroup.freeze; echo \$\$ >/sys/fs/cgroup/a/cgroup.procs;
                sleep 1000" & echo $! >~/frozen; sleep 0.3' >/dev/null
chown -R "$bob" "$(delegation_dirs)/n1/n2"
in_session one bpfdeleg run -- chmod 0777 /sys/fs/cgroup /sys/fs/cgroup/run >/dev/null
refused "deeper than 8 he cannot" '.' in_session one bpfdeleg run -- sh -c \
        'd=/sys/fs/cgroup; for i in $(seq 9); do d=$d/d; mkdir $d || exit 1; done'
ok "that deep he can" in_session one bpfdeleg run -- test -d /sys/fs/cgroup/d/d/d/d/d/d/d/d
refused "nor more than 128 in all" '.' in_session one bpfdeleg run -- sh -c \
        'cd /sys/fs/cgroup; for i in $(seq 128); do mkdir "w$i" || exit 1; done'
ok "a hundred he can" in_session one bpfdeleg run -- test -d /sys/fs/cgroup/w100
refused "to lift the limit is root's" '.' in_session one bpfdeleg run -- sh -c \
        'echo max >/sys/fs/cgroup/cgroup.max.descendants'
refused "that of levels too" '.' in_session one bpfdeleg run -- sh -c 'echo max >/sys/fs/cgroup/cgroup.max.depth'
ok "the session ends" session_end one
ok "all of it is gone, frozen, nested and another's" expect_delegations 0

simple_policy 40-sizes "$alice" 'cgroup:descendants_max = 4' 'cgroup:depth_max = 1'
ok "a session with limits of the policy's" session_start one "$alice"
ok "two cgroups he makes" in_session one bpfdeleg run -- mkdir /sys/fs/cgroup/a /sys/fs/cgroup/b
refused "no third" 'Resource temporarily' in_session one bpfdeleg run -- mkdir /sys/fs/cgroup/c
ok "he removes one" in_session one bpfdeleg run -- rmdir /sys/fs/cgroup/a
refused "and there is none below another" 'Resource temporarily' in_session one bpfdeleg run -- mkdir /sys/fs/cgroup/b/a
ok "the session ends" session_end one
ok "all of it is gone" expect_delegations 0
rm "$T/policy.d/40-sizes.ini"
kill_user "$alice"

# ---- the helper dies ----

# What a helper leaves and what the next one does with it: restart.sh. Without its records, delegations are nobody's.
ok "a session opens" session_start one "$alice"
ok "with a process inside" in_session_sh one 'bpfdeleg run -- sleep 1000 & echo $! >~/pid; sleep 0.3'
pid=$(cat "$T/home/$alice/pid")
helper_kill
ok "kill -9 of the helper: the process inside does not notice" alive "$pid"
exits "run says that nobody is there" 125 'bpfdelegd is not running' in_session one bpfdeleg run -- true
rm -rf "$T/run/state"
log_mark
ok "the helper starts again, its records lost" helper_start
ok "and ends what it does not know" expect_delegations 0
ok "saying so" logged 'ending the subtree [0-9a-f]{16} of an earlier helper'
ok "the process inside is gone" wait_until gone "$pid"
ok "the session ends as usual" session_end one
prints "and the next login is granted" 'cookie=[0-9a-f]{16}-1' logs_in "$alice"

# What somebody else keeps in the same directory is not a left-over of ours.
mkdir "$cgroup2/$cgroup_parent/foreign"
spawn sleep 1000
foreign=$spawned
echo "$foreign" >"$cgroup2/$cgroup_parent/foreign/cgroup.procs"
helper_stop >"$T/out" 2>&1
ok "the helper starts with somebody else's cgroup beside" helper_start
ok "and leaves it alone" grep -qx "$foreign" "$cgroup2/$cgroup_parent/foreign/cgroup.procs"
kill -KILL "$foreign"
wait "$foreign" 2>/dev/null
unset "pids[$foreign]"
ok "it can be removed" wait_until rmdir "$cgroup2/$cgroup_parent/foreign"
printf '[helper]\ncgroup_parent = system.slice\nbackend = cgroupfs\n' >"$T/bad.ini"
config_is() { "$bpfdelegd" "--runtime-dir=$T/run2" "--guard-dir=$guard_dir" "--config=$1"; }
refused "a file right below the root is looked for there" "/bdt-$$.ini: there is no such file" config_is "/bdt-$$.ini"
refused "a path must be absolute" 'not an absolute path' config_is bad.ini
refused "and not be empty" 'not an absolute path' config_is ''
refused "systemd's own directories are refused" 'bad.ini:2: .*system.slice' "$bpfdelegd" "--runtime-dir=$T/run2" \
        "--guard-dir=$guard_dir" "--config=$T/bad.ini"

# Nothing of ours is in there between logins, so somebody may have removed the directory itself.
ok "the empty parent directory can be removed" rmdir "$cgroup2/$cgroup_parent"
prints "and the next login is granted all the same" 'cookie=[0-9a-f]{16}-1' logs_in "$alice"

# A second helper, started by mistake, must not take the first one's delegations for left-overs.
ok "a session opens" session_start one "$alice"
refused "a second helper on the same directory is refused" 'another bpfdelegd' "$bpfdelegd" "--runtime-dir=$T/run" \
        "--guard-dir=$guard_dir" \
        "--policy-dir=$T/policy.d" "--config=$T/bpfdeleg.ini"
mkdir "$T/run2"
refused "one on another directory with the same cgroup_parent too" 'another bpfdelegd' "$bpfdelegd" \
        "--runtime-dir=$T/run2" "--guard-dir=$guard_dir" \
        "--policy-dir=$T/policy.d" "--config=$T/bpfdeleg.ini"
ok "the session has not noticed" in_session one bpfdeleg run -- true
ok "and ends" session_end one
prints "the next login is granted" 'cookie=[0-9a-f]{16}-1' logs_in "$alice"
refused "one without root is refused" 'must be root' as_user "$alice" "$T/bin/bpfdelegd" "--runtime-dir=$T/run"

# ---- limits ----

helper_stop >"$T/out" 2>&1
ok "a helper with small limits" helper_start '[limits]' 'sessions_per_uid = 2'
ok "two sessions are within" session_start one "$alice"
ok "two sessions are within" session_start two "$alice"
prints "a third is told so, and logs in" 'syslog: .*2 sessions already.*sessions_per_uid' logs_in "$alice"
ok "they end" session_end one
ok "they end" session_end two
bad_setting() { # LINE
        printf '[helper]\ncgroup_parent = x\n%s\n' "$1" >"$T/bad.ini"
        "$bpfdelegd" "--runtime-dir=$T/run2" "--guard-dir=$guard_dir" "--config=$T/bad.ini"
}
refused "an unknown setting is refused, with its line" 'bad.ini:3: .*back_end' bad_setting 'back_end = auto'
refused "an unknown backend is refused, with those there are" "bad.ini:3: .*'x'.*auto, systemd, cgroupfs" bad_setting \
        'backend = x'
# sd_booted(3) looks for a directory in /run: the helper has a /run of its own.
printf '[helper]\ncgroup_parent = x\nbackend = systemd\n' >"$T/bad.ini"
refused "backend = systemd is refused where there is none" 'not the service manager here' \
        unshare --mount --propagation private sh -c 'mount -t tmpfs none /run && exec "$@"' sh \
        "$bpfdelegd" "--runtime-dir=$T/run2" "--guard-dir=$guard_dir" "--config=$T/bad.ini"

finish
