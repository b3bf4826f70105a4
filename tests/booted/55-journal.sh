#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the journal has of each kind of event: its id, the fields that people search by, and an explanation.

. "$(dirname "$0")/lib.sh"

setup
add_user alice
add_user carol
uid=$(id -u alice)
simple_policy 50-test alice
ok "a first login" ssh_as alice true
ok "its delegation goes" expect_delegations 0
idle

# As in helper/log.h and bpfdelegd(8): never to change.
declare -A id=(
        [grant]=c366dab3115245ce9430cf4b3f3cfab5 [join]=0e3f4d14b0b843b8aafa0b99fb31aa8a \
                [leave]=7c09901f2d704e3f9618da8f3e5ece8d
        [end]=995a055baa974dd6b1974e305a16dba2 [refuse]=b45c6538066645c0a31179e48e60b686
)

ok "alice logs in" session_start one alice
ok "and once more" session_start two alice
delegation=$(in_session one printenv BPFDELEG)
delegation=${delegation%-*}
ok "the first session ends" session_end one
ok "the second, too" session_end two
exits "carol is refused" 125 'no delegation' ssh_as carol bpfdeleg run -- true

# of EVENT: the fields of its records since the mark, one object a line.
of() { journal -o json "MESSAGE_ID=${id[$1]}" | jq -c "{$2}"; }
# What is granted without a guard is a warning.
priority() { if [ "$1" = grant ]; then echo 4; else echo 6; fi; }
fields='BPFDELEG_USER, BPFDELEG_UID, BPFDELEG_POLICY, BPFDELEG_ID, BPFDELEG_SERVICE, PRIORITY'
whose="\"BPFDELEG_USER\":\"alice\",\"BPFDELEG_UID\":\"$uid\",\"BPFDELEG_POLICY\":\"50-test.ini\","
whose+="\"BPFDELEG_ID\":\"$delegation\""
one_each() {
        local kind
        for kind in "${!id[@]}"; do
                [ "$(of "$kind" MESSAGE | wc -l)" -eq 1 ] || { echo "$kind:"; of "$kind" MESSAGE; return 1; }
        done
}

ok "each kind of event has one record" wait_until one_each
for kind in grant join; do
        prints "$kind has its fields" \
                "^\\{$whose,\"BPFDELEG_SERVICE\":\"sshd\",\"PRIORITY\":\"$(priority "$kind")\"\\}$" of "$kind" "$fields"
done
for kind in leave end; do
        prints "$kind has its fields" "^\\{$whose,.*\"PRIORITY\":\"$(priority "$kind")\"\\}$" of "$kind" "$fields"
done
prints "leave says which session" '"BPFDELEG_SESSION":"1"' of leave BPFDELEG_SESSION
prints "refuse has whom, as far as it is known, and is a warning" \
        "\"BPFDELEG_UID\":\"$(id -u carol)\".*\"PRIORITY\":\"4\"" of refuse "$fields"
prints "each is the helper's, by name and unit" \
        '^\{"SYSLOG_IDENTIFIER":"bpfdelegd","_SYSTEMD_UNIT":"bpfdelegd.service"\}$' \
        of grant 'SYSLOG_IDENTIFIER, _SYSTEMD_UNIT'
prints "what is asked for by user is found" "end: .*user=alice" journal -o cat -t bpfdelegd BPFDELEG_USER=alice
lacks "and nobody else's" carol journal -o cat -t bpfdelegd BPFDELEG_USER=alice

explained() { journal -x "MESSAGE_ID=${id[$1]}"; }
for kind in grant join leave end; do
        prints "journalctl -x explains $kind, with the user's name" '^.. Subject: .*alice' explained "$kind"
done
prints "and refuse" '^.. Subject: .*refused' explained refuse
lacks "with nothing left to fill in" '@BPFDELEG_[A-Z]+@' explained grant
mark
nothing_left "after all of it"

finish
