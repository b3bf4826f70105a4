#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# 200 logins at once while the helper is ended and killed at random, and started again: each that a helper answers
# within its deadline is granted, and nothing is counted twice or left. BD_RESTARTS_LOGINS: how many.

. "$(dirname "$0")/lib.sh"

many=$((${BD_RESTARTS_LOGINS:-200} / ${BED_SLOW:-1}))
setup
alice=bdt-$$-a
add_user "$alice"
service bdt "socket=$T/run/session" "policy_dir=$T/policy.d" timeout=$((${BED_SLOW:-1} > 1 ? 50 : 5))
simple_policy 50-all '~nobody-is-left-out'

ok "the helper starts" helper_start
mkdir "$T/l"

log_in() {
        # shellcheck disable=SC2016 # for the inner shell
        "$pam_session" --syslog --confdir "$T/pam.d" bdt "$alice" -- sh -c \
                'printf "cookie=%s\n" "${BPFDELEG:-none}"; sleep 6' \
                </dev/null >"$T/l/$1" 2>&1
}
logins=()
for ((i = 1; i <= many; i++)); do
        log_in $i &
        logins+=($!)
done
restarts=0 failed_starts=0
some_left() {
        local pid
        for pid in "${logins[@]}"; do alive "$pid" && return 0; done
        return 1
}
while some_left && [ $restarts -lt 40 ]; do
        # For a login on a slow machine to be possible in between.
        sleep "$((RANDOM % 10 * ${BED_SLOW:-1} / 100)).$(printf %02d $((RANDOM % 10 * ${BED_SLOW:-1} % 100)))"
        if [ $((RANDOM % 2)) = 0 ]; then helper_stop >>"$T/stops" 2>&1; else helper_kill; fi
        helper_start >>"$T/stops" 2>&1 || failed_starts=$((failed_starts + 1))
        restarts=$((restarts + 1))
done
wait "${logins[@]}"
count() { cat "$T"/l/* | grep -Ec "$1"; }
granted=$(count '^cookie=[0-9a-f]{16}-[0-9]+$')
late=$(count 'no delegation: (no answer from bpfdelegd|bpfdelegd (closed the connection|is not running|was stopped))')
diag "$many logins, $restarts restarts: $granted granted, $late with no answer in time"
ok "the helper always started" test $failed_starts = 0
ok "it was restarted more than twice" test $restarts -gt 2
cat "$T"/l/* | grep -v '^cookie=' | sed -E 's/[0-9a-f]{16}-[0-9]+/COOKIE/; s/[0-9]+/N/g' | sort | uniq -c | sort -rn \
        | head -n 12 >"$T/out"
diag "$(cat "$T/out")"
each_told() { [ $((granted + late)) -ge "$many" ] || { cat "$T/out"; return 1; }; }
ok "each was granted, or had no answer within its deadline" each_told
# An emulated helper may be away for longer than the two seconds that the module gives it.
ok "most were granted" test "$granted" -ge $((${BED_SLOW:-1} > 1 ? 1 : many * 9 / 10))
no_number_twice() { ! cat "$T"/l/* | grep -E '^cookie=[0-9a-f]' | sort | uniq -d | grep .; }
ok "no two have the same session" no_number_twice
ok "all have logged out: no delegation is left" expect_delegations 0
no_records() { [ -z "$(ls -A "$T/run/state" 2>/dev/null)" ]; }
ok "and no record" wait_until no_records
ok "the helper stops" helper_stop
finish
