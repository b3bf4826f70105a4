#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Fifty logins at once, of five users: each gets what is its user's, nobody waits for ever, and nothing stays.

. "$(dirname "$0")/lib.sh"

setup
names=(alice bob carol dave erin)
for name in "${names[@]}"; do add_user "$name"; done
simple_policy 50-test "$(IFS=,; echo "${names[*]}")"
ok "a first login" ssh_as alice true
ok "its delegation goes" expect_delegations 0
idle

one_login() { # USER FILE
        ssh_only "$1" "bpfdeleg run -- $(load_packets "$2") && bpfdeleg run -- test -e /sys/fs/bpf/$2 && id -un" \
                >"$T/login.$2" 2>&1
        echo "status $?" >>"$T/login.$2"
}
fifty() {
        local i name waits=()
        for i in 1 2 3 4 5 6 7 8 9 10; do
                for name in "${names[@]}"; do
                        one_login "$name" "$name$i" &
                        waits+=($!)
                done
        done
        wait "${waits[@]}"
}
all_had_theirs() {
        local i name code=0
        for i in 1 2 3 4 5 6 7 8 9 10; do
                for name in "${names[@]}"; do
                        grep -qx "$name" "$T/login.$name$i" && grep -qx 'status 0' "$T/login.$name$i" && continue
                        echo "$name, login $i:"
                        cat "$T/login.$name$i"
                        code=1
                done
        done
        return "$code"
}
# What was granted has ended, who came has gone.
balanced() {
        local granted joined left ended others
        granted=$(records | grep -c '^grant') joined=$(records | grep -c '^join')
        left=$(records | grep -c '^leave') ended=$(records | grep -c '^end')
        others=$(records | grep -cEv '^(grant|join|leave|end) ')
        echo "$granted granted, $joined joined, $left left, $ended ended, $others others"
        records | grep -Ev '^(grant|join|leave|end) '
        [ $((granted + joined)) -eq 50 ] && [ $((left + ended)) -eq 50 ] && [ "$granted" -eq "$ended" ] \
                && [ "$granted" -ge 5 ] &&
                [ "$others" -eq 0 ]
}

fifty
ok "all fifty had theirs" all_had_theirs
ok "all have ended" expect_delegations 0
ok "the journal has a record of each" balanced
mark
nothing_left "after fifty logins at once"

finish
