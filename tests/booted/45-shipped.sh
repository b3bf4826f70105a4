#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What is shipped is what is tested: each command of the tool, each request, limit, setting, signal and backend once, by
# the package's own unit and through real logins. tests/tree/shipped.sh compares the rows, `covers KIND NAME…`, with the
# sources: what is new there needs one here.

. "$(dirname "$0")/lib.sh"

ini=/etc/bpfdeleg/bpfdeleg.ini
as_shipped() {
        local code=$?
        rm -rf "$ini" "${drop_in%/*}" /bed.ini
        systemctl daemon-reload
        systemctl reset-failed bpfdelegd.service bpfdelegd.socket 2>/dev/null
        systemctl restart bpfdelegd.socket bpfdelegd.service
        return "$code"
}
trap 'as_shipped; undo' EXIT

setup
trap 'as_shipped; undo' EXIT
add_user alice
add_user bob
add_user carol
simple_policy 50-test 'alice, bob'
simple_policy 60-each carol 'session:scope = session'
ok "a first login" ssh_as alice true
ok "its delegation goes" expect_delegations 0
ok "nothing has been set" test ! -e "$ini" -a ! -e "$drop_in"
idle

# write_settings SECTION.KEY=VALUE…
write_settings() {
        local line
        mkdir -p "${ini%/*}" && for line; do printf '[%s]\n%s\n' "${line%%.*}" "${line#*.}"; done >"$ini.new" \
                && mv "$ini.new" "$ini"
}
restart() { systemctl reset-failed bpfdelegd.service && systemctl restart bpfdelegd.service; }
reload() { systemctl reload bpfdelegd.service; }
with() { mark && write_settings "$@" && reload && logged 'reloaded /etc/bpfdeleg/bpfdeleg.ini'; }
is_another() { [ "$(main_pid)" != 0 ] && [ "$(main_pid)" != "$before" ]; }
subtree_of() { sed -n 's,^0::\(.*\)/run.*,\1,p' "/proc/$1/cgroup"; }

# ---- the sandbox ----

# Of the unit as it is loaded, drop-ins included. tests/tree/units.sh has the file's.
exposure() {
        systemd-analyze --no-pager security bpfdelegd.service \
                | sed -n 's/.*exposure level for .*: \([0-9]*\)\.\([0-9]\) .*/\1\2/p'
}
exposed_at_most() { # TENTHS
        local tenths
        tenths=$(exposure)
        echo "tenths: $tenths"
        [ -n "$tenths" ] && [ "$((10#$tenths))" -le "$1" ]
}
lacks_its_filter() {
        local code=0
        mkdir -p "${drop_in%/*}" && printf '[Service]\nSystemCallFilter=\n' >"$drop_in" && systemctl daemon-reload \
                || return 1
        exposed_at_most 33 && code=1
        rm -rf "${drop_in%/*}" && systemctl daemon-reload && return "$code"
}
ok "systemd-analyze security: at most 3.3" exposed_at_most 33
ok "a unit without its filter would be seen" lacks_its_filter

# ---- each command and each request, by either backend ----

in_own() { grep -q '/run/own/deep$' "/proc/$1/cgroup"; }
# A process in a cgroup of her own; its pid is in $own.
puts_one_there() {
        own=$(in_session_sh one \
                'bpfdeleg run -- sh -c "mkdir -p /sys/fs/cgroup/run/own/deep &&
                        echo \$\$ >/sys/fs/cgroup/run/own/deep/cgroup.procs;
                                exec sleep 1000" >/dev/null 2>&1 & echo $!') &&
                wait_until in_own "$own"
}
goes_through_all() { # PATTERN, of her subtree's path
        covers request OPEN_SESSION
        ok "alice logs in" session_start one alice
        prints "and has a cookie" '^[0-9a-f]{16}-1$' in_session one printenv BPFDELEG
        prints "carol has another" '^[0-9a-f]{16}-1$' ssh_as carol printenv BPFDELEG

        covers command run
        covers request ENTER
        ok "she loads" in_session_sh one "bpfdeleg run -- $(load_packets)"
        ok "and attaches" in_session one bpfdeleg run -- /usr/sbin/bpftool cgroup attach /sys/fs/cgroup egress pinned \
                /sys/fs/bpf/packets multi
        refused "she is refused what her policy does not name" 'not permitted' in_session_sh one \
                "bpfdeleg run -- $(load_other)"
        inside=$(sleep_inside one)
        prints "her subtree is where this backend makes it" "$1" subtree_of "${inside:-0}"

        covers command status
        covers request STATUS
        prints "status names her policy" '50-test' in_session one bpfdeleg status
        prints "and its cgroup" "cgroup +$1" in_session one bpfdeleg status
        exits "it says to others that they have nothing" 1 'nothing is delegated to you' setpriv --reuid=bob \
                --regid=bob --clear-groups bpfdeleg status

        covers command kill
        covers request KILL_SUBGROUP
        ok "a process in a cgroup of hers" puts_one_there
        exits "is not hers to kill who is somebody else" 1 'no delegation' setpriv --reuid=bob --regid=bob \
                --clear-groups \
                env "BPFDELEG=$(in_session one printenv BPFDELEG)" bpfdeleg kill run/own
        for path in .. run/.. supervisor run/missing; do
                exits "kill refuses $path" 1 'bpfdeleg: ' in_session one bpfdeleg kill "$path"
        done
        ok "it lives" alive "$own"
        ok "a signal of her choice" in_session one bpfdeleg kill --signal=TERM run/own
        ok "ends it" wait_until gone "$own"
        ok "another one" puts_one_there
        ok "is killed" in_session one bpfdeleg kill run/own/deep
        ok "and has gone when that has ended" gone "$own"

        covers command remove
        covers request REMOVE_SUBGROUP
        ok "one more" puts_one_there
        exits "keeps its cgroup" 1 'processes in it' in_session one bpfdeleg remove run/own
        ok "it is killed" in_session one bpfdeleg kill run/own
        ok "then the cgroup is removed" in_session one bpfdeleg remove run/own
        ok "with all below it" test ! -e "$cgroup2$(subtree_of "${inside:-0}")/run/own"
        exits "and is not there any more" 1 'no such cgroup' in_session one bpfdeleg remove run/own

        prints "the unit's status counts it" '^(guard in force|no guard), 1 delegation$' says_status 1
        covers command doctor
        prints "doctor hears the helper" '^ok +helper' says_doctor
        ok "the rest lives" alive "${inside:-0}"

        covers request CLOSE_SESSION
        leader=$(session_leader one)
        ok "she logs out" session_end one
        ok "and within 1 s all is gone" ends_in_time "$leader" 0
        ok "the process inside, too" gone "${inside:-0}"
        prints "the unit's status counts none" ', 0 delegations$' says_status 0
}
status_counts() { systemctl show -P StatusText bpfdelegd.service | grep -Eq ", $1 delegations?\$"; }
says_status() { wait_until status_counts "$1"; systemctl show -P StatusText bpfdelegd.service; }
says_doctor() { su bob -c 'bpfdeleg doctor'; [ $? -le 2 ]; }

# An application that opens in one PAM handle and closes in another.
elsewhere() {
        mkdir -p "$T/elsewhere" && echo 'session required pam_bpfdeleg.so' >"$T/elsewhere/x" &&
                printf '\n\n' | "$tools/pam-caller" "$T/elsewhere" x alice closes-elsewhere
}
closes_elsewhere() {
        covers request FIND_SESSION
        mark
        prints "what is opened in one PAM handle is closed in another" '^close: 0$' elsewhere
        ok "that has ended it" journal_has 'the session was closed'
        ok "and nothing is left" expect_delegations 0
}

ok "nothing is set: the package as it comes" restart
covers backend auto
goes_through_all "/user.slice/user-$(id -u alice).slice/bpfdeleg-[0-9a-f]+.scope"

covers backend systemd
ok "the backend is to be systemd" write_settings 'helper.backend = systemd'
ok "from a new start on" restart
goes_through_all "/user.slice/user-$(id -u alice).slice/bpfdeleg-[0-9a-f]+.scope"

covers backend cgroupfs
covers setting helper.backend
ok "it is to be plain directories" write_settings 'helper.backend = cgroupfs'
ok "as of a reload that is for later" reload
goes_through_all "/user.slice/.*\\.scope"
ok "from a new start on" restart
goes_through_all '/bpfdeleg/[0-9a-f]+'

covers setting helper.cgroup_parent
ok "they are to be elsewhere" write_settings 'helper.backend = cgroupfs' 'helper.cgroup_parent = bed-parent'
ok "from a new start on" restart
ok "bob logs in" session_start two bob
inside=$(sleep_inside two)
prints "his subtree is there" '^/bed-parent/[0-9a-f]+$' subtree_of "${inside:-0}"
ok "he logs out" session_end two
ok "all is gone" expect_delegations 0
mark
write_settings 'helper.cgroup_parent = bed.slice'
refused "a name of systemd's is refused" 'failed|error' restart
ok "with the reason" logged "cgroup_parent.*a name of systemd's"
rm -f "$ini"
ok "as it comes, again" restart
rmdir "$cgroup2/bed-parent" 2>/dev/null
mark
nothing_left "after both backends"

# As README says.
refused "bpftool is not where a user looks" none ssh_as alice sh -c 'command -v bpftool || { echo none; exit 1; }'
prints "but where README says" '^bpftool v' ssh_sh alice 'PATH=$PATH:/usr/sbin; bpftool version'
mark

# ---- limits of a policy ----

# Where the kernel has no such controller it is refused, by its name; tests/host/limits.sh sees each of them bite.
limit() { # NAME VALUE CONTROLLER PROPERTY
        simple_policy 50-test 'alice, bob' "cgroup:$1 = $2"
        mark
        if grep -qw "$3" "$cgroup2/cgroup.controllers"; then
                ok "$1: granted, the controller is there" session_start one alice
                lacks "and a property of the scope" '=(infinity|\[not set\]|)$' systemctl show \
                        "$(basename "$(delegation_dirs | head -n 1)")" -p "$4"
                ok "she logs out" session_end one
        else
                exits "$1: there is nothing without $3" 125 'no delegation' ssh_as alice bpfdeleg run -- true
                ok "and the journal names it" journal_has "$1.*$3|$3.*$1"
        fi
        mark
        simple_policy 50-test 'alice, bob' "cgroup:$1 = 0"
        exits "$1: 0 is a mistake" 125 'no delegation' ssh_as alice bpfdeleg run -- true
        ok "with its place" journal_has "50-test.ini:[0-9]+: .*$1"
        mark
}
journal_matches() { journal -o cat | grep -Eq -- "$1"; }
journal_has() { wait_until journal_matches "$1" && return; journal -o cat | tail; return 1; }
# These two need no controller.
tree_limit() { # NAME VALUE FILE
        simple_policy 50-test 'alice, bob' "cgroup:$1 = $2"
        mark
        ok "$1: granted" session_start one alice
        prints "and is in the kernel's file" "^$2\$" cat "$(delegation_dirs | head -n 1)/$3"
        ok "she logs out" session_end one
        mark
        simple_policy 50-test 'alice, bob' "cgroup:$1 = 0"
        exits "$1: 0 is a mistake" 125 'no delegation' ssh_as alice bpfdeleg run -- true
        ok "with its place" journal_has "50-test.ini:[0-9]+: .*$1"
        mark
}
covers limit descendants_max
tree_limit descendants_max 40 cgroup.max.descendants
covers limit depth_max
tree_limit depth_max 5 cgroup.max.depth
covers limit pids_max
limit pids_max 64 pids TasksMax
covers limit memory_max
limit memory_max 64M memory MemoryMax
covers limit memory_high
limit memory_high 64M memory MemoryHigh
covers limit cpu_weight
limit cpu_weight 50 cpu CPUWeight
covers limit cpu_quota
limit cpu_quota 50% cpu CPUQuotaPerSecUSec
covers limit io_weight
limit io_weight 50 io IOWeight
simple_policy 50-test 'alice, bob'
closes_elsewhere
ok "without limits she has hers" ssh_as alice bpfdeleg run -- true
ok "until she goes" expect_delegations 0

# ---- limits and times of the helper ----

covers setting limits.delegations
ok "one delegation in all" with 'limits.delegations = 1'
ok "alice has it" session_start one alice
exits "bob has none" 125 'no delegation' ssh_as bob bpfdeleg run -- true
ok "and the journal says why" journal_has 'bpfdelegd has 1 delegation already'
ok "alice logs out" session_end one
ok "then bob has one" ssh_as bob bpfdeleg run -- true
ok "all is gone" expect_delegations 0

covers setting limits.delegations_per_uid
ok "one for each" with 'limits.delegations_per_uid = 1'
ok "carol, who has one for each session, logs in" session_start one carol
ok "and again, without another" ssh_sh carol '[ -z "$BPFDELEG" ]'
ok "the journal says why" journal_has 'delegations_per_uid'
ok "alice has hers" ssh_as alice bpfdeleg run -- true
ok "carol logs out" session_end one

covers setting limits.sessions_per_uid
ok "one session for each" with 'limits.sessions_per_uid = 1'
ok "alice logs in" session_start one alice
ok "and again, which is no session of it" ssh_sh alice '[ -z "$BPFDELEG" ]'
ok "the journal says why" journal_has 'sessions_per_uid'
ok "bob has his" ssh_as bob bpfdeleg run -- true
ok "she logs out" session_end one
ok "all is gone" expect_delegations 0

# holds USER: a connection without a request; says when it is closed, and after how many milliseconds.
cat >"$T/bin/holds" <<'END'
#!/usr/bin/perl
use strict;
use Socket;
sub uptime { open my $f, '<', '/proc/uptime' or die "uptime: $!"; return (split ' ', <$f>)[0] }
$| = 1;
socket(my $s, PF_UNIX, SOCK_SEQPACKET, 0) or die "socket: $!";
connect($s, sockaddr_un('/run/bpfdeleg/user')) or die "connect: $!";
my $begin = uptime;
print "connected\n";
sysread $s, my $byte, 1;
printf "closed after %d ms\n", 1000 * (uptime() - $begin);
END
chmod 0755 "$T/bin/holds"
is_said() { grep -q "$1" "$T/said"; }
holds() {
        : >"$T/said"
        spawn setpriv --reuid="$1" --regid="$1" --clear-groups "$T/bin/holds" </dev/null >"$T/said" 2>&1
        holder=$spawned
        wait_until is_said connected || { cat "$T/said"; return 1; }
}
lets_go() { kill "$holder"; wait "$holder" 2>/dev/null; unset "pids[$holder]"; return 0; }
status_of() { setpriv --reuid="$1" --regid="$1" --clear-groups bpfdeleg status; }
serves() { status_of "$1" 2>&1 | grep -q 'nothing is delegated'; }

covers setting limits.connections
ok "one connection in all" with 'limits.connections = 1' 'timeouts.request = 60'
ok "bob is served" wait_until serves bob
ok "alice holds it" holds alice
exits "bob is served in its place, since she asks for nothing" 1 'nothing is delegated' status_of bob
ok "and the journal says so" logged 'it had not asked for anything yet, and its place was needed'
ok "alice lets go" lets_go
ok "bob is served" wait_until serves bob

covers setting limits.connections_per_uid
ok "one for each" with 'limits.connections_per_uid = 1' 'timeouts.request = 60'
ok "alice holds hers" holds alice
exits "and another in its place" 1 'nothing is delegated' status_of alice
ok "the journal says so" logged 'it had not asked for anything yet, and its place was needed'
ok "bob is served" wait_until serves bob
ok "alice lets go" lets_go
ok "she is served" wait_until serves alice

covers setting timeouts.request
ok "a second for a request" with 'timeouts.request = 1'
ok "alice sends none" holds alice
ok "and is cut off" wait_until is_said 'closed after'
prints "not before it has passed" '^closed after (9[0-9]{2}|[1-9][0-9]{3,}) ms$' cat "$T/said"
ok "the journal says why" logged 'no request within the time given'
lets_go

# Each child of the helper is stopped as soon as it is seen, until the file has gone.
stops_children() {
        local helper kids kid
        helper=$(main_pid)
        while [ -e "$T/hunt" ]; do
                read -r kids <"/proc/$helper/task/$helper/children"
                for kid in $kids; do kill -STOP "$kid"; done
        done 2>/dev/null
}
hunt() { : >"$T/hunt"; stops_children & hunter=$!; pids[$hunter]=1; }
hunt_ends() { rm -f "$T/hunt"; wait "$hunter" 2>/dev/null; unset "pids[$hunter]"; return 0; }

covers setting timeouts.open
ok "a second to make a delegation" with 'timeouts.open = 1'
hunt
given_up() { ssh_as alice true >/dev/null && journal_matches 'not done within 1 s'; }
ok "what is not made in it is given up" wait_until given_up
hunt_ends
ok "and alice gets one again" ssh_as alice bpfdeleg run -- true
ok "all is gone" expect_delegations 0

covers setting timeouts.enter
ok "a second to move a process in" with 'timeouts.enter = 1'
ok "alice logs in" session_start one alice
hunt
took_too_long() { in_session one bpfdeleg run -- true | grep -q 'took too long'; }
ok "what is not moved in it is given up" wait_until took_too_long
hunt_ends
ok "and the next one is" in_session one bpfdeleg run -- true

held() { # a process of hers that stays a process of its cgroup when it is killed
        : >"$T/said"
        spawn "$tools/subgroup" hold "$1" </dev/null >"$T/said" 2>&1
        holder=$spawned
        wait_until is_said held
}
covers setting timeouts.subgroup
ok "a second to kill in" with 'timeouts.subgroup = 1'
ok "a process in a cgroup of hers" puts_one_there
ok "that cannot be killed" held "$own"
exits "the answer comes all the same" 1 'not gone in time' in_session one bpfdeleg kill run/own
ok "it can go" lets_go
ok "then it does" in_session one bpfdeleg kill run/own

covers setting timeouts.close
ok "four seconds to wait for the last process" with 'timeouts.close = 4'
inside=$(sleep_inside one)
ok "one that cannot be killed" held "${inside:-0}"
begin=$(now_ms)
ok "alice logs out" session_end one
took=$(($(now_ms) - begin))
ok "which waits for that long (it took $took ms)" test "$took" -ge 3500
ok "the delegation is there still" expect_delegations 1
ok "it can go" lets_go
ok "then it is not" expect_delegations 0

# ---- signals ----

covers signal SIGHUP
ok "alice logs in" session_start one alice
inside=$(sleep_inside one)
before=$(main_pid)
mark
write_settings 'limits.sessions_per_uid = none'
ok "the unit's reload" reload
ok "says what is wrong with the file" logged 'not reloaded, the old settings stay: .*bpfdeleg.ini:[0-9]+: .*none'
rm -f "$ini"
ok "SIGHUP by kill(1), without the file" kill -HUP "$before"
ok "reads it again" logged '^reloaded '
ok "the helper is the same" test "$(main_pid)" = "$before"
ok "and serves" in_session one bpfdeleg run -- true

covers signal SIGTERM
ok "SIGTERM" kill -TERM "$before"
ok "ends it" wait_until gone "$before"
ok "and no delegation" alive "${inside:-0}"
ok "the next who asks has another, by the socket" in_session one bpfdeleg run -- true
ok "a new one" is_another

covers signal SIGINT
before=$(main_pid)
ok "SIGINT" kill -INT "$before"
ok "ends it" wait_until gone "$before"
ok "and all delegations" expect_delegations 0
ok "with what was inside" gone "${inside:-0}"
exits "the session goes on, and is told" 125 'no delegation' in_session one bpfdeleg run -- true
ok "she logs out" session_end one
mark
nothing_left "after signals"

# ---- another file of settings ----

# Where the unit is told so. That right below the root is one, too.
mkdir -p "${drop_in%/*}" && printf '[Service]\nExecStart=\nExecStart=%s --config=/bed.ini\n' \
        "$(systemctl show -P ExecStart bpfdelegd.service | sed 's/.* path=\([^ ]*\) .*/\1/')" >"$drop_in"
printf '[limits]\nsessions_per_uid = 1\n' >/bed.ini
ok "a file right below the root is named" systemctl daemon-reload
ok "and taken" restart
ok "alice logs in" session_start one alice
ok "and again, which is no session of it" ssh_sh alice '[ -z "$BPFDELEG" ]'
ok "by that limit" journal_has 'sessions_per_uid'
ok "she logs out" session_end one
chmod 0666 /bed.ini
refused "one that others may write to is not" 'failed|error' restart
ok "for that reason" journal_has '/bed.ini.*writable'
as_shipped
ok "all is as it was" expect_delegations 0

# ---- the watchdog ----

covers unit WatchdogSec
prints "the unit has one" '^3min$' systemctl show -P WatchdogUSec bpfdelegd.service
mkdir -p "${drop_in%/*}" && printf '[Service]\nWatchdogSec=%ds\n' $((2 * slow)) >"$drop_in"
ok "a shorter one, for a test" systemctl daemon-reload
ok "from a new start on" restart
ok "alice logs in" session_start one alice
inside=$(sleep_inside one)
before=$(main_pid)
sleep $((5 * slow))
ok "who works is left alone" test "$(main_pid)" = "$before"
ok "the helper is stopped" kill -STOP "$before"
ok "and systemd starts another" wait_until is_another
ok "for that reason" journal_has 'Watchdog timeout'
ok "alice's process has not noticed" alive "${inside:-0}"
ok "nor has she" in_session one bpfdeleg run -- test -d /sys/fs/bpf
ok "she logs out" session_end one
ok "all is gone" expect_delegations 0
as_shipped
mark

finish
