#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A user who works against the end: he owns the subtree until it begins, and makes cgroups in it for as long as he can,
# from outside, while systemd removes it. (systemd once gave up half-way, dropped the unit and left the directory: the
# delegation never ended.)

. "$(dirname "$0")/lib.sh"

setup
add_user alice
uid=$(id -u alice)
simple_policy 50-test alice
ok "a first login" ssh_as alice true
ok "its delegation goes" expect_delegations 0
idle

cat >"$T/bin/attack" <<END
#!/bin/bash
while :; do
        for d in $cgroup2/user.slice/user-$uid.slice/bpfdeleg-*.scope; do
                i=\$((i + 1))
                mkdir "\$d/x\$i" "\$d/run/y\$i" "\$d/run/y\$i/z" 2>/dev/null && : >"$T/hit/\$i"
        done
done
END
chmod 0755 "$T/bin/attack"
install -d -o alice "$T/hit"
mark
spawn setpriv --reuid="$uid" --regid="$(id -g alice)" --clear-groups "$T/bin/attack"
attacker=$spawned

twenty_times() {
        local i
        for i in {1..20}; do
                ssh_as alice bpfdeleg run -- sleep 0.1 || { echo "login $i: $?"; return 1; }
        done
}
ok "twenty logins, while another process of hers makes cgroups in each delegation" twenty_times
ok "it did make some" test -n "$(ls "$T/hit")"
ok "all delegations end" expect_delegations 0
kill -KILL "$attacker"
wait "$attacker" 2>/dev/null
unset "pids[$attacker]"
pairs=()
for _ in {1..20}; do pairs+=('grant alice 50-test.ini' 'end alice 50-test.ini'); done
ok "the journal has a grant and an end for each" expect_records "${pairs[@]}"
nothing_left "after them"

finish
