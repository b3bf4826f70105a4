#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A limit whose controller this host's cgroup2 lacks is refused by its name, not dropped: the login goes on without a
# delegation. Beside it, what needs no such controller is granted, and so is the limit as soon as the controller is
# there.

. "$(dirname "$0")/../booted/lib.sh"

setup
add_user alice
mkdir "$T/v1"

# The old hierarchy takes the controller away from the new one, like cgroup_disable=io at boot.
has_io() { grep -qw io "$cgroup2/cgroup.controllers"; }
lacks_io() { ! has_io; }

ok "cgroup2 has the io controller" has_io
ok "it is taken away" mount -t cgroup -o blkio blkio "$T/v1"
ok "cgroup2 is without it" lacks_io

simple_policy 50-limits alice 'cgroup:io_weight = 200' 'cgroup:pids_max = 50'
mark
prints "a login whose policy has io_weight goes on" '^here$' ssh_as alice echo here
ok "the helper refuses the delegation, naming limit and controller" logged \
        'io_weight cannot be kept: .* no io controller'
exits "there is none" 125 'no delegation' ssh_as alice bpfdeleg run -- true
ok "nothing is left of it" expect_delegations 0

simple_policy 50-limits alice 'cgroup:pids_max = 50'
prints "a policy that needs no io is granted" '^50$' ssh_as alice bpfdeleg run -- cat /sys/fs/cgroup/pids.max

ok "the controller is given back" umount "$T/v1"
ok "cgroup2 has it again" wait_until has_io
simple_policy 50-limits alice 'cgroup:io_weight = 200' 'cgroup:pids_max = 50'
prints "and io_weight is granted" '^default 200$' ssh_as alice bpfdeleg run -- cat /sys/fs/cgroup/io.weight

finish
