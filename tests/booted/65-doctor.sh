#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# bpfdeleg doctor on a host that is in order, and on the same host with each thing broken that an admin may break.

. "$(dirname "$0")/lib.sh"

setup
add_user alice
simple_policy 50-test alice

doctor() { bpfdeleg doctor --json "$@" >"$T/doctor"; }
# What a container or an emulated machine lacks is not this host's fault.
of_the_bed='"cgroup2", "btf", "bpf-lsm", "lockdown", "guard"'
complaints() {
        jq -r ".checks[] | select(.status != \"ok\" and (.name | IN($of_the_bed) | not))
                | \"\(.status) \(.name): \(.text)\"" "$T/doctor"
}
no_failure() { ! jq -r '.checks[] | select(.status == "fail") | .name' "$T/doctor" | grep .; }
is_json() { jq -e '.version and .kernel and (.checks | length > 5)' "$T/doctor"; }
nothing_but_the_bed() { doctor; ! complaints | grep .; }
text() { bpfdeleg doctor; [ $? -le 1 ]; }
# finds CHECK STATUS: doctor says so, and how it is mended.
finds() {
        doctor
        jq -e --arg name "$1" --arg status "$2" \
                'any(.checks[]; .name == $name and .status == $status and (.fix | length > 0))' "$T/doctor" \
                >/dev/null && return 0
        jq -c '.checks[] | select(.status != "ok")' "$T/doctor"
        return 1
}

doctor
doctor_status=$?
ok "on a host in order there is nothing to complain of but the bed" nothing_but_the_bed
ok "and of that no failure" no_failure
ok "the status says so: 0, or 1 for warnings" test "$doctor_status" -le 1
ok "it is said in JSON" is_json
prints "and in lines for people" '^ok +helper +.*answers' text
as_alice() { su alice -c 'bpfdeleg doctor'; [ $? -le 1 ]; }
prints "a user may ask, too" '^ok +helper' as_alice

# ---- each thing broken ----

broken() { # CHECK STATUS WHAT
        ok "$3: doctor says $2 of $1, and what mends it" finds "$1" "$2"
        case $2 in
        fail) exits "and ends with 2" 2 '' bpfdeleg doctor ;;
        warn) exits "and ends with 1" 1 '' bpfdeleg doctor ;;
        esac
}

printf '[match]\nusers = alice\n[bpf]\ndelegate_progs = sokcet_filter\n' | policy 40-broken
broken policy fail "a policy file with a mistake"
rm -f "$policy_dir/40-broken.ini"

chmod 0666 /run/bpfdeleg/session
broken sockets fail "the session socket open to all"
chmod 0600 /run/bpfdeleg/session

systemctl stop bpfdelegd.socket bpfdelegd.service
broken helper fail "no helper"
systemctl start bpfdelegd.socket

cp -a /etc/pam.d/common-session "$T/common-session"
sed -i '/pam_bpfdeleg/d' /etc/pam.d/common-session
broken pam fail "no PAM service has the module"
{ echo 'session optional pam_bpfdeleg.so'; cat "$T/common-session"; } \
        | awk '!/pam_bpfdeleg/ || !n++' >/etc/pam.d/common-session
broken pam warn "the module comes before pam_systemd"
cp -a "$T/common-session" /etc/pam.d/common-session

ok "all mended, there is nothing to complain of but the bed" nothing_but_the_bed
mark

finish
