#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Leaves logins and delegations for a reboot to find; 90-reboot-after-boot.sh looks at what has become of them. Where
# the bed cannot reboot, this is not run.

. "$(dirname "$0")/lib.sh"

setup
add_user alice
simple_policy 50-test alice

# They must outlive this test, so they are not its children.
stay() {
        systemd-run --quiet --collect --unit="bed-stay-$1" ssh "${ssh_options[@]}" -l alice localhost \
                "bpfdeleg run -- $(load_packets "$1"); bpfdeleg run -- sleep 1000"
}
ok "alice stays" stay one
ok "and once more" stay two
both_in() { [ "$(pgrep -c -u alice -x sleep)" -eq 2 ]; }
ok "two of her processes are inside" wait_until both_in
ok "in one delegation" expect_delegations 1
printf '1..%d\n' "$case_count"
# Neither undo nor finish: the reboot is.
trap - EXIT
[ "$case_failures" -eq 0 ]
