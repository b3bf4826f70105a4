#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The package's life on a host where people work: an upgrade leaves their delegations alone, removal ends them, and
# after a purge there is nothing.

. "$(dirname "$0")/lib.sh"

setup
add_user alice
add_user bob
simple_policy 50-test alice
ok "a first login" ssh_as alice true
ok "its delegation goes" expect_delegations 0
idle

quiet_dpkg() { DEBIAN_FRONTEND=noninteractive dpkg "$@" </dev/null; }
version() { dpkg-query -W -f '${Version}' libpam-bpfdeleg; }
pam_lines() { grep -c pam_bpfdeleg /etc/pam.d/common-session; }
pam_without() { ! grep -r bpfdeleg /etc/pam.d; }

# The same, as of a later version: dpkg and the maintainer scripts see an upgrade.
newer() {
        dpkg-deb -R "$bed"/deb/libpam-bpfdeleg_*.deb "$T/newer" \
                && sed -i 's/^Version: .*/&+later/' "$T/newer/DEBIAN/control" &&
                dpkg-deb --root-owner-group -b "$T/newer" "$T/newer.deb"
}

ok "alice logs in" session_start one alice
ok "she loads and attaches" in_session_sh one "bpfdeleg run -- $(load_packets) &&
        bpfdeleg run -- /usr/sbin/bpftool cgroup attach /sys/fs/cgroup egress pinned /sys/fs/bpf/packets multi"
inside=$(sleep_inside one)
before=$(main_pid)
ok "there is a newer package" newer
ok "it is installed over the older one" quiet_dpkg -i "$T/newer.deb"
prints "it is the newer one" 'later$' version
is_another() { [ "$(main_pid)" != 0 ] && [ "$(main_pid)" != "$before" ]; }
ok "another helper runs" wait_until is_another
ok "the PAM stack has the module once" test "$(pam_lines)" = 1
ok "alice's delegation is there" expect_delegations 1
ok "and the process inside" alive "${inside:-0}"
ok "and what she pinned" in_session one bpfdeleg run -- test -e /sys/fs/bpf/packets
ok "another session of hers joins" session_start two alice
ok "with the same pin" in_session two bpfdeleg run -- test -e /sys/fs/bpf/packets
ok "it ends" session_end two
ok "the same package again" package_install "$T/newer.deb"
ok "alice's delegation is there still" in_session one bpfdeleg run -- test -e /sys/fs/bpf/packets
leader=$(session_leader one)
ok "she logs out" session_end one
ok "and within 1 s all is gone" ends_in_time "$leader" 0
recorded 'grant alice 50-test.ini' 'join alice 50-test.ini' 'leave alice 50-test.ini' 'end alice 50-test.ini'
nothing_left "after an upgrade"

ok "alice logs in" session_start three alice
inside=$(sleep_inside three)
ok "the package is removed" quiet_dpkg -r libpam-bpfdeleg
ok "her delegation ends" expect_delegations 0
ok "and the process inside" wait_until gone "${inside:-0}"
ok "the PAM stack is clean" pam_without
ok "her session goes on" in_session three true
ok "and ends" session_end three
no_unit() {
        ! systemctl list-unit-files --no-legend | grep bpfdeleg && ! systemctl list-units --no-legend | grep bpfdeleg
}
ok "systemd has no unit of ours" no_unit
no_run() { ! [ -e /run/bpfdeleg ]; }
ok "nothing of ours is in /run" no_run
no_process() { ! pgrep -a bpfdelegd; }
ok "no process of ours" no_process
no_module_missed() { ! journal -o cat | grep -E 'unable to (dlopen|resolve).*bpfdeleg|adding faulty module.*bpfdeleg'; }
ok "she logs in as if nothing had been" ssh_as alice true
ok "bob, too" ssh_as bob true
ok "and PAM misses no module" no_module_missed
ok "her policy file is the admin's, and there" test -e "$policy_dir/50-test.ini"

ok "the package is purged" quiet_dpkg -P libpam-bpfdeleg
no_policies
left_over() {
        ! find / -xdev \( -path /bed -o -path /proc -o -path /sys -o -path '/tmp/bed.*' -o -path /var/log \) -prune \
                -o -name '*bpfdeleg*' -print \
                | grep -v '^/etc/bpfdeleg$'
}
ok "no file of ours is left" left_over
no_unit_known() { no_unit && ! systemctl list-units --all --no-legend | grep bpfdeleg; }
ok "systemd does not even know the names of our units" no_unit_known
ok "it is installed anew" prepare
ok "and works" ssh_as alice true
mark

finish
