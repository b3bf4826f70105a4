#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Policy files at a login: whom they are for, and what becomes of broken ones: the login goes on, nothing is granted,
# one line says why.
# not in the vm bed: nothing in it depends on the guard or the kernel.

. "$(dirname "$0")/lib.sh"

setup
alice=bdt-$$-a
bob=bdt-$$-b
team=bdt-$$-t
add_user "$alice"
add_user "$bob"
add_group "$team"
usermod -a -G "$team" "$alice"
service bdt
service other
ok "the helper starts" helper_start
helper_idle

# One login under strace, with all the module says.
traced() { # USER
        # LeakSanitizer and ptrace exclude each other.
        ASAN_OPTIONS=detect_leaks=0 strace -f -qq -e trace=connect -o "$T/strace" "$pam_session" --syslog --confdir \
                "$T/pam.d" bdt "$1" -- /bin/true </dev/null
}
granted() {
        login_as "$1" "${2:-bdt}" -- sh -c '[ -n "$BPFDELEG" ]' \
                && [ "$(login_as "$1" "${2:-bdt}" -- bpfdeleg run -- echo in)" = in ]
}
goes_on_without() { login_as "$1" "${2:-bdt}" -- sh -c '[ -z "${BPFDELEG:-}" ]'; }

# ---- no match ----

simple_policy 50-test "$alice"
ok "the named user is granted" granted "$alice"
ok "another is not, and logs in" goes_on_without "$bob"
no_connect() { traced "$bob" && ! grep "connect.*$T/run" "$T/strace"; }
connects() { traced "$alice" && grep -q "connect.*$T/run/session" "$T/strace"; }
ok "a login without a match does not even connect to the helper (strace)" no_connect
ok "one with a match does" connects

# ---- users, groups, services ----

no_policies
bpf() { printf '%s\n' '[bpf]' 'delegate_cmds = prog_load' 'delegate_progs = socket_filter' 'confine = off'; }
match() { # LINE…
        { printf '[match]\n'; printf '%s\n' "$@"; bpf; } | policy 50-test
}
match "groups = $team"
ok "a member of the group is granted" granted "$alice"
ok "another is not" goes_on_without "$bob"
match "groups = $team" "users = ~$alice"
ok "~ keeps a user out, member or not" goes_on_without "$alice"
match "users = ~$bob"
ok "a list of ~ alone begins with everyone" granted "$alice"
ok "but those" goes_on_without "$bob"
match "users = $alice, $bob" "services = other"
ok "the service named is granted" granted "$alice" other
ok "another is not" goes_on_without "$alice" bdt
match "users = $alice" "groups = ~$team"
ok "all lines must hold" goes_on_without "$alice"
match "users = root, $alice"
ok "root gets what names him" login_as root -- sh -c '[ -n "$BPFDELEG" ]'
match "groups = root, $team"
ok "but nothing by a group" goes_on_without root

# ---- order, hiding, masks ----

no_policies
simple_policy 50-test "$alice"
simple_policy 40-first "$alice" 'bpf:caps = CAP_BPF'
prints "the first by name is the policy" '40-first.ini' login_as "$alice" -- bpfdeleg status
: >"$T/policy.d/40-first.ini"
prints "an empty file is none" '50-test.ini' login_as "$alice" -- bpfdeleg status
rm "$T/policy.d/40-first.ini"
ln -s /dev/null "$T/policy.d/40-first.ini"
prints "nor is a link to /dev/null" '50-test.ini' login_as "$alice" -- bpfdeleg status
rm "$T/policy.d/50-test.ini"
ln -s /dev/null "$T/policy.d/50-test.ini"
ok "with all masked nothing is granted" goes_on_without "$alice"

# ---- broken files: the login goes on, nothing is granted, one line says file, line, what, and what would be right ----

no_policies
file=$T/policy.d/50-test.ini
says_once() { # PATTERN: a login of alice's; exactly one line in her log, that matches, and no delegation
        "$pam_session" --syslog --confdir "$T/pam.d" bdt "$alice" -- sh -c 'printf "cookie=%s\n" "${BPFDELEG:-none}"' \
                </dev/null >"$T/said" 2>&1 || return 1
        cat "$T/said"
        grep -qx 'cookie=none' "$T/said" && [ "$(grep -c '^syslog: ' "$T/said")" -eq 1 ] && grep -Eq -- "$1" "$T/said"
}
broken() { # DESCRIPTION PATTERN: of what is in $file now
        ok "$1: the login goes on, one line says why" says_once "$2"
        no_policies
}
good() { # LINE NUMBER TEXT: the good file with that line in its stead
        simple_policy 50-test "$alice"
        sed -i "$1c\\$2" "$file"
}

simple_policy 50-test "$alice"
chown "$bob" "$file"
broken "not root's" "50-test.ini.*root"
simple_policy 50-test "$alice"
chmod 0664 "$file"
broken "writable by a group" "50-test.ini.*writable"
simple_policy 50-test "$alice"
chmod 0646 "$file"
broken "writable by others" "50-test.ini.*writable"
simple_policy 50-real "$alice"
mv "$T/policy.d/50-real.ini" "$T/elsewhere.ini"
ln -s "$T/elsewhere.ini" "$file"
broken "a link to somewhere" "50-test.ini.*link"
good 4 'delegate_cmd = prog_load'
broken "an unknown key" "50-test.ini:4: .*delegate_cmd.*delegate_cmds"
good 3 '[bfp]'
broken "an unknown section" "50-test.ini:[34]: .*bfp.*bpf"
good 4 'delegate_cmds map_create'
broken "a broken line" "50-test.ini:4: .*KEY = VALUE"
good 2 'usrs = root'
broken "a broken [match]" "50-test.ini:2: .*usrs.*users"
good 8 'caps = CAP_SYS_ADMIN'
broken "a capability that is never delegated" "50-test.ini:8: .*CAP_SYS_ADMIN"
good 8 'caps = CAP_PERFMON'
broken "one that is the whole machine's" "50-test.ini:8: .*allow_host_wide = yes"
good 5 'delegate_maps = array, hsah'
broken "an unknown name" "50-test.ini.*hsah.*hash"
good 9 'confine = on'
broken "an unknown word" "50-test.ini:9: .*confine.*required"
printf '[match]\nusers = %s\nusers = %s\n' "$bob" "$alice" >"$file"
broken "a key twice" "50-test.ini:3: .*twice|50-test.ini:3: .*users"

# Broken for one is not broken for another; and what does not parse is for everyone, so that no later file grants what
# it may forbid.
good 4 'delegate_cmd = prog_load'
simple_policy 60-later "$bob"
ok "who is not meant by it gets what a later file says" granted "$bob"
good 1 'match'
ok "who may be meant by it gets nothing" goes_on_without "$bob"
chmod 0777 "$T/policy.d"
ok "a directory that others may write to grants nothing" says_once 'policy.d.*writable'
chmod 0755 "$T/policy.d"
no_policies

# A broken file locks nobody out, even if it says on_failure = deny.
simple_policy 50-test "$alice" 'session:on_failure = deny' 'bpf:delegate_maps = hsah'
broken "on_failure = deny, in a broken file" "hsah.*hash"
simple_policy 50-test "$alice" 'session:on_failure = dney'
broken "a typing error in on_failure itself" "dney.*deny"

# ---- arguments in the stack ----

simple_policy 50-test "$alice"
service bdt "socket=$T/run/session" "policy_dir=$T/policy.d" timout=5
ok "an unknown argument: the module does nothing, and says which" says_once 'timout=5.*timeout='
service bdt "socket=$T/run/session" "policy_dir=$T/policy.d" timeout=soon
ok "a bad value likewise" says_once 'timeout=soon'
service bdt
ok "without it, the user is granted" granted "$alice"

# ---- the file changes under a session ----

ok "a session opens" session_start one "$alice"
simple_policy 50-test "$alice" 'bpf:caps = CAP_BPF'
ok "another, after the policy has changed" session_start two "$alice"
ok "does not join the older grant" expect_delegations 2
prints "it has the new one" '^CapAmb:\s0000008000000000$' in_session two bpfdeleg run -- grep CapAmb /proc/self/status
prints "the first keeps the old" '^CapAmb:\s0000008000001000$' in_session one bpfdeleg run -- grep CapAmb \
        /proc/self/status
exits "without a cookie run lists both" 125 '2 delegations.*50-test' in_session one env -u BPFDELEG bpfdeleg run -- true
ok "both end" session_end one
ok "both end" session_end two

# ---- scope, linger, network ----

simple_policy 50-test "$alice" 'session:scope = session'
ok "scope = session: a session opens" session_start one "$alice"
ok "and another" session_start two "$alice"
ok "each has a delegation of its own" expect_delegations 2
each_its_own() {
        local one two
        one=$(in_session one bpfdeleg run -- stat -c %i /sys/fs/cgroup) \
                && two=$(in_session two bpfdeleg run -- stat -c %i /sys/fs/cgroup)
        echo "$one $two"
        [ -n "$one" ] && [ -n "$two" ] && [ "$one" != "$two" ]
}
ok "each enters its own" each_its_own
ok "one ends" session_end one
ok "with its delegation" expect_delegations 1
ok "the other too" session_end two
ok "nothing is left" expect_delegations 0

simple_policy 50-test "$alice" 'session:linger = yes'
ok "linger = yes: a session opens" session_start one "$alice"
ok "and leaves a process" in_session_sh one 'setsid bpfdeleg run -- sleep 1000 >/dev/null & echo $! >~/pid; sleep 0.3'
pid=$(cat "$T/home/$alice/pid")
ok "it ends" session_end one
ok "the helper says that it lingers" logged 'leave: .*linger'
ok "the process lives" alive "$pid"
ok "and the delegation" expect_delegations 1
ok "a new session joins it" session_start two "$alice"
ok "it is the same one" expect_delegations 1
ok "and leaves again" session_end two
ok "the process lives on" alive "$pid"
kill -KILL "$pid"
ok "with its last process the delegation ends" expect_delegations 0
ok "linger = yes and nothing left: it ends at once" login_as "$alice" -- bpfdeleg run -- true
ok "as it should" expect_delegations 0

simple_policy 50-test "$alice" 'bpf:network = private'
ok "network = private: a session opens" session_start one "$alice"
private_net() {
        local host inside again
        host=$(readlink /proc/self/ns/net)
        inside=$(in_session one bpfdeleg run -- readlink /proc/self/ns/net)
        again=$(in_session one bpfdeleg run -- readlink /proc/self/ns/net)
        echo "$host $inside $again"
        [ -n "$inside" ] && [ "$inside" != "$host" ] && [ "$inside" = "$again" ]
}
ok "run has another network namespace, each time the same" private_net
prints "with lo up" 'lo.*(UP|UNKNOWN)' in_session one bpfdeleg run -- ip -br link show lo
lacks "and nothing else" 'eth|ens|veth' in_session one bpfdeleg run -- ip -br link
ok "it ends" session_end one
simple_policy 50-test "$alice"
ok "network = host: run has the host's" login_as "$alice" -- sh -c \
        '[ "$(readlink /proc/self/ns/net)" = "$(bpfdeleg run -- readlink /proc/self/ns/net)" ]'

still_idle "nothing is left"
finish
