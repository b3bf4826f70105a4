#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Limits of a policy: each is a property of the scope, each is seen to bite, and beside each a run that stays below it.
# The slice of the user still holds, and the user can set less for himself but not more.

. "$(dirname "$0")/../booted/lib.sh"

setup
add_user alice
uid=$(id -u alice)
slice=/sys/fs/cgroup/user.slice/user-$uid.slice
bin=$T/bin

# ---- what the user runs ----

# perl, because its fork tries once where bash tries for half a minute.
cat >"$bin/forks" <<'END'
#!/usr/bin/perl
# forks N: so many children at once; says how many there were, and what the kernel said to the next one.
use strict;
my ($children, $why) = (0, 'enough');
pipe(my $r, my $w) or die "pipe: $!";
while ($children < $ARGV[0]) {
        my $pid = fork;
        if (!defined $pid) { $why = $!{EAGAIN} ? 'EAGAIN' : "$!"; last }
        if (!$pid) { close $w; <$r>; exit }
        $children++;
}
print "forked $children of $ARGV[0]: $why\n";
close $w;
1 while wait != -1;
exit($why eq 'enough' ? 0 : 7);
END
cat >"$bin/eats" <<'END'
#!/usr/bin/perl
# eats MEGABYTES [high]: takes so much memory; with `high`, stops as soon as its cgroup has been above memory.high.
use strict;
$| = 1;
my @all;
sub high { open my $f, '<', '/sys/fs/cgroup/memory.events' or die "memory.events: $!";
        return grep { /^high [1-9]/ } <$f> }
for my $n (1 .. $ARGV[0]) {
        push @all, 'x' x (1 << 20);
        if (@ARGV > 1 && high) { print "above memory.high with $n MB\n"; exit 0 }
}
print "ate $ARGV[0] MB\n";
END
cat >"$bin/burns" <<'END'
#!/usr/bin/perl
# burns SECONDS: keeps a processor busy; says for how many per cent of the time it was let.
use strict;
sub uptime { open my $f, '<', '/proc/uptime' or die "uptime: $!"; return (split ' ', <$f>)[0] }
sub cpu { my ($u, $s) = times; return $u + $s }
my ($wall, $cpu, $now) = (uptime, cpu);
do { my $x = 0; $x += $_ for 1 .. 1000; $now = uptime } while $now - $wall < $ARGV[0];
printf "busy for %d%%\n", 100 * (cpu() - $cpu) / ($now - $wall);
END
chmod 0755 "$bin"/*

# run CMD…: in the session that is open, inside of its delegation.
run() { in_session one bpfdeleg run -- "$@"; }
# Of the open session's delegation.
scope_id() { in_session one 'printenv' BPFDELEG | grep -Eo '^[0-9a-f]{16}'; }
scope_file() { cat "$slice/bpfdeleg-$id.scope/$1"; }
property() { systemctl show "bpfdeleg-$id.scope" -p "$1"; }
anchor() { cat "$slice/bpfdeleg-$id.scope/supervisor/cgroup.procs"; }

# with LIMIT…: logs in under a policy with these limits.
with() {
        local lines=()
        [ $# -eq 0 ] || lines=("${@/#/cgroup:}")
        simple_policy 50-limits alice "${lines[@]}"
        ok "a login with ${*:-no limit} is granted" session_start one alice
        id=$(scope_id)
        [ -d "$slice/bpfdeleg-$id.scope" ] || tap failed "there is a scope of it in the user's slice"
}
logout() {
        ok "and ends" session_end one
        ok "with its scope" expect_delegations 0
}

# busy LOW HIGH CMD…: whether a `burns` got more than LOW and at most HIGH per cent.
busy() {
        local low=$1 high=$2 got
        shift 2
        got=$("$@" | sed -n 's/^busy for \([0-9]*\)%$/\1/p')
        echo "busy for ${got:-?}%, wanted more than $low and at most $high"
        [ -n "$got" ] && [ "$got" -gt "$low" ] && [ "$got" -le "$high" ]
}

# ---- all of them, as systemd and the kernel show them ----

# A disk whose scheduler has no weights shows io_weight, and no more.
covers limit io_weight
with 'pids_max = 60' 'memory_max = 200M' 'memory_high = 150M' 'cpu_weight = 50' 'cpu_quota = 40%' 'io_weight = 300'
prints "TasksMax is pids_max" '^TasksMax=60$' property TasksMax
prints "MemoryMax is memory_max" "^MemoryMax=$((200 << 20))\$" property MemoryMax
prints "MemoryHigh is memory_high" "^MemoryHigh=$((150 << 20))\$" property MemoryHigh
prints "CPUWeight is cpu_weight" '^CPUWeight=50$' property CPUWeight
prints "CPUQuotaPerSecUSec is cpu_quota" '^CPUQuotaPerSecUSec=400ms$' property CPUQuotaPerSecUSec
prints "IOWeight is io_weight" '^IOWeight=300$' property IOWeight
prints "the kernel has pids_max" '^60$' scope_file pids.max
prints "the kernel has memory_max" "^$((200 << 20))\$" scope_file memory.max
prints "the kernel has memory_high" "^$((150 << 20))\$" scope_file memory.high
prints "the kernel has cpu_weight" '^50$' scope_file cpu.weight
prints "the kernel has cpu_quota" '^40000 100000$' scope_file cpu.max
prints "the kernel has io_weight" '^default 300$' scope_file io.weight
ok "systemd reads its units again" systemctl daemon-reload
prints "which leaves properties" '^TasksMax=60$' property TasksMax
prints "and limits" '^60$' scope_file pids.max
prints "systemctl status shows them" 'Tasks: [0-9]+ \(limit: 60\)' systemctl status --no-pager "bpfdeleg-$id.scope"

# ---- the user may set less, not more ----

for file in pids.max memory.max memory.high cpu.weight cpu.max io.weight; do
        refused "the user cannot write his delegation's $file from inside" 'permission denied|not permitted' \
                run sh -c "echo max >/sys/fs/cgroup/$file"
        refused "nor from outside" 'permission denied|not permitted' \
                in_session one sh -c "echo max >$slice/bpfdeleg-$id.scope/$file"
done
refused "systemd does not do it for him" 'denied|authentication|not permitted' \
        in_session one systemctl set-property --runtime "bpfdeleg-$id.scope" TasksMax=infinity
prints "and pids_max is as it was" '^60$' scope_file pids.max
ok "he makes a cgroup of his own inside" run mkdir /sys/fs/cgroup/own
ok "sets a limit for it" run sh -c 'echo 5 >/sys/fs/cgroup/own/pids.max'
exits "more processes than that are refused there" 7 'forked 4 of 20: EAGAIN' \
        run sh -c "echo 0 >/sys/fs/cgroup/own/cgroup.procs && exec $bin/forks 20"
prints "but not beside it" 'forked 20 of 20: enough' run "$bin/forks" 20
ok "he takes the limit off again" run sh -c 'echo max >/sys/fs/cgroup/own/pids.max'
exits "the delegation's stays above it" 7 'forked 5[0-9] of 100: EAGAIN' \
        run sh -c "echo 0 >/sys/fs/cgroup/own/cgroup.procs && exec $bin/forks 100"
logout

# ---- descendants_max, depth_max ----

covers limit descendants_max
covers limit depth_max
with 'descendants_max = 20' 'depth_max = 3'
prints "the kernel has descendants_max" '^20$' scope_file cgroup.max.descendants
prints "the kernel has depth_max" '^3$' scope_file cgroup.max.depth
ok "a few cgroups can be made" run mkdir -p /sys/fs/cgroup/a/b/c
refused "a level more cannot" 'Resource temporarily unavailable' run mkdir /sys/fs/cgroup/a/b/c/d
refused "nor as many as one likes" 'Resource temporarily unavailable' \
        run sh -c 'for i in $(seq 30); do mkdir /sys/fs/cgroup/many-$i || exit; done'
logout

# ---- pids_max ----

covers limit pids_max
with 'pids_max = 20'
prints "the controller of the limit is delegated" '^Delegate=yes$' property Delegate
prints "and no other: each would cost the whole slice something" \
        '^DelegateControllers=pids$' property DelegateControllers
prints "below pids_max forks succeed" 'forked 10 of 10: enough' run "$bin/forks" 10
prints "none was refused by then" '^max 0$' scope_file pids.events
exits "pids_max stops a fork" 7 'forked 1[0-9] of 40: EAGAIN' run "$bin/forks" 40
prints "at exactly that number" '^20$' scope_file pids.peak
prints "the kernel has counted it" '^max [1-9]' scope_file pids.events
prints "outside of run the session forks as before" 'forked 40 of 40: enough' in_session one "$bin/forks" 40
ok "and run goes on working" run true
logout

# ---- memory_max ----

# What the kernel's OOM killer has said since the mark: none of it may be about anything but the delegation.
kills() { journal -k -o cat | grep 'oom-kill:'; }
kills_elsewhere() { kills | grep -v "oom_memcg=/user.slice/user-$uid.slice/bpfdeleg-$id.scope," || true; }

covers limit memory_max
mark
with 'memory_max = 64M'
before=$(anchor)
prints "below memory_max memory is given" 'ate 20 MB' run "$bin/eats" 20
prints "nothing was killed by then" '^oom_kill 0$' scope_file memory.events
exits "memory_max kills" 137 '' run "$bin/eats" 200
prints "the kernel has counted it" '^oom_kill 1$' scope_file memory.events
ok "the kernel's log tells of it" wait_until kills
lacks "and of nothing outside of the delegation" . kills_elsewhere
prints "the anchor is the same process" "^${before:-none}\$" anchor
prints "the scope is still active" '^active$' systemctl is-active "bpfdeleg-$id.scope"
prints "run goes on working" 'ate 20 MB' run "$bin/eats" 20
prints "outside of run the session has as much memory as before" 'ate 200 MB' in_session one "$bin/eats" 200
logout

# ---- memory_high ----

covers limit memory_high
with 'memory_high = 32M'
prints "below memory_high nothing is counted" '^high 0$' run sh -c "$bin/eats 10 >&2; cat /sys/fs/cgroup/memory.events"
prints "above memory_high the kernel counts and slows" 'above memory.high with [23][0-9] MB' run "$bin/eats" 60 high
prints "and kills nothing" '^oom_kill 0$' scope_file memory.events
logout

# ---- cpu_quota ----

covers limit cpu_quota
with 'cpu_quota = 20%'
ok "cpu_quota slows" busy 0 30 run "$bin/burns" 3
prints "the kernel has counted it" '^nr_throttled [1-9]' scope_file cpu.stat
ok "outside of run the session is not slowed" busy 50 110 in_session one "$bin/burns" 2
logout

# ---- cpu_weight ----

covers limit cpu_weight
# On the same processor, a session scope of the same slice has the weight 100.
with 'cpu_weight = 20'
install -m 0666 /dev/null "$T/beside"
ok "the session is busy on a processor" in_session_sh one "taskset -c 1 $bin/burns 8 >$T/beside 2>&1 &"
ok "on the same one cpu_weight gives the delegation its share" busy 0 35 run taskset -c 1 "$bin/burns" 3
prints "nothing is throttled" '^nr_throttled 0$' scope_file cpu.stat
ok "the session is busy to its end" wait_until grep -q busy "$T/beside"
ok "and has had the rest" busy 60 110 cat "$T/beside"
logout

# ---- the slice of the user ----

with 'pids_max = 200'
prints "below both limits" 'forked 60 of 60: enough' run "$bin/forks" 60
ok "an admin limits the user's slice" systemctl set-property --runtime "user-$uid.slice" TasksMax=40
exits "that holds inside, too" 7 'forked [23][0-9] of 60: EAGAIN' run "$bin/forks" 60
prints "it was the slice's limit" '^max [1-9]' cat "$slice/pids.events"
prints "not the delegation's" '^max 0$' scope_file pids.events.local
ok "the admin takes it off again" systemctl set-property --runtime "user-$uid.slice" TasksMax=
prints "and it is as before" 'forked 60 of 60: enough' run "$bin/forks" 60
logout

finish
