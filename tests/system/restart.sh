#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The helper goes and comes again, orderly or by kill -9: delegations go on, and what has ended meanwhile is ended.
# Records are believed only as far as the kernel confirms them.

. "$(dirname "$0")/lib.sh"

setup
alice=bdt-$$-a bob=bdt-$$-b
add_user "$alice"
add_user "$bob"
service bdt
simple_policy 50-test "$alice"
simple_policy 60-linger "$bob" 'session:linger = yes'
ok "the helper starts" helper_start

logs_in() { # USER: and what is said on the way
        "$pam_session" --syslog --confdir "$T/pam.d" bdt "$1" -- sh -c 'printf "cookie=%s\n" "${BPFDELEG:-none}"' \
                </dev/null
}

load=(bpftool prog load "$T/bin/packets.bpf.o" /sys/fs/bpf/egress)
state=$T/run/state
state_empty() { [ -z "$(ls -A "$state" 2>/dev/null)" ]; }
# A record goes when the strays have been looked for, a moment after all else.
no_state() { wait_until state_empty || { ls -lAR "$state"; return 1; }; }
the_id() { delegation_dirs | head -n 1 | sed 's,.*/,,'; }

# ---- it stops in order, and starts again ----

ok "a session opens" session_start one "$alice"
ok "with a process inside" in_session_sh one 'bpfdeleg run -- sleep 1000 & echo $! >~/pid; sleep 0.3'
ok "and a pinned program" in_session one bpfdeleg run -- "${load[@]}"
pid=$(cat "$T/home/$alice/pid")
id=$(the_id)
anchor=$(anchor_pid)
record_modes() { stat -c "%a %u" "$state" "$state/$id" "$state/$id/record" "$state/$id/session-1" | tr "\n" " "; }
prints "its records are root's alone" "^700 0 700 0 600 0 600 0 \$" record_modes
ok "SIGTERM ends the helper with status 0" helper_stop
ok "the process inside does not notice" alive "$pid"
ok "the anchor does not, either" alive "$anchor"
exits "run says that nobody is there" 125 'bpfdelegd is not running' in_session one bpfdeleg run -- true
log_mark
ok "the helper starts again" helper_start
ok "and takes over what there is" logged 'taken over: 1 delegation with 1 session; ended: 0'
ok "with the same anchor" test "$(anchor_pid)" = "$anchor"
prints "status shows the same delegation" "^delegation $id: active, 1 session," in_session one bpfdeleg status
prints "run goes into it, and the pin is there" '^egress$' in_session one bpfdeleg run -- ls /sys/fs/bpf
refused "what was not delegated is refused as before" . in_session one bpfdeleg run -- bpftool prog load \
        "$T/bin/other.bpf.o" /sys/fs/bpf/x
ok "a second session joins" session_start two "$alice"
prints "with the next number" "^$id-2\$" in_session two printenv BPFDELEG
ok "it ends" session_end two
ok "the helper restarts" helper_stop
ok "the helper restarts" helper_start
ok "a third session joins" session_start three "$alice"
prints "with a number that nobody had" "^$id-3\$" in_session three printenv BPFDELEG
ok "the third ends" session_end three
ok "the first goes on" alive "$pid"
ok "and ends" session_end one
ok "with it the delegation" expect_delegations 0
ok "and the process inside" wait_until gone "$pid"
ok "its records are gone" no_state

# ---- kill -9 ----

ok "a session opens" session_start one "$alice"
anchor=$(anchor_pid)
helper_kill
ok "kill -9 of the helper: the anchor sleeps on" alive "$anchor"
ok "the helper starts again" helper_start
ok "run works" in_session one bpfdeleg run -- "${load[@]}"
ok "the session ends" session_end one
ok "and with it the delegation" expect_delegations 0

# ---- what ends while no helper runs ----

ok "a session opens" session_start one "$alice"
ok "another joins" session_start two "$alice"
ok "the helper stops" helper_stop
ok "one ends meanwhile" session_end one
log_mark
ok "the helper starts again" helper_start
ok "with the one that is left" logged 'taken over: 1 delegation with 1 session'
prints "status says so" 'active, 1 session,' in_session two bpfdeleg status
ok "the helper stops" helper_stop
session_kill two
log_mark
ok "the helper starts again" helper_start
ok "the last session has ended: so does the delegation" logged 'end: .*its last session ended while no bpfdelegd ran'
ok "all is gone" expect_delegations 0
ok "its records are gone" no_state

ok "a session opens" session_start one "$alice"
ok "the helper stops" helper_stop
kill -KILL "$(anchor_pid)"
log_mark
ok "the helper starts again" helper_start
ok "the anchor was killed: the delegation ends" logged 'end: .*its anchor was killed'
ok "all is gone" expect_delegations 0
ok "the session ends as usual" session_end one

# stray NAME: a process of that session's delegation that has left the subtree; its pid in $stray.
stray() {
        in_session_sh "$1" 'bpfdeleg run -- sleep 1000 & echo $! >~/pid; sleep 0.3' \
                && stray=$(cat "$T/home/$alice/pid") &&
                echo "$stray" >"$cgroup2/cgroup.procs" && alive "$stray"
}
ok "a session opens" session_start one "$alice"
ok "one of its processes leaves the subtree" stray one
ok "the helper stops" helper_stop
ok "the user kills his anchor" as_user "$alice" sh -c 'kill -KILL "$0"' "$(anchor_pid)"
spawn setpriv --reuid="$(id -u "$alice")" --regid="$(id -g "$alice")" --clear-groups sleep 1000
bystander=$spawned
ok "the helper starts again" helper_start
ok "all is gone" expect_delegations 0
ok "the stray, too: its namespace was written down" wait_until gone "$stray"
ok "and nobody else of his" alive "$bystander"
kill -KILL "$bystander"
ok "its record is gone" no_state
ok "the session ends as usual" session_end one

ok "a session opens" session_start one "$alice"
ok "one of its processes leaves the subtree" stray one
kill -STOP "$helper_pid"
session_kill one
sed -i 's/^state = .*/state = ending/' "$state/$(the_id)/record"
helper_kill
ok "the helper is killed at the end of a delegation, and starts again" helper_start
ok "all is gone" expect_delegations 0
ok "the stray, too" wait_until gone "$stray"

ok "a session opens" session_start one "$alice"
ok "the helper stops" helper_stop
simple_policy 50-test "$alice" 'bpf:delegate_progs = cgroup_skb'
ok "the admin has changed the policy meanwhile: the helper starts" helper_start
prints "the delegation is what it was" 'delegate_progs +socket_filter, cgroup_skb' in_session one bpfdeleg status
ok "a new login gets one of its own" session_start two "$alice"
ok "so there are two" expect_delegations 2
ok "both end" session_end one
ok "both end" session_end two
ok "all is gone" expect_delegations 0

# ---- linger ----

ok "a lingering session opens" session_start one "$bob"
ok "with a process inside" in_session_sh one 'bpfdeleg run -- sleep 1000 & echo $! >~/pid; sleep 0.3'
pid=$(cat "$T/home/$bob/pid")
ok "the helper stops" helper_stop
ok "the session ends meanwhile" session_end one
ok "the helper starts again" helper_start
ok "the delegation lingers" alive "$pid"
ok "it is there" expect_delegations 1
kill -KILL "$pid"
ok "and ends with its last process" expect_delegations 0

# ---- records that make no sense ----

# spoiled PATTERN CMD…: a delegation whose record is changed while no helper runs is not believed.
spoiled() {
        local pattern=$1 id
        shift
        session_start spoiled "$alice" || return 1
        id=$(the_id)
        helper_stop || return 1
        "$@" "$state/$id" || return 1
        log_mark
        helper_start || return 1
        logged "$pattern" || return 1
        expect_delegations 0 || return 1
        session_end spoiled
        rm -rf "$state"/bad-*
}
in_record() { sed -i "$1" "$2/record"; }
ok "cut short" spoiled 'makes no sense and is set aside .*bad-' in_record '4q'
ok "a number that is none" spoiled 'uid is missing or makes no sense' in_record 's/^uid = .*/uid = x/'
ok "a state there is not" spoiled 'state is missing or makes no sense' in_record 's/^state = .*/state = happy/'
ok "another anchor: a process that lives" spoiled 'its anchor was killed' in_record \
        "s/^anchor.pid = .*/anchor.pid = $$/"
start_of() { sed 's/.*) //' "/proc/$1/stat" | cut -d ' ' -f 20; }
ok "and its start, too" spoiled 'its anchor was killed' in_record \
        "s/^anchor.pid = .*/anchor.pid = $$/; s/^anchor.start = .*/anchor.start = $(start_of $$)/"
ok "the right number, another start" spoiled 'its anchor was killed' in_record 's/^anchor.start = .*/anchor.start = 1/'
ok "the right number, another pidfd" spoiled 'its anchor was killed' in_record 's/^anchor.inode = .*/anchor.inode = 1/'
ok "a cgroup that is not there" spoiled 'its cgroup has gone' in_record 's,^cgroup = .*/,cgroup = /bdt-none/,'
ok "another's cgroup" spoiled 'set aside .*/bdt-.*-other. is no cgroup of this delegation' in_record \
        "s,^cgroup = .*,cgroup = /bdt-$$-other,"
ok "a file in place of the records" spoiled 'makes no sense and is set aside .*Not a directory' sh -c \
        'rm -r "$0" && echo x >"$0"'
ok "an empty record" spoiled 'makes no sense and is set aside' sh -c ': >"$0/record"'
ok "a record of zero bytes" spoiled 'makes no sense and is set aside' sh -c 'head -c 400 /dev/zero >"$0/record"'
ok "a link in place of it" spoiled 'makes no sense and is set aside' sh -c \
        'mv "$0/record" "$0/x" && ln -s x "$0/record"'
ok "a pipe in place of it" spoiled 'makes no sense and is set aside' sh -c 'rm "$0/record" && mkfifo "$0/record"'
ok "a directory in place of it" spoiled 'makes no sense and is set aside' sh -c 'rm "$0/record" && mkdir "$0/record"'
ok "writable by others" spoiled 'makes no sense and is set aside' sh -c 'chmod 0666 "$0/record"'
ok "no record" spoiled 'makes no sense and is set aside' sh -c 'rm "$0/record"'
ok "no policy" spoiled 'set aside .*50-test.ini: no policy directory has it' sh -c 'rm "$0/50-test.ini"'
ok "a policy that is none" spoiled 'makes no sense and is set aside' sh -c 'echo x >"$0/50-test.ini"'
ok "being made when it stopped" spoiled 'taken over: 0 delegations.*ended: 1' in_record 's/^state = .*/state = opening/'
ok "a session that is none: the delegation has lost its last" spoiled 'record of a session makes no sense' \
        sh -c 'echo x >"$0/session-1"'
ok "all is gone" expect_delegations 0

ok "the helper stops" helper_stop
chmod 0755 "$state" 2>/dev/null || install -d -m 0755 "$state"
refused "a directory of records that others can read is refused" 'must be root.s, with mode 0700' "$bpfdelegd" \
        "--runtime-dir=$T/run" "--guard-dir=$guard_dir" \
        "--policy-dir=$T/policy.d" "--config=$T/bpfdeleg.ini"
rmdir "$state"
ok "the helper starts" helper_start

# ---- the end of all ----

ok "a session opens" session_start one "$alice"
ok "and one of another user" session_start two "$bob"
refused "--end-all is refused while a helper runs" 'another bpfdelegd' "$bpfdelegd" --end-all "--runtime-dir=$T/run" \
        "--guard-dir=$guard_dir" "--config=$T/bpfdeleg.ini"
ok "the helper stops" helper_stop
ok "both delegations are there" expect_delegations 2
prints "--end-all ends them" 'end: .*told to end all' "$bpfdelegd" --end-all "--runtime-dir=$T/run" \
        "--guard-dir=$guard_dir" "--config=$T/bpfdeleg.ini"
ok "all is gone" expect_delegations 0
ok "their records too" no_state
ok "the sessions end as usual" session_end one
ok "the sessions end as usual" session_end two
ok "the helper starts" helper_start

ok "a session opens" session_start one "$alice"
ok "the helper stops" helper_stop
prints "--end-all with settings that make no sense: with those that are built in" 'built-in settings' \
        "$bpfdelegd" --end-all "--runtime-dir=$T/run" "--guard-dir=$guard_dir" "--config=$T/policy.d/50-test.ini"
ok "all is gone" expect_delegations 0
ok "the session ends as usual" session_end one

# ---- another cgroup_parent ----

ok "the helper starts" helper_start
ok "a session opens" session_start one "$alice"
ok "the helper stops" helper_stop
old=$cgroup_parent
cgroup_parent=bdt-$$-other
ok "the helper starts with another cgroup_parent" helper_start
ok "run works" in_session one bpfdeleg run -- test -d /sys/fs/bpf/.
ok "the session ends" session_end one
ok "and with it its cgroup, and the old parent" wait_until test ! -e "$cgroup2/$old"
ok "the helper stops" helper_stop
cgroup_parent=$old
ok "the helper starts" helper_start

# ---- reload ----

printf '[helper]\ncgroup_parent = %s\nbackend = cgroupfs\n[limits]\nsessions_per_uid = 1\n' "$cgroup_parent" \
        >"$T/bpfdeleg.ini"
kill -HUP "$helper_pid"
ok "SIGHUP reads the settings again" logged 'reloaded .*bpfdeleg.ini'
ok "a session is within the new limit" session_start one "$alice"
prints "a second is not" 'syslog: .*1 session already.*sessions_per_uid' logs_in "$alice"
printf '[limits]\nsessions_per_uid = none\n' >"$T/bpfdeleg.ini"
kill -HUP "$helper_pid"
ok "settings that make no sense are not taken" logged 'not reloaded, the old settings stay: .*bpfdeleg.ini:2'
prints "the limit is what it was" 'syslog: .*1 session already.*sessions_per_uid' logs_in "$alice"
ok "the session ends" session_end one

# ---- signals while it starts ----

# A few milliseconds after its event loop is made, and before it serves: what it does then must be what it does later.
starting() { find "/proc/$helper_pid/fd" -lname 'anon_inode:\[eventpoll\]' 2>/dev/null | grep -q .; }
serves() { log_has ' serves '; }
# signal_at_start SIGNAL: until it has hit three starts; the helper is there after the signal, or has ended, as $2 says.
signal_at_start() {
        local i hits=0 code
        for ((i = 0; i < 30 && hits < 3; i++)); do
                log_mark
                spawn "$bpfdelegd" "--runtime-dir=$T/run" "--policy-dir=$T/policy.d" "--config=$T/bpfdeleg.ini" \
                        "--guard-dir=$guard_dir" \
                        </dev/null >>"$T/helper.log" 2>&1
                helper_pid=$spawned
                wait_until starting || { echo "it does not start" && return 1; }
                kill "-$1" "$helper_pid"
                serves || hits=$((hits + 1))
                if [ "$2" = lives ]; then
                        wait_until log_has 'reloaded ' && alive "$helper_pid" && helper_stop || return 1
                        continue
                fi
                wait_until gone "$helper_pid" || { echo "it does not end" && return 1; }
                code=0
                wait "$helper_pid" || code=$?
                unset "pids[$helper_pid]"
                helper_pid=
                if [ "$code" -ne 0 ] || [ -e "$T/run/session" ]; then echo "it ended with status $code" && return 1; fi
        done
        echo "$hits of $i came before it served"
        [ "$hits" -gt 0 ]
}
ok "the helper ends" helper_stop
printf '[helper]\ncgroup_parent = %s\n' "$cgroup_parent" >"$T/bpfdeleg.ini"
ok "SIGHUP while it starts: it reloads then" signal_at_start HUP lives
diag "$(cat "$T/out")"
ok "SIGTERM while it starts: an orderly end" signal_at_start TERM ends
ok "SIGINT while it starts: an orderly end, too" signal_at_start INT ends

finish
