#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The helper is away: people log in all the same, the journal says why nothing was granted; and where the policy wants
# it so, they are turned away with a text that says why.

. "$(dirname "$0")/lib.sh"

setup
add_user alice
add_user bob
ok "the helper and its sockets are stopped" systemctl stop bpfdelegd.socket bpfdelegd.service
no_sockets() { ! [ -e /run/bpfdeleg/session ] && ! [ -e /run/bpfdeleg/user ]; }
ok "there are no sockets" no_sockets
mark

simple_policy 50-test alice
ok "alice logs in" ssh_as alice true
recorded 'module: .*(bpfdelegd is not running|not running.*bpfdelegd).*'
ok "and to a console" console_start one alice
exits "bpfdeleg run says what is wrong" 125 'bpfdelegd is not running' in_session one bpfdeleg run -- true
ok "she logs out" session_end one
ok "bob, for whom nothing was written, logs in" ssh_as bob true
recorded 'module: .*bpfdelegd is not running.*'

# The line of the profile "bpfdeleg" says optional; who writes deny takes the other.
ok "the admin takes the profile that enforces" profiles_are bpfdeleg-enforce
simple_policy 50-test alice 'session:on_failure = deny'
mark
refused "alice is turned away, and told why" \
        'Login refused: the BPF delegation .*50-test.ini .*bpfdelegd is not running' ssh_as alice true
recorded 'module: .*bpfdelegd is not running.*'
console_says() { "$tools/on-pty" assword: bed-alice -- env TERM=dumb login alice </dev/null; }
refused "so she is at a console" 'Login refused: the BPF delegation .*50-test.ini' console_says
ok "bob logs in" ssh_as bob true
recorded 'module: .*bpfdelegd is not running.*'

ok "the sockets are there again" systemctl start bpfdelegd.socket
ok "alice logs in, and has what is hers" ssh_as alice bpfdeleg run -- test -d /sys/fs/bpf
recorded 'grant alice 50-test.ini' 'end alice 50-test.ini'
ok "the admin takes the first profile again" profiles_are bpfdeleg
ok "PAM has what it had" pam_enabled

finish
