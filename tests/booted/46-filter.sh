#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the helper does, all of it, under the filter and the restrictions of its own unit, with strace beside: no system
# call fails with ENOSYS, EPERM, EACCES, EROFS or EAFNOSUPPORT unless the table below says so, and says how the code
# handles it.

. "$(dirname "$0")/lib.sh"

ini=/etc/bpfdeleg/bpfdeleg.ini
# The unit may write there.
trace=/run/bpfdeleg/bed.trace
as_shipped() {
        local code=$?
        rm -rf "$ini" "${drop_in%/*}"
        systemctl daemon-reload
        systemctl reset-failed bpfdelegd.service bpfdelegd.socket 2>/dev/null
        systemctl restart bpfdelegd.socket bpfdelegd.service
        rm -f "$trace"
        return "$code"
}
trap 'as_shipped; undo' EXIT
setup
trap 'as_shipped; undo' EXIT
# What is traced is slower.
slow=$((slow * 3)) patience=$((patience * 3))
add_user alice
add_user bob

# ---- the filter is there ---------------------------------------------------------------------------------------------

# A container's own filter may be off; those of its units must not be.
seccomp_of() { awk '$1 == "Seccomp:" || $1 == "Seccomp_filters:" { printf "%s %s ", $1, $2 }' "/proc/$1/status"; }
is_filtered() {
        seccomp_of "$1"
        [[ $(seccomp_of "$1") =~ ^Seccomp:\ 2\ Seccomp_filters:\ ([0-9]+) ]] && [ "${BASH_REMATCH[1]}" -ge 5 ]
}
errno_of_call() { # NUMBER PROPERTY…: what a unit with these gets from that system call
        local number=$1
        shift
        systemd-run --quiet --pipe --wait --collect "${@/#/--property=}" \
                perl -e 'my $path = "x"; syscall($ARGV[0] + 0, -1, $path, 0, 0); print $! + 0, "\n"' "$number" \
                        </dev/null
}
prints "the helper is under several filters" '^Seccomp: 2 ' seccomp_of "$(main_pid)"
ok "one for each restriction" is_filtered "$(main_pid)"
prints "and has no_new_privs" '^NoNewPrivs:.1$' cat "/proc/$(main_pid)/status"
prints "PID 1 is under none: they are the unit's" '^Seccomp: 0 ' seccomp_of 1
# openat2(2) is 437, acct(2) 163.
prints "a unit without restrictions calls openat2(2)" '^22$' errno_of_call 437
prints "one with RestrictSUIDSGID= has none" '^38$' errno_of_call 437 RestrictSUIDSGID=yes
prints "one with the helper's own filter is refused acct(2)" '^1$' errno_of_call 163 \
        "SystemCallFilter=$(systemctl cat bpfdelegd.service | sed -n 's/^SystemCallFilter=\(@.*\)/\1/p')" \
                SystemCallErrorNumber=EPERM

# ---- what may fail ---------------------------------------------------------------------------------------------------

# ERE of a call with its answer | how the code handles it. A row that no call matches fails.
cat >"$T/expected" <<'END'
setsockopt\(.*SOL_SOCKET, SO_SNDBUFFORCE, .* EPERM | libsystemd, without CAP_NET_ADMIN, keeps that of SO_SNDBUF: enough
setsockopt\(.*SOL_SOCKET, SO_RCVBUFFORCE, .* EPERM | the same for what comes from the bus
END
# failed: each kind of failed call once, with how often; without what differs from call to call.
failed() {
        grep -E ' = -1 (ENOSYS|EPERM|EACCES|EROFS|EAFNOSUPPORT) ' "$trace" \
                | sed -E 's/^[0-9]+ +//; s/[0-9a-f]{16}/ID/g; s/[0-9]{2,}/N/g' \
                | sort | uniq -c | sort -rn
}
unexpected() { failed | grep -vE -f <(sed 's/ | .*//' "$T/expected"); }
none_unexpected() { ! unexpected | grep .; }
was_expected() { failed | grep -Eq -- "$1"; }

# beside [LINE…]: the unit as it is, but for strace beside the helper, and these lines.
beside() {
        rm -f "$trace"
        mkdir -p "${drop_in%/*}" && printf '[Service]\nExecStart=\nExecStart=%s -o %s %s\n' \
                '/usr/bin/strace -DDD -f -qq -A -y -Z -e signal=none -s 80' "$trace" "$helper" >"$drop_in" \
                && printf '%s\n' "$@" >>"$drop_in" && systemctl daemon-reload
}
helper=$(systemctl show -P ExecStart bpfdelegd.service | sed 's/.* path=\([^ ]*\) .*/\1/')
write_settings() { # BACKEND
        mkdir -p "${ini%/*}" && printf '%s\n' '[helper]' "backend = $1" '[timeouts]' 'open = 30' 'enter = 30' \
                'subgroup = 30' >"$ini"
}
restart() { systemctl reset-failed bpfdelegd.service && systemctl restart bpfdelegd.service; }
is_traced() { ! grep -q '^TracerPid:.0$' "/proc/$(main_pid)/status"; }
is_another() { [ "$(main_pid)" != 0 ] && [ "$(main_pid)" != "$before" ]; }

journal_matches() { journal -o cat | grep -Eq -- "$1"; }
journal_has() { wait_until journal_matches "$1" && return; journal -o cat | tail; return 1; }

in_own() { grep -q '/run/own/deep$' "/proc/$1/cgroup"; }
puts_one_there() {
        own=$(in_session_sh one \
                'bpfdeleg run -- sh -c "cd /sys/fs/cgroup/run && mkdir -p own/deep && echo \$\$ >own/deep/cgroup.procs
                exec sleep 1000" >/dev/null 2>&1 & echo $!') && wait_until in_own "$own"
}
is_served() { in_session two bpfdeleg run -- test -e /sys/fs/bpf/packets; }
refused_or_set() { simple_policy 50-test alice 'cgroup:pids_max = 64'; ssh_as alice true; simple_policy 50-test alice; }
its_dirs() { delegation_dirs; return 0; } # the place of the other backend may be missing
scenario() { # BACKEND DIRECTORY
        ok "$1: a start with strace beside" restart
        ok "it is traced" is_traced
        ok "and filtered as without" is_filtered "$(main_pid)"
        simple_policy 50-test alice
        simple_policy 60-private bob 'session:scope = session' 'bpf:network = private'
        ok "alice logs in" session_start one alice
        prints "her subtree is where this backend makes it" "$2" its_dirs
        ok "she joins" session_start two alice
        ok "she loads and attaches" in_session_sh one "bpfdeleg run -- $(load_packets) &&
                bpfdeleg run -- /usr/sbin/bpftool cgroup attach /sys/fs/cgroup egress pinned /sys/fs/bpf/packets multi"
        ok "she asks for the status" in_session one bpfdeleg status
        ok "a process of hers" puts_one_there
        exits "keeps its cgroup" 1 'processes in it' in_session one bpfdeleg remove run/own
        ok "gets a signal" in_session one bpfdeleg kill --signal=URG run/own
        ok "is killed" in_session one bpfdeleg kill run/own
        ok "and its cgroup removed" in_session one bpfdeleg remove run/own
        inside=$(sleep_inside one)
        left=$(in_session_sh one \
                "nsenter --user --preserve-credentials -t ${inside:-0} sleep 1000 >/dev/null 2>&1 & echo \$!")
        ok "one joins her namespace and stays outside" wait_until is_inside "${left:-0}"
        ok "another user logs in, with a network of his own" ssh_as bob bpfdeleg run -- true
        ok "a limit is refused, or set" refused_or_set
        ok "the settings are read again" systemctl reload bpfdelegd.service
        ok "the helper is started anew, with her two sessions" restart
        ok "she has what she had" in_session two bpfdeleg run -- test -e /sys/fs/bpf/packets
        before=$(main_pid)
        ok "the helper is stopped" kill -STOP "$before"
        ok "until the watchdog has another one started" wait_until is_another
        ok "she has what she had, as soon as it serves" wait_until is_served
        ok "this one is traced, too" is_traced
        ok "the first session ends" session_end one
        ok "and the second" session_end two
        ok "nothing is left" expect_delegations 0
        ok "not even who was outside" wait_until gone "${left:-0}"
        ok "SIGINT ends the helper" systemctl kill -s INT bpfdelegd.service
        ok "and it does" wait_until gone "$(main_pid)"
}

ok "the unit has strace beside the helper, and a shorter watchdog" beside "WatchdogSec=$((3 * slow))s"
mark
write_settings systemd
scenario systemd '/bpfdeleg-[0-9a-f]+\.scope$'
write_settings cgroupfs
scenario cgroupfs '/bpfdeleg/[0-9a-f]+$'
ok "strace has seen failures" test -s "$trace"
failed | head -n 60 | while IFS= read -r line; do diag "$line"; done
ok "no call failed for a filter or a restriction that is not expected to" none_unexpected
# A row for what does not happen any more hides what may come.
while IFS= read -r line; do
        ok "expected, and so it is: ${line#* | }" was_expected "${line% | *}"
done <"$T/expected"

# With the smaller buffers all gets there: to the journal here, to the bus and back above, where scopes are made.
ok "the journal has the records" journal_has '^grant: .*user=alice'
prints "with their fields" '"BPFDELEG_USER":"alice"' journal -o json _SYSTEMD_UNIT=bpfdelegd.service

# ---- what the test above would see -----------------------------------------------------------------------------------

seen() { unexpected | grep -E -- "$1"; } # ERE
ok "with a unit that forbids one call more" beside 'SystemCallFilter=~open_tree'
ok "the helper starts" restart
ok "alice logs in" session_start one alice
exits "and cannot run a command" 125 'not permitted' in_session one bpfdeleg run -- true
ok "which is seen" seen 'open_tree\(.* = -1 EPERM'
ok "she logs out" session_end one
ok "all is gone" expect_delegations 0
ok "with one that has RestrictNamespaces=" beside RestrictNamespaces=yes
refused "the helper does not start" 'failed|error' restart
ok "which is seen" seen 'clone3\(.* = -1 ENOSYS'

as_shipped
mark
finish
