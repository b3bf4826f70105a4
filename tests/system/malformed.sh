#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Whatever comes over its sockets, the helper lives, says so in few lines, keeps nothing, and goes on serving others.
# not in the vm bed: nothing in it depends on the guard or the kernel.

. "$(dirname "$0")/lib.sh"

setup
alice=bdt-$$-a
mallory=bdt-$$-m
add_user "$alice"
add_user "$mallory"
service bdt
simple_policy 50-test "$alice"
ok "the helper starts" helper_start
helper_idle

# Set, whatever happens: bash passes over a whole command in which it finds an array unset, and the case would not be
# missed.
session_cases=() user_cases=()
mapfile -t session_cases < <("$T/bin/malformed" --list "$T/run/session")
mapfile -t user_cases < <("$T/bin/malformed" --list "$T/run/user")
enough() { [ ${#session_cases[@]} -ge 30 ] && [ ${#user_cases[@]} -ge 35 ]; }
ok "there are cases for both sockets" enough

for case in "${session_cases[@]}"; do
        ok "session socket, from root: $case" "$T/bin/malformed" "$T/run/session" "$case"
done
ok "the helper lives" alive "$helper_pid"
still_idle "and has kept nothing"
ok "and serves a login" login_as "$alice" -- bpfdeleg run -- true

for case in "${user_cases[@]}"; do
        ok "user socket, from a user: $case" as_user "$mallory" malformed "$T/run/user" "$case"
done
ok "the helper lives" alive "$helper_pid"
still_idle "and has kept nothing"

refused "the session socket is closed to a user" 'denied' as_user "$mallory" malformed "$T/run/session" empty
ok "it says who it was and why" logged "user socket: connection of uid $(id -u "$mallory"), pid [0-9]+ closed: ."

# At most a burst of lines in ten seconds for one uid, whatever it sends.
log_mark
garbage() {
        local i
        for ((i = 0; i < 100; i++)); do "$T/bin/malformed" "$T/run/user" one-byte >/dev/null || return 1; done
}
export -f garbage
export T
ok "a hundred malformed messages in a row" as_user "$mallory" bash -c garbage
few_lines() {
        local n
        n=$(log_count "uid $(id -u "$mallory")")
        echo "$n lines"
        [ "$n" -lt 30 ]
}
ok "make few lines in the log" few_lines

# Somebody holds as many connections as he may get; others do not notice.
ok "a session opens" session_start s "$alice"
spawn setpriv --reuid="$(id -u "$mallory")" --regid="$(id -g "$mallory")" --clear-groups bash -c \
        'while :; do "$0" "$1" flood >/dev/null; done' "$T/bin/malformed" "$T/run/user" </dev/null >/dev/null 2>&1
flooder=$spawned
ok "while another floods: logins" login_as "$alice" -- true
ok "while another floods: run" in_session s bpfdeleg run -- true
ok "while another floods: status" in_session s bpfdeleg status
kill -KILL "$flooder"
wait "$flooder" 2>/dev/null
unset "pids[$flooder]"
kill_user "$mallory"
ok "the session ends" session_end s
still_idle "nothing is left"
finish
