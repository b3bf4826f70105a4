#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Three users over real ssh: one by his group, one by his name, one for whom nothing was written. Each of the first two
# has what his policy says, and is refused what the other's says.

. "$(dirname "$0")/lib.sh"

setup
add_group netdev2
add_user alice netdev2
add_user bob
add_user carol
simple_policy 50-group group:netdev2
simple_policy 60-bob bob 'bpf:delegate_progs = socket_filter, xdp' 'bpf:delegate_attachs = cgroup_inet_ingress, xdp'

# The first login starts the helper by its socket, and whatever that keeps open from then on.
ok "a first login" ssh_as alice true
ok "its delegation goes" expect_delegations 0
idle

run() { # USER PROGRAM
        local user=$1 program=$2
        ssh_sh "$user" "bpfdeleg run -- $("load_$program")"
}

ok "alice, of the group, loads and pins a cgroup_skb program" run alice packets
refused "she is refused xdp, which her policy does not name" 'not permitted' run alice other
ok "bob, by name, loads and pins an xdp program" run bob other
refused "he is refused cgroup_skb" 'not permitted' run bob packets
exits "for carol bpfdeleg run says that nothing is delegated, and whom to ask" 125 \
        'no delegation: none of their logins matched.*ask the admin' \
        ssh_as carol bpfdeleg run -- true
exits "and status says it" 1 'nothing is delegated to you' ssh_as carol bpfdeleg status
recorded 'grant alice 50-group.ini' 'end alice 50-group.ini' 'grant alice 50-group.ini' 'end alice 50-group.ini' \
        'grant bob 60-bob.ini' 'end bob 60-bob.ini' 'grant bob 60-bob.ini' 'end bob 60-bob.ini' 'refuse .*uid=[0-9]+.*'
nothing_left "after single commands"

# ---- in one session ----

ok "alice stays" session_start one alice
prints "her session has a cookie" '^[0-9a-f]{16}-1$' in_session one printenv BPFDELEG
prints "status names her policy" '50-group' in_session one bpfdeleg status
refused "outside of run the kernel refuses her the load" 'not permitted' in_session_sh one "$(load_packets)"
ok "inside she loads" in_session_sh one "bpfdeleg run -- $(load_packets)"
ok "and attaches to her own subtree" in_session one bpfdeleg run -- \
        /usr/sbin/bpftool cgroup attach /sys/fs/cgroup egress pinned /sys/fs/bpf/packets multi
prints "and counts her own packets" 'sent 5 packets.*counted [5-9]' in_session one bpfdeleg run -- \
        "$T/bin/packets" "$T/bin/packets.bpf.o" /sys/fs/cgroup 5
prints "the next run finds the pin" '^packets$' in_session one bpfdeleg run -- ls /sys/fs/bpf
lacks "the session itself does not" packets in_session_sh one 'ls /sys/fs/bpf 2>&1 || true'
ok "nothing of it shows in the machine's mount table" world_same_kind idle mounts
refused "bob cannot take her cookie" 'no delegation' ssh_sh bob \
        "BPFDELEG=$(in_session one printenv BPFDELEG) bpfdeleg run -- true"
ok "she logs out" session_end one
recorded 'grant alice 50-group.ini' 'grant bob 60-bob.ini' 'refuse .*' 'end bob 60-bob.ini' 'end alice 50-group.ini'
nothing_left "after a session"

finish
