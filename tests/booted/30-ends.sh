#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Whoever ends a login, and whatever he takes away of it: the delegation ends, with all that is in it, and not before
# its last session.

. "$(dirname "$0")/lib.sh"

setup
add_user alice
uid=$(id -u alice)
simple_policy 50-test alice
ok "a first login" ssh_as alice true
ok "its delegation goes" expect_delegations 0
idle

inside=
# One session with everything in it: a pin, a link, a process.
begin() {
        ok "$1: she logs in" session_start one alice
        ok "she loads and attaches" in_session_sh one "bpfdeleg run -- $(load_packets) &&
                bpfdeleg run -- /usr/sbin/bpftool cgroup attach /sys/fs/cgroup egress pinned /sys/fs/bpf/packets multi"
        inside=$(sleep_inside one)
        ok "and leaves a process inside" alive "${inside:-0}"
}
over() {
        ok "the delegation ends" expect_delegations 0
        ok "and the process inside" wait_until gone "${inside:-0}"
}

# ---- the whole user ----

begin "loginctl terminate-user"
ok "loginctl terminate-user" loginctl terminate-user alice
ok "her session is gone" session_lost one
over
recorded 'grant alice 50-test.ini' 'end alice 50-test.ini'
nothing_left "after loginctl terminate-user"

begin "systemctl stop user-UID.slice"
ok "systemctl stop of her slice" systemctl stop "user-$uid.slice"
ok "her session is gone" session_lost one
over
recorded 'grant alice 50-test.ini' 'end alice 50-test.ini'
nothing_left "after systemctl stop user-UID.slice"

begin "loginctl kill-user"
ok "loginctl kill-user -s KILL" loginctl kill-user -s KILL alice
ok "her session is gone" session_lost one
over
recorded 'grant alice 50-test.ini' 'end alice 50-test.ini'
# The user's manager was killed, too; that systemd calls it failed, sooner or later, is between those two.
manager_is_over() { [[ $(systemctl show -p ActiveState --value "user@$uid.service") =~ ^(failed|inactive)$ ]]; }
ok "her manager is over" wait_until manager_is_over
systemctl reset-failed "user@$uid.service"
nothing_left "after loginctl kill-user"

# ---- the session ----

begin "systemctl kill of the session"
ok "systemctl kill -s KILL of the session's scope, sshd and all" systemctl kill -s KILL \
        "session-$(session_id one).scope"
ok "her session is gone" session_lost one
over
recorded 'grant alice 50-test.ini' 'end alice 50-test.ini'
nothing_left "after systemctl kill of the session"

begin "one of two sessions is shot"
ok "she logs in once more" session_start two alice
ok "kill -9 of the first one's leader" kill -KILL "$(session_leader one)"
ok "that session is gone" session_lost one
ok "the delegation is not" in_session two bpfdeleg run -- test -e /sys/fs/bpf/packets
ok "nor what is inside" alive "${inside:-0}"
ok "the other session ends" session_end two
over
recorded 'grant alice 50-test.ini' 'join alice 50-test.ini' 'leave alice 50-test.ini' 'end alice 50-test.ini'
nothing_left "after one of two sessions was shot"

# ---- what she can do herself ----

begin "she shoots her own"
ok "she shoots everything in her subtree" in_session_sh one \
        "bpfdeleg run -- sh -c 'kill -KILL \$(cat /sys/fs/cgroup/supervisor/cgroup.procs)' || true"
over
exits "her session goes on, and is told" 125 'no delegation' in_session one bpfdeleg run -- true
ok "she logs in once more" session_start two alice
ok "and has a new one" in_session two bpfdeleg run -- test -d /sys/fs/bpf
ok "the first session ends" session_end one
ok "the second ends" session_end two
ok "that delegation ends" expect_delegations 0
recorded 'grant alice 50-test.ini' 'end alice 50-test.ini' 'refuse .*' 'grant alice 50-test.ini' 'end alice 50-test.ini'
nothing_left "after she shot her own"

# A scope of her user manager's is outside of the subtree, and so outside of cgroup.kill's reach.
begin "systemd-run --user --scope"
stray=$(sleep_inside one systemd-run --user --scope --quiet --unit=stray sleep 1000)
stray_is_out() { grep -q "/user@$uid.service/.*stray.scope" "/proc/$stray/cgroup"; }
ok "a process of hers leaves the subtree" wait_until stray_is_out
ok "but not the namespace" is_inside "$stray"
ok "she logs in once more" session_start two alice
ok "the session that it came from ends" session_end one
ok "it stays while the delegation does" alive "$stray"
ok "the last session ends" session_end two
over
ok "and it is gone" wait_until gone "$stray"
recorded 'grant alice 50-test.ini' 'join alice 50-test.ini' 'leave alice 50-test.ini' 'end alice 50-test.ini'
nothing_left "after systemd-run --user --scope"

finish
