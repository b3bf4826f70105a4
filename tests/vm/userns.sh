#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The host's bad days, as in tests/system/shortages.sh: user namespaces are switched off, which is for the whole
# machine, so this has one of its own.

. "$(dirname "$0")/../system/lib.sh"

setup
alice=bdt-$$-a bob=bdt-$$-b
add_user "$alice"
add_user "$bob"
service bdt "socket=$T/run/session" "policy_dir=$T/policy.d" timeout=$((${BED_SLOW:-1} > 1 ? 60 : 10))
simple_policy 50-allow "$alice"
simple_policy 50-deny "$bob" 'session:on_failure = deny'
logs_in() {
        "$pam_session" --syslog --confdir "$T/pam.d" bdt "$1" -- sh -c 'printf "cookie=%s\n" "${BPFDELEG:-none}"' \
                </dev/null
}

userns=/proc/sys/user/max_user_namespaces
before=$(cat "$userns")
trap 'echo "$before" >"$userns"; undo' EXIT
switch() { echo "$1" >"$userns"; }

ok "the helper starts" helper_start
prints "with user namespaces a login is granted" 'cookie=[0-9a-f]{16}-1$' logs_in "$alice"
helper_idle
ok "they are switched off" switch 0
prints "a login goes on, with nothing" 'cookie=none' logs_in "$alice"
cp "$T/out" "$T/said"
prints "and is told which switch it is" 'syslog: .*making the namespaces .*user.max_user_namespaces\): No space left' \
        cat "$T/said"
exits "under on_failure = deny it is refused" 200 'pam: .*refused' logs_in "$bob"
still_idle "nothing is left of them"
ok "they are switched on" switch "$before"
prints "and a login is granted" 'cookie=[0-9a-f]{16}-1$' logs_in "$alice"
finish
