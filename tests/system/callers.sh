#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# PAM applications with habits, and users as a directory server may have them: each logs in, and nothing is left of any.
# What the application did not give back ends with the process that opened.

. "$(dirname "$0")/lib.sh"

setup
alice=bdt-$$-a
add_user "$alice"
service bdt
printf '%s required pam_deny.so\n' auth account password session >"$T/pam.d/other" # or libpam logs that there is none
install -m 0755 "$(program tests/tools/pam-caller)" "$T/bin/" || exit 1
simple_policy 50-all '~nobody-is-left-out'
ok "the helper starts" helper_start
helper_idle

# ---- habits ----

# caller HABIT [N]: starts it; what it says is in $T/said. `word` lets it go on.
caller() {
        rm -f "$T/words"
        mkfifo "$T/words"
        : >"$T/said"
        # shellcheck disable=SC2016 # for the inner shell
        spawn bash -c 'words=$1 said=$2; shift 2; exec "$@" <"$words" >"$said" 2>&1' sh "$T/words" "$T/said" \
                "$T/bin/pam-caller" "$T/pam.d" bdt "$alice" "$@" </dev/null
        caller_pid=$spawned
        exec {words}>"$T/words"
}
word() { echo >&"$words"; }
caller_ends() {
        local code=0
        exec {words}>&-
        wait_until gone "$caller_pid" || kill -KILL "$caller_pid"
        wait "$caller_pid" 2>/dev/null || code=$?
        unset "pids[$caller_pid]"
        [ "$code" -eq 0 ] || { echo "pam-caller ended with $code"; cat "$T/said"; return 1; }
}
has_said() { [ "$(grep -cE "$1" "$T/said")" -ge "${2:-1}" ] || { cat "$T/said"; return 1; }; }
opened='^open: 0 [0-9a-f]{16}-[0-9]+$'
lets_run() { as_user "$alice" "BPFDELEG=$(sed -n "s/^open: 0 //p" "$T/said" | tail -n 1)" bpfdeleg run -- true; }
# What was said is the whole of it: no line in the log, no other code.
said_is() { diff <(sed -E 's/ [0-9a-f]{16}-[0-9]+$/ COOKIE/' "$T/said") <(printf '%s\n' "$@"); }

caller never-closes
ok "one that never closes: it opens" wait_until has_said "$opened"
ok "its delegation is there" lets_run
ok "it ends" caller_ends
ok "so does the delegation, by the leader's death" expect_delegations 0
ok "it heard nothing else" said_is 'open: 0 COOKIE'

caller only-ends
ok "one that only says pam_end: it opens" wait_until has_said "$opened"
ok "and ends" caller_ends
ok "that has closed" expect_delegations 0
ok "without a word" said_is 'open: 0 COOKIE' 'end: 0'

caller closes-elsewhere
ok "one that opens in one handle and ends it" wait_until has_said '^end: 0$'
ok "has what it opened" lets_run
word
ok "it closes in another" wait_until has_said '^close: 0$'
ok "that has ended the session, and the process lives" expect_delegations 0
ok "which it does" alive "$caller_pid"
ok "it ends" caller_ends
ok "without a word" said_is 'open: 0 COOKIE' 'end: 0' 'close: 0' 'end: 0'

# The opener lives on, and nobody hears of the close.
caller closes-in-child
ok "one whose child closes while no helper runs: it opens" wait_until has_said "$opened"
ok "the helper is killed" helper_kill
word
ok "it is told that all is well" wait_until has_said '^close: 0$'
ok "and it is in the log" has_said '^syslog: .*left for the next bpfdelegd to close: bpfdelegd is not running'
log_mark
ok "the next helper starts" helper_start
ok "and hears of it" logged 'the session was closed while no bpfdelegd ran'
ok "the session has ended, and its opener lives" expect_delegations 0
ok "which it does" alive "$caller_pid"
ok "no note is left" test -z "$(find "$T/run/state" -name 'closed-*' 2>/dev/null)"
word
ok "it ends" caller_ends
helper_idle

caller closes-twice
ok "one that closes twice" caller_ends
ok "is told twice that all is well" said_is 'open: 0 COOKIE' 'close: 0' 'close: 0' 'end: 0'
ok "nothing is left" expect_delegations 0

caller only-closes
ok "one that closes what it never opened" caller_ends
ok "is told the same" said_is 'close: 0' 'end: 0'

caller opens-twice
ok "one that opens twice" wait_until has_said "$opened" 2
ok "has one session, its second" test "$(delegation_count)" -eq 1
ok "which is good" lets_run
word
ok "it closes twice" caller_ends
ok "and is content" said_is 'open: 0 COOKIE' 'open: 0 COOKIE' 'close: 0' 'close: 0' 'end: 0'
ok "nothing is left" expect_delegations 0

caller closes-as-user
ok "one whose child closes as the user, as (sd-pam) does" wait_until has_said "$opened"
word
ok "it is told that all is well" wait_until has_said '^close: 0$'
ok "the session goes on: a user may not end what root opened" lets_run
ok "it ends" caller_ends
ok "the leader's death does it" expect_delegations 0
ok "there was nothing to log" said_is 'open: 0 COOKIE' 'close: 0'

caller closes-in-child
ok "one whose child closes as root" wait_until has_said "$opened"
word
ok "it is told that all is well" wait_until has_said '^close: 0$'
ok "that has ended the session" expect_delegations 0
word
ok "the parent, with its copy of the handle, ends" caller_ends
ok "and has no trouble with it" said_is 'open: 0 COOKIE' 'close: 0' 'end: 0'

caller opener-exits
ok "one whose child opens and exits" wait_until has_said "$opened"
ok "has no session: the leader is gone" expect_delegations 0
word
ok "its parent closes" caller_ends
ok "and has no trouble with it" said_is 'open: 0 COOKIE' 'close: 0' 'end: 0'

caller goes-on-in-child
ok "one that goes on in a child, as a daemon does" wait_until has_said "$opened"
ok "has lost it with the process that opened" expect_delegations 0
word
ok "its child ends" wait_until has_said '^end: 0$'
caller_ends >"$T/out" 2>&1
ok "and has no trouble with it" said_is 'open: 0 COOKIE' 'close: 0' 'end: 0'

caller nothing-open
ok "one without descriptors 0 to 2" caller_ends
ok "opens and closes, and nothing stays open in their place" said_is 'open: 0' 'close: 0' 'left open: 0' 'end: 0'
ok "nothing is left" expect_delegations 0

caller threads 16
ok "16 threads open at once" wait_until has_said '^16 open$'
ok "they share the user's delegation" test "$(delegation_count)" -eq 1
ok "close at once" caller_ends
ok "and none fails" has_said '^16 closed, 0 failed$'
ok "nothing is left" expect_delegations 0

caller keeps
ok "descriptors, signals, environment, directory and umask of the application stay as they were" wait_until has_said \
        '^nothing changed in [0-9]+ bytes$'
ok "it ends" caller_ends
ok "nothing is left" expect_delegations 0

# ---- users ----

# The account files of one process, whatever names are in them (but those that glibc takes for its own signs: -, + and #
# in front); the host's stay as they are.
cp /etc/passwd /etc/group "$T/"
long=$(printf 'u%.0s' {1..255})
too_long=${long}u
names=('ünïcödé' .. a/b '%n%s' 'a b' '[x]' 'a;b=c' "\"q'" "$long")
uid=30000
for name in "${names[@]}"; do printf '%s:x:%d:30000::/:/bin/sh\n' "$name" $((++uid)); done >>"$T/passwd"
{
        printf '%s:x:30100:30000::/:/bin/sh\n' "$too_long"
        printf 'tab\there:x:30101:30000::/:/bin/sh\n'
        printf 'bdt-no-group:x:30102:30999::/:/bin/sh\n'
        printf 'bdt-groups:x:30103:30000::/:/bin/sh\n'
        printf 'bdt-last:x:4294967294:30000::/:/bin/sh\n'
} >>"$T/passwd"
echo 'bdt-odd:x:30000:' >>"$T/group"
for i in $(seq 1000); do echo "bdt-$i:x:$((31000 + i)):bdt-groups"; done >>"$T/group"
# logs_in USER: with these; runs something in the delegation.
logs_in() {
        # shellcheck disable=SC2016 # for the inner shells
        unshare --mount --propagation private bash -c \
                'mount --bind "$1/passwd" /etc/passwd && mount --bind "$1/group" /etc/group && shift && exec "$@"' \
                sh "$T" "$pam_session" --syslog --confdir "$T/pam.d" bdt "$1" -- /usr/bin/env \
                        "BPFDELEG_SOCKET=$T/run/user" "PATH=$user_path" \
                sh -c 'id -u; bpfdeleg run -- sh -c "echo inside" 2>&1; bpfdeleg status; true' </dev/null 2>&1
}
uid=30000
for name in "${names[@]}"; do
        logs_in "$name" >"$T/login" 2>&1 || echo "(status $?)" >>"$T/login"
        prints "a user called ${name:0:12}: is granted, and gets in" '^inside$' cat "$T/login"
        prints "with his own uid" "^$((++uid))\$" cat "$T/login"
        lacks "and nothing to complain of" 'syslog:' cat "$T/login"
done
ok "nothing is left of them" expect_delegations 0
# A name is one field of the log's lines, whatever is in it.
logs_field() {
        grep -Fq "grant: uid=$1 user=$2 service=bdt policy=" "$T/helper.log" || { grep -F "uid=$1 " "$T/helper.log" \
                && return 1; }
}
ok "the log has a name as it is" logs_field 30001 'ünïcödé'
ok "one with a blank is quoted" logs_field 30005 '"a b"'
ok "one with a quotation mark, too" logs_field 30008 '"\"'"q'"'"'
logs_in "$too_long" >"$T/login" 2>&1
prints "256 bytes are too many: one line says so" 'syslog: .*name too long: at most 255 bytes' cat "$T/login"
prints "and he logs in" '^30100$' cat "$T/login"
prints "a control character in a name is refused" 'syslog: .*control character in the name of the user' logs_in \
        $'tab\there'
prints "a user whose primary group does not exist is granted" '^inside$' logs_in bdt-no-group
prints "the highest uid there is" '^inside$' logs_in bdt-last
exits "a user who is nowhere" 200 'syslog: .*NSS knows no such user' logs_in bdt-nowhere

simple_policy 40-group '~nobody-is-left-out' && sed -i 's/^users = .*/groups = bdt-1000/' "$T/policy.d/40-group.ini"
prints "a user with 1000 groups gets what is for the last of them" '40-group' logs_in bdt-groups
lacks "others do not" '40-group' logs_in bdt-no-group
no_policies
simple_policy 50-all '~nobody-is-left-out'
lacks "root has no policy unless one names him" 'inside' logs_in root
prints "and logs in" '^0$' logs_in root
lacks "nor has nobody" 'inside' logs_in nobody
prints "and logs in" '^65534$' logs_in nobody
simple_policy 40-named 'root, nobody'
prints "named, root is granted" '40-named' logs_in root
prints "named, nobody is granted" '^inside$' logs_in nobody
ok "nothing is left of them" expect_delegations 0
still_idle "nothing is left of any of them"
finish
