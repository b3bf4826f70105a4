#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The systemd backend against a systemd of our own making: what is asked of it, and what becomes of a login when it is
# old, refuses, lies, hangs up, or says nothing. The real one is in the booted bed.
# not in the vm bed: nothing in it depends on the guard or the kernel.

. "$(dirname "$0")/lib.sh"

setup
alice=bdt-$$-a
add_user "$alice"
uid=$(id -u "$alice")
service bdt
simple_policy 50-test "$alice"

slice=$cgroup2/$cgroup_parent/slice
mode() { echo "$1" >"$T/mode"; }
fake_start() {
        mkdir -p "$slice"
        rm -f "$T/bus"
        spawn "$(program tests/tools/fake-systemd)" "$T/bus" "$slice" "$T/mode" </dev/null >>"$T/calls" 2>>"$T/fake.log"
        fake=$spawned
        wait_until test -S "$T/bus"
}
fake_stop() {
        kill -TERM "$fake"
        wait "$fake" 2>/dev/null
        unset "pids[$fake]"
        rm -f "$T/bus"
}
# sd_booted(3) looks for a directory in /run: the helper has a /run of its own.
cat >"$T/bin/booted" <<'END'
#!/bin/sh
mount -t tmpfs none /run && mkdir -p /run/systemd/system && exec "$@"
END
chmod 0755 "$T/bin/booted"
real=$bpfdelegd
cat >"$T/bin/bpfdelegd-booted" <<END
#!/bin/sh
DBUS_SYSTEM_BUS_ADDRESS=unix:path=$T/bus exec unshare -m --propagation private "$T/bin/booted" "$real" "\$@"
END
chmod 0755 "$T/bin/bpfdelegd-booted"
bpfdelegd=$T/bin/bpfdelegd-booted

scopes() { find "$slice" -mindepth 1 -maxdepth 1 -type d 2>/dev/null; }
scopes_are() { [ "$(scopes | grep -c .)" -eq "$1" ] || { scopes; return 1; }; }
plain() { delegation_dirs | grep -vx "$slice" | grep -c .; }
none_left() { wait_until scopes_are 0 && [ "$(plain)" -eq 0 ]; }
status_now() { as_user "$alice" "$T/bin/bpfdeleg" status || true; }
logs_in() {
        "$pam_session" --syslog --confdir "$T/pam.d" bdt "$alice" -- sh -c 'printf "cookie=%s\n" "${BPFDELEG:-none}"' \
                </dev/null
}
property() { grep -Fx -- "$1" "$T/calls" || { cat "$T/calls"; return 1; }; }
state_empty() { [ -z "$(ls -A "$T/run/state" 2>/dev/null)" ]; }
no_state() { wait_until state_empty; }

: >"$T/calls"
mode ok
fake_start
ok "the helper starts" helper_start 'backend = systemd'

# ---- a systemd of today ----

ok "a session opens" session_start one "$alice"
ok "in one scope" scopes_are 1
id=$(scopes | sed 's,.*/bpfdeleg-\([0-9a-f]*\)\.scope$,\1,')
for line in "Unit=bpfdeleg-$id.scope" "Description=BPF delegation of $alice by 50-test.ini" "Slice=user-$uid.slice" \
        Delegate=1 \
        DelegateControllers=as KillSignal=9 SendSIGHUP=0 CollectMode=inactive-or-failed TasksMax=18446744073709551615 \
                PIDFDs=1; do
        ok "systemd was told: $line" property "$line"
done
lacks "and nothing of a user or of pids" '^(User|PIDs|Group)=' cat "$T/calls"
prints "status names it" "cgroup .*/slice/bpfdeleg-$id.scope " in_session one bpfdeleg status
prints "run goes into it" "^0::.*/run\$" in_session one bpfdeleg run -- sh -c 'grep ^0:: /proc/self/cgroup'
ok "bpftool loads and pins" in_session one bpfdeleg run -- bpftool prog load "$T/bin/packets.bpf.o" /sys/fs/bpf/egress
refused "what was not delegated is refused" . in_session one bpfdeleg run -- bpftool prog load "$T/bin/other.bpf.o" \
        /sys/fs/bpf/x
ok "he makes cgroups of his own" in_session one bpfdeleg run -- mkdir -p /sys/fs/cgroup/a/b /sys/fs/cgroup/run/c
ok "a second session joins" session_start two "$alice"
ok "and there is still one scope" scopes_are 1
ok "it ends" session_end two
ok "the helper restarts" helper_stop
ok "the helper restarts" helper_start 'backend = systemd'
ok "the scope is there" scopes_are 1
ok "run works" in_session one bpfdeleg run -- test -d /sys/fs/bpf/.
ok "the session ends" session_end one
ok "and with it the scope" none_left
ok "and its records" no_state

# ---- one that stops it ----

ok "a session opens" session_start one "$alice"
echo 1 >"$(scopes)/cgroup.kill"
ok "the scope is stopped from outside: the delegation ends" none_left
ok "its log says so" logged 'end: .*its anchor was killed'
exits "run says so" 125 'no delegation' in_session one bpfdeleg run -- true
ok "the session ends as usual" session_end one

# ---- one that forgets an empty scope ----

mode forgetful
ok "a session opens" session_start one "$alice"
id=$(scopes | sed 's,.*/bpfdeleg-\([0-9a-f]*\)\.scope$,\1,')
ok "and ends" session_end one
ok "systemd is asked to stop a scope that is empty and stays" wait_until property "Stop=bpfdeleg-$id.scope"
ok "then it goes" none_left

mode amnesia
ok "a session opens" session_start one "$alice"
ok "with cgroups of the user's own" in_session one bpfdeleg run -- mkdir -p /sys/fs/cgroup/a/b /sys/fs/cgroup/run/c
ok "and ends" session_end one
ok "a scope that systemd has forgotten, its directory left behind, is removed" none_left
ok "and so is its record" no_state

# ---- one before 255 ----

mode old
ok "systemd without PIDFDs: a session opens" session_start one "$alice"
ok "by its number" property PIDs=1
ok "in one scope" scopes_are 1
ok "it ends" session_end one
ok "and with it the scope" none_left

# ---- ones that do not do it ----

# refused_scope MODE WORDS PATTERN: the login goes on, and the line says why.
refused_scope() {
        mode "$1"
        log_mark
        prints "$2: the login goes on" 'cookie=none' logs_in
        ok "$2: its line says so" logged "$3"
        ok "$2: nothing is left" none_left
        ok "$2: nor its record" no_state
}
refused_scope refuse "systemd refuses" 'refuse: .*systemd refuses the scope: not today'
refused_scope fail "the job fails" 'refuse: .*systemd did not start the scope: failed'
refused_scope lie "it says done, and the maker sits elsewhere" \
        'refuse: .*says that bpfdeleg-[0-9a-f]{16}.scope is made, but the maker sits in '
refused_scope silent "it says nothing" 'refuse: .*systemd has not made the scope in time'
refused_scope hang-up "the bus hangs up" 'refuse: .*(systemd refuses the scope|connection to the system bus was lost)'
refused_scope hang-up-later "the bus hangs up with a job under way" 'refuse: .*connection to the system bus was lost'
mode spoofed
prints "a signal that systemd did not send is nobody's business" 'cookie=[0-9a-f]{16}-1' logs_in
ok "it ends" none_left

# ---- away ----

mode ok
fake_stop
log_mark
prints "no bus: the login goes on" 'cookie=none' logs_in
ok "its line says so, and what to do" logged \
        'refuse: .*system bus cannot be reached: .*systemctl start dbus.*backend = cgroupfs'
: >"$T/mute" # a bus that accepts, and says nothing
spawn "$(program tests/tools/fake-systemd)" "$T/bus" "$slice" "$T/mute" </dev/null >>"$T/calls" 2>>"$T/fake.log"
fake=$spawned
wait_until test -S "$T/bus"
kill -STOP "$fake"
log_mark
spawn "$pam_session" --confdir "$T/pam.d" bdt "$alice" -- true </dev/null
waiting=$spawned
sleep 0.2
prints "the bus says nothing: others are answered all the same" 'being made' status_now
ok "the login goes on" wait_until gone "$waiting"
wait "$waiting" 2>/dev/null
unset "pids[$waiting]"
ok "its line says so" logged 'refuse: .*the system bus does not answer'
begin=$(now_ms)
ok "the helper stops without waiting for the bus" helper_stop
ok "that is soon" test $(($(now_ms) - begin)) -lt 5000
ok "the helper starts, and the bus still says nothing" helper_start 'backend = systemd'
kill -CONT "$fake"
fake_stop
fake_start
prints "it is back: the next login is granted" 'cookie=[0-9a-f]{16}-1' logs_in
ok "all is gone" none_left

# ---- scopes that nobody knows ----

ok "the helper stops" helper_stop
mode forgetful # it would remove them at once: they are empty
mkdir "$slice/bpfdeleg-0123456789abcdef.scope" "$slice/bpfdeleg-x.scope" "$slice/other.scope"
ok "the helper starts" helper_start 'backend = systemd'
ok "a scope that no record names is stopped" wait_until property Stop=bpfdeleg-0123456789abcdef.scope
others_stay() { [ -d "$slice/bpfdeleg-x.scope" ] && [ -d "$slice/other.scope" ]; }
ok "those of others are not" others_stay
ok "the helper stops" helper_stop
mkdir "$slice/bpfdeleg-0123456789abcdee.scope"
prints "--end-all waits until they are gone" 'ending bpfdeleg-0123456789abcdee.scope' "$bpfdelegd" --end-all \
        "--runtime-dir=$T/run" \
        "--config=$T/bpfdeleg.ini"
ok "it is gone" test ! -e "$slice/bpfdeleg-0123456789abcdee.scope"
ok "the helper starts" helper_start 'backend = systemd'
mkdir "$T/run2"
refused "a second helper that makes scopes is refused, and told what to do" \
        "another bpfdelegd makes scopes .*backend = cgroupfs" \
        "$bpfdelegd" "--runtime-dir=$T/run2" "--policy-dir=$T/policy.d" "--config=$T/bpfdeleg.ini"
rmdir "$slice/bpfdeleg-x.scope" "$slice/other.scope"
mode ok

# ---- auto ----

ok "the helper stops" helper_stop
ok "the helper starts with backend = auto" helper_start 'backend = auto'
ok "a session opens" session_start one "$alice"
ok "in a scope" scopes_are 1
ok "it ends" session_end one
ok "all is gone" none_left
mode refuse
log_mark
ok "systemd refuses: a session opens" session_start one "$alice"
ok "with a line that says so" logged 'gets a cgroup of the cgroupfs backend: systemd refuses the scope: not today'
plain_one() { [ "$(plain)" -eq 1 ] && scopes_are 0; }
ok "in a cgroup of our own" plain_one
prints "run goes into it" "^0::.*/run\$" in_session one bpfdeleg run -- sh -c 'grep ^0:: /proc/self/cgroup'
fake_stop
ok "the helper restarts, without a bus" helper_stop
ok "the helper restarts, without a bus" helper_start 'backend = auto'
ok "run works" in_session one bpfdeleg run -- test -d /sys/fs/bpf/.
ok "the session ends" session_end one
ok "all is gone" none_left
prints "no bus: the login is granted" 'cookie=[0-9a-f]{16}-1' logs_in
fake_start
mode silent
prints "one that says nothing may still come to it: no delegation" 'cookie=none' logs_in
ok "all is gone" none_left
ok "the helper stops" helper_stop
ok "the helper starts with backend = cgroupfs" helper_start 'backend = cgroupfs'
ok "a session opens" session_start one "$alice"
ok "in a cgroup of our own, though systemd is there" plain_one
ok "it ends" session_end one
ok "all is gone" none_left

fake_stop
rmdir "$slice"
finish
