#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What logins cost while another user floods the user socket, against the project's own bound: twice as long at most.
# `./bootstrap bench` calls it. Each flood and the quiet before it are measured in turn, ROUNDS times (5), so that
# whatever else the machine does hits both alike; the medians count. `idle-loops` are as many processes that leave the
# helper alone: what that much work costs others by itself.

. "$(dirname "$0")/../system/lib.sh"

rounds=${1:-5}
setup
alice=bdt-$$-a
mallory=bdt-$$-m
add_user "$alice" && add_user "$mallory" || exit 1
bench=$(program tests/bench/bench) || exit 1
install -m 0755 "$(program tests/tools/abuse)" "$T/bin/" || exit 1
service bdt
printf '%s required pam_permit.so\n' auth account password session >"$T/pam.d/permit"
cp "$T/pam.d/permit" "$T/pam.d/other"
simple_policy 50-bench "$alice, $mallory"
mount_run && helper_start && session_start m "$mallory" || exit 1

# What a login took, opening a delegation, in microseconds.
login_usec() {
        "$bench" --confdir "$T/pam.d" --rounds 15 --with bdt --without permit --permit permit --other-user "$mallory" \
                "$alice" 2>"$T/bench.err" \
                | awk '$1 == "first" && $2 == "session" { print $3 }'
}
# Another loop takes no other processor than a flood would.
idle_loops() { local i; for ((i = 0; i < 2; i++)); do (while :; do :; done) & done; wait; }
export -f idle_loops
as_mallory=(setsid setpriv --reuid="$(id -u "$mallory")" --regid="$(id -g "$mallory")" --clear-groups)
start_flood() { # KIND
        local flood=("$T/bin/abuse" "$T/run/user" "$1" 0)
        [ "$1" != idle-loops ] || flood=(bash -c idle_loops)
        spawn "${as_mallory[@]}" "${flood[@]}" </dev/null >"$T/flood" 2>&1
        flooder=$spawned
        sleep 0.3
}
end_flood() {
        kill -KILL -- "-$flooder"
        wait "$flooder" 2>/dev/null
        unset "pids[$flooder]"
}
median() {
        sort -n "$1" | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}
row() { # KIND QUIET FLOODED
        awk -v kind="$1" -v quiet="$2" -v flooded="$3" 'BEGIN {
                ratio = flooded / quiet
                printf "%-16s %10.0f %10.0f %8.2f", kind, quiet, flooded, ratio
                if (kind != "idle-loops") printf "   %s: times < 2", ratio < 2 ? "ok" : "over"
                print "" }'
}
login_usec >/dev/null # the first is none to judge by
echo "a login that makes a delegation, in microseconds, while another user floods"
printf '%-16s %10s %10s %8s   %s\n' '' quiet flooded times bound
# shellcheck disable=SC2086 # words
for kind in ${2:-idle-loops connections half-open garbage truncated status \
        status-left enter-nowhere enter enter-left enter-dead}; do
        rm -f "$T/quiet" "$T/flooded"
        for ((i = 0; i < rounds; i++)); do
                login_usec >>"$T/quiet"
                start_flood "$kind"
                login_usec >>"$T/flooded"
                end_flood
        done
        if [ "$(cat "$T/quiet" "$T/flooded" | grep -c .)" -ne $((2 * rounds)) ]; then
                echo "$kind: not every login could be measured" && cat "$T/bench.err" && exit 1
        fi
        row "$kind" "$(median "$T/quiet")" "$(median "$T/flooded")"
done
