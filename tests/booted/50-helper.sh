#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The helper goes and comes back, by restart, by kill -9, by the socket of the next login: sessions and what is theirs
# do not notice.

. "$(dirname "$0")/lib.sh"

setup
add_user alice
add_user bob
simple_policy 50-test 'alice, bob'
ok "a first login" ssh_as alice true
ok "its delegation goes" expect_delegations 0
idle

ok "alice logs in" session_start one alice
ok "and once more" session_start two alice
ok "and bob" session_start other bob
ok "she loads and attaches" in_session_sh one "bpfdeleg run -- $(load_packets) &&
        bpfdeleg run -- /usr/sbin/bpftool cgroup attach /sys/fs/cgroup egress pinned /sys/fs/bpf/packets multi"
inside=$(sleep_inside two)
recorded 'grant alice 50-test.ini' 'join alice 50-test.ini' 'grant bob 50-test.ini'

attached() {
        local dir
        for dir in $(delegation_dirs); do bpftool cgroup show "$dir" | grep -q cgroup_inet_egress && return 0; done
        delegation_dirs
        return 1
}

# All that was hers is hers, and no less or more.
goes_on() { # AFTER
        ok "after $1 there are two delegations" expect_delegations 2
        ok "the process inside is there" alive "${inside:-0}"
        ok "her pin, too" in_session two bpfdeleg run -- test -e /sys/fs/bpf/packets
        ok "and her program is attached" attached
        refused "and still she is refused what was not delegated" 'not permitted' in_session_sh one \
                "bpfdeleg run -- $(load_other)"
        prints "status counts her two sessions" '2 sessions' in_session one bpfdeleg status
        ok "bob has his" in_session other bpfdeleg run -- test -d /sys/fs/bpf
        refused "and does not see hers" 'No such file' in_session other bpfdeleg run -- ls /sys/fs/bpf/packets
}

before=$(main_pid)
is_another() { [ "$(main_pid)" != 0 ] && [ "$(main_pid)" != "$before" ]; }

ok "systemctl restart bpfdelegd" systemctl restart bpfdelegd
ok "there is another helper" is_another
goes_on "the restart"

before=$(main_pid)
ok "systemctl reload bpfdelegd" systemctl reload bpfdelegd.service
ok "it has read its settings again" logged 'reloaded /etc/bpfdeleg/bpfdeleg.ini'
ok "and is the same process" test "$(main_pid)" = "$before"
goes_on "the reload"

before=$(main_pid)
ok "kill -9 of the helper" systemctl kill -s KILL bpfdelegd.service
ok "systemd starts another one" wait_until is_another
goes_on "kill -9"
recorded 'warning: bpfdelegd.service: Main process exited, code=killed.*' \
        "warning: bpfdelegd.service: Failed with result 'signal'."

ok "systemctl stop bpfdelegd" systemctl stop bpfdelegd.service
ok "leaves the delegations" expect_delegations 2
ok "and the process inside" alive "${inside:-0}"
ok "the next login starts it by its socket" session_start three alice
goes_on_with_three() { in_session three bpfdeleg run -- test -e /sys/fs/bpf/packets; }
ok "and joins" goes_on_with_three
ok "it ends again" session_end three
goes_on "a stop and a start by the socket"
recorded 'join alice 50-test.ini' 'leave alice 50-test.ini'

# ---- a session that ends while no helper is there ----

ok "systemctl stop of helper and sockets" systemctl stop bpfdelegd.socket bpfdelegd.service
leader=$(session_leader other)
ok "bob logs out, and nothing holds him" session_end other
ok "his session's last process is gone" wait_until gone "$leader"
ok "the helper starts" systemctl start bpfdelegd.socket bpfdelegd.service
ok "and ends what he has left" expect_delegations 1
recorded '(module: .*not running.*)?' 'end bob 50-test.ini'

ok "one of alice's sessions ends" session_end one
ok "the other one keeps it" in_session two bpfdeleg run -- test -e /sys/fs/bpf/packets
leader=$(session_leader two)
ok "the last one ends" session_end two
ok "and within 1 s of its last process all is gone" ends_in_time "$leader" 0
ok "the process inside, too" wait_until gone "${inside:-0}"
recorded 'leave alice 50-test.ini' 'end alice 50-test.ini'
nothing_left "after all of it"

finish
