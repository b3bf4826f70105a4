#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Which PAM services open a delegation: those by which people come. And services of a user's own manager, which open
# none and can use what his login has.

. "$(dirname "$0")/lib.sh"

setup
add_user alice
uid=$(id -u alice)
simple_policy 50-test alice
ok "a first login" ssh_as alice true
ok "its delegation goes" expect_delegations 0
idle

has_it=(bpfdeleg run -- test -d /sys/fs/bpf)
none='no delegation'

# ---- which ones do ----

ok "su has it" su alice -c "${has_it[*]}"
recorded 'grant alice 50-test.ini' 'end alice 50-test.ini'
ok "su -l has it" su -l alice -c "${has_it[*]}"
recorded 'grant alice 50-test.ini' 'end alice 50-test.ini'
ok "sudo -i has it, for whom it goes to" sudo -n -i -u alice "${has_it[@]}"
recorded 'grant alice 50-test.ini' 'end alice 50-test.ini'
ok "a console has it" console_start one alice
ok "to use" in_session one "${has_it[@]}"
ok "until its end" session_end one
recorded 'grant alice 50-test.ini' 'end alice 50-test.ini'

# ---- which ones do not ----

exits "sudo has none" 125 "$none" sudo -n -u alice "${has_it[@]}"
recorded 'refuse .*'
ok "sudo -i to root has none, and nothing is asked" sudo -n -i true
recorded

# cron's own job at its start is the one that does not keep one waiting for a minute.
cron_job() {
        rm -f /run/crond.reboot "$T/cron" && install -o alice -m 0600 /dev/null "$T/cron" || return 1
        printf '@reboot alice %s >%s 2>&1; echo status $? >>%s\n' "${has_it[*]}" "$T/cron" "$T/cron" >/etc/cron.d/bed
        systemctl restart cron
}
cron_has_said() { grep -q '^status' "$T/cron"; }
ok "cron has a job for her" cron_job
ok "it runs" wait_until cron_has_said
prints "and has none" "$none" cat "$T/cron"
rm -f /etc/cron.d/bed
recorded 'refuse .*'

ok "her manager is started, for it lingers" loginctl enable-linger alice
manager_runs() { [ "$(systemctl is-active "user@$uid.service")" = active ]; }
ok "it runs" wait_until manager_runs
ok "and has opened none" expect_delegations 0
# Not by --machine=alice@.host, which is a login and gets what is a login's.
as_manager() {
        setpriv --reuid=alice --regid=alice --init-groups env "XDG_RUNTIME_DIR=/run/user/$uid" \
                systemd-run --user --quiet --wait --pipe --collect "$@" </dev/null
}
exits "nor has its service any" 125 "$none" as_manager "${has_it[@]}"
recorded 'refuse .*'
ok "it lingers no more" loginctl disable-linger alice
nothing_left "after all services"

# ---- services of a user's manager, beside a login ----

ok "she logs in" session_start two alice
ok "a service of her manager's has it" in_session two systemd-run --user --quiet --wait --pipe --collect "${has_it[@]}"
refused "and no more than she has" 'not permitted' in_session_sh two \
        "systemd-run --user --quiet --wait --pipe --collect bpfdeleg run -- $(load_other)"
ok "one that stays" in_session two systemd-run --user --quiet --unit=simple bpfdeleg run -- sleep 1000
ok "one that says when it is ready" in_session two systemd-run --user --quiet --unit=notify --property=Type=notify \
        bpfdeleg run -- systemd-notify --ready --exec ';' sleep 1000
user_service_is() { [ "$(in_session two systemctl --user is-active "$1.service")" = "$2" ]; }
pid_of() { in_session two systemctl --user show -P MainPID "$1.service"; }
inside_subtree() { grep -q '/bpfdeleg.*/run$' "/proc/$(pid_of "$1")/cgroup"; }
for service in simple notify; do
        ok "$service is active" user_service_is "$service" active
        ok "and in her subtree" wait_until inside_subtree "$service"
done
ok "stopping the one" in_session two systemctl --user stop simple.service
ok "reaches it" user_service_is simple inactive
pid=$(pid_of notify)
ok "she logs out" session_end two
ok "her delegation ends, user services or not" expect_delegations 0
ok "and what was inside" wait_until gone "${pid:-0}"
recorded 'grant alice 50-test.ini' 'end alice 50-test.ini'
nothing_left "after user services"

finish
