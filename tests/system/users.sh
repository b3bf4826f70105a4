#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Two users at once: each has his own delegation, and no way into the other's.

. "$(dirname "$0")/lib.sh"

setup
alice=bdt-$$-a
add_user "$alice"
bob=bdt-$$-b
add_user "$bob"
carol=bdt-$$-c
add_user "$carol"
service bdt
simple_policy 50-test "$alice, $bob"
ok "the helper starts" helper_start
helper_idle

load=(bpftool prog load "$T/bin/packets.bpf.o" /sys/fs/bpf/egress)

ok "the first user logs in" session_start a "$alice"
ok "the second user logs in" session_start b "$bob"
ok "a user without policy logs in" session_start c "$carol"
ok "there are two delegations" expect_delegations 2
ok "the first loads and pins" in_session a bpfdeleg run -- "${load[@]}"
lacks "the second does not see that pin" egress in_session b bpfdeleg run -- ls /sys/fs/bpf
ok "the second loads and pins under the same name" in_session b bpfdeleg run -- "${load[@]}"

# ---- the tool ----

cookie_a=$(in_session a printenv BPFDELEG)
cookie_b=$(in_session b printenv BPFDELEG)
prints "status shows the first his own" "${cookie_a%-*}" in_session a bpfdeleg status
lacks "and only that" "${cookie_b%-*}" in_session a bpfdeleg status
prints "status shows the second his own" "${cookie_b%-*}" in_session b bpfdeleg status
lacks "and only that" "${cookie_a%-*}" in_session b bpfdeleg status
lacks "and none to a user without" "${cookie_a%-*}|${cookie_b%-*}" in_session_sh c 'bpfdeleg status || true'
ok "run works with one's own cookie" in_session b env "BPFDELEG=$cookie_b" bpfdeleg run -- true
exits "run refuses the other's cookie" 125 'bpfdeleg' in_session b env "BPFDELEG=$cookie_a" bpfdeleg run -- true
exits "run has nothing for a user without" 125 'admin' in_session c bpfdeleg run -- true
exits "not even with another's cookie" 125 'bpfdeleg' in_session c env "BPFDELEG=$cookie_a" bpfdeleg run -- true

# ---- the protocol, without the tool ----

prints "ENTER lets one in with one's own cookie" '^entered: ' in_session b enter-as --cookie "$cookie_b" "$T/run/user"
exits "ENTER refuses another's cookie" 1 '^refused: .*: 0 descriptors: .' in_session b enter-as --cookie "$cookie_a" \
        "$T/run/user"
exits "and a cookie of no one's" 1 '^refused: .*: 0 descriptors: .' \
        in_session b enter-as --cookie 0123456789abcdef-1 "$T/run/user"
exits "and a user who has none" 1 '^refused: .*: 0 descriptors: .' in_session c enter-as --no-cookie "$T/run/user"
exits "the session socket is root's alone" 3 'no answer: Permission denied' in_session b enter-as "$T/run/session"

# ---- around the tool ----

ok "a process of the first's sits inside" in_session_sh a \
        'bpfdeleg run -- sleep 1000 & sleep 0.3; kill -0 $! && echo $!'
inside=$(grep -Eo '^[0-9]+$' "$T/out")
anchor=$(anchor_pid "$cgroup2/$cgroup_parent/${cookie_a%-*}")
ok "the first reaches his own pins through his process" in_session a ls "/proc/$inside/root/sys/fs/bpf/"
for pid in "$inside" "$anchor"; do
        refused "the second cannot look into it (process $pid)" 'denied|not permitted' in_session b ls \
                "/proc/$pid/root/sys/fs/bpf/"
        refused "nor join its user namespace" 'denied|not permitted|cannot open' in_session b nsenter \
                "--user=/proc/$pid/ns/user" true
        refused "nor from inside his own delegation" 'denied|not permitted|cannot open' \
                in_session b bpfdeleg run -- nsenter "--user=/proc/$pid/ns/user" true
        refused "nor stop it" 'not permitted' in_session b kill -STOP "$pid"
done
tree=$cgroup2/$cgroup_parent/${cookie_a%-*}
refused "the second cannot move himself into the first's cgroup" 'denied|not permitted' \
        in_session_sh b "echo \$BASHPID >$tree/run/cgroup.procs"
refused "nor make a cgroup there" 'denied|not permitted' in_session b mkdir "$tree/b"
refused "nor kill it" 'denied|not permitted' in_session_sh b "echo 1 >$tree/cgroup.kill"
refused "the first cannot kill his whole tree past the helper either: cgroup.kill of the root stays root's" \
        'denied|not permitted' \
        in_session_sh a "echo 1 >$tree/cgroup.kill"

# ---- ends ----

ok "the first logs out" session_end a
ok "one delegation is left" expect_delegations 1
prints "the second's is as it was" '^egress$' in_session b bpfdeleg run -- ls /sys/fs/bpf
exits "the first's cookie is good for nothing any more" 1 '^refused: ' in_session b enter-as --cookie "$cookie_a" \
        "$T/run/user"
ok "the first logs in again" session_start a "$alice"
lacks "and finds his old pins gone" egress in_session a bpfdeleg run -- ls /sys/fs/bpf
exits "his old cookie is good for nothing" 125 'bpfdeleg' in_session a env "BPFDELEG=$cookie_a" bpfdeleg run -- true
ok "he logs out" session_end a
ok "the second logs out" session_end b
ok "the third logs out" session_end c
still_idle "nothing is left of them"

# Ten logins of each at once, in the background: no one waits for another, nothing is mixed up.
storm() {
        local i code=0 waiting=()
        for i in 1 2 3 4 5 6 7 8 9 10; do
                login_as "$alice" -- bpfdeleg run -- id -un >"$T/storm.a$i" 2>&1 &
                waiting+=($!)
                login_as "$bob" -- bpfdeleg run -- id -un >"$T/storm.b$i" 2>&1 &
                waiting+=($!)
        done
        for i in "${waiting[@]}"; do wait "$i" || code=1; done
        cat "$T"/storm.*
        [ "$code" -eq 0 ] && [ "$(cat "$T"/storm.a* | grep -cx "$alice")" -eq 10 ] \
                && [ "$(cat "$T"/storm.b* | grep -cx "$bob")" -eq 10 ]
}
ok "twenty logins of two users at once" storm
still_idle "nothing is left of them"

finish
