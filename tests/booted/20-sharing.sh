#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Two ssh sessions and a login on a console share one delegation: whoever leaves leaves it to the others, the last one
# ends it.

. "$(dirname "$0")/lib.sh"

setup
add_user alice
add_user bob
simple_policy 50-test 'alice, bob'
ok "a first login" ssh_as alice true
ok "its delegation goes" expect_delegations 0
idle

cookie() { in_session "$1" printenv BPFDELEG; }
same_delegation() { [ "$(cookie "$1" | cut -d- -f1)" = "$(cookie "$2" | cut -d- -f1)" ]; }
other_delegation() { ! same_delegation "$@"; }
sees_pin() { in_session "$1" bpfdeleg run -- ls /sys/fs/bpf/packets; }

ok "alice comes over ssh" session_start one alice
ok "and once more" session_start two alice
ok "and to a console" console_start three alice
ok "bob comes, too" session_start other bob
ok "the second session shares the first one's delegation" same_delegation one two
ok "so does the console" same_delegation one three
ok "bob does not" other_delegation one other
ok "there are two delegations" expect_delegations 2
prints "status counts three sessions" '3 sessions' in_session three bpfdeleg status
ok "what one session pins" in_session_sh one "bpfdeleg run -- $(load_packets)"
ok "the other sees" sees_pin two
ok "and the console" sees_pin three
refused "and bob does not" 'No such file' sees_pin other
inside=$(sleep_inside two)
ok "a process stays inside" alive "${inside:-0}"
recorded 'grant alice 50-test.ini' 'join alice 50-test.ini' 'join alice 50-test.ini' 'grant bob 50-test.ini'

ok "the first session ends" session_end one
ok "the second ends" session_end two
recorded 'leave alice 50-test.ini' 'leave alice 50-test.ini'
ok "the delegation is there still" expect_delegations 2
ok "and the process inside" alive "${inside:-0}"
ok "and what was pinned" sees_pin three

leader=$(session_leader three)
ok "the console ends" session_end three
ok "and within 1 s of its last process all is gone" ends_in_time "$leader" 1
ok "the process inside, too" gone "${inside:-0}"
recorded 'end alice 50-test.ini'
ok "bob has what is his" in_session other bpfdeleg run -- test -d /sys/fs/bpf
leader=$(session_leader other)
ok "he goes" session_end other
ok "and within 1 s of his last process all is gone" ends_in_time "$leader" 0
recorded 'end bob 50-test.ini'
nothing_left "after all of them"

finish
