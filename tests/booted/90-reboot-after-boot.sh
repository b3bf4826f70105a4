#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# After a reboot with sessions and delegations alive: nothing of them is there, no unit has failed, and the first login
# gets what is its.

. "$(dirname "$0")/lib.sh"

# Before anything else touches the machine.
T=$(mktemp -d) && : >"$T/out"
users=(alice)
no_unit_failed() { ! world_failed | grep .; }
no_scope() { ! world_units | grep -vE '^bpfdelegd\.(socket|service)$|^system-bpfdeleg'; }
no_records() { ! world_files | grep -vE '^/run/bpfdeleg/(session|user|state|lock|policy.d)$'; }
socket_there() {
        systemctl is-active --quiet bpfdelegd.socket \
                && [ "$(stat -c %a:%U /run/bpfdeleg/session /run/bpfdeleg/user | tr '\n' ' ')" = "600:root 666:root " ]
}
not_started() { [ "$(main_pid)" = 0 ]; }
ok "the sockets are there, with their modes" socket_there
ok "the helper is not, before the first login" not_started
ok "no unit has failed" no_unit_failed
ok "no delegation is there" expect_delegations 0
ok "nor a scope" no_scope
ok "nor a record" no_records
mark
ok "alice logs in first of all, and has what is hers" ssh_as alice bpfdeleg run -- test -d /sys/fs/bpf
refused "it is a new one, without her pins" 'No such file' ssh_as alice bpfdeleg run -- ls /sys/fs/bpf/one
recorded 'grant alice 50-test.ini' 'end alice 50-test.ini' 'grant alice 50-test.ini' 'end alice 50-test.ini'
ok "nothing stays of it" expect_delegations 0
rm -rf "$T"

setup
finish
