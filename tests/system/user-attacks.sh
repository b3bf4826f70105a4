#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Users at their worst: floods of everything the user socket takes and does not take, hunts for one's own maker and
# anchor at every moment of a login, races for the identity of who asks to enter. The helper lives, has afterwards what
# it had before, and others log in all the while. What logins of others cost meanwhile: tests/bench/abuse.sh.
# not in the vm bed: nothing in it depends on the guard or the kernel.

. "$(dirname "$0")/lib.sh"

setup
alice=bdt-$$-a
mallory=bdt-$$-m
add_user "$alice"
add_user "$mallory"
uid=$(id -u "$mallory")
printf '%s required pam_deny.so\n' auth account password session >"$T/pam.d/other" # or libpam logs that there is none
service bdt "socket=$T/run/session" "policy_dir=$T/policy.d" timeout=$((${BED_SLOW:-1} > 1 ? 60 : 10))
simple_policy 50-test "$alice, $mallory"
install -m 0755 "$(program tests/tools/abuse)" "$(program tests/tools/harass)" "$T/bin/" || exit 1
ok "the helper starts" helper_start
helper_idle

cookie='cookie=[0-9a-f]{16}-[0-9]+$'
logs_in() {
        "$pam_session" --syslog --confdir "$T/pam.d" bdt "$1" -- sh -c 'printf "cookie=%s\n" "${BPFDELEG:-none}"' \
                </dev/null
}
memory() { awk '$1 == "RssAnon:" { print $2 }' "/proc/$helper_pid/status"; }
memory_as_before() {
        [ "$(memory)" -le $((memory_before + memory_before / 4 + 64)) ] \
                || { echo "kB before: $memory_before, now: $(memory)"; return 1; }
}
lives() { # WORDS
        ok "$1: the helper lives" alive "$helper_pid"
        ok "$1: and another logs in and works" login_as "$alice" -- bpfdeleg run -- true
        ! memory_tells "$helper_pid" || ok "$1: the helper takes no more memory" memory_as_before
}

# What it holds with a session open counts while that is.
cp "$T/helper.fds" "$T/idle.fds"
still_as_first() { cp "$T/idle.fds" "$T/helper.fds" && still_idle "descriptors, processes, cgroups: as before"; }

# ---- floods, by one who has nothing ----

# The first of it shows how much memory it takes to serve that; the rest whether it takes more and more.
ok "connections, for a beginning" as_user "$mallory" abuse "$T/run/user" connections 2000
ok "a login" login_as "$alice" -- bpfdeleg run -- true
memory_before=$(memory)
flood() { # KIND N [COOKIE]: and a login in the midst of it
        local pid
        as_user "$mallory" "$T/bin/abuse" "$T/run/user" "$@" </dev/null >"$T/flood" 2>&1 &
        pid=$!
        prints "$1: another logs in meanwhile" "$cookie" logs_in "$alice"
        wait "$pid"
        status=$?
        diag "$(cat "$T/flood")"
        ok "$1: each is answered as it must be" test "$status" -eq 0
        # What is in the queue still is not to count for the next kind.
        ok "$1: the helper has done with it" helper_fds_same
}
flood connections 10000
flood half-open 64
flood slow 64
flood garbage 2000
flood truncated 256
flood descriptors 72
flood own-socket 200
flood status 4000
flood status-left 4000
flood enter-nowhere 2000
flood enter-left 2000
flood enter-dead 400
ok "a session of another's" session_start a "$alice"
helper_fds_snapshot
theirs=$(in_session_sh a 'echo $BPFDELEG')
flood replay 400 "$theirs"
ok "with his own cookie he gets in" in_session a bpfdeleg run -- true
ok "it ends" session_end a
ok "all of it ends" expect_delegations 0
lives "after floods from outside"
still_as_first

# ---- floods, by one who has a delegation ----

ok "a session of his own" session_start m "$mallory"
helper_fds_snapshot
flood status 2000
flood enter 1000
flood enter-left 1000
flood enter-dead 200
ok "his own session works still" in_session m bpfdeleg run -- true
ok "and ends" session_end m
kill_user "$mallory"
ok "all of it ends" expect_delegations 0
lives "after floods from inside"
still_as_first

# ---- floods, by one who has many uids ----

# Ten seconds of it, so what is written then counts for a minute and more: a burst, and what comes in between.
ok "a session of another's" session_start a "$alice"
helper_fds_snapshot
log_mark
spawn setsid "$T/bin/abuse" "$T/run/user" uids 0 </dev/null >"$T/flood" 2>&1
flooder=$spawned
flood_of_uids() {
        local i worked=0 end=$((SECONDS + 10))
        for ((i = 0; i < 20 || SECONDS < end; i++)); do
                if in_session a bpfdeleg run -- true; then worked=$((worked + 1)); else echo "run $i of them failed"; fi
        done
        echo "$worked of $i worked"
        [ "$worked" -eq "$i" ]
}
ok "sixty thousand uids do all they can: each run of another works" flood_of_uids
diag "$(cat "$T/out")"
ok "(they still do)" alive "$flooder"
kill -KILL -- "-$flooder"
wait "$flooder" 2>/dev/null
unset "pids[$flooder]"
few_lines_of_uids() {
        local n
        # Without those of --debug.
        n=$(log_new | grep -v ' socket: request ' | grep -Ec -- 'uid=?[ =]7[0-9]{5}\b')
        echo "$n lines"
        [ "$n" -ge 1 ] && [ "$n" -le 50 ]
}
ok "the log has some lines of it, and few" few_lines_of_uids
diag "$(cat "$T/out")"
patience=20 ok "and says how many it has not" wait_until log_has \
        '[0-9]{2,} more lines about what users sent and asked for were left out'
ok "all of it ends" helper_fds_same
ok "the session ends" session_end a
ok "all of it ends" expect_delegations 0
lives "after a flood of many uids"
still_as_first

# ---- his own maker and anchor ----

hunt() { # HOW
        : >"$T/hunt"
        spawn setpriv --reuid="$uid" --regid="$uid" --clear-groups "$T/bin/harass" hunt "$1" </dev/null >"$T/hunt" 2>&1
        hunter=$spawned
        wait_until grep -q hunting "$T/hunt"
}
hunt_ends() {
        local code=0
        kill -TERM "$hunter"
        wait "$hunter" || code=$?
        unset "pids[$hunter]"
        tail -n 3 "$T/hunt"
        return "$code"
}
# logs_in_often N PATTERN: each login goes on, and is either granted or told what PATTERN says.
logs_in_often() {
        local i
        for ((i = 0; i < $1; i++)); do
                logs_in "$mallory" >"$T/said" 2>&1 || { cat "$T/said"; return 1; }
                grep -Eq "$cookie" "$T/said" || { grep -q 'cookie=none' "$T/said" && grep -Eq "$2" "$T/said"; } \
                        || { cat "$T/said"; return 1; }
        done
}
ok "he hunts for his makers and anchors, to look into them" hunt look
ok "all his logins are granted" logs_in_often 40 'nothing else will do'
prints "he has seen many, and traced and opened none" '^[1-9][0-9]+ seen, 0 signalled, 0 opened, 0 traced$' hunt_ends
ok "he hunts, to kill them" hunt kill
ok "each of his logins goes on, and he is told what happened" logs_in_often 40 \
        'no delegation: (the maker|the anchor|its anchor) was killed'
prints "another logs in meanwhile" "$cookie" logs_in "$alice"
prints "he has killed some" '^[0-9]+ seen, [1-9][0-9]* signalled,' hunt_ends
ok "all of it ends" expect_delegations 0
lives "after the hunt"
still_idle "descriptors, processes, cgroups: as before"
helper_stop >"$T/out" 2>&1
ok "a helper with less patience starts" helper_start '[timeouts]' 'open = 1'
helper_idle
ok "he hunts, to stop them" hunt stop
ok "each of his logins goes on, and he is told what was waited for" logs_in_often 12 \
        'not done within 1 s, waiting for: .'
prints "another logs in meanwhile" "$cookie" logs_in "$alice"
prints "he has stopped some" '^[0-9]+ seen, [1-9][0-9]* signalled,' hunt_ends
kill_user "$mallory"
ok "all of it ends" expect_delegations 0
ok "the helper lives" alive "$helper_pid"
still_idle "descriptors, processes, cgroups: as before"

# ---- who asks to enter ----

ok "a session of his own" session_start m "$mallory"
harass() { "$T/bin/harass" "$@"; }
prints "an asker's number given to another, at once: no other is ever moved" \
        '^[1-9][0-9]* numbers reused, [0-9]+ askers granted, 0 victims moved$' \
        harass reuse "$T/run/user" "$uid" "$(id -u "$alice")" 300
diag "$(cat "$T/out")"
install -m 4755 "$(program tests/tools/harass)" "$T/bin/witness" || exit 1
ok "(setuid programs work here)" test "$(as_user "$mallory" witness witness | cut -d' ' -f1)" = 0
prints "a setuid program run while it is asked: never as root inside" '^[1-9][0-9]* ran as root, 0 of them inside$' \
        as_user "$mallory" harass exec "$T/run/user" 300 "$T/bin/witness"
diag "$(cat "$T/out")"
ok "his session works still" in_session m bpfdeleg run -- true
ok "and ends" session_end m
kill_user "$mallory"
ok "another logs in and works" login_as "$alice" -- bpfdeleg run -- true
still_idle "descriptors, processes, cgroups: as before"
finish
